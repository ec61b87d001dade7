use std::{borrow::Borrow, collections::BTreeMap, hash::Hash};

use hashbrown::HashMap;

/// Rows by key: before a change, and as the change leaves them.
#[derive(Debug)]
pub(super) struct Tracked<K, T> {
    rows: HashMap<K, T>,
    /// The previous state of each row that was put, changed or removed; `None`: it is new.
    before: BTreeMap<K, Option<T>>,
}

impl<K: Clone + Ord + Hash, T: Clone + PartialEq> Tracked<K, T> {
    pub(super) fn of(rows: HashMap<K, T>) -> Self {
        Self {
            rows,
            before: BTreeMap::new(),
        }
    }

    pub(super) fn get(&self, key: impl Borrow<K>) -> Option<&T> {
        self.rows.get(key.borrow())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        self.rows.iter().map(|(key, row)| (key.clone(), row))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.rows.values()
    }

    /// Creates or replaces a row.
    pub(super) fn put(&mut self, key: K, row: T) {
        let old = self.rows.insert(key.clone(), row);
        self.before.entry(key).or_insert(old);
    }

    /// Changes an existing row; returns whether it differs now.
    pub(super) fn change(&mut self, key: &K, change: impl FnOnce(&mut T)) -> bool {
        let Some(row) = self.rows.get_mut(key) else {
            return false;
        };
        let old = row.clone();
        change(row);
        if *row == old {
            return false;
        }
        self.before.entry(key.clone()).or_insert(Some(old));
        true
    }

    /// Removes a row, and returns it if there is one.
    pub(super) fn remove(&mut self, key: &K) -> Option<T> {
        let row = self.rows.remove(key)?;
        if self.is_new(key) {
            self.before.remove(key);
        } else {
            let before = self.before.entry(key.clone());
            before.or_insert_with(|| Some(row.clone()));
        }
        Some(row)
    }

    /// True if this change created the row.
    pub(super) fn is_new(&self, key: impl Borrow<K>) -> bool {
        matches!(self.before.get(key.borrow()), Some(None))
    }

    /// Returns the rows created, changed or removed, by key: before, after.
    pub(super) fn changes(&self) -> impl Iterator<Item = (K, Option<&T>, Option<&T>)> {
        self.touched().filter(|(_, before, after)| before != after)
    }

    /// Returns every row: key, before, after.
    pub(super) fn both(&self) -> impl Iterator<Item = (K, Option<&T>, Option<&T>)> {
        let unchanged = self
            .iter()
            .filter(|(key, _)| !self.before.contains_key(key));
        let unchanged = unchanged.map(|(key, row)| (key, Some(row), Some(row)));
        unchanged.chain(self.touched())
    }

    fn touched(&self) -> impl Iterator<Item = (K, Option<&T>, Option<&T>)> {
        let touched = self.before.iter();
        touched.map(|(key, before)| (key.clone(), before.as_ref(), self.rows.get(key)))
    }

    /// Returns a row as it was before the change.
    pub(super) fn before(&self, key: impl Borrow<K>) -> Option<&T> {
        let key = key.borrow();
        match self.before.get(key) {
            Some(before) => before.as_ref(),
            None => self.rows.get(key),
        }
    }

    /// Returns a row as it is now, or as it was before the change removed it.
    pub(super) fn ever(&self, key: impl Borrow<K>) -> Option<&T> {
        let key = key.borrow();
        self.rows
            .get(key)
            .or_else(|| self.before.get(key)?.as_ref())
    }

    /// Returns the rows created or changed, by key.
    pub(super) fn written(&self) -> Vec<(K, &T)> {
        let written = self.changes().filter_map(|(key, _, row)| Some((key, row?)));
        written.collect()
    }

    /// Returns the keys of the removed rows.
    pub(super) fn removed(&self) -> Vec<K> {
        let gone = self.changes().filter(|(_, _, after)| after.is_none());
        gone.map(|(key, _, _)| key).collect()
    }
}

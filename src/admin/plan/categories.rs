use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::{
    admin::fault::Fault,
    domain::{Code, EntityKind, Item, ItemKind},
};

use super::{
    Outcome, Planner,
    category_trees::{CategoryPlace, CategoryTrees},
};

impl Planner<'_> {
    /// Returns the code of the parent of a stored category.
    pub(in crate::admin) fn stored_parent(&self, code: &Code) -> Option<Code> {
        let items = &self.change_set.items;
        let stored = items.get(self.change_set.find_item(ItemKind::Category, code)?)?;
        Some(items.get(stored.parent()?)?.code().clone())
    }

    /// Returns the places, by their index, that are rejected: their code is new
    /// and has white space at an end, their parent does not exist, they would
    /// form a loop, or would be too deep.
    ///
    /// To be called again without them, since a rejected place may have been the
    /// parent of others.
    pub(in crate::admin) fn refused_categories<'p>(
        &self,
        places: impl Iterator<Item = CategoryPlace<'p>>,
    ) -> BTreeMap<usize, Fault> {
        let trees = CategoryTrees::of(self.change_set, places);
        let checks = [
            CategoryTrees::blank_ends,
            CategoryTrees::orphans,
            CategoryTrees::loops,
            CategoryTrees::too_deep,
        ];
        let mut refused = checks.into_iter().map(|check| check(&trees));
        refused
            .find(|refused| !refused.is_empty())
            .unwrap_or_default()
    }

    /// Adds the places that would move stored categories to those rejected.
    pub(in crate::admin) fn refuse_moves<'p>(
        &self,
        places: impl Iterator<Item = CategoryPlace<'p>>,
        refused: &mut BTreeMap<usize, Fault>,
    ) {
        for (index, CategoryPlace { code, parent }) in places.enumerate() {
            let is_stored = self
                .change_set
                .find_item(ItemKind::Category, code)
                .is_some();
            if is_stored && self.stored_parent(code).as_ref() != parent {
                let message = format!(
                    "category `{code}` cannot move while so many rows of other categories are refused; correct these and import again"
                );
                let fault = || Fault::invalid("parent", message);
                refused.entry(index).or_insert_with(fault);
            }
        }
    }

    /// Adds the places below new categories that are rejected, and, if they are
    /// new categories themselves, those below them.
    pub(in crate::admin) fn refuse_categories_below<'p>(
        &self,
        places: impl Iterator<Item = CategoryPlace<'p>>,
        refused: &mut BTreeMap<usize, Fault>,
    ) {
        let is_new = |code| {
            self.change_set
                .find_item(ItemKind::Category, code)
                .is_none()
        };
        let mut below: HashMap<&Code, Vec<(usize, &Code)>> = HashMap::new();
        let mut missing: Vec<&Code> = Vec::new();
        for (index, CategoryPlace { code, parent }) in places.enumerate() {
            if refused.contains_key(&index) {
                missing.extend(Some(code).filter(|code| is_new(code)));
            } else if let Some(parent) = parent {
                below.entry(parent).or_default().push((index, code));
            }
        }
        while let Some(parent) = missing.pop() {
            for (index, code) in below.remove(parent).into_iter().flatten() {
                let fault = Fault::unknown("parent", EntityKind::Category, parent);
                refused.insert(index, fault);
                missing.extend(Some(code).filter(|code| is_new(code)));
            }
        }
    }

    /// Stores categories in places of which none is rejected; returns the
    /// outcomes in the same order.
    pub(in crate::admin) fn store_categories<'p>(
        &mut self,
        places: impl Iterator<Item = CategoryPlace<'p>> + Clone,
    ) -> Vec<Outcome> {
        let mut created = Vec::new();
        for place in places.clone() {
            let is_new = self
                .change_set
                .find_item(ItemKind::Category, place.code)
                .is_none();
            created.push(is_new);
            if is_new {
                self.insert_item(Item::new(ItemKind::Category, place.code.clone()));
            }
        }
        let outcomes = places.zip(created).map(|(place, is_new)| {
            let find = |code| self.change_set.find_item(ItemKind::Category, code);
            let (id, parent) = (find(place.code), place.parent.and_then(find));
            let items = &mut self.change_set.items;
            let moved = id.is_some_and(|id| items.change(id, |item| item.move_below(parent)));
            if is_new {
                Outcome::Created
            } else {
                Outcome::of_change(moved)
            }
        });
        outcomes.collect()
    }
}

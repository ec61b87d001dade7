use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};

use crate::{
    admin::{
        change_set::ChangeSet,
        fault::{Fault, Refused},
    },
    domain::{Code, EntityKind, Item, ItemKind, MAX_CATEGORY_LEVELS, inherit},
};

/// The requested place of a category; without a parent it is the root of a tree.
#[derive(Clone, Copy, Debug)]
pub(in crate::admin) struct CategoryPlace<'a> {
    pub(in crate::admin) code: &'a Code,
    pub(in crate::admin) parent: Option<&'a Code>,
}

/// The stored category trees, with some categories in other places.
#[derive(Debug)]
pub(super) struct CategoryTrees<'a> {
    change_set: &'a ChangeSet,
    /// By category: the index of its entry, and the parent in the entry.
    places: HashMap<&'a Code, (usize, Option<&'a Code>)>,
}

/// The position of a category.
#[derive(Clone, Copy, Debug)]
struct Position {
    /// The level, 1 at the root.
    level: usize,
    /// The nearest entry, its own or an ancestor's, that creates or moves a
    /// category.
    entry: Option<usize>,
}

impl<'a> CategoryTrees<'a> {
    pub(super) fn of<'p: 'a>(
        change_set: &'a ChangeSet,
        places: impl Iterator<Item = CategoryPlace<'p>>,
    ) -> Self {
        let places = places.enumerate();
        Self {
            change_set,
            places: places
                .map(|(index, place)| (place.code, (index, place.parent)))
                .collect(),
        }
    }

    /// Returns the entries of new categories whose codes have white space at an
    /// end (rules 1.5).
    pub(super) fn blank_ends(&self) -> BTreeMap<usize, Fault> {
        let new = self.places.iter().filter(|(code, _)| !self.is_stored(code));
        let refused = new.filter_map(|(code, (index, _))| {
            let fault = Fault::check_new_code("code", code).err()?;
            Some((*index, fault))
        });
        refused.collect()
    }

    /// Returns the entries whose parent is neither stored nor the category of
    /// another entry.
    pub(super) fn orphans(&self) -> BTreeMap<usize, Fault> {
        let is_known = |code: &Code| self.places.contains_key(code) || self.is_stored(code);
        let given = self.places.values();
        let orphans = given.filter_map(|(index, parent)| {
            let parent = parent.filter(|parent| !is_known(parent))?;
            Some((
                *index,
                Fault::unknown("parent", EntityKind::Category, parent),
            ))
        });
        orphans.collect()
    }

    /// Returns the entries whose category would be its own descendant.
    pub(super) fn loops(&self) -> BTreeMap<usize, Fault> {
        let mut settled: HashSet<&Code> = HashSet::new();
        let mut looped: BTreeMap<usize, Fault> = BTreeMap::new();
        for code in self.places.keys().copied() {
            let mut path: Vec<&Code> = Vec::new();
            let mut places: HashMap<&Code, usize> = HashMap::new();
            let mut at = Some(code);
            while let Some(here) = at.filter(|here| !settled.contains(here)) {
                if let Some(first) = places.get(here) {
                    let around = path.iter().skip(*first);
                    let entries = around.filter_map(|code| Some((code, self.places.get(*code)?)));
                    looped.extend(entries.map(|(code, (index, _))| {
                        let refused = Refused::CategoryLoop((*code).clone());
                        (*index, Fault::new("parent", refused))
                    }));
                    break;
                }
                places.insert(here, path.len());
                path.push(here);
                at = self.above(here);
            }
            settled.extend(path);
        }
        looped
    }

    /// Returns the entries that create or move a category so that it or a
    /// descendant would be too deep (rules 3.10).
    ///
    /// What is stored too deep already, and is moved neither by itself nor with
    /// an ancestor, is not attributed to any entry.
    pub(super) fn too_deep(&self) -> BTreeMap<usize, Fault> {
        let positions = self.positions();
        let mut deepest: BTreeMap<usize, (usize, &Code)> = BTreeMap::new();
        for (code, Position { level, entry }) in positions {
            let Some(entry) = entry.filter(|_| level > MAX_CATEGORY_LEVELS) else {
                continue;
            };
            let found = deepest.entry(entry).or_insert((level, code));
            if (level, found.1) > (found.0, code) {
                *found = (level, code);
            }
        }
        let codes = self.places.iter();
        let codes: HashMap<usize, &Code> =
            codes.map(|(code, (index, _))| (*index, *code)).collect();
        let refused = deepest.into_iter().filter_map(|(index, (level, deepest))| {
            let refused = Refused::CategoryTooDeep {
                code: (*codes.get(&index)?).clone(),
                deepest: deepest.clone(),
                level,
            };
            Some((index, Fault::new("parent", refused)))
        });
        refused.collect()
    }

    fn positions(&self) -> HashMap<&'a Code, Position> {
        let stored = self.change_set.items_of(ItemKind::Category);
        let stored = stored.map(|(_, item)| item.code());
        let nodes = stored.chain(self.places.keys().copied());
        inherit(
            nodes,
            |code| self.above(code),
            |code, above: Option<Position>| Position {
                level: above.map_or(0, |above| above.level) + 1,
                entry: self
                    .placing_entry(code)
                    .or_else(|| above.and_then(|above| above.entry)),
            },
        )
    }

    fn is_stored(&self, code: &Code) -> bool {
        self.change_set
            .find_item(ItemKind::Category, code)
            .is_some()
    }

    /// Returns the parent of a category after the entries are applied.
    fn above(&self, code: &Code) -> Option<&'a Code> {
        if let Some((_, parent)) = self.places.get(code) {
            return *parent;
        }
        let items = &self.change_set.items;
        let category = items.get(self.change_set.find_item(ItemKind::Category, code)?)?;
        Some(items.get(category.parent()?)?.code())
    }

    /// Returns the entry that creates or moves a category.
    fn placing_entry(&self, code: &Code) -> Option<usize> {
        let (index, parent) = self.places.get(code)?;
        let items = &self.change_set.items;
        let id = self.change_set.find_item(ItemKind::Category, code);
        let Some(stored) = id.and_then(|id| items.before(id)) else {
            return Some(*index);
        };
        let above = stored.parent().and_then(|id| items.ever(id));
        (above.map(Item::code) != *parent).then_some(*index)
    }
}

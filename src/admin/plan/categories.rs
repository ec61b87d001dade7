use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::{
    admin::fault::{Fault, Refused},
    domain::{Code, ItemKind, Noun},
    store::ItemRow,
};

use super::{Outcome, Planner};

/// Where a category is to be; without a parent it is a tree's root.
#[derive(Clone, Copy, Debug)]
pub(in crate::admin) struct CategoryPlace<'a> {
    pub(in crate::admin) code: &'a Code,
    pub(in crate::admin) parent: Option<&'a Code>,
}

impl Planner<'_> {
    /// Returns the code of the parent of a stored category.
    pub(in crate::admin) fn stored_parent(&self, code: &Code) -> Option<Code> {
        let items = &self.world.items;
        let stored = items.get(self.world.find_item(ItemKind::Category, code)?)?;
        Some(items.get(stored.parent?)?.code.clone())
    }

    /// Those of the places, by their index, whose parent is not there, and
    /// those in a loop. To be asked again without them: what is refused can
    /// take the ground from under others.
    pub(in crate::admin) fn refused_categories<'p>(
        &self,
        places: impl Iterator<Item = CategoryPlace<'p>> + Clone,
    ) -> BTreeMap<usize, Fault> {
        let parents: HashMap<&Code, Option<&Code>> = places
            .clone()
            .map(|place| (place.code, place.parent))
            .collect();
        let is_known = |code: &Code| {
            parents.contains_key(code) || self.world.find_item(ItemKind::Category, code).is_some()
        };
        let orphans = places.clone().enumerate().filter_map(|(index, place)| {
            let parent = place.parent.filter(|parent| !is_known(parent))?;
            Some((index, Fault::unknown("parent", Noun::Category, parent)))
        });
        let orphans: BTreeMap<usize, Fault> = orphans.collect();
        if !orphans.is_empty() {
            return orphans;
        }
        let above = |code: &Code| -> Option<Code> {
            if let Some(parent) = parents.get(code) {
                return parent.cloned();
            }
            self.stored_parent(code)
        };
        let looped = categories_in_loops(places.clone().map(|place| place.code), above);
        places
            .enumerate()
            .filter(|(_, place)| looped.contains(place.code))
            .map(|(index, place)| {
                let refused = Refused::CategoryLoop(place.code.clone());
                (index, Fault::new("parent", refused))
            })
            .collect()
    }

    /// Puts categories in places of which none is refused; the outcomes come
    /// in the same order.
    pub(in crate::admin) fn store_categories<'p>(
        &mut self,
        places: impl Iterator<Item = CategoryPlace<'p>> + Clone,
    ) -> Vec<Outcome> {
        let mut created = Vec::new();
        for place in places.clone() {
            let is_new = self
                .world
                .find_item(ItemKind::Category, place.code)
                .is_none();
            created.push(is_new);
            if is_new {
                self.insert_item(ItemRow {
                    code: place.code.clone(),
                    kind: ItemKind::Category,
                    parent: None,
                    tree: None,
                    locales: BTreeSet::new(),
                });
            }
        }
        let outcomes = places.zip(created).map(|(place, is_new)| {
            let find = |code| self.world.find_item(ItemKind::Category, code);
            let (id, parent) = (find(place.code), place.parent.and_then(find));
            let items = &mut self.world.items;
            let moved = id.is_some_and(|id| items.change(id, |category| category.parent = parent));
            if is_new {
                Outcome::Created
            } else {
                Outcome::of_change(moved)
            }
        });
        outcomes.collect()
    }
}

/// The codes that lie above themselves.
fn categories_in_loops<'c>(
    codes: impl Iterator<Item = &'c Code>,
    above: impl Fn(&Code) -> Option<Code>,
) -> HashSet<Code> {
    let mut settled: HashSet<Code> = HashSet::new();
    let mut looped: HashSet<Code> = HashSet::new();
    for code in codes {
        let mut path: Vec<Code> = Vec::new();
        let mut places: HashMap<Code, usize> = HashMap::new();
        let mut at = Some(code.clone());
        while let Some(here) = at {
            if settled.contains(&here) {
                break;
            }
            if let Some(first) = places.get(&here) {
                looped.extend(path.iter().skip(*first).cloned());
                break;
            }
            places.insert(here.clone(), path.len());
            at = above(&here);
            path.push(here);
        }
        settled.extend(path);
    }
    looped
}

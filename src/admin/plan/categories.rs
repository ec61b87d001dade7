use std::collections::{BTreeSet, HashMap, HashSet};

use crate::{
    admin::entry::{Entry, Place, Row},
    domain::{Code, ItemKind},
    store::ItemRow,
};

use super::{Bad, Outcome, Planner, bad, unknown};

/// A category row that is not refused yet.
struct Given<'r> {
    place: Place,
    code: &'r Code,
    parent: Option<&'r Code>,
}

impl Planner<'_> {
    /// Takes all category rows at once: parents may come after children.
    pub(super) fn put_categories(&mut self, rows: &[&Row]) {
        let mut given: Vec<Given<'_>> = rows
            .iter()
            .filter_map(|row| match &row.entry {
                Entry::Category { code, parent } => Some(Given {
                    place: row.place,
                    code,
                    parent: parent.as_ref(),
                }),
                _ => None,
            })
            .collect();
        loop {
            let refused = self.refused_categories(&given);
            if refused.is_empty() {
                break;
            }
            let lines: HashSet<u64> = refused.iter().map(|(place, _)| place.line).collect();
            given.retain(|row| !lines.contains(&row.place.line));
            for (place, why) in refused {
                self.note(place, Err(why));
            }
        }
        self.store_categories(&given);
    }

    /// Rows whose parent is not there, and those in a loop.
    fn refused_categories(&self, given: &[Given<'_>]) -> Vec<(Place, Bad)> {
        let parents: HashMap<&Code, Option<&Code>> =
            given.iter().map(|row| (row.code, row.parent)).collect();
        let is_known = |code: &Code| {
            parents.contains_key(code) || self.world.find_item(ItemKind::Category, code).is_some()
        };
        let orphans: Vec<(Place, Bad)> = given
            .iter()
            .filter_map(|row| {
                let parent = row.parent.filter(|parent| !is_known(parent))?;
                Some((row.place, unknown("parent", "category", parent)))
            })
            .collect();
        if !orphans.is_empty() {
            return orphans;
        }
        let above = |code: &Code| -> Option<Code> {
            if let Some(parent) = parents.get(code) {
                return parent.cloned();
            }
            let stored = self
                .world
                .items
                .get(self.world.find_item(ItemKind::Category, code)?)?;
            Some(self.world.items.get(stored.parent?)?.code.clone())
        };
        let looped = categories_in_loops(given.iter().map(|row| row.code), above);
        given
            .iter()
            .filter(|row| looped.contains(row.code))
            .map(|row| {
                (
                    row.place,
                    bad(
                        "parent",
                        format!("category `{}` would be below itself", row.code),
                    ),
                )
            })
            .collect()
    }

    fn store_categories(&mut self, given: &[Given<'_>]) {
        let mut outcomes = Vec::with_capacity(given.len());
        for row in given {
            if self.world.find_item(ItemKind::Category, row.code).is_some() {
                outcomes.push(None);
                continue;
            }
            self.insert_item(ItemRow {
                code: row.code.clone(),
                kind: ItemKind::Category,
                parent: None,
                tree: None,
                locales: BTreeSet::new(),
            });
            outcomes.push(Some(Outcome::Created));
        }
        for (row, outcome) in given.iter().zip(outcomes) {
            let parent = row
                .parent
                .and_then(|code| self.world.find_item(ItemKind::Category, code));
            let id = self.world.find_item(ItemKind::Category, row.code);
            let moved = id.is_some_and(|id| {
                self.world
                    .items
                    .change(id, |category| category.parent = parent)
            });
            self.note(row.place, Ok(outcome.unwrap_or(Outcome::of_change(moved))));
        }
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

use tokio::task::yield_now;

use crate::domain::{
    Code, Facts, ItemId, ItemKind, ItemRef, Level, ListFilter, SubjectRef, Vocabulary, inherit,
};

/// Number of rights processed before other calls run.
const RIGHTS_PER_TURN: usize = 65_536;

/// The highest level that the groups of a subject hold on each item (rules 3.5),
/// indexed by item id.
#[derive(Debug)]
pub(super) struct Levels(Vec<Level>);

/// A set of a tenant's items.
#[derive(Debug)]
pub(super) struct ItemSet(Vec<bool>);

impl Levels {
    /// Computes the levels; `facts` holds the whole vocabulary and all rights of
    /// the subject's groups.
    pub(super) async fn of(subject: &SubjectRef, facts: &Facts) -> Self {
        let mut levels = vec![Level::Hidden; numbers(&facts.vocabulary)];
        let subject = facts.subjects.get(subject);
        let groups = subject.map_or(&[][..], |subject| &subject.groups);
        let groups = groups.iter().filter_map(|group| facts.groups.get(group));
        let mut since_yield = 0;
        for group in groups {
            for (item, level) in &group.rights {
                if let Some(held) = place(*item).and_then(|at| levels.get_mut(at)) {
                    *held = held.or(*level);
                }
            }
            since_yield += group.rights.len();
            if since_yield >= RIGHTS_PER_TURN {
                since_yield = 0;
                yield_now().await;
            }
        }
        Self(levels)
    }

    /// Returns the level on an item.
    pub(super) fn on(&self, item: ItemId) -> Level {
        let level = place(item).and_then(|at| self.0.get(at));
        level.copied().unwrap_or_default()
    }

    /// Returns the items held at this level or a higher one.
    pub(super) fn at_least(&self, needed: Level) -> impl Iterator<Item = ItemId> {
        let held = (0..).map(ItemId).zip(&self.0);
        held.filter(move |(_, level)| level.allows(needed))
            .map(|(id, _)| id)
    }
}

impl ItemSet {
    /// Returns a category and its descendants. Empty if the category does not
    /// exist, or if `only_root` is set and it has a parent.
    fn within(vocabulary: &Vocabulary, category: &Code, only_root: bool) -> Self {
        let mut set = vec![false; numbers(vocabulary)];
        let wanted = ItemRef {
            kind: ItemKind::Category,
            code: category.clone(),
        };
        let Some(root) = vocabulary.items.get(&wanted) else {
            return Self(set);
        };
        let above = |id: ItemId| vocabulary.item_facts.get(&id).and_then(|item| item.parent);
        if only_root && above(*root).is_some() {
            return Self(set);
        }
        let items = vocabulary.item_facts.keys().copied();
        let within = inherit(items, above, |id, above| id == *root || above == Some(true));
        for (item, is_within) in within {
            if let Some(slot) = place(item).and_then(|at| set.get_mut(at)) {
                *slot = is_within;
            }
        }
        Self(set)
    }

    /// True if the set contains no item.
    pub(super) fn is_empty(&self) -> bool {
        !self.0.contains(&true)
    }

    /// True if the set contains `item`.
    pub(super) fn holds(&self, item: ItemId) -> bool {
        let is_in = place(item).and_then(|at| self.0.get(at));
        is_in.copied().unwrap_or_default()
    }

    /// Returns the items of the set.
    pub(super) fn ids(&self) -> impl Iterator<Item = ItemId> {
        let all = (0..).map(ItemId).zip(&self.0);
        all.filter(|(_, is_in)| **is_in).map(|(id, _)| id)
    }
}

/// Returns the category sets of a filter: a resource must be in at least one
/// category of each set. `facts` holds the whole vocabulary.
pub(super) fn filter_categories(filter: &ListFilter, facts: &Facts) -> Vec<ItemSet> {
    let sets = [(&filter.tree, true), (&filter.category, false)].into_iter();
    let sets = sets.filter_map(|(code, only_root)| {
        let code = code.as_ref()?;
        Some(ItemSet::within(&facts.vocabulary, code, only_root))
    });
    sets.collect()
}

/// Returns the number of item ids from 0 to the highest.
fn numbers(vocabulary: &Vocabulary) -> usize {
    let numbers = vocabulary.item_facts.keys();
    let highest = numbers.filter_map(|id| place(*id)).max();
    highest.map_or(0, |highest| highest + 1)
}

fn place(id: ItemId) -> Option<usize> {
    usize::try_from(id.0).ok()
}

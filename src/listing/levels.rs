use tokio::task::yield_now;

use crate::domain::{
    Code, Facts, ItemId, ItemKind, ItemRef, Level, ListFilter, SubjectRef, Vocabulary, inherit,
};

/// After how many rights other work gets a turn.
const RIGHTS_IN_A_ROW: usize = 65_536;

/// The highest level that a group of a subject holds on each item, of all of
/// them (rules 3.5).
#[derive(Debug)]
pub(super) struct Levels(Vec<Level>);

/// Some of a tenant's items.
#[derive(Debug)]
pub(super) struct ItemSet(Vec<bool>);

impl Levels {
    /// `facts` hold the whole vocabulary and all rights of the subject's groups.
    pub(super) async fn of(subject: &SubjectRef, facts: &Facts) -> Self {
        let mut levels = vec![Level::Hidden; numbers(&facts.vocabulary)];
        let subject = facts.subjects.get(subject);
        let groups = subject.map_or(&[][..], |subject| &subject.groups);
        let groups = groups.iter().filter_map(|group| facts.groups.get(group));
        let mut in_a_row = 0;
        for group in groups {
            for (item, level) in &group.rights {
                if let Some(held) = place(*item).and_then(|at| levels.get_mut(at)) {
                    *held = held.or(*level);
                }
            }
            in_a_row += group.rights.len();
            if in_a_row >= RIGHTS_IN_A_ROW {
                in_a_row = 0;
                yield_now().await;
            }
        }
        Self(levels)
    }

    /// The level on an item.
    pub(super) fn on(&self, item: ItemId) -> Level {
        let level = place(item).and_then(|at| self.0.get(at));
        level.copied().unwrap_or_default()
    }

    /// The items that are held at this level or more.
    pub(super) fn at_least(&self, needed: Level) -> impl Iterator<Item = ItemId> {
        let held = (0..).map(ItemId).zip(&self.0);
        held.filter(move |(_, level)| level.allows(needed))
            .map(|(id, _)| id)
    }
}

impl ItemSet {
    /// A category and all below it; nothing, when there is no such category, or
    /// it lies below another and a tree's root is asked for.
    fn within(vocabulary: &Vocabulary, category: &Code, only_root: bool) -> Self {
        let mut set = vec![false; numbers(vocabulary)];
        let asked = ItemRef {
            kind: ItemKind::Category,
            code: category.clone(),
        };
        let Some(root) = vocabulary.items.get(&asked) else {
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

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        !self.0.contains(&true)
    }

    /// Whether an item is in it.
    pub(super) fn holds(&self, item: ItemId) -> bool {
        let is_in = place(item).and_then(|at| self.0.get(at));
        is_in.copied().unwrap_or_default()
    }

    /// What is in it.
    pub(super) fn ids(&self) -> impl Iterator<Item = ItemId> {
        let all = (0..).map(ItemId).zip(&self.0);
        all.filter(|(_, is_in)| **is_in).map(|(id, _)| id)
    }
}

/// The category sets of a filter: those that a resource must lie in, one of
/// each. `facts` hold the whole vocabulary.
pub(super) fn filter_categories(filter: &ListFilter, facts: &Facts) -> Vec<ItemSet> {
    let sets = [(&filter.tree, true), (&filter.category, false)].into_iter();
    let sets = sets.filter_map(|(code, only_root)| {
        let code = code.as_ref()?;
        Some(ItemSet::within(&facts.vocabulary, code, only_root))
    });
    sets.collect()
}

/// How many numbers the items have, from 0 to the highest.
fn numbers(vocabulary: &Vocabulary) -> usize {
    let numbers = vocabulary.item_facts.keys();
    let highest = numbers.filter_map(|id| place(*id)).max();
    highest.map_or(0, |highest| highest + 1)
}

fn place(id: ItemId) -> Option<usize> {
    usize::try_from(id.0).ok()
}

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use crate::domain::{AccessRight, GroupId, ItemId, Level};

/// The groups with rights on an item, in ascending order, each with its level.
pub(super) type GroupLevels = Vec<(GroupId, Level)>;

/// The same, borrowed.
type Levels<'r> = &'r [(GroupId, Level)];

/// The access rights: before a change, and as the change leaves them.
#[derive(Debug)]
pub(super) struct Rights {
    of_item: HashMap<ItemId, GroupLevels>,
    before: BTreeMap<ItemId, GroupLevels>,
}

impl Rights {
    pub(super) fn new(of_item: HashMap<ItemId, GroupLevels>) -> Self {
        Self {
            of_item,
            before: BTreeMap::new(),
        }
    }

    pub(super) fn of(&self, item: ItemId) -> &[(GroupId, Level)] {
        self.of_item.get(&item).map_or(&[], Vec::as_slice)
    }

    /// Returns the rights on an item before the change.
    pub(super) fn before(&self, item: ItemId) -> &[(GroupId, Level)] {
        let before = self.before.get(&item).map(Vec::as_slice);
        before.unwrap_or_else(|| self.of(item))
    }

    /// Sets the rights on an item to exactly these.
    pub(super) fn replace(&mut self, item: ItemId, mut levels: GroupLevels) {
        levels.retain(|(_, level)| *level != Level::Hidden);
        levels.sort_unstable_by_key(|(group, _)| *group);
        if self.of(item) == levels {
            return;
        }
        let old = self.of_item.insert(item, levels).unwrap_or_default();
        self.before.entry(item).or_insert(old);
    }

    /// Sets the level of one group on an item.
    pub(super) fn set(&mut self, item: ItemId, group: GroupId, level: Level) {
        let held = self.of(item);
        if held.contains(&(group, level)) {
            return;
        }
        let mut levels: GroupLevels = held
            .iter()
            .copied()
            .filter(|(other, _)| *other != group)
            .collect();
        levels.push((group, level));
        self.replace(item, levels);
    }

    /// Removes all rights of some groups.
    pub(super) fn remove_groups(&mut self, groups: &BTreeSet<GroupId>) {
        let is_gone = |(group, _): &(GroupId, Level)| groups.contains(group);
        let items = self.of_item.iter();
        let held = items.filter(|(_, levels)| levels.iter().any(is_gone));
        let items: Vec<ItemId> = held.map(|(item, _)| *item).collect();
        for item in items {
            let levels = self.of(item).iter().copied();
            let left = levels.filter(|level| !is_gone(level)).collect();
            self.replace(item, left);
        }
    }

    /// Returns the level of a group on an item.
    pub(super) fn level(&self, item: ItemId, group: GroupId) -> Level {
        let held = self.of(item).iter().find(|(other, _)| *other == group);
        held.map_or(Level::Hidden, |(_, level)| *level)
    }

    /// Returns the rights on every item: before and after.
    pub(super) fn both(&self) -> impl Iterator<Item = (ItemId, Levels<'_>, Levels<'_>)> {
        let unchanged = self.of_item.iter();
        let unchanged = unchanged.filter(|(item, _)| !self.before.contains_key(item));
        let unchanged =
            unchanged.map(|(item, levels)| (*item, levels.as_slice(), levels.as_slice()));
        let changed = self.before.iter();
        let changed = changed.map(|(item, before)| (*item, before.as_slice(), self.of(*item)));
        unchanged.chain(changed)
    }

    /// Returns the items whose rights differ: before and after.
    pub(super) fn changes(&self) -> impl Iterator<Item = (ItemId, &GroupLevels, Levels<'_>)> {
        let different =
            |(item, before): &(&ItemId, &GroupLevels)| self.of(**item) != before.as_slice();
        self.before
            .iter()
            .filter(different)
            .map(|(item, before)| (*item, before, self.of(*item)))
    }

    /// Returns the single rights that differ; a removed right has the level
    /// hidden.
    pub(super) fn changed(&self) -> Vec<AccessRight> {
        let mut changes = Vec::new();
        for (item, before, after) in self.changes() {
            for (group, old, new) in pairs(before, after) {
                if old != new {
                    changes.push(AccessRight {
                        group,
                        item,
                        level: new,
                    });
                }
            }
        }
        changes
    }
}

/// Returns each group of either list with its level in both.
pub(super) fn pairs(before: Levels<'_>, after: Levels<'_>) -> Vec<(GroupId, Level, Level)> {
    let mut groups: BTreeMap<GroupId, (Level, Level)> = BTreeMap::new();
    for (group, level) in before {
        groups.entry(*group).or_default().0 = *level;
    }
    for (group, level) in after {
        groups.entry(*group).or_default().1 = *level;
    }
    groups
        .into_iter()
        .map(|(group, (old, new))| (group, old, new))
        .collect()
}

use std::collections::BTreeMap;

use crate::{
    admin::{
        fault::Fault,
        rights::{GroupLevels, pairs},
    },
    domain::{Code, EntityKind, GroupId, Item, ItemId, ItemKind, Level},
};

use super::{Planner, subtrees::Order};

/// A change of single rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::admin) enum AccessVerb {
    /// Raises the level to at least the given one (rules 3.1).
    Grant,
    /// Lowers the level to at most the one below the given one (rules 3.1).
    Revoke,
}

/// By group: the level to grant or revoke.
pub(in crate::admin) type Levels = BTreeMap<GroupId, Level>;

/// The complete set of rights on an item, given by the last of several entries
/// that reach it.
#[derive(Clone, Debug, Default)]
pub(in crate::admin) struct ReplacedRights {
    /// The index of the last entry.
    place: usize,
    /// By group: the level last given to it, with the index of the entry.
    named: BTreeMap<GroupId, (usize, Level)>,
}

impl AccessVerb {
    fn apply(self, held: Level, level: Level, kind: ItemKind) -> Level {
        match self {
            Self::Grant => held.or(level),
            Self::Revoke => held.without(level, kind),
        }
    }

    /// Returns the level that has the effect of two applied one after the other.
    fn join(self, one: Level, other: Level) -> Level {
        match (self, one, other) {
            (Self::Grant, ..) => one.or(other),
            (Self::Revoke, Level::Hidden, level) | (Self::Revoke, level, Level::Hidden) => level,
            // Revoking a lower level leaves less.
            (Self::Revoke, ..) => one.at_most(other),
        }
    }
}

impl ReplacedRights {
    /// Returns the set of rights of the entry `place` of a request.
    pub(in crate::admin) fn new(place: usize, levels: &[(GroupId, Level)]) -> Self {
        let named = levels.iter();
        Self {
            place,
            named: named
                .map(|(group, level)| (*group, (place, *level)))
                .collect(),
        }
    }

    fn join(&mut self, other: &Self) {
        self.place = self.place.max(other.place);
        for (group, named) in &other.named {
            let last = self.named.entry(*group).or_insert(*named);
            if last.0 < named.0 {
                *last = *named;
            }
        }
    }
}

impl Planner<'_> {
    /// Returns the id of a group, private groups of apps included
    /// (rules 1.4).
    pub(in crate::admin) fn group(&self, field: &str, code: &Code) -> Result<GroupId, Fault> {
        let found = self.change_set.groups.find(0, code);
        found.ok_or_else(|| Fault::unknown(field, EntityKind::UserGroup, code))
    }

    /// Grants or revokes levels on items; returns how many of the listed rights
    /// stay unchanged.
    pub(in crate::admin) fn change_rights(
        &mut self,
        verb: AccessVerb,
        orders: Vec<Order<Levels>>,
    ) -> u64 {
        let join = |all: &mut Levels, more: &Levels| {
            for (group, level) in more {
                let joined = all.entry(*group).or_insert(*level);
                *joined = verb.join(*joined, *level);
            }
        };
        let mut unchanged = 0;
        self.carry_out(orders, join, |planner, item, levels| {
            unchanged += planner.change_rights_on(verb, item, levels);
        });
        unchanged
    }

    fn change_rights_on(&mut self, verb: AccessVerb, item: ItemId, levels: &Levels) -> u64 {
        let Some(kind) = self.change_set.items.get(item).map(Item::kind) else {
            return 0;
        };
        let held = self.change_set.rights.of(item);
        let mut wanted: Levels = held.iter().copied().collect();
        let mut different: Vec<GroupId> = Vec::new();
        for (group, level) in levels {
            let level_held = wanted.entry(*group).or_default();
            let level = verb.apply(*level_held, *level, kind);
            if level != *level_held {
                *level_held = level;
                different.push(*group);
            }
        }
        let unchanged = levels.len() - different.len();
        self.change_set
            .rights
            .replace(item, wanted.into_iter().collect());
        for group in different {
            self.end_later_channels(item, group);
        }
        u64::try_from(unchanged).unwrap_or(u64::MAX)
    }

    /// Sets the rights on items to exactly the listed ones, except for apps'
    /// private groups that are not listed. Returns how many of the listed rights
    /// stay unchanged.
    pub(in crate::admin) fn replace_rights(&mut self, orders: Vec<Order<ReplacedRights>>) -> u64 {
        let mut unchanged = 0;
        self.carry_out(orders, ReplacedRights::join, |planner, item, rights| {
            unchanged += planner.replace_rights_on(item, rights);
        });
        unchanged
    }

    fn replace_rights_on(&mut self, item: ItemId, rights: &ReplacedRights) -> u64 {
        let ReplacedRights { place, named } = rights;
        let held: GroupLevels = self.change_set.rights.of(item).to_vec();
        // Groups listed before the last entry matter only if they are private.
        let given = named
            .iter()
            .filter(|(group, (last, _))| last == place || self.change_set.is_private(**group))
            .map(|(group, (_, level))| (*group, *level));
        let spared = held
            .iter()
            .copied()
            .filter(|(group, _)| self.change_set.is_private(*group) && !named.contains_key(group));
        let mut wanted: GroupLevels = given.chain(spared).collect();
        wanted.retain(|(_, level)| *level != Level::Hidden);
        let mut unchanged = named.len();
        for (group, old, new) in pairs(&held, &wanted) {
            if old != new {
                unchanged -= usize::from(named.contains_key(&group));
                self.end_later_channels(item, group);
            }
        }
        self.change_set.rights.replace(item, wanted);
        u64::try_from(unchanged).unwrap_or(u64::MAX)
    }

    /// Ends the automatic rights on later channels of an app whose right on a
    /// channel an administrator changes (rules 5.7).
    fn end_later_channels(&mut self, item: ItemId, group: GroupId) {
        let is_channel = |item: &Item| item.kind() == ItemKind::Channel;
        if !self.change_set.is_private(group)
            || !self.change_set.items.get(item).is_some_and(is_channel)
        {
            return;
        }
        let of_group = self
            .change_set
            .apps
            .iter()
            .find(|(_, app)| app.group == group);
        if let Some((subject, app)) = of_group
            && app.later_channels
        {
            self.change_set
                .apps
                .change(&subject, |app| app.later_channels = false);
        }
    }
}

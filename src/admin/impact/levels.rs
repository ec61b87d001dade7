use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    admin::{rights::pairs, world::World},
    domain::{Level, Noun},
    store::SubjectRow,
};

/// The groups of a subject, before and after the change; `None`: it is disabled
/// or not there, and holds nothing at all (rules 1.6).
pub(super) type SetPair = (Option<BTreeSet<i32>>, Option<BTreeSet<i32>>);

/// The distinct sets of groups that enabled subjects are in.
#[derive(Debug)]
pub(super) struct GroupSets {
    pub(super) pairs: Vec<SetPair>,
}

impl GroupSets {
    pub(super) fn of(world: &World) -> Self {
        let mut found: BTreeSet<SetPair> = BTreeSet::new();
        for (_, before, after) in world.subjects.both() {
            let groups = |row: Option<&SubjectRow>| {
                let row = row.filter(|row| row.enabled);
                row.map(|row| row.groups.clone())
            };
            let pair = (groups(before), groups(after));
            if pair != (None, None) {
                found.insert(pair);
            }
        }
        Self {
            pairs: found.into_iter().collect(),
        }
    }
}

/// The level on each item, of a group.
pub(super) type GroupRights = HashMap<i32, Vec<(i32, Level)>>;

/// The rights by group, before and after the change.
pub(super) fn by_group(world: &World) -> (GroupRights, GroupRights) {
    let (mut before, mut after) = (GroupRights::new(), GroupRights::new());
    for (item, old, new) in world.rights.both() {
        for (group, level) in old {
            before.entry(*group).or_default().push((item, *level));
        }
        for (group, level) in new {
            after.entry(*group).or_default().push((item, *level));
        }
    }
    (before, after)
}

/// The level of a set of groups on each item: the most permissive wins
/// (rules 3.5).
pub(super) fn merged(rights: &GroupRights, groups: Option<&BTreeSet<i32>>) -> HashMap<i32, Level> {
    let mut levels: HashMap<i32, Level> = HashMap::new();
    let groups = groups.into_iter().flatten();
    for (item, level) in groups.filter_map(|group| rights.get(group)).flatten() {
        let held = levels.entry(*item).or_default();
        *held = held.or(*level);
    }
    levels
}

/// What becomes of the rights of each user group, alike ones together.
pub(super) fn sentences(world: &World) -> Vec<String> {
    // By group, level before and after: how many items, and one of them.
    let mut alike: BTreeMap<(i32, u8, u8), (usize, i32)> = BTreeMap::new();
    for (item, before, after) in world.rights.changes() {
        for (group, old, new) in pairs(before, after) {
            if old != new {
                let key = (group, old.bits(), new.bits());
                alike.entry(key).or_insert((0, item)).0 += 1;
            }
        }
    }
    let mut told: Vec<(bool, String)> = Vec::new();
    for ((group, old, new), (count, item)) in alike {
        let (old, new) = (Level::from_bits(old), Level::from_bits(new));
        let group = world.groups.ever(group).map_or("", |row| row.code.as_str());
        let (noun, code) = world
            .items
            .ever(item)
            .map(|row| (Noun::from(row.kind).words(), row.code.as_str()))
            .unwrap_or_default();
        let more = match count {
            1 => String::new(),
            _ => format!(" and {} more", count - 1),
        };
        let sentence = format!(
            "user group `{group}` would have `{new}` instead of `{old}` on {noun} `{code}`{more}"
        );
        told.push((new.allows(old), sentence));
    }
    // Losses first.
    told.sort_by_key(|(gains, _)| *gains);
    told.into_iter().map(|(_, sentence)| sentence).collect()
}

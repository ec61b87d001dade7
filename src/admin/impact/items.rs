use std::collections::BTreeSet;

use hashbrown::HashSet;

use crate::{
    admin::{error::AdminError, work::Work},
    domain::{GroupId, ItemId, ItemKind, Level},
};

use super::{
    candidates::{Candidates, Wanted},
    classes::{Class, Classes},
    group_levels::GroupLevels,
    members::{Groups, Numbers, at},
    profile::Rule,
    sides::{At, Side},
};

/// The rights on an item: user groups, each with its level.
type Levels<'r> = &'r [(GroupId, Level)];

/// Marks the classes whose level on an item changes. Items with equal rights,
/// common within a tree, are compared once.
pub(super) fn compare(
    classes: &mut Classes,
    candidates: &mut Candidates,
    groups: &Groups,
    (before, after): (&Side<'_>, &Side<'_>),
    work: &mut Work,
) -> Result<(), AdminError> {
    let enterprise = [before, after].map(|side| side.edition.is_enterprise());
    let items: Vec<ItemId> = match enterprise {
        [false, false] => {
            let mut states = after.change_set.items.changes();
            if states.any(|(_, old, new)| old.is_none() || new.is_none()) {
                classes.unaffected().for_each(|class| class.affected = true);
            }
            return Ok(());
        }
        [true, true] if classes.unaffected().any(|class| class.is_moved()) => {
            let items = after.change_set.rights.both();
            items.map(|(item, _, _)| item).collect()
        }
        [true, true] => {
            let items = after.change_set.rights.changes();
            items.map(|(item, _, _)| item).collect()
        }
        [true, false] | [false, true] => {
            let items = after.change_set.items.both();
            items.map(|(item, _, _)| item).collect()
        }
    };
    let mut seen: HashSet<([Rule; 2], [Levels<'_>; 2])> = HashSet::new();
    let mut held = GroupLevels::new(groups.numbers());
    for item in items {
        let rules = [before, after].map(|side| side.rule_of_item(item));
        let rights = [before, after].map(|side| side.rights(item));
        work.step(1 + rights.iter().map(|rights| rights.len()).sum::<usize>())?;
        if !seen.insert((rules, rights)) {
            continue;
        }
        held.clear();
        held.add(At::Before, before.rights(item));
        held.add(At::After, after.rights(item));
        candidates.judge(&mut classes.all, &held, rules, Wanted::Classes, work)?;
    }
    Ok(())
}

/// Returns the categories whose products the change can reach by level.
///
/// These are the categories whose rights change, and those with rights of a group
/// that a class enters or leaves, or of any group of a class that may do
/// something else with products.
pub(super) fn categories(
    classes: &Classes,
    numbers: &Numbers,
    side: &Side<'_>,
    work: &mut Work,
) -> Result<Vec<ItemId>, AdminError> {
    let mut of_some = vec![false; numbers.count];
    for class in &classes.all {
        for number in class.groups_that_matter() {
            if let Some(is_one) = of_some.get_mut(at(number)) {
                *is_one = true;
            }
        }
    }
    let is_of_some = |rights: Levels<'_>| {
        let mut groups = rights
            .iter()
            .filter_map(|(group, _)| numbers.of_group(*group));
        groups.any(|number| of_some.get(at(number)) == Some(&true))
    };
    let change_set = side.change_set;
    let mut found = Vec::new();
    for (item, old, new) in change_set.rights.both() {
        work.step(1 + old.len() + new.len())?;
        let row = change_set.items.ever(item);
        if row.is_some_and(|row| row.kind() == ItemKind::Category)
            && (old != new || is_of_some(old) || is_of_some(new))
        {
            found.push(item);
        }
    }
    Ok(found)
}

impl Class {
    /// True if its groups change.
    fn is_moved(&self) -> bool {
        let groups = [&self.before, &self.after].map(|member| member.as_ref().map(|of| &of.groups));
        let [old, new] = groups;
        old != new
    }

    /// Returns its groups whose rights on categories decide which products the
    /// change can reach for it: all, if its answers change at the same level,
    /// otherwise those that it enters or leaves.
    fn groups_that_matter(&self) -> BTreeSet<u32> {
        if !self.is_turned() && !self.is_moved() {
            return BTreeSet::new();
        }
        let groups = [&self.before, &self.after].map(|member| -> BTreeSet<u32> {
            let groups = member.iter().flat_map(|of| of.groups.iter().copied());
            groups.collect()
        });
        let [old, new] = groups;
        if self.is_turned() {
            return &old | &new;
        }
        &old ^ &new
    }
}

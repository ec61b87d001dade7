use crate::{
    domain::{GroupId, Level},
    engine::most_permissive,
};

use super::{
    members::{GroupNumber, Member, Numbers, at},
    profile::Rule,
    sides::At,
};

/// The level of every user group on one item or product, on each side of a
/// change: the highest of its levels on the items that a product belongs to
/// (rules 3.5).
#[derive(Debug)]
pub(super) struct GroupLevels<'n> {
    numbers: &'n Numbers,
    /// By group number: before and after.
    levels: Vec<[Level; 2]>,
    affected: Vec<GroupNumber>,
}

impl<'n> GroupLevels<'n> {
    pub(super) fn new(numbers: &'n Numbers) -> Self {
        Self {
            numbers,
            levels: vec![[Level::Hidden; 2]; numbers.count],
            affected: Vec::new(),
        }
    }

    /// Resets all levels, for the next item or product.
    pub(super) fn clear(&mut self) {
        for number in self.affected.drain(..) {
            if let Some(levels) = self.levels.get_mut(at(number)) {
                *levels = [Level::Hidden; 2];
            }
        }
    }

    /// Adds the rights on an item, or on one category of a product.
    pub(super) fn add(&mut self, side: At, rights: &[(GroupId, Level)]) {
        for (group, level) in rights {
            let Some(number) = self.numbers.of_group(*group) else {
                continue;
            };
            let Some(levels) = self.levels.get_mut(at(number)) else {
                continue;
            };
            if *levels == [Level::Hidden; 2] && *level != Level::Hidden {
                self.affected.push(number);
            }
            let [before, after] = levels;
            let held = match side {
                At::Before => before,
                At::After => after,
            };
            *held = held.or(*level);
        }
    }

    /// Returns the groups that hold a level on either side.
    pub(super) fn affected(&self) -> &[GroupNumber] {
        &self.affected
    }

    /// Returns true if the level of a group changes.
    pub(super) fn differs(&self, group: GroupNumber) -> bool {
        let levels = self.levels.get(at(group));
        levels.is_some_and(|[before, after]| before != after)
    }

    /// Returns the level of a member, by a rule.
    pub(super) fn level(&self, side: At, rule: Rule, member: &Member) -> Level {
        match rule {
            Rule::NotStored => Level::Hidden,
            Rule::Everybody(level) => level,
            Rule::Groups => {
                let levels = member.groups.iter();
                let levels = levels.filter_map(|number| self.levels.get(at(*number)));
                most_permissive(levels.map(|[before, after]| match side {
                    At::Before => *before,
                    At::After => *after,
                }))
            }
        }
    }
}

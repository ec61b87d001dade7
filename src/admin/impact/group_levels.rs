use crate::domain::Level;

use super::{
    members::{GroupNumber, Member, Numbers, at},
    sides::At,
};

/// What every user group holds on one thing, on each side of a change: the
/// highest of its levels on the items that the thing lies in (rules 3.5).
#[derive(Debug)]
pub(super) struct GroupLevels<'n> {
    numbers: &'n Numbers,
    /// By the number of the group.
    levels: Vec<[Level; 2]>,
    touched: Vec<GroupNumber>,
}

/// Whose level on a thing follows from what, on one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Rule {
    /// The thing is not stored: nobody's.
    NotStored,
    /// That of the subject's groups.
    Groups,
    /// Everybody holds this one (rules 3.4, 4.3).
    Everybody(Level),
}

impl<'n> GroupLevels<'n> {
    pub(super) fn new(numbers: &'n Numbers) -> Self {
        Self {
            numbers,
            levels: vec![[Level::Hidden; 2]; numbers.count],
            touched: Vec::new(),
        }
    }

    /// Begins with another thing.
    pub(super) fn clear(&mut self) {
        for number in self.touched.drain(..) {
            if let Some(levels) = self.levels.get_mut(at(number)) {
                *levels = [Level::Hidden; 2];
            }
        }
    }

    /// Adds the rights on an item that the thing lies in.
    pub(super) fn add(&mut self, side: At, rights: &[(i32, Level)]) {
        for (group, level) in rights {
            let Some(number) = self.numbers.of_group(*group) else {
                continue;
            };
            let Some(levels) = self.levels.get_mut(at(number)) else {
                continue;
            };
            if *levels == [Level::Hidden; 2] && *level != Level::Hidden {
                self.touched.push(number);
            }
            let [before, after] = levels;
            let held = match side {
                At::Before => before,
                At::After => after,
            };
            *held = held.or(*level);
        }
    }

    /// The groups that hold something on either side.
    pub(super) fn touched(&self) -> &[GroupNumber] {
        &self.touched
    }

    /// Returns whether a group holds something else than before.
    pub(super) fn differs(&self, group: GroupNumber) -> bool {
        let levels = self.levels.get(at(group));
        levels.is_some_and(|[before, after]| before != after)
    }

    /// The level of a member, by a rule.
    pub(super) fn level(&self, side: At, rule: Rule, member: &Member) -> Level {
        match rule {
            Rule::NotStored => Level::Hidden,
            Rule::Everybody(level) => level,
            Rule::Groups => {
                let levels = member.groups.iter();
                let levels = levels.filter_map(|number| self.levels.get(at(*number)));
                levels.fold(Level::Hidden, |highest, [before, after]| {
                    highest.or(match side {
                        At::Before => *before,
                        At::After => *after,
                    })
                })
            }
        }
    }
}

use crate::admin::{error::AdminError, work::Work};

use super::{
    classes::Class,
    group_levels::GroupLevels,
    members::{GroupNumber, Member, at},
    profile::Rule,
};

/// The classes whose answers about an item or product may change, indexed by the
/// user groups that hold a level on it.
///
/// A class with the same groups on both sides is affected only if the level of
/// one of them changes; a class that enters or leaves a group, only if that group
/// holds a level. So an item or product is compared only with the classes of the
/// groups that hold a level on it.
#[derive(Debug)]
pub(super) struct Candidates {
    /// By group number: the classes to compare if the level of the group changes.
    by_difference: Vec<Listed>,
    /// By group number: the classes to compare if the group holds any level.
    by_level: Vec<Listed>,
    /// All classes.
    everyone: Listed,
    /// The classes whose answers change even at the same level.
    turned: Listed,
    /// By class: the number of the item or product that it was last compared on.
    compared: Vec<u64>,
    things: u64,
    /// True if a class may do something with hidden products.
    has_blind: bool,
}

/// Indexes of classes, unordered.
#[derive(Clone, Debug, Default)]
struct Listed {
    /// Classes not yet found to be affected.
    open: Vec<usize>,
    /// Affected classes.
    settled: Vec<usize>,
}

/// What a comparison has to determine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Which classes are affected.
    Classes,
    /// The same, and whether the item or product is affected at all.
    ClassesAndThing,
}

impl Candidates {
    pub(super) fn of(
        classes: &[Class],
        groups: usize,
        work: &mut Work,
    ) -> Result<Self, AdminError> {
        let mut candidates = Self {
            by_difference: vec![Listed::default(); groups],
            by_level: vec![Listed::default(); groups],
            everyone: Listed::default(),
            turned: Listed::default(),
            compared: vec![0; classes.len()],
            things: 0,
            has_blind: classes.iter().any(Class::is_blind),
        };
        for (place, class) in classes.iter().enumerate() {
            let members = [&class.before, &class.after];
            let [old, new] = members.map(|member| groups_of(member.as_ref()));
            work.step(old.len() + new.len())?;
            candidates.everyone.open.push(place);
            if class.is_turned() {
                candidates.turned.open.push(place);
                let entered = new
                    .iter()
                    .filter(|number| old.binary_search(number).is_err());
                list(&mut candidates.by_level, old.iter().chain(entered), place);
                continue;
            }
            let stays = |number: &&GroupNumber| {
                old.binary_search(number).is_ok() && new.binary_search(number).is_ok()
            };
            let goes = |number: &&GroupNumber| !stays(number);
            list(
                &mut candidates.by_difference,
                old.iter().filter(stays),
                place,
            );
            let moved = old.iter().chain(new).filter(goes);
            list(&mut candidates.by_level, moved, place);
        }
        Ok(candidates)
    }

    /// Marks the classes whose answers about an item or product change.
    ///
    /// Returns true if there is such a class; with [`Wanted::Classes`], true if
    /// one was newly marked.
    pub(super) fn judge(
        &mut self,
        classes: &mut [Class],
        held: &GroupLevels<'_>,
        rules: [Rule; 2],
        wanted: Wanted,
        work: &mut Work,
    ) -> Result<bool, AdminError> {
        self.things += 1;
        let mut run = Run {
            classes,
            compared: &mut self.compared,
            thing: self.things,
            held,
            rules,
            work,
        };
        let is_everybodys = |rule| matches!(rule, Rule::Everybody(_));
        match rules {
            [Rule::NotStored, Rule::NotStored] => Ok(false),
            // The other classes have the same level on both sides.
            [old, new] if old == new && is_everybodys(old) => {
                run.judge_all(&mut self.turned, wanted)
            }
            [old, new] if is_everybodys(old) || is_everybodys(new) || self.has_blind => {
                run.judge_all(&mut self.everyone, wanted)
            }
            [_, _] => {
                let mut found = false;
                for number in held.affected() {
                    for list in lists_of(&mut self.by_difference, &mut self.by_level, held, *number)
                    {
                        found |= run.mark(list)?;
                    }
                }
                if found || wanted == Wanted::Classes {
                    return Ok(found);
                }
                for number in held.affected() {
                    for list in lists_of(&mut self.by_difference, &mut self.by_level, held, *number)
                    {
                        if run.finds(list)? {
                            return Ok(true);
                        }
                    }
                }
                Ok(false)
            }
        }
    }
}

/// Returns the lists of classes to compare for a group that holds a level.
fn lists_of<'l>(
    by_difference: &'l mut [Listed],
    by_level: &'l mut [Listed],
    held: &GroupLevels<'_>,
    number: GroupNumber,
) -> impl Iterator<Item = &'l mut Listed> {
    let different = by_difference.get_mut(at(number));
    let different = different.filter(|_| held.differs(number));
    different.into_iter().chain(by_level.get_mut(at(number)))
}

fn groups_of(member: Option<&Member>) -> &[GroupNumber] {
    member.map_or(&[], |member| &member.groups)
}

fn list<'g>(lists: &mut [Listed], groups: impl Iterator<Item = &'g GroupNumber>, place: usize) {
    for number in groups {
        if let Some(list) = lists.get_mut(at(*number)) {
            list.open.push(place);
        }
    }
}

/// The comparison of classes on one item or product.
struct Run<'r, 'n> {
    classes: &'r mut [Class],
    compared: &'r mut [u64],
    thing: u64,
    held: &'r GroupLevels<'n>,
    rules: [Rule; 2],
    work: &'r mut Work,
}

impl Run<'_, '_> {
    fn judge_all(&mut self, list: &mut Listed, wanted: Wanted) -> Result<bool, AdminError> {
        let found = self.mark(list)?;
        Ok(found || (wanted == Wanted::ClassesAndThing && self.finds(list)?))
    }

    /// Marks the affected classes of a list; returns true if there are any.
    fn mark(&mut self, list: &mut Listed) -> Result<bool, AdminError> {
        let mut found = false;
        let mut next = 0;
        while let Some(place) = list.open.get(next).copied() {
            let is_settled = self.classes.get(place).is_none_or(|class| class.affected);
            if !is_settled && !self.differs(place)? {
                next += 1;
                continue;
            }
            if !is_settled {
                found = true;
                if let Some(class) = self.classes.get_mut(place) {
                    class.affected = true;
                }
            }
            list.open.swap_remove(next);
            list.settled.push(place);
        }
        Ok(found)
    }

    /// Returns true if one of the settled classes is affected, and moves it to
    /// the front: it is likely to be affected by the next item or product as
    /// well.
    fn finds(&mut self, list: &mut Listed) -> Result<bool, AdminError> {
        for index in 0..list.settled.len() {
            if let Some(place) = list.settled.get(index).copied()
                && self.differs(place)?
            {
                list.settled.swap(0, index);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns true if the answers of a class change.
    ///
    /// A class already compared on this item or product returns false: had it
    /// been affected, it would be settled.
    fn differs(&mut self, place: usize) -> Result<bool, AdminError> {
        let (Some(class), Some(compared)) = (self.classes.get(place), self.compared.get_mut(place))
        else {
            return Ok(false);
        };
        if *compared == self.thing {
            return self.work.step(1).map(|()| false);
        }
        *compared = self.thing;
        let groups = groups_of(class.before.as_ref()).len() + groups_of(class.after.as_ref()).len();
        self.work.step(1 + groups)?;
        Ok(class.differs_on(self.held, self.rules))
    }
}

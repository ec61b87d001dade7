use std::sync::Arc;

use crate::{
    domain::{GroupId, ItemKind, Level, SubjectId, SubjectKind},
    engine::most_permissive,
};

use super::{
    profile::{Axes, Profile},
    sides::Side,
};

/// The index of a user group among those of both sides, from 0.
pub(super) type GroupNumber = u32;

/// The user groups of a tenant on both sides of a change, each with its highest
/// level on any channel and on any locale.
#[derive(Debug)]
pub(super) struct Groups {
    numbers: Numbers,
    axes_before: Vec<Axes>,
    axes_after: Vec<Axes>,
}

/// The input of all answers about an enabled subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Member {
    pub(super) profile: Profile,
    /// In ascending order.
    pub(super) groups: Arc<[GroupNumber]>,
}

/// A dense numbering of user groups.
#[derive(Debug)]
pub(super) struct Numbers {
    first: GroupId,
    /// By database id, starting at `first`; [`GroupNumber::MAX`]: no group.
    by_id: Vec<GroupNumber>,
    pub(super) count: usize,
}

impl Numbers {
    fn of(mut ids: Vec<GroupId>) -> Self {
        ids.sort_unstable();
        let first = ids.first().copied().unwrap_or(GroupId(0));
        let mut by_id = Vec::new();
        for (number, id) in (0..).zip(&ids) {
            by_id.resize(offset(first, *id).unwrap_or_default(), GroupNumber::MAX);
            by_id.push(number);
        }
        Self {
            first,
            by_id,
            count: ids.len(),
        }
    }

    /// Returns the number of a group; `None` if it exists on neither side.
    pub(super) fn of_group(&self, id: GroupId) -> Option<GroupNumber> {
        let number = self.by_id.get(offset(self.first, id)?).copied();
        number.filter(|number| *number != GroupNumber::MAX)
    }
}

fn offset(first: GroupId, id: GroupId) -> Option<usize> {
    usize::try_from(i64::from(id.0) - i64::from(first.0)).ok()
}

impl Groups {
    pub(super) fn of(before: &Side<'_>, after: &Side<'_>) -> Self {
        let groups = after.change_set.groups.both();
        let numbers = Numbers::of(groups.map(|(id, _, _)| id).collect());
        let axes = |side: &Side<'_>| {
            let mut axes = vec![Axes::default(); numbers.count];
            for (item, kind) in side.axis_items() {
                for (group, level) in side.rights(item) {
                    let number = numbers.of_group(*group).map(at);
                    if let Some(axes) = number.and_then(|number| axes.get_mut(number)) {
                        axes.raise(kind, *level);
                    }
                }
            }
            axes
        };
        Self {
            axes_before: axes(before),
            axes_after: axes(after),
            numbers,
        }
    }

    pub(super) fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// Returns the member of a subject on both sides; `None` where it is not
    /// enabled. Equal lists of groups are shared.
    pub(super) fn members(
        &self,
        subject: SubjectId,
        before: &Side<'_>,
        after: &Side<'_>,
    ) -> (Option<Member>, Option<Member>) {
        let old = self.member(subject, before, &self.axes_before);
        let mut new = self.member(subject, after, &self.axes_after);
        if let (Some(old), Some(new)) = (&old, &mut new)
            && old.groups == new.groups
        {
            new.groups = Arc::clone(&old.groups);
        }
        (old, new)
    }

    fn member(&self, subject: SubjectId, side: &Side<'_>, axes: &[Axes]) -> Option<Member> {
        let row = side.enabled(subject)?;
        let app = side.app(subject).filter(|_| row.kind == SubjectKind::App);
        let numbers = row
            .groups
            .iter()
            .filter_map(|id| self.numbers.of_group(*id));
        let groups: Arc<[GroupNumber]> = numbers.collect();
        let held = groups.iter().filter_map(|number| axes.get(at(*number)));
        let axes = Axes {
            channel: most_permissive(held.clone().map(|axes| axes.channel)),
            locale: most_permissive(held.map(|axes| axes.locale)),
        };
        Some(Member {
            profile: Profile {
                kind: row.kind,
                scopes: app.map(|app| app.scopes).unwrap_or_default(),
                axes,
            },
            groups,
        })
    }
}

impl Axes {
    fn raise(&mut self, kind: ItemKind, level: Level) {
        let held = if kind == ItemKind::Channel {
            &mut self.channel
        } else {
            &mut self.locale
        };
        *held = held.or(level);
    }
}

/// Returns the index of a group in vectors indexed by group number.
pub(super) fn at(number: GroupNumber) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_numbers_are_dense_and_in_id_order() {
        let numbers = Numbers::of([90, 7, 8].map(GroupId).to_vec());
        let found = [7, 8, 90, 6, 9, 91].map(|id| numbers.of_group(GroupId(id)));
        assert_eq!(found, [Some(0), Some(1), Some(2), None, None, None]);
        assert_eq!(numbers.count, 3);
    }

    #[test]
    fn no_groups_yield_no_numbers() {
        assert_eq!(Numbers::of(Vec::new()).of_group(GroupId(1)), None);
    }
}

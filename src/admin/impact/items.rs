use std::collections::BTreeSet;

use crate::domain::{ItemKind, Level};

use super::{
    classes::{Class, Classes},
    sides::{Member, Side},
};

/// What can change somebody's level on an item.
struct Changed {
    /// The items with other rights than before.
    items: Vec<i32>,
    /// The groups whose rights those are.
    groups: BTreeSet<i32>,
    /// Whether an item is new or gone.
    set: bool,
}

/// Finds the classes whose level changes on an item.
pub(super) fn compare(classes: &mut Classes, before: &Side<'_>, after: &Side<'_>) {
    let changed = Changed::of(after);
    for class in classes.unaffected() {
        class.affected = differs(class, &changed, before, after);
    }
}

fn differs(class: &Class, changed: &Changed, before: &Side<'_>, after: &Side<'_>) -> bool {
    let (Some(old), Some(new)) = (&class.before, &class.after) else {
        return true;
    };
    let differs_on = |item| before.level_on(old, item) != after.level_on(new, item);
    let world = after.world;
    match [before, after].map(|side| side.edition.is_enterprise()) {
        [false, false] => changed.set,
        [true, true] if old.groups == new.groups => {
            let may_differ = !changed.groups.is_disjoint(&old.groups);
            may_differ && changed.items.iter().any(|item| differs_on(*item))
        }
        [true, true] => world.rights.both().any(|(item, _, _)| differs_on(item)),
        [true, false] | [false, true] => world.items.both().any(|(item, _, _)| differs_on(item)),
    }
}

impl Changed {
    fn of(side: &Side<'_>) -> Self {
        let world = side.world;
        let items = world.rights.changes().map(|(item, _, _)| item);
        let rows = world.rights.changed_rows().into_iter();
        let mut states = world.items.changes();
        Self {
            items: items.collect(),
            groups: rows.map(|row| row.group).collect(),
            set: states.any(|(_, before, after)| before.is_none() || after.is_none()),
        }
    }
}

/// The categories on which the level of some class may be different, and those
/// that it holds if what it may do with products is.
pub(super) fn categories(classes: &Classes, side: &Side<'_>) -> Vec<i32> {
    let mut groups: BTreeSet<i32> = BTreeSet::new();
    for class in &classes.all {
        let of = |member: &Option<Member>| -> BTreeSet<i32> {
            member
                .iter()
                .flat_map(|of| of.groups.iter().copied())
                .collect()
        };
        let (old, new) = (of(&class.before), of(&class.after));
        if class.is_turned() {
            groups.extend(old.union(&new));
        } else {
            groups.extend(old.symmetric_difference(&new));
        }
    }
    let world = side.world;
    let is_category = |item: &i32| {
        let item = world.items.ever(*item);
        item.is_some_and(|item| item.kind == ItemKind::Category)
    };
    let is_of_some =
        |rights: &[(i32, Level)]| rights.iter().any(|(group, _)| groups.contains(group));
    let found = world
        .rights
        .both()
        .filter(|(_, old, new)| old != new || is_of_some(old) || is_of_some(new));
    let found = found.map(|(item, _, _)| item).filter(is_category);
    found.collect()
}

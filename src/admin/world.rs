use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    domain::{Code, Edition, ItemKind, Level, SubjectKind},
    store::{
        AppRow, AttributeRow, GridViewRow, GroupRow, ItemRow, RightsChange, RoleRow, StoredNouns,
        SubjectRow,
    },
};

/// A noun that has a code in a code space.
pub(super) trait Coded {
    /// Which of the table's code spaces its code is of (rules 1.2, 9).
    fn space(&self) -> u8;
    fn code(&self) -> &Code;
}

macro_rules! coded {
    ($row:ty, $space:expr) => {
        impl Coded for $row {
            fn space(&self) -> u8 {
                let space: fn(&$row) -> u8 = $space;
                space(self)
            }

            fn code(&self) -> &Code {
                &self.code
            }
        }
    };
}

coded!(GroupRow, |_| 0);
coded!(RoleRow, |_| 0);
coded!(AttributeRow, |_| 0);
coded!(GridViewRow, |_| 0);
coded!(SubjectRow, |subject| subject.kind as u8);
coded!(ItemRow, |item| item_space(item.kind));

/// The code space of a kind of item: the profiles share one (rules 9).
pub(super) fn item_space(kind: ItemKind) -> u8 {
    if kind.is_profile() {
        return ItemKind::ImportProfile as u8;
    }
    kind as u8
}

/// The rows of one noun: as they were, and as a change leaves them.
#[derive(Debug)]
pub(super) struct Table<T> {
    rows: HashMap<i32, T>,
    ids: HashMap<(u8, Code), i32>,
    before: BTreeMap<i32, Option<T>>,
}

impl<T: Coded + Clone + PartialEq> Table<T> {
    pub(super) fn of(rows: HashMap<i32, T>) -> Self {
        let ids = rows
            .iter()
            .map(|(id, row)| ((row.space(), row.code().clone()), *id));
        Self {
            ids: ids.collect(),
            rows,
            before: BTreeMap::new(),
        }
    }

    pub(super) fn find(&self, space: u8, code: &Code) -> Option<i32> {
        self.ids.get(&(space, code.clone())).copied()
    }

    pub(super) fn get(&self, id: i32) -> Option<&T> {
        self.rows.get(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (i32, &T)> {
        self.rows.iter().map(|(id, row)| (*id, row))
    }

    pub(super) fn insert(&mut self, id: i32, row: T) {
        self.ids.insert((row.space(), row.code().clone()), id);
        self.before.insert(id, None);
        self.rows.insert(id, row);
    }

    /// Changes a row that is there; whether it is different now.
    pub(super) fn change(&mut self, id: i32, change: impl FnOnce(&mut T)) -> bool {
        let Some(row) = self.rows.get_mut(&id) else {
            return false;
        };
        let old = row.clone();
        change(row);
        if *row == old {
            return false;
        }
        self.before.entry(id).or_insert(Some(old));
        true
    }

    /// Whether it came with this change.
    pub(super) fn is_new(&self, id: i32) -> bool {
        matches!(self.before.get(&id), Some(None))
    }

    /// What is new or different: number, before, after.
    pub(super) fn changes(&self) -> impl Iterator<Item = (i32, Option<&T>, &T)> {
        self.before.iter().filter_map(|(id, before)| {
            let after = self.rows.get(id)?;
            (before.as_ref() != Some(after)).then_some((*id, before.as_ref(), after))
        })
    }

    pub(super) fn changed_rows(&self) -> Vec<(i32, &T)> {
        self.changes().map(|(id, _, row)| (id, row)).collect()
    }
}

/// The groups of an item in order, each with its level.
pub(super) type GroupLevels = Vec<(i32, Level)>;

/// The access rights: as they were, and as a change leaves them.
#[derive(Debug)]
pub(super) struct Rights {
    of_item: HashMap<i32, GroupLevels>,
    before: BTreeMap<i32, GroupLevels>,
}

impl Rights {
    pub(super) fn of(&self, item: i32) -> &[(i32, Level)] {
        self.of_item.get(&item).map_or(&[], Vec::as_slice)
    }

    /// Makes the rights on an item exactly these.
    pub(super) fn replace(&mut self, item: i32, mut levels: GroupLevels) {
        levels.retain(|(_, level)| *level != Level::Hidden);
        levels.sort_unstable_by_key(|(group, _)| *group);
        if self.of(item) == levels {
            return;
        }
        let old = self.of_item.insert(item, levels).unwrap_or_default();
        self.before.entry(item).or_insert(old);
    }

    /// Sets the level of one group on an item.
    pub(super) fn set(&mut self, item: i32, group: i32, level: Level) {
        let held = self.of(item);
        if held.iter().any(|right| *right == (group, level)) {
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

    /// The items whose rights are different: before and after.
    pub(super) fn changes(&self) -> impl Iterator<Item = (i32, &GroupLevels, &[(i32, Level)])> {
        let different =
            |(item, before): &(&i32, &GroupLevels)| self.of(**item) != before.as_slice();
        self.before
            .iter()
            .filter(different)
            .map(|(item, before)| (*item, before, self.of(*item)))
    }

    /// The single rights that are different, a right that is gone as hidden.
    pub(super) fn changed_rows(&self) -> Vec<RightsChange> {
        let mut changes = Vec::new();
        for (item, before, after) in self.changes() {
            for (group, old, new) in pairs(before, after) {
                if old != new {
                    changes.push(RightsChange {
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

/// Each group of either list with its level in both.
pub(super) fn pairs(before: &[(i32, Level)], after: &[(i32, Level)]) -> Vec<(i32, Level, Level)> {
    let mut groups: BTreeMap<i32, (Level, Level)> = BTreeMap::new();
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

/// Everything of a tenant but its products, as a change leaves it.
#[derive(Debug)]
pub(super) struct World {
    pub(super) edition: Edition,
    pub(super) last_id: i32,
    pub(super) groups: Table<GroupRow>,
    pub(super) roles: Table<RoleRow>,
    pub(super) subjects: Table<SubjectRow>,
    pub(super) items: Table<ItemRow>,
    pub(super) attributes: Table<AttributeRow>,
    pub(super) grid_views: Table<GridViewRow>,
    pub(super) apps: BTreeMap<i32, AppRow>,
    pub(super) apps_before: BTreeMap<i32, Option<AppRow>>,
    pub(super) rights: Rights,
}

impl World {
    pub(super) fn new(edition: Edition, last_id: i32, stored: StoredNouns) -> Self {
        Self {
            edition,
            last_id,
            groups: Table::of(stored.groups),
            roles: Table::of(stored.roles),
            subjects: Table::of(stored.subjects),
            items: Table::of(stored.items),
            attributes: Table::of(stored.attributes),
            grid_views: Table::of(stored.grid_views),
            apps: stored.apps.into_iter().collect(),
            apps_before: BTreeMap::new(),
            rights: Rights {
                of_item: stored.rights,
                before: BTreeMap::new(),
            },
        }
    }

    pub(super) fn next_id(&mut self) -> i32 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn find_item(&self, kind: ItemKind, code: &Code) -> Option<i32> {
        let id = self.items.find(item_space(kind), code)?;
        (self.items.get(id)?.kind == kind).then_some(id)
    }

    pub(super) fn find_subject(&self, kind: SubjectKind, code: &Code) -> Option<i32> {
        self.subjects.find(kind as u8, code)
    }

    /// The number of the group `All` (rules 1.4).
    pub(super) fn all_group(&self) -> Option<i32> {
        self.groups.find(0, &"All".parse().ok()?)
    }

    pub(super) fn is_private(&self, group: i32) -> bool {
        self.groups.get(group).is_some_and(|group| group.private)
    }

    /// The root of a category's tree; the category itself if it is one.
    pub(super) fn root_of(&self, category: i32) -> i32 {
        let mut at = category;
        let mut seen = BTreeSet::new();
        while let Some(parent) = self.items.get(at).and_then(|item| item.parent) {
            if !seen.insert(at) {
                break;
            }
            at = parent;
        }
        at
    }

    /// Sets what is stored of an app beside its subject.
    pub(super) fn put_app(&mut self, subject: i32, app: AppRow) {
        let old = self.apps.insert(subject, app);
        self.apps_before.entry(subject).or_insert(old);
    }

    /// Apps that are new or different: number, before, after.
    pub(super) fn app_changes(&self) -> impl Iterator<Item = (i32, Option<&AppRow>, &AppRow)> {
        self.apps_before.iter().filter_map(|(id, before)| {
            let after = self.apps.get(id)?;
            (before.as_ref() != Some(after)).then_some((*id, before.as_ref(), after))
        })
    }
}

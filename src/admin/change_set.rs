use std::{collections::BTreeSet, fmt::Debug, hash::Hash, ops::Deref};

use hashbrown::HashMap;

use crate::{
    domain::{
        App, Attribute, AttributeId, Code, Edition, GridView, GridViewId, GroupId, Item, ItemId,
        ItemKind, Role, RoleId, Subject, SubjectId, SubjectKind, UserGroup,
    },
    store::{EntityChanges, EntityRemovals, StoredEntities, WantedEntities},
};

use super::{change::Pass, error::AdminError, rights::Rights, tracked::Tracked};

/// An entity that has a code in a code space.
pub(super) trait Coded {
    /// Identifies it; ids of another kind of entity have another type.
    type Id: Copy + Debug + Ord + Hash;

    /// Returns the code space of its table that its code belongs to (rules 1.2,
    /// 9).
    fn space(&self) -> u8;
    fn code(&self) -> &Code;
}

macro_rules! coded {
    ($entity:ident, $id:ty, $space:expr) => {
        impl Coded for $entity {
            type Id = $id;

            fn space(&self) -> u8 {
                let space: fn(&$entity) -> u8 = $space;
                space(self)
            }

            fn code(&self) -> &Code {
                &self.code
            }
        }
    };
}

coded!(UserGroup, GroupId, |_| 0);
coded!(Role, RoleId, |_| 0);
coded!(Attribute, AttributeId, |_| 0);
coded!(GridView, GridViewId, |_| 0);
coded!(Subject, SubjectId, |subject| subject.kind as u8);

impl Coded for Item {
    type Id = ItemId;

    fn space(&self) -> u8 {
        item_space(self.kind())
    }

    fn code(&self) -> &Code {
        self.code()
    }
}

/// Returns the code space of a kind of item: both kinds of profiles share one
/// (rules 9).
pub(super) fn item_space(kind: ItemKind) -> u8 {
    if kind.is_profile() {
        return ItemKind::ImportProfile as u8;
    }
    kind as u8
}

/// The rows of one kind of entity, which are also found by their code.
#[derive(Debug)]
pub(super) struct Table<T: Coded> {
    rows: Tracked<T::Id, T>,
    ids: HashMap<(u8, Code), T::Id>,
}

impl<T: Coded> Deref for Table<T> {
    type Target = Tracked<T::Id, T>;

    fn deref(&self) -> &Self::Target {
        &self.rows
    }
}

impl<T: Coded + Clone + PartialEq> Table<T> {
    pub(super) fn of(rows: HashMap<T::Id, T>) -> Self {
        let ids = rows
            .iter()
            .map(|(id, row)| ((row.space(), row.code().clone()), *id));
        Self {
            ids: ids.collect(),
            rows: Tracked::of(rows),
        }
    }

    pub(super) fn find(&self, space: u8, code: &Code) -> Option<T::Id> {
        self.ids.get(&(space, code.clone())).copied()
    }

    /// Returns the codes of all rows.
    pub(super) fn codes(&self) -> impl Iterator<Item = Code> {
        self.rows.values().map(|row| row.code().clone())
    }

    pub(super) fn insert(&mut self, id: T::Id, row: T) {
        self.ids.insert((row.space(), row.code().clone()), id);
        self.rows.put(id, row);
    }

    /// Changes an existing row, but not its code; returns whether it differs now.
    pub(super) fn change(&mut self, id: T::Id, change: impl FnOnce(&mut T)) -> bool {
        self.rows.change(&id, change)
    }

    /// Removes a row.
    pub(super) fn remove(&mut self, id: T::Id) {
        if let Some(row) = self.rows.remove(&id) {
            self.ids.remove(&(row.space(), row.code().clone()));
        }
    }
}

/// The entities of a tenant that were read, products excluded, as a change leaves
/// them.
#[derive(Debug)]
pub(super) struct ChangeSet {
    pub(super) edition: Edition,
    pub(super) last_id: i32,
    pub(super) groups: Table<UserGroup>,
    pub(super) roles: Table<Role>,
    pub(super) subjects: Table<Subject>,
    pub(super) items: Table<Item>,
    pub(super) attributes: Table<Attribute>,
    pub(super) grid_views: Table<GridView>,
    /// The rows that apps have beside their subjects.
    pub(super) apps: Tracked<SubjectId, App>,
    pub(super) rights: Rights,
    /// The codes of referenced roles, items and subjects that were not read, by
    /// number: one counter of the tenant numbers all of them.
    names: HashMap<i32, String>,
    /// Number of apps and connections before the change (rules 5.2).
    third_parties: usize,
}

impl ChangeSet {
    pub(super) fn new(edition: Edition, last_id: i32, stored: StoredEntities) -> Self {
        Self {
            edition,
            last_id,
            groups: Table::of(stored.groups),
            roles: Table::of(stored.roles),
            subjects: Table::of(stored.subjects),
            items: Table::of(stored.items),
            attributes: Table::of(stored.attributes),
            grid_views: Table::of(stored.grid_views),
            apps: Tracked::of(stored.apps.into_iter().collect()),
            rights: Rights::new(stored.rights),
            names: HashMap::new(),
            third_parties: stored.third_parties,
        }
    }

    /// Reads the `wanted` entities of the tenant; in a dry run all of them, to
    /// determine who is affected.
    pub(super) async fn read(pass: &Pass<'_>, wanted: &WantedEntities) -> Result<Self, AdminError> {
        let everything = WantedEntities::everything();
        let wanted = if pass.context.dry_run {
            &everything
        } else {
            wanted
        };
        let tenant = &pass.tenant;
        let stored = pass.transaction.load_entities(tenant.number(), wanted);
        Ok(Self::new(tenant.edition, tenant.last_id, stored.await?))
    }

    /// Returns the number of a new entity of any kind except products.
    pub(super) fn next_id(&mut self) -> i32 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn find_item(&self, kind: ItemKind, code: &Code) -> Option<ItemId> {
        let id = self.items.find(item_space(kind), code)?;
        (self.items.get(id)?.kind() == kind).then_some(id)
    }

    /// Returns the import or export profile with this code: they share one space
    /// (rules 9).
    pub(super) fn find_profile(&self, code: &Code) -> Option<ItemId> {
        self.items.find(item_space(ItemKind::ImportProfile), code)
    }

    /// Returns the items of a kind.
    pub(super) fn items_of(&self, kind: ItemKind) -> impl Iterator<Item = (ItemId, &Item)> {
        self.items
            .iter()
            .filter(move |(_, item)| item.kind() == kind)
    }

    pub(super) fn find_subject(&self, kind: SubjectKind, code: &Code) -> Option<SubjectId> {
        self.subjects.find(kind as u8, code)
    }

    /// Returns the id of the group `All` (rules 1.4).
    pub(super) fn all_group(&self) -> Option<GroupId> {
        self.groups.find(0, &"All".parse().ok()?)
    }

    pub(super) fn is_private(&self, group: GroupId) -> bool {
        self.groups.get(group).is_some_and(|group| group.private)
    }

    /// Returns the number of apps and connections before and after the change
    /// (rules 5.2).
    pub(super) fn third_parties(&self) -> (usize, usize) {
        let is_one = |subject: &Subject| subject.kind != SubjectKind::User;
        let mut after = self.third_parties;
        for (_, old, new) in self.subjects.changes() {
            after += usize::from(new.is_some_and(is_one));
            after -= usize::from(old.is_some_and(is_one)).min(after);
        }
        (self.third_parties, after)
    }

    /// Reads the codes, needed for the audit log, of unread rows that changed
    /// rows refer to.
    pub(super) async fn read_names(&mut self, pass: &Pass<'_>) -> Result<(), AdminError> {
        let unread: Vec<i32> = self.unread_numbers().into_iter().collect();
        if !unread.is_empty() {
            let tenant = pass.tenant.number();
            let named = pass.transaction.read_codes(tenant, &unread).await?;
            self.names = named.into_iter().collect();
        }
        Ok(())
    }

    /// Returns the numbers of the unread roles, items and subjects that changed
    /// rows refer to.
    fn unread_numbers(&self) -> BTreeSet<i32> {
        let role = |id: &RoleId| self.roles.ever(id).is_none().then_some(id.0);
        let item = |id: &ItemId| self.items.ever(id).is_none().then_some(id.0);
        let subject = |id: &SubjectId| self.subjects.ever(id).is_none().then_some(id.0);
        let mut unread = BTreeSet::new();
        for (_, before, after) in self.subjects.changes() {
            let rows = before.into_iter().chain(after);
            unread.extend(rows.flat_map(|row| &row.roles).filter_map(role));
        }
        for (_, before, after) in self.items.changes() {
            for row in before.into_iter().chain(after) {
                unread.extend(row.parent().as_ref().and_then(item));
                let channel = row.as_channel().into_iter();
                let named = channel.flat_map(|channel| channel.tree.iter().chain(&channel.locales));
                unread.extend(named.filter_map(item));
            }
        }
        for (_, before, after) in self.attributes.changes() {
            let rows = before.into_iter().chain(after);
            unread.extend(rows.filter_map(|row| item(&row.group)));
        }
        for (_, before, after) in self.grid_views.changes() {
            let rows = before.into_iter().chain(after);
            unread.extend(
                rows.flat_map(|view| &view.attribute_groups)
                    .filter_map(item),
            );
        }
        for (id, before, after) in self.apps.changes() {
            unread.extend(subject(&id));
            let rows = before.into_iter().chain(after);
            let chosen = rows.flat_map(|row| &row.selections);
            unread.extend(chosen.filter_map(|chosen| item(&chosen.item?)));
        }
        unread
    }

    /// Returns the code of a role, removed ones included; empty if it is unknown.
    pub(super) fn role_code(&self, id: RoleId) -> &str {
        let role = self.roles.ever(id).map(|role| role.code.as_str());
        role.unwrap_or_else(|| self.name(id.0))
    }

    /// Returns the code of an item, removed ones included; empty if it is
    /// unknown.
    pub(super) fn item_code(&self, id: ItemId) -> &str {
        let item = self.items.ever(id).map(|item| item.code().as_str());
        item.unwrap_or_else(|| self.name(id.0))
    }

    /// Returns the code of a subject, removed ones included; empty if it is
    /// unknown.
    pub(super) fn subject_code(&self, id: SubjectId) -> &str {
        let subject = self.subjects.ever(id).map(|subject| subject.code.as_str());
        subject.unwrap_or_else(|| self.name(id.0))
    }

    fn name(&self, number: i32) -> &str {
        self.names.get(&number).map_or("", String::as_str)
    }

    /// Writes the differences, products excluded.
    pub(super) async fn write(&self, pass: &mut Pass<'_>) -> Result<(), AdminError> {
        let removed = EntityRemovals {
            groups: self.groups.removed(),
            roles: self.roles.removed(),
            subjects: self.subjects.removed(),
            items: self.items.removed(),
            attributes: self.attributes.removed(),
            grid_views: self.grid_views.removed(),
        };
        let changes = EntityChanges {
            last_id: pass.tenant.last_id,
            groups: self.groups.written(),
            roles: self.roles.written(),
            subjects: self.subjects.written(),
            items: self.items.written(),
            attributes: self.attributes.written(),
            grid_views: self.grid_views.written(),
            apps: self.apps.written(),
        };
        let tenant = pass.tenant.number();
        pass.transaction.write_entities(tenant, &changes).await?;
        let rights = self.rights.changed();
        pass.transaction.write_rights(tenant, &rights).await?;
        pass.transaction.delete_entities(tenant, &removed).await?;
        pass.tenant.last_id = self.last_id;
        Ok(())
    }
}

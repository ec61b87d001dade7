use std::{collections::BTreeSet, hash::Hash};

use hashbrown::HashMap;

use crate::{
    admin::change_set::ChangeSet,
    domain::{AttributeId, Channel, GridViewId, GroupId, ItemId, RoleId, Subject, SubjectId},
};

use super::Planner;

/// An index of references, built in one pass for all entities deleted together.
///
/// Referring rows that have since been deleted, or have dropped the reference,
/// are still listed.
#[derive(Debug, Default)]
pub(super) struct Referring {
    /// Subjects, by user group.
    members: HashMap<GroupId, Vec<SubjectId>>,
    /// Subjects, by role.
    holders: HashMap<RoleId, Vec<SubjectId>>,
    /// Attributes, by attribute group.
    attributes: HashMap<ItemId, Vec<AttributeId>>,
    /// Grid views, by attribute group.
    views: HashMap<ItemId, Vec<GridViewId>>,
    /// Channels, by locale.
    channels: HashMap<ItemId, Vec<ItemId>>,
    /// Channels, by the root of their tree.
    tree_channels: HashMap<ItemId, Vec<ItemId>>,
    /// Subjects of apps, by an item selected for them.
    apps: HashMap<ItemId, Vec<SubjectId>>,
}

impl Referring {
    fn of(change_set: &ChangeSet) -> Self {
        let mut all = Self::default();
        for (id, subject) in change_set.subjects.iter() {
            list(&mut all.members, &subject.groups, id);
            list(&mut all.holders, &subject.roles, id);
        }
        for (id, attribute) in change_set.attributes.iter() {
            list(&mut all.attributes, [&attribute.group], id);
        }
        for (id, view) in change_set.grid_views.iter() {
            list(&mut all.views, &view.attribute_groups, id);
        }
        let items = change_set.items.iter();
        for (id, channel) in items.filter_map(|(id, item)| Some((id, item.as_channel()?))) {
            list(&mut all.channels, &channel.locales, id);
            list(&mut all.tree_channels, &channel.tree, id);
        }
        for (id, app) in change_set.apps.iter() {
            let chosen = app.selections.iter().filter_map(|chosen| chosen.item);
            let chosen: BTreeSet<ItemId> = chosen.collect();
            list(&mut all.apps, &chosen, id);
        }
        all
    }
}

fn list<'r, Referred: Copy + Eq + Hash + 'r, Referring: Copy>(
    lists: &mut HashMap<Referred, Vec<Referring>>,
    referred: impl IntoIterator<Item = &'r Referred>,
    id: Referring,
) {
    for referred in referred {
        lists.entry(*referred).or_default().push(id);
    }
}

fn listed<Referred: Copy + Eq + Hash, Referring: Clone>(
    lists: &HashMap<Referred, Vec<Referring>>,
    id: Referred,
) -> Vec<Referring> {
    lists.get(&id).cloned().unwrap_or_default()
}

impl Planner<'_> {
    /// Drops the index of references: an entity that may refer to others is about
    /// to change.
    pub(super) fn forget_references(&mut self) {
        self.referring = None;
    }

    fn referring(&mut self) -> &Referring {
        let change_set = &*self.change_set;
        self.referring
            .get_or_insert_with(|| Referring::of(change_set))
    }

    /// Returns the members of a user group.
    pub(super) fn members_of(&mut self, group: GroupId) -> Vec<SubjectId> {
        let found = listed(&self.referring().members, group);
        self.subjects_where(found, |subject| subject.groups.contains(&group))
    }

    /// Returns the holders of a role.
    pub(super) fn holders_of(&mut self, role: RoleId) -> Vec<SubjectId> {
        let found = listed(&self.referring().holders, role);
        self.subjects_where(found, |subject| subject.roles.contains(&role))
    }

    fn subjects_where(
        &self,
        mut found: Vec<SubjectId>,
        is_one: impl Fn(&Subject) -> bool,
    ) -> Vec<SubjectId> {
        found.retain(|id| self.change_set.subjects.get(*id).is_some_and(&is_one));
        found
    }

    /// Returns the attributes of an attribute group.
    pub(super) fn attributes_of(&mut self, group: ItemId) -> Vec<AttributeId> {
        let mut found = listed(&self.referring().attributes, group);
        let attributes = &self.change_set.attributes;
        found.retain(|id| attributes.get(*id).is_some_and(|row| row.group == group));
        found
    }

    /// Returns the grid views that use an attribute group.
    pub(super) fn views_of(&mut self, group: ItemId) -> Vec<GridViewId> {
        let mut found = listed(&self.referring().views, group);
        let views = &self.change_set.grid_views;
        found.retain(|id| {
            let view = views.get(*id);
            view.is_some_and(|view| view.attribute_groups.contains(&group))
        });
        found
    }

    /// Returns the channels that use a locale.
    pub(super) fn channels_of_locale(&mut self, locale: ItemId) -> Vec<ItemId> {
        let found = listed(&self.referring().channels, locale);
        self.channels_where(found, |channel| channel.locales.contains(&locale))
    }

    /// Returns the channels that show a tree, by its root.
    pub(super) fn channels_of_tree(&mut self, root: ItemId) -> Vec<ItemId> {
        let found = listed(&self.referring().tree_channels, root);
        self.channels_where(found, |channel| channel.tree == Some(root))
    }

    fn channels_where(
        &self,
        mut found: Vec<ItemId>,
        is_one: impl Fn(&Channel) -> bool,
    ) -> Vec<ItemId> {
        let channel = |id| self.change_set.items.get(id)?.as_channel();
        found.retain(|id| channel(*id).is_some_and(&is_one));
        found
    }

    /// Returns the subjects of the apps that an item was selected for.
    pub(super) fn apps_selecting(&mut self, item: ItemId) -> Vec<SubjectId> {
        listed(&self.referring().apps, item)
    }
}

use std::collections::BTreeSet;

use crate::{
    admin::{
        coded_kind::CodedKind,
        fault::{Fault, Refused},
    },
    domain::{AttributeId, Code, EntityKind, ItemId, ItemKind, SubjectKind},
};

use super::Planner;

/// Whether an entity in use is deleted with the references to it (rules 3.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cascade {
    /// The deletion is rejected.
    Reject,
    /// The entity and the references to it are deleted.
    Delete,
}

/// The numbers of references to an entity to be deleted, by kind.
#[derive(Debug, Default)]
pub(in crate::admin) struct Uses(Vec<(usize, &'static str)>);

impl Uses {
    /// Adds `count` references; `one` and `more` are the singular and plural of
    /// their kind.
    pub(in crate::admin) fn add(&mut self, count: usize, one: &'static str, more: &'static str) {
        match count {
            0 => {}
            1 => self.0.push((1, one)),
            _ => self.0.push((count, more)),
        }
    }

    /// Rejects the deletion if there are references and `cascade` is not set.
    pub(in crate::admin) fn refuse(
        self,
        entity: impl Into<EntityKind>,
        code: &Code,
        cascade: Cascade,
    ) -> Result<(), Fault> {
        if self.0.is_empty() || cascade == Cascade::Delete {
            return Ok(());
        }
        let uses: Vec<String> = self
            .0
            .iter()
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        let refused = Refused::InUse {
            entity: entity.into(),
            code: code.clone(),
            uses: uses.join(", "),
        };
        Err(Fault::new("", refused))
    }
}

impl Planner<'_> {
    /// Deletes an entity, categories excluded; without `cascade` nothing may refer to
    /// it. [`Planner::end_deletions`] removes the rights of user groups.
    pub(in crate::admin) fn delete(
        &mut self,
        what: CodedKind,
        code: &Code,
        cascade: Cascade,
    ) -> Result<(), Fault> {
        match what {
            CodedKind::UserGroups => return self.delete_group(code, cascade),
            CodedKind::Roles => return self.delete_role(code, cascade),
            CodedKind::Items(kind) => return self.delete_item(kind, code, cascade),
            CodedKind::Subjects(SubjectKind::App) => return self.delete_app(code),
            CodedKind::Subjects(kind) => {
                let found = self.change_set.find_subject(kind, code);
                let id = found.ok_or_else(|| Fault::unknown("", kind, code))?;
                self.change_set.subjects.remove(id);
            }
            CodedKind::Attributes => {
                let found = self.change_set.attributes.find(0, code);
                let id = found.ok_or_else(|| Fault::unknown("", EntityKind::Attribute, code))?;
                self.change_set.attributes.remove(id);
            }
            CodedKind::GridViews => {
                let found = self.change_set.grid_views.find(0, code);
                let id = found.ok_or_else(|| Fault::unknown("", EntityKind::GridView, code))?;
                self.change_set.grid_views.remove(id);
            }
        }
        Ok(())
    }

    /// Deletes a user group; without `cascade` it must have no members.
    /// [`Planner::end_deletions`] removes its rights.
    fn delete_group(&mut self, code: &Code, cascade: Cascade) -> Result<(), Fault> {
        let id = self.group("", code)?;
        if self.change_set.is_private(id) {
            return Err(Fault::new("", Refused::GroupIsPrivate(code.clone())));
        }
        if Some(id) == self.change_set.all_group() {
            return Err(Fault::new("", Refused::GroupAllIsFixed));
        }
        let members = self.members_of(id);
        let mut uses = Uses::default();
        uses.add(members.len(), "member", "members");
        uses.refuse(EntityKind::UserGroup, code, cascade)?;
        for member in members {
            let subjects = &mut self.change_set.subjects;
            subjects.change(member, |subject| {
                subject.groups.remove(&id);
            });
        }
        self.gone_groups.insert(id);
        self.change_set.groups.remove(id);
        Ok(())
    }

    /// Deletes a role; without `cascade` it must have no holders.
    fn delete_role(&mut self, code: &Code, cascade: Cascade) -> Result<(), Fault> {
        let found = self.change_set.roles.find(0, code);
        let id = found.ok_or_else(|| Fault::unknown("", EntityKind::Role, code))?;
        let holders = self.holders_of(id);
        let mut uses = Uses::default();
        uses.add(holders.len(), "holder", "holders");
        uses.refuse(EntityKind::Role, code, cascade)?;
        for holder in holders {
            let subjects = &mut self.change_set.subjects;
            subjects.change(holder, |subject| {
                subject.roles.remove(&id);
            });
        }
        self.change_set.roles.remove(id);
        Ok(())
    }

    /// Removes the rights of all deleted user groups at once.
    pub(in crate::admin) fn end_deletions(&mut self) {
        let gone = std::mem::take(&mut self.gone_groups);
        if !gone.is_empty() {
            self.change_set.rights.remove_groups(&gone);
        }
    }

    /// Deletes an item other than a category, with the rights on it; without
    /// `cascade` nothing may refer to it.
    fn delete_item(&mut self, kind: ItemKind, code: &Code, cascade: Cascade) -> Result<(), Fault> {
        let id = self.item("", kind, code)?;
        let mut attributes = self.attributes_of(id);
        attributes.retain(|id| {
            let attribute = self.change_set.attributes.get(*id);
            attribute.is_some_and(|attribute| !self.spared.contains(&attribute.code))
        });
        let views = self.views_of(id);
        let channels = self.channels_of_locale(id);
        let mut uses = Uses::default();
        uses.add(attributes.len(), "attribute", "attributes");
        uses.add(views.len(), "grid view", "grid views");
        uses.add(channels.len(), "channel", "channels");
        uses.refuse(kind, code, cascade)?;
        for attribute in attributes {
            self.change_set.attributes.remove(attribute);
        }
        for view in views {
            self.change_set.grid_views.change(view, |view| {
                view.attribute_groups.remove(&id);
            });
        }
        for channel in channels {
            self.change_set.items.change(channel, |item| {
                item.change_channel(|channel| {
                    channel.locales.remove(&id);
                });
            });
        }
        self.remove_item(id);
        Ok(())
    }

    /// Exempts attributes from being deleted with their groups: a later entry of
    /// this change gives them a group.
    pub(in crate::admin) fn exempt_attributes(&mut self, codes: BTreeSet<Code>) {
        self.spared = codes;
    }

    /// Deletes the exempted attributes that got no other group.
    pub(in crate::admin) fn delete_stray_attributes(&mut self) {
        let items = &self.change_set.items;
        let attributes = self.change_set.attributes.iter();
        let strays = attributes.filter(|(_, attribute)| items.get(attribute.group).is_none());
        let strays: Vec<AttributeId> = strays.map(|(id, _)| id).collect();
        for stray in strays {
            self.change_set.attributes.remove(stray);
        }
    }

    /// Returns the categories with these codes and all their descendants.
    ///
    /// Without `cascade` it fails, with the index of the code, if one of them has
    /// a sub-category that is not listed, contains products or is the tree of a
    /// channel. `products` returns the number of products in each listed
    /// category.
    pub(in crate::admin) fn categories_to_delete(
        &mut self,
        codes: &[Code],
        cascade: Cascade,
        products: impl Fn(ItemId) -> usize,
    ) -> Result<BTreeSet<ItemId>, (usize, Fault)> {
        let find = |(index, code): (usize, &Code)| {
            let found = self.item("", ItemKind::Category, code);
            found.map_err(|fault| (index, fault))
        };
        let named: Vec<ItemId> = codes
            .iter()
            .enumerate()
            .map(find)
            .collect::<Result<_, _>>()?;
        let all: BTreeSet<ItemId> = named.iter().copied().collect();
        let below = self.descendants();
        let left = below.counts(|id| !all.contains(&id));
        for ((index, code), id) in codes.iter().enumerate().zip(&named) {
            let left = left.get(id).copied().unwrap_or_default();
            let channels = self.channels_of_tree(*id);
            let mut uses = Uses::default();
            uses.add(left, "sub-category", "sub-categories");
            uses.add(products(*id), "product", "products");
            uses.add(channels.len(), "channel", "channels");
            uses.refuse(EntityKind::Category, code, cascade)
                .map_err(|fault| (index, fault))?;
        }
        Ok(below.with(named).into_iter().collect())
    }

    /// Deletes categories, with the rights on them.
    pub(in crate::admin) fn delete_categories(&mut self, categories: &BTreeSet<ItemId>) {
        for category in categories {
            for channel in self.channels_of_tree(*category) {
                let items = &mut self.change_set.items;
                items.change(channel, |item| {
                    item.change_channel(|channel| channel.tree = None);
                });
            }
            self.remove_item(*category);
        }
    }

    /// Removes an item, with the rights on it and the apps' selections of it.
    fn remove_item(&mut self, id: ItemId) {
        self.change_set.rights.replace(id, Vec::new());
        for subject in self.apps_selecting(id) {
            self.change_set.apps.change(&subject, |app| {
                app.selections.retain(|chosen| chosen.item != Some(id));
            });
        }
        self.change_set.items.remove(id);
    }

    /// Disconnects an app: deletes its subject, private group, scopes and
    /// selections (rules 5.9). [`Planner::end_deletions`] removes its rights.
    pub(in crate::admin) fn delete_app(&mut self, code: &Code) -> Result<(), Fault> {
        let found = self.change_set.find_subject(SubjectKind::App, code);
        let id = found.ok_or_else(|| Fault::unknown("app", EntityKind::App, code))?;
        if let Some(group) = self.change_set.apps.get(id).map(|app| app.group) {
            self.gone_groups.insert(group);
            self.change_set.groups.remove(group);
        }
        self.change_set.apps.remove(&id);
        self.change_set.subjects.remove(id);
        Ok(())
    }
}

use std::collections::BTreeSet;

use crate::{
    admin::{
        change_set::item_space,
        fault::{Fault, Refused},
    },
    domain::{AttributeId, Code, EntityKind, GridViewId, ItemId, ItemKind},
};

use super::{Outcome, Planned, Planner};

impl Planner<'_> {
    /// Creates an item that has no properties besides its code; no effect if it
    /// exists.
    pub(in crate::admin) fn put_item(
        &mut self,
        column: &str,
        kind: ItemKind,
        code: &Code,
    ) -> Planned {
        let items = &self.change_set.items;
        let found = items.find(item_space(kind), code);
        if let Some(other) = found.and_then(|id| items.get(id)) {
            if other.kind == kind {
                return Ok(Outcome::Unchanged);
            }
            let entity = EntityKind::from(other.kind);
            let code = other.code.clone();
            return Err(Fault::new(column, Refused::Exists { entity, code }));
        }
        Fault::check_new_code(column, code)?;
        self.insert_item(Item {
            code: code.clone(),
            kind,
            parent: None,
            tree: None,
            locales: BTreeSet::new(),
        });
        Ok(Outcome::Created)
    }

    pub(super) fn insert_item(&mut self, item: Item) -> ItemId {
        let id = ItemId(self.change_set.next_id());
        self.change_set.items.insert(id, item);
        self.new_items.push(id);
        id
    }

    pub(super) fn item(&self, field: &str, kind: ItemKind, code: &Code) -> Result<ItemId, Fault> {
        let found = self.change_set.find_item(kind, code);
        found.ok_or_else(|| Fault::unknown(field, kind, code))
    }

    /// Creates or changes a channel; fields that are `None` stay. Its tree is a
    /// root.
    pub(in crate::admin) fn put_channel(
        &mut self,
        code: &Code,
        tree: Option<&Option<Code>>,
        locales: Option<&[Code]>,
    ) -> Planned {
        self.forget_references();
        let root = |code: &Code| {
            let id = self.item("tree", ItemKind::Category, code)?;
            if self
                .change_set
                .items
                .get(id)
                .is_some_and(|category| category.parent.is_some())
            {
                let message = format!("category `{code}` is not the root of a tree");
                return Err(Fault::invalid("tree", message));
            }
            Ok(id)
        };
        let tree = tree
            .map(|tree| tree.as_ref().map(root).transpose())
            .transpose()?;
        let locale = |code: &Code| self.item("locales", ItemKind::Locale, code);
        let locales: Option<BTreeSet<ItemId>> = locales
            .map(|codes| codes.iter().map(locale).collect())
            .transpose()?;
        if let Some(id) = self.change_set.find_item(ItemKind::Channel, code) {
            let different = self.change_set.items.change(id, |channel| {
                channel.tree = tree.unwrap_or(channel.tree);
                channel.locales = locales.unwrap_or_else(|| channel.locales.clone());
            });
            return Ok(Outcome::of_change(different));
        }
        Fault::check_new_code("code", code)?;
        self.insert_item(Item {
            code: code.clone(),
            kind: ItemKind::Channel,
            parent: None,
            tree: tree.flatten(),
            locales: locales.unwrap_or_default(),
        });
        Ok(Outcome::Created)
    }

    /// Creates or changes an attribute; fields that are `None` stay.
    pub(in crate::admin) fn put_attribute(
        &mut self,
        code: &Code,
        group: Option<&Code>,
        scopable: Option<bool>,
        localizable: Option<bool>,
    ) -> Planned {
        self.forget_references();
        let find = |code| self.item("group", ItemKind::AttributeGroup, code);
        let group = group.map(find).transpose()?;
        if let Some(id) = self.change_set.attributes.find(0, code) {
            let different = self.change_set.attributes.change(id, |attribute| {
                attribute.group = group.unwrap_or(attribute.group);
                attribute.scopable = scopable.unwrap_or(attribute.scopable);
                attribute.localizable = localizable.unwrap_or(attribute.localizable);
            });
            return Ok(Outcome::of_change(different));
        }
        let missing = || Fault::invalid("group", "is missing; a new attribute is in a group");
        let group = group.ok_or_else(missing)?;
        Fault::check_new_code("code", code)?;
        let id = AttributeId(self.change_set.next_id());
        let attribute = Attribute {
            code: code.clone(),
            group,
            scopable: scopable.unwrap_or_default(),
            localizable: localizable.unwrap_or_default(),
        };
        self.change_set.attributes.insert(id, attribute);
        Ok(Outcome::Created)
    }

    /// Creates or changes a grid view; fields that are `None` stay.
    pub(in crate::admin) fn put_grid_view(
        &mut self,
        code: &Code,
        groups: Option<&[Code]>,
    ) -> Planned {
        self.forget_references();
        let group = |code: &Code| self.item("attribute_groups", ItemKind::AttributeGroup, code);
        let groups: Option<BTreeSet<ItemId>> = groups
            .map(|codes| codes.iter().map(group).collect())
            .transpose()?;
        if let Some(id) = self.change_set.grid_views.find(0, code) {
            let different = self.change_set.grid_views.change(id, |view| {
                view.groups = groups.unwrap_or_else(|| view.groups.clone());
            });
            return Ok(Outcome::of_change(different));
        }
        Fault::check_new_code("code", code)?;
        let id = GridViewId(self.change_set.next_id());
        let view = GridView {
            code: code.clone(),
            groups: groups.unwrap_or_default(),
        };
        self.change_set.grid_views.insert(id, view);
        Ok(Outcome::Created)
    }
}

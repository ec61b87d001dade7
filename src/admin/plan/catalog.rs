use std::collections::BTreeSet;

use crate::{
    admin::{
        change_set::item_space,
        fault::{Fault, Refused},
    },
    domain::{
        Attribute, AttributeId, AttributePatch, Channel, ChannelPatch, Code, EntityKind, GridView,
        GridViewId, GridViewPatch, Item, ItemId, ItemKind,
    },
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
            if other.kind() == kind {
                return Ok(Outcome::Unchanged);
            }
            let entity = EntityKind::from(other.kind());
            let code = other.code().clone();
            return Err(Fault::new(column, Refused::Exists { entity, code }));
        }
        Fault::check_new_code(column, code)?;
        self.insert_item(Item::new(kind, code.clone()));
        Ok(Outcome::Created)
    }

    pub(super) fn insert_item(&mut self, item: Item) -> ItemId {
        let id = ItemId(self.change_set.next_id());
        self.change_set.items.insert(id, item);
        self.new_items.push(id);
        id
    }

    pub(in crate::admin) fn item(
        &self,
        field: &str,
        kind: ItemKind,
        code: &Code,
    ) -> Result<ItemId, Fault> {
        let found = self.change_set.find_item(kind, code);
        found.ok_or_else(|| Fault::unknown(field, kind, code))
    }

    /// Creates or changes a channel. Its tree is a root.
    pub(in crate::admin) fn put_channel(&mut self, patch: &ChannelPatch) -> Planned {
        self.forget_references();
        let code = &patch.code;
        let root = |code: &Code| {
            let id = self.item("tree", ItemKind::Category, code)?;
            let tree = self.change_set.items.get(id);
            if tree.is_some_and(|category| category.parent().is_some()) {
                let message = format!("category `{code}` is not the root of a tree");
                return Err(Fault::invalid("tree", message));
            }
            Ok(id)
        };
        let tree = patch.tree.as_ref();
        let tree = tree
            .map(|tree| tree.as_ref().map(root).transpose())
            .transpose()?;
        let locales = self.items_of("locales", ItemKind::Locale, patch.locales.as_deref())?;
        if let Some(id) = self.change_set.find_item(ItemKind::Channel, code) {
            let different = self.change_set.items.change(id, |item| {
                item.change_channel(|channel| {
                    channel.tree = tree.unwrap_or(channel.tree);
                    channel.locales = locales.unwrap_or_else(|| channel.locales.clone());
                });
            });
            return Ok(Outcome::of_change(different));
        }
        Fault::check_new_code("code", code)?;
        self.insert_item(Item::Channel(Channel {
            code: code.clone(),
            tree: tree.flatten(),
            locales: locales.unwrap_or_default(),
        }));
        Ok(Outcome::Created)
    }

    /// Returns the ids of the items of a list.
    fn items_of(
        &self,
        field: &str,
        kind: ItemKind,
        codes: Option<&[Code]>,
    ) -> Result<Option<BTreeSet<ItemId>>, Fault> {
        let find = |code| self.item(field, kind, code);
        codes
            .map(|codes| codes.iter().map(find).collect())
            .transpose()
    }

    /// Creates or changes an attribute.
    pub(in crate::admin) fn put_attribute(&mut self, patch: &AttributePatch) -> Planned {
        self.forget_references();
        let AttributePatch {
            code,
            group,
            scopable,
            localizable,
        } = patch;
        let find = |code| self.item("group", ItemKind::AttributeGroup, code);
        let group = group.as_ref().map(find).transpose()?;
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

    /// Creates or changes a grid view.
    pub(in crate::admin) fn put_grid_view(&mut self, patch: &GridViewPatch) -> Planned {
        self.forget_references();
        let groups = patch.attribute_groups.as_deref();
        let groups = self.items_of("attribute_groups", ItemKind::AttributeGroup, groups)?;
        let code = &patch.code;
        if let Some(id) = self.change_set.grid_views.find(0, code) {
            let different = self.change_set.grid_views.change(id, |view| {
                view.attribute_groups = groups.unwrap_or_else(|| view.attribute_groups.clone());
            });
            return Ok(Outcome::of_change(different));
        }
        Fault::check_new_code("code", code)?;
        let id = GridViewId(self.change_set.next_id());
        let view = GridView {
            code: code.clone(),
            attribute_groups: groups.unwrap_or_default(),
        };
        self.change_set.grid_views.insert(id, view);
        Ok(Outcome::Created)
    }
}

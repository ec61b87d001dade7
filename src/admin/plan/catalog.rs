use std::collections::BTreeSet;

use crate::{
    domain::{Code, ItemKind},
    store::{AttributeRow, GridViewRow, ItemRow},
};

use super::{Bad, Outcome, Planner, RowOutcome, bad, noun, unknown};

impl Planner<'_> {
    pub(super) fn put_item(
        &mut self,
        column: &'static str,
        kind: ItemKind,
        code: &Code,
    ) -> RowOutcome {
        if self.world.find_item(kind, code).is_some() {
            return Ok(Outcome::Unchanged);
        }
        let space = crate::admin::world::item_space(kind);
        if let Some(other) = self
            .world
            .items
            .find(space, code)
            .and_then(|id| self.world.items.get(id))
        {
            let (is, wanted) = (noun(other.kind), noun(kind));
            return Err(bad(
                column,
                format!(
                    "`{code}` is an {is} and cannot be an {wanted} as well: they share one code space"
                ),
            ));
        }
        self.insert_item(ItemRow {
            code: code.clone(),
            kind,
            parent: None,
            tree: None,
            locales: BTreeSet::new(),
        });
        Ok(Outcome::Created)
    }

    pub(super) fn insert_item(&mut self, item: ItemRow) -> i32 {
        let id = self.world.next_id();
        self.world.items.insert(id, item);
        self.new_items.push(id);
        id
    }

    fn item(&self, column: &'static str, kind: ItemKind, code: &Code) -> Result<i32, Bad> {
        self.world
            .find_item(kind, code)
            .ok_or_else(|| unknown(column, noun(kind), code))
    }

    pub(super) fn put_channel(
        &mut self,
        code: &Code,
        tree: Option<&Option<Code>>,
        locales: Option<&[Code]>,
    ) -> RowOutcome {
        let root = |code: &Code| {
            let id = self.item("tree", ItemKind::Category, code)?;
            if self
                .world
                .items
                .get(id)
                .is_some_and(|category| category.parent.is_some())
            {
                return Err(bad(
                    "tree",
                    format!("category `{code}` is not the root of a tree"),
                ));
            }
            Ok(id)
        };
        let tree = tree
            .map(|tree| tree.as_ref().map(root).transpose())
            .transpose()?;
        let locale = |code: &Code| self.item("locales", ItemKind::Locale, code);
        let locales: Option<BTreeSet<i32>> = locales
            .map(|codes| codes.iter().map(locale).collect())
            .transpose()?;
        if let Some(id) = self.world.find_item(ItemKind::Channel, code) {
            let different = self.world.items.change(id, |channel| {
                channel.tree = tree.unwrap_or(channel.tree);
                channel.locales = locales.unwrap_or_else(|| channel.locales.clone());
            });
            return Ok(Outcome::of_change(different));
        }
        self.insert_item(ItemRow {
            code: code.clone(),
            kind: ItemKind::Channel,
            parent: None,
            tree: tree.flatten(),
            locales: locales.unwrap_or_default(),
        });
        Ok(Outcome::Created)
    }

    pub(super) fn put_attribute(
        &mut self,
        code: &Code,
        group: &Code,
        scopable: Option<bool>,
        localizable: Option<bool>,
    ) -> RowOutcome {
        let group = self.item("group", ItemKind::AttributeGroup, group)?;
        if let Some(id) = self.world.attributes.find(0, code) {
            let different = self.world.attributes.change(id, |attribute| {
                attribute.group = group;
                attribute.scopable = scopable.unwrap_or(attribute.scopable);
                attribute.localizable = localizable.unwrap_or(attribute.localizable);
            });
            return Ok(Outcome::of_change(different));
        }
        let id = self.world.next_id();
        let attribute = AttributeRow {
            code: code.clone(),
            group,
            scopable: scopable.unwrap_or_default(),
            localizable: localizable.unwrap_or_default(),
        };
        self.world.attributes.insert(id, attribute);
        Ok(Outcome::Created)
    }

    pub(super) fn put_grid_view(&mut self, code: &Code, groups: Option<&[Code]>) -> RowOutcome {
        let group = |code: &Code| self.item("attribute_groups", ItemKind::AttributeGroup, code);
        let groups: Option<BTreeSet<i32>> = groups
            .map(|codes| codes.iter().map(group).collect())
            .transpose()?;
        if let Some(id) = self.world.grid_views.find(0, code) {
            let different = self.world.grid_views.change(id, |view| {
                view.groups = groups.unwrap_or_else(|| view.groups.clone());
            });
            return Ok(Outcome::of_change(different));
        }
        let id = self.world.next_id();
        let view = GridViewRow {
            code: code.clone(),
            groups: groups.unwrap_or_default(),
        };
        self.world.grid_views.insert(id, view);
        Ok(Outcome::Created)
    }
}

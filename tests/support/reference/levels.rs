//! Levels held, on each item and over a product's categories.

use std::collections::BTreeSet;

use pim_authz::domain::{
    Code, ItemKind, ItemRef, Level, Parent, ProductKind, ProductRef, ResourceType,
};

use super::Case;

impl Case<'_> {
    /// Returns the level that the subject holds on the item.
    pub(super) fn held(&self, item: &ItemRef) -> Level {
        let world = self.world;
        // Rules 1.7: an item that is not stored is held at none, in every
        // edition.
        if !world.items.contains(item) {
            return Level::Hidden;
        }
        // Rules 3.4: in other editions everyone holds the highest level.
        if !world.edition.is_enterprise() {
            return match item.kind {
                ItemKind::Category => Level::Own,
                ItemKind::Channel
                | ItemKind::Locale
                | ItemKind::AttributeGroup
                | ItemKind::AssetFamily
                | ItemKind::ReferenceEntity => Level::Edit,
                ItemKind::ImportProfile | ItemKind::ExportProfile => Level::ExecuteAndEdit,
            };
        }
        // Rules 3.5: the highest level wins; rules 3.6: nothing is inherited.
        let mine = world.groups_of(self.question.subject());
        let mut highest = Level::Hidden;
        for ((group, on), level) in &world.rights {
            if mine.contains(group) && on == item {
                highest = highest.or(*level);
            }
        }
        highest
    }

    pub(super) fn highest_of(&self, kind: ItemKind) -> Level {
        let items = self.world.items_of(kind);
        items
            .map(|item| self.held(item))
            .fold(Level::Hidden, Level::or)
    }

    /// Returns the level in the decision (rules 4.1, `api.md`).
    pub(super) fn answered_level(&self) -> Option<Level> {
        if !self.requirements.requires_resource {
            return None;
        }
        // Rules 1.7: an unknown or disabled subject holds none.
        match self.subject_denial() {
            Some(_) => Some(Level::Hidden),
            None => Some(self.level_held()),
        }
    }

    /// Returns the level held on the resource.
    pub(super) fn level_held(&self) -> Level {
        if !self.resource_is_known() {
            return Level::Hidden;
        }
        if let Some((item, _)) = self.ruling_item() {
            return self.held(&item);
        }
        match self.resource().kind {
            ResourceType::Product | ResourceType::ProductModel => self.product_level(),
            ResourceType::Attribute => self.held(&self.stored_group_of_the_attribute()),
            ResourceType::GridView if self.first_hidden_group().is_none() => Level::View,
            ResourceType::GridView => Level::Hidden,
            other => unreachable!("{other} is ruled by an item"),
        }
    }

    /// Rules 4.1 and 4.3.
    pub(super) fn product_level(&self) -> Level {
        // Rules 3.4: of every product, stored or described.
        if !self.world.edition.is_enterprise() {
            return Level::Own;
        }
        let effective = self.effective_categories();
        if effective.is_empty() {
            return Level::Own;
        }
        let known = effective.iter().flatten();
        known
            .map(|category| self.held(category))
            .fold(Level::Hidden, Level::or)
    }

    /// Rules 4.2 and 7.1: the categories of the product and of its ancestors;
    /// `None` for each category or parent that is named and unknown.
    pub(super) fn effective_categories(&self) -> BTreeSet<Option<ItemRef>> {
        let described = &self.resource().description;
        let me = self.product();
        let mut categories = BTreeSet::new();
        let mut visited: Vec<ProductRef> = me.iter().cloned().collect();
        let stored = me.and_then(|me| self.world.products.get(&me));

        let own: Vec<Code> = match (&described.categories, stored) {
            (Some(codes), _) => codes.to_vec(),
            (None, Some(product)) => product.categories.iter().cloned().collect(),
            (None, None) => Vec::new(),
        };
        categories.extend(own.into_iter().map(|code| self.known_category(code)));
        let mut above: Option<Code> = match (&described.parent, stored) {
            (Some(Parent::Code(code)), _) => Some(code.clone()),
            (Some(Parent::Absent), _) | (None, None) => None,
            (None, Some(product)) => product.parent.clone(),
        };
        while let Some(code) = above.take() {
            let kind = ProductKind::Model;
            let model = ProductRef { kind, code };
            let Some(stored) = self.world.products.get(&model) else {
                categories.insert(None);
                break;
            };
            if visited.contains(&model) {
                break; // each once
            }
            let codes = stored.categories.iter().cloned();
            categories.extend(codes.map(|code| self.known_category(code)));
            above.clone_from(&stored.parent);
            visited.push(model);
        }
        categories
    }

    pub(super) fn known_category(&self, code: Code) -> Option<ItemRef> {
        let kind = ItemKind::Category;
        let category = ItemRef { kind, code };
        self.world.items.get(&category).cloned()
    }

    /// `api.md`: the effective category held at the highest level, the first by
    /// code.
    pub(super) fn category_held_highest(&self) -> Option<ItemRef> {
        let level = self.product_level();
        let effective = self.effective_categories();
        let mut known = effective.into_iter().flatten();
        known.find(|category| self.held(category) == level)
    }

    pub(super) fn stored_group_of_the_attribute(&self) -> ItemRef {
        let attribute = self.resource().id.as_ref().unwrap();
        ItemRef {
            kind: ItemKind::AttributeGroup,
            code: self.world.attributes[attribute].group.clone(),
        }
    }

    /// Rules 4.10: the first attribute group of a grid view that is not viewable.
    pub(super) fn first_hidden_group(&self) -> Option<ItemRef> {
        let view = self.resource().id.as_ref().unwrap();
        let kind = ItemKind::AttributeGroup;
        let groups = self.world.grid_views[view].iter().cloned();
        groups
            .map(|code| ItemRef { kind, code })
            .find(|group| !self.held(group).allows(Level::View))
    }
}

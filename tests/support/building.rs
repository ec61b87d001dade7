//! Builder of worlds in the words of the rules.
//!
//! `with_…` stores an entity; `group("Redactors").may(View).category("audio")`
//! grants a right, and stores the entities that it names if they do not exist.

use pim_authz::domain::{
    Audience, CATALOGUE, Code, Edition, ItemKind, ItemRef, Level, PermissionSet, ProductKind,
    ProductRef,
};

use super::world::{Attribute, Member, Product, Role, World, code, item};

/// Whether the values of an attribute are specific to a channel, a locale or both
/// (rules 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpecificTo {
    Nothing,
    Channel,
    Locale,
    Both,
}

impl World {
    pub(crate) fn enterprise() -> Self {
        Self::new(Edition::Enterprise)
    }

    pub(crate) fn growth() -> Self {
        Self::new(Edition::Growth)
    }

    pub(crate) fn community() -> Self {
        Self::new(Edition::Community)
    }

    /// Changes the edition (rules 2.4, 3.4).
    pub(crate) fn in_edition(mut self, edition: Edition) -> Self {
        self.edition = edition;
        self
    }

    /// Adds a role for users, or adds permissions to it.
    pub(crate) fn role(self, role: &str, permissions: &[&str]) -> Self {
        self.role_for(Audience::User, role, permissions)
    }

    /// Adds a role for connections, or adds permissions to it.
    pub(crate) fn connection_role(self, role: &str, permissions: &[&str]) -> Self {
        self.role_for(Audience::Connection, role, permissions)
    }

    fn role_for(mut self, audience: Audience, role: &str, permissions: &[&str]) -> Self {
        let granted: PermissionSet = permissions
            .iter()
            .map(|text| CATALOGUE.find_permission(text).unwrap().id)
            .collect();
        let role = self.roles.entry(code(role)).or_insert_with(|| Role {
            audience,
            permissions: PermissionSet::default(),
        });
        role.permissions = role.permissions.union(&granted);
        self
    }

    /// Adds a user in these groups (`All` is implicit).
    pub(crate) fn user(mut self, user: &str, groups: &[&str]) -> Self {
        let member = self.member_of(groups);
        self.users.insert(code(user), member);
        self
    }

    /// Adds a connection in these groups; `All` must be named explicitly.
    pub(crate) fn connection(mut self, connection: &str, groups: &[&str]) -> Self {
        let member = self.member_of(groups);
        self.connections.insert(code(connection), member);
        self
    }

    fn member_of(&mut self, groups: &[&str]) -> Member {
        let groups: Vec<Code> = groups.iter().map(|text| code(text)).collect();
        self.groups.extend(groups.iter().cloned());
        Member {
            groups: groups.into_iter().collect(),
            ..Member::default()
        }
    }

    /// Assigns stored roles to the user or connection with this code.
    pub(crate) fn with_roles(mut self, member: &str, roles: &[&str]) -> Self {
        let member = code(member);
        let stored = self.users.get_mut(&member);
        let stored = stored.or_else(|| self.connections.get_mut(&member));
        stored
            .unwrap()
            .roles
            .extend(roles.iter().map(|role| code(role)));
        self
    }

    /// Disables the user or connection with this code.
    pub(crate) fn disabled(mut self, member: &str) -> Self {
        let member = code(member);
        let stored = self.users.get_mut(&member);
        let stored = stored.or_else(|| self.connections.get_mut(&member));
        stored.unwrap().disabled = true;
        self
    }

    /// Adds a connected app, which has `edit` on every channel (rules 5.7).
    pub(crate) fn app(mut self, app: &str, scopes: &[&str]) -> Self {
        let scopes = scopes
            .iter()
            .map(|text| CATALOGUE.find_scope(text).unwrap().id)
            .collect();
        self.apps.insert(code(app), scopes);
        self.give_apps_every_channel();
        self
    }

    fn give_apps_every_channel(&mut self) {
        let apps: Vec<Code> = self.apps.keys().map(Self::private_group).collect();
        let channels: Vec<ItemRef> = self.items_of(ItemKind::Channel).cloned().collect();
        for group in apps {
            for channel in &channels {
                self.grant(group.clone(), channel.clone(), Level::Edit);
            }
        }
    }

    fn with_item(&mut self, item: ItemRef) {
        let is_channel = item.kind == ItemKind::Channel;
        if self.items.insert(item) && is_channel {
            self.give_apps_every_channel();
        }
    }

    pub(crate) fn with(mut self, kind: ItemKind, codes: &[&str]) -> Self {
        for text in codes {
            self.with_item(item(kind, text));
        }
        self
    }

    pub(crate) fn with_channels(self, codes: &[&str]) -> Self {
        self.with(ItemKind::Channel, codes)
    }

    pub(crate) fn with_locales(self, codes: &[&str]) -> Self {
        self.with(ItemKind::Locale, codes)
    }

    pub(crate) fn with_attribute_groups(self, codes: &[&str]) -> Self {
        self.with(ItemKind::AttributeGroup, codes)
    }

    /// Adds roots of category trees.
    pub(crate) fn with_trees(self, codes: &[&str]) -> Self {
        self.with(ItemKind::Category, codes)
    }

    pub(crate) fn with_category_under(mut self, parent: &str, category: &str) -> Self {
        self = self.with_trees(&[parent, category]);
        self.category_parents.insert(code(category), code(parent));
        self
    }

    pub(crate) fn with_attribute(mut self, attribute: &str, group: &str, is: SpecificTo) -> Self {
        self = self.with_attribute_groups(&[group]);
        let attribute_is = Attribute {
            group: code(group),
            scopable: matches!(is, SpecificTo::Channel | SpecificTo::Both),
            localizable: matches!(is, SpecificTo::Locale | SpecificTo::Both),
        };
        self.attributes.insert(code(attribute), attribute_is);
        self
    }

    pub(crate) fn with_grid_view(mut self, view: &str, groups: &[&str]) -> Self {
        self = self.with_attribute_groups(groups);
        let groups = groups.iter().map(|group| code(group)).collect();
        self.grid_views.insert(code(view), groups);
        self
    }

    /// Adds a product without a parent.
    pub(crate) fn with_product(self, product: &str, categories: &[&str]) -> Self {
        self.with_catalog_entry(ProductKind::Product, product, None, categories)
    }

    /// Adds a product with a parent model.
    pub(crate) fn with_variant(self, product: &str, model: &str, categories: &[&str]) -> Self {
        self.with_catalog_entry(ProductKind::Product, product, Some(model), categories)
    }

    /// Adds a root model.
    pub(crate) fn with_model(self, model: &str, categories: &[&str]) -> Self {
        self.with_catalog_entry(ProductKind::Model, model, None, categories)
    }

    /// Adds a model with a parent model.
    pub(crate) fn with_sub_model(self, model: &str, parent: &str, categories: &[&str]) -> Self {
        self.with_catalog_entry(ProductKind::Model, model, Some(parent), categories)
    }

    fn with_catalog_entry(
        mut self,
        kind: ProductKind,
        product: &str,
        parent: Option<&str>,
        categories: &[&str],
    ) -> Self {
        self = self.with_trees(categories);
        let code_of = code(product);
        let product = Product {
            parent: parent.map(code),
            categories: categories.iter().map(|text| code(text)).collect(),
        };
        let key = ProductRef {
            kind,
            code: code_of,
        };
        self.products.insert(key, product);
        self
    }

    /// Selects the user group for the following grants; stores it if it does not
    /// exist.
    pub(crate) fn group(mut self, group: &str) -> Self {
        self.granting.0 = code(group);
        if !group.starts_with("app:") {
            self.groups.insert(code(group));
        }
        self
    }

    /// Selects the level for the following grants.
    pub(crate) fn may(mut self, level: Level) -> Self {
        self.granting.1 = level;
        self
    }

    fn on(mut self, kind: ItemKind, text: &str) -> Self {
        self.with_item(item(kind, text));
        let (group, level) = self.granting.clone();
        self.grant(group, item(kind, text), level);
        self
    }

    pub(crate) fn channel(self, text: &str) -> Self {
        self.on(ItemKind::Channel, text)
    }

    pub(crate) fn locale(self, text: &str) -> Self {
        self.on(ItemKind::Locale, text)
    }

    pub(crate) fn category(self, text: &str) -> Self {
        self.on(ItemKind::Category, text)
    }

    /// Grants the level on a root and, as the wizard does, on all its descendants
    /// (rules 5.6).
    pub(crate) fn tree(mut self, root: &str) -> Self {
        let inside: Vec<Code> = self
            .items_of(ItemKind::Category)
            .filter(|category| self.root_of(&category.code) == code(root))
            .map(|category| category.code.clone())
            .collect();
        for category in inside {
            self = self.category(category.as_str());
        }
        self.category(root)
    }

    pub(crate) fn attribute_group(self, text: &str) -> Self {
        self.on(ItemKind::AttributeGroup, text)
    }

    pub(crate) fn asset_family(self, text: &str) -> Self {
        self.on(ItemKind::AssetFamily, text)
    }

    pub(crate) fn reference_entity(self, text: &str) -> Self {
        self.on(ItemKind::ReferenceEntity, text)
    }

    pub(crate) fn import_profile(self, text: &str) -> Self {
        self.on(ItemKind::ImportProfile, text)
    }

    pub(crate) fn export_profile(self, text: &str) -> Self {
        self.on(ItemKind::ExportProfile, text)
    }
}

//! Small random worlds, dense enough that every rule applies often.

use std::collections::BTreeSet;

use pim_authz::domain::{CATALOGUE, Code, Edition, ItemKind, ItemRef, Level};

use super::{
    building::SpecificTo,
    entropy::Entropy,
    world::{World, code},
};

/// Codes that differ in case, are numeric, or are not ASCII (rules 1.5).
const GROUPS: [&str; 3] = ["Redactors", "manager", "Équipe"];
const CATEGORIES: [&str; 5] = ["Master", "audio", "1111111171", "Été", "print"];
const CHANNELS: [&str; 2] = ["ecommerce", "Print"];
const LOCALES: [&str; 3] = ["en_US", "fr_FR", "de_DE"];
const ATTRIBUTE_GROUPS: [&str; 3] = ["General", "marketing", "ERP"];
const ATTRIBUTES: [(&str, SpecificTo); 4] = [
    ("sku", SpecificTo::Nothing),
    ("Price", SpecificTo::Channel),
    ("name", SpecificTo::Locale),
    ("description", SpecificTo::Both),
];

/// Permissions that random roles hold; together they use every column of the
/// catalogue.
pub(crate) const PERMISSIONS: [&str; 24] = [
    "api.overall_access",
    "api.product.edit",
    "api.product.list",
    "api.asset.edit",
    "api.asset.list",
    "api.reference_entity_record.remove",
    "product.create",
    "product.edit_attributes",
    "product.list",
    "product.remove",
    "product.restore",
    "product_model.edit_attributes",
    "category.list",
    "category.edit",
    "category.edit_attributes",
    "category.reorder",
    "category.view_history",
    "asset.edit",
    "asset.list_products",
    "reference_entity_record.create",
    "export_profile.launch",
    "import_profile.edit",
    "app.manage",
    "system_information.view",
];

/// Returns a random tenant with any of the users `julia` and `Mary`, the
/// connections `erp` and `Shop`, and the apps `translator` and `Sync`.
pub(crate) fn random_world(entropy: &mut Entropy) -> World {
    let editions = [
        Edition::Enterprise,
        Edition::Enterprise,
        Edition::Enterprise,
        Edition::Enterprise,
        Edition::Growth,
        Edition::Community,
    ];
    let mut world = World::new(*entropy.pick(&editions));
    world = random_vocabularies(world, entropy);
    world = random_products(world, entropy);
    world = random_roles(world, entropy);
    world = random_subjects(world, entropy);
    random_rights(&mut world, entropy);
    world
}

/// Returns a random world that its own `files()` can represent, without anything
/// that the wizard or a role's screen would reject (rules 2.4, 5.3, 5.6).
pub(crate) fn random_importable_world(entropy: &mut Entropy) -> World {
    random_stored_world(entropy).importable()
}

/// Returns a random world that the service can store, without anything that a
/// role's screen or the edition would reject (rules 2.4, 5.3). Private groups
/// have rights that no file can represent.
pub(crate) fn random_stored_world(entropy: &mut Entropy) -> World {
    let mut world = random_world(entropy);
    if !world.edition.is_enterprise() {
        for role in world.roles.values_mut() {
            for enterprise in CATALOGUE.permissions().iter().filter(|p| p.enterprise) {
                role.permissions.remove(enterprise.id);
            }
        }
    }
    for scopes in world.apps.values_mut() {
        let offered = |id: &_| CATALOGUE.scope(*id).is_offered_in(world.edition);
        *scopes = scopes.iter().filter(offered).collect();
    }
    world
}

fn random_vocabularies(mut world: World, entropy: &mut Entropy) -> World {
    let mut stored: Vec<&str> = Vec::new();
    for category in entropy.some(80, &CATEGORIES) {
        world = if !stored.is_empty() && entropy.chance(60) {
            let parent = *entropy.pick(&stored);
            world.with_category_under(parent, category)
        } else {
            world.with_trees(&[category])
        };
        stored.push(category);
    }
    world = world
        .with_channels(&entropy.some(70, &CHANNELS))
        .with_locales(&entropy.some(70, &LOCALES))
        .with_attribute_groups(&entropy.some(80, &ATTRIBUTE_GROUPS))
        .with(
            ItemKind::AssetFamily,
            &entropy.some(75, &["packshots", "Videos"]),
        )
        .with(
            ItemKind::ReferenceEntity,
            &entropy.some(75, &["brands", "Colors"]),
        )
        .with(ItemKind::ImportProfile, &entropy.some(75, &["csv_import"]))
        .with(
            ItemKind::ExportProfile,
            &entropy.some(75, &["CSV_export", "xlsx"]),
        );
    let groups = written(&world, ItemKind::AttributeGroup);
    for (attribute, specific) in ATTRIBUTES {
        if !groups.is_empty() && entropy.chance(85) {
            let group = entropy.pick(&groups).clone();
            world = world.with_attribute(attribute, &group, specific);
        }
    }
    for view in entropy.some(75, &["my view", "Empty"]) {
        let groups = entropy.some(60, &groups);
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        world = world.with_grid_view(view, &groups);
    }
    world
}

/// Returns the codes of the stored items of a kind, as they were written.
pub(crate) fn written(world: &World, kind: ItemKind) -> Vec<String> {
    let items = world.items_of(kind);
    items.map(|item| item.code.to_string()).collect()
}

fn random_products(mut world: World, entropy: &mut Entropy) -> World {
    let categories = written(&world, ItemKind::Category);
    let categories: Vec<&str> = categories.iter().map(String::as_str).collect();
    let models = entropy.below(3);
    if models > 0 {
        world = world.with_model("Shirt", &entropy.some(35, &categories));
    }
    if models > 1 {
        world = world.with_sub_model("shirt-red", "Shirt", &entropy.some(35, &categories));
    }
    for product in entropy.some(75, &["hat", "SONY-1", "4711"]) {
        let own = entropy.some(35, &categories);
        world = match entropy.below(models + 1) {
            0 => world.with_product(product, &own),
            1 => world.with_variant(product, "Shirt", &own),
            _ => world.with_variant(product, "shirt-red", &own),
        };
    }
    world
}

fn random_roles(mut world: World, entropy: &mut Entropy) -> World {
    let of_api: Vec<&str> = PERMISSIONS
        .into_iter()
        .filter(|p| p.starts_with("api."))
        .collect();
    let everything: Vec<&str> = CATALOGUE.permissions().iter().map(|p| p.code).collect();
    world = world
        .role("Editor", &entropy.some(70, &PERMISSIONS))
        .role("intern", &entropy.some(15, &PERMISSIONS))
        .connection_role("API", &entropy.some(75, &of_api));
    if entropy.chance(50) {
        world = world.role("Administrator", &everything);
    }
    world
}

fn random_subjects(mut world: World, entropy: &mut Entropy) -> World {
    let people = entropy.some(85, &GROUPS);
    for group in &people {
        world = world.group(group);
    }
    let roles: Vec<&str> = ["Administrator", "Editor", "intern"]
        .into_iter()
        .filter(|role| world.roles.keys().any(|stored| stored.as_str() == *role))
        .collect();
    for user in entropy.some(97, &["julia", "Mary"]) {
        world = world
            .user(user, &entropy.some(40, &people))
            .with_roles(user, &entropy.some(65, &roles));
        if entropy.chance(5) {
            world = world.disabled(user);
        }
    }
    for connection in entropy.some(95, &["erp", "Shop"]) {
        let mut groups = entropy.some(40, &people);
        groups.extend(entropy.some(50, &["All"]));
        world = world
            .connection(connection, &groups)
            .with_roles(connection, &entropy.some(85, &["API"]));
        if entropy.chance(5) {
            world = world.disabled(connection);
        }
    }
    let scopes: Vec<&str> = CATALOGUE.scopes().iter().map(|scope| scope.code).collect();
    for app in entropy.some(95, &["translator", "Sync"]) {
        let percent = *entropy.pick(&[10, 50, 90, 0]);
        world = world.app(app, &entropy.some(percent, &scopes));
        // As stored by the steps of connecting: with all implied scopes
        // (rules 5.3).
        if entropy.chance(40) {
            let granted = world.apps.get_mut(&code(app)).unwrap();
            *granted = CATALOGUE.with_implied_scopes(*granted);
        }
    }
    world
}

fn random_rights(world: &mut World, entropy: &mut Entropy) {
    // Some worlds have few rights, some have many.
    let percent = *entropy.pick(&[30, 60, 85]);
    let items: BTreeSet<ItemRef> = world.items.clone();
    for group in world.every_group() {
        for item in &items {
            if entropy.chance(percent) {
                let level = *entropy.pick(levels_of(item.kind));
                world.grant(group.clone(), item.clone(), level);
            }
        }
    }
    withhold_channels(world, entropy);
}

/// Reduces the level of some apps on channels, as an administrator may
/// (rules 5.7).
fn withhold_channels(world: &mut World, entropy: &mut Entropy) {
    let apps: Vec<Code> = world.apps.keys().map(World::private_group).collect();
    let channels: Vec<ItemRef> = world.items_of(ItemKind::Channel).cloned().collect();
    for group in apps {
        for channel in &channels {
            if entropy.chance(25) {
                let left = *entropy.pick(&[Level::Hidden, Level::View]);
                world.rights.insert((group.clone(), channel.clone()), left);
            }
        }
    }
}

/// Returns the levels that a right on an item of this kind can have (rules 3.1,
/// 3.3).
pub(crate) fn levels_of(kind: ItemKind) -> &'static [Level] {
    match kind {
        ItemKind::Category => &[Level::View, Level::Edit, Level::Own],
        ItemKind::Channel
        | ItemKind::Locale
        | ItemKind::AttributeGroup
        | ItemKind::AssetFamily
        | ItemKind::ReferenceEntity => &[Level::View, Level::Edit],
        ItemKind::ImportProfile | ItemKind::ExportProfile => {
            &[Level::Execute, Level::Edit, Level::ExecuteAndEdit]
        }
    }
}

impl World {
    /// Returns a copy in which apps have only rights that the wizard can grant.
    pub(crate) fn importable(&self) -> Self {
        let mut world = self.clone();
        for app in self.apps.keys() {
            world.leave_what_the_wizard_would(app);
        }
        world
    }

    /// Reduces an app's rights to some that the wizard can produce (rules 5.6,
    /// 5.7): one level per tree, `edit` on every channel, none on independent
    /// items, at most `view` with a scope that only reads products.
    fn leave_what_the_wizard_would(&mut self, app: &Code) {
        let group = Self::private_group(app);
        let most = self.most_that_the_wizard_offers(app);
        for item in self.items.clone() {
            let held = match item.kind {
                ItemKind::Category => {
                    let root = self.root_of(&item.code);
                    self.right(&group, &super::item(ItemKind::Category, root.as_str()))
                }
                _ => self.right(&group, &item),
            };
            let left = match item.kind {
                ItemKind::Channel => Level::Edit,
                ItemKind::Category | ItemKind::Locale | ItemKind::AttributeGroup => {
                    Level::from_bits(held.bits() & most.bits())
                }
                ItemKind::AssetFamily
                | ItemKind::ReferenceEntity
                | ItemKind::ImportProfile
                | ItemKind::ExportProfile => Level::Hidden,
            };
            self.rights.insert((group.clone(), item), left);
        }
    }

    fn most_that_the_wizard_offers(&self, app: &Code) -> Level {
        let scopes = self.apps[app];
        let granted = CATALOGUE.permissions_of_scopes(scopes);
        let has = |text| granted.contains(CATALOGUE.find_permission(text).unwrap().id);
        if !self.edition.is_enterprise() || !has("api.product.list") {
            Level::Hidden
        } else if has("api.product.edit") {
            Level::Own
        } else {
            Level::View
        }
    }
}

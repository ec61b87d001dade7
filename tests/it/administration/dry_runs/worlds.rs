//! The tenants on which writes are rehearsed.

use pim_authz::pb::Edition;

use crate::harness::{File, file};

/// The initial content of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Start {
    /// Everything; a subject that may view no locale sees no product data.
    Whole,
    /// Everything but channels and locales: the gate is open (rules 4.5).
    Gateless,
    /// Everything, in the growth edition.
    Growth,
}

impl Start {
    pub(super) fn edition(self) -> Edition {
        match self {
            Self::Whole | Self::Gateless => Edition::Enterprise,
            Self::Growth => Edition::Growth,
        }
    }

    pub(super) fn files(self) -> Vec<File> {
        let mut files = [directory(), catalog(), products(), rights()].concat();
        if self == Self::Gateless {
            let gone = [
                "channels.csv",
                "locales.csv",
                "channel_accesses.csv",
                "locale_accesses.csv",
            ];
            files.retain(|(name, _)| !gone.contains(&name.as_str()));
        }
        let scopes = match self {
            Self::Whole => "shop;write_products;;master;;en_US;;marketing;tech",
            Self::Gateless => "shop;write_products;;master;;;;marketing;tech",
            Self::Growth => "shop;write_products;;;;;;;",
        };
        files.push(file(
            "apps.csv",
            &[
                "code;scopes;trees_own;trees_edit;trees_view;locales_edit;locales_view;attribute_groups_edit;attribute_groups_view",
                scopes,
                "reader;read_products;;;;;;;",
                "bare;openid;;;;;;;",
            ],
        ));
        files
    }
}

fn directory() -> Vec<File> {
    vec![
        file("user_groups.csv", &["name", "editors", "readers"]),
        file(
            "user_roles.csv",
            &[
                "role;audience;permissions",
                "admin;user;role.edit,role.list,system_configuration.access,app.manage",
                "editor;user;product.create,category.edit,export_profile.launch,import_profile.launch",
                "api;connection;api.overall_access,api.product.list",
            ],
        ),
        file(
            "users.csv",
            &[
                "username;roles;groups;enabled",
                "admin;admin;;1",
                "julia;editor;editors;1",
                "mary;;readers;1",
                "peter;editor;;1",
                "asleep;editor;editors;0",
            ],
        ),
        file(
            "connections.csv",
            &[
                "code;roles;groups;enabled",
                "erp;api;All;1",
                "feed;;readers;1",
            ],
        ),
    ]
}

fn catalog() -> Vec<File> {
    vec![
        file("locales.csv", &["code", "en_US"]),
        file("channels.csv", &["code;tree;locales", "web;master;en_US"]),
        file(
            "categories.csv",
            &[
                "code;parent",
                "master;",
                "shoes;master",
                "hats;master",
                "print;",
            ],
        ),
        file("attribute_groups.csv", &["code", "marketing", "tech"]),
        file(
            "attributes.csv",
            &[
                "code;group;localizable;scopable",
                "name;marketing;1;0",
                "price;tech;0;1",
                "sku;marketing;0;0",
            ],
        ),
        file("asset_families.csv", &["code", "photos"]),
        file("reference_entities.csv", &["code", "brands"]),
        file("import_profiles.csv", &["code", "in"]),
        file("export_profiles.csv", &["code", "out"]),
        file(
            "grid_views.csv",
            &["code;attribute_groups", "all;marketing,tech", "plain;"],
        ),
    ]
}

fn products() -> Vec<File> {
    vec![
        file("product_models.csv", &["code;categories", "boots;shoes"]),
        file(
            "products.csv",
            &[
                "sku;categories;parent",
                "hat;hats;",
                "cap;hats,shoes;",
                "boot;;boots",
                "tie;master;",
                "free;;",
                "deep;hats;boots",
            ],
        ),
    ]
}

fn rights() -> Vec<File> {
    vec![
        file(
            "product_category_accesses.csv",
            &[
                "category;view_items;edit_items;own_items",
                "master;readers;editors;",
                "shoes;readers;editors;editors",
                "hats;;editors;",
                "print;;;",
            ],
        ),
        file(
            "channel_accesses.csv",
            &["channel;view_products;edit_products", "web;All;editors"],
        ),
        file(
            "locale_accesses.csv",
            &["locale;view_products;edit_products", "en_US;;editors"],
        ),
        file(
            "attribute_group_accesses.csv",
            &[
                "attribute_group;view_attributes;edit_attributes",
                "marketing;readers;editors",
                "tech;;editors",
            ],
        ),
    ]
}

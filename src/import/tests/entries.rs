use super::*;
use crate::{
    admin::entry::{
        AccessTarget, AppEntry, AppSelection, Chosen, DirectoryEntry, GroupLevel, ProductEntry,
        RolePermissions,
    },
    domain::{Audience, CATALOGUE, ItemKind, Level, ProductKind},
};

#[test]
fn columns_are_found_by_name_in_any_order_and_unknown_ones_are_ignored() {
    let content = "\u{feff} parent ;\"label\";code\r\nmaster;Audio;\" audio \"\r\n";
    let expected = Entry::Category {
        code: code("audio"),
        parent: Some(code("master")),
    };
    assert_eq!(entry("categories.csv", content), expected);
}

#[test]
fn files_of_items_name_items() {
    let cases = [
        ("locales.csv", ItemKind::Locale),
        ("attribute_groups.csv", ItemKind::AttributeGroup),
        ("asset_families.csv", ItemKind::AssetFamily),
        ("reference_entities.csv", ItemKind::ReferenceEntity),
        ("import_profiles.csv", ItemKind::ImportProfile),
        ("export_profiles.csv", ItemKind::ExportProfile),
    ];
    for (file, kind) in cases {
        let code = code("1111");
        assert_eq!(entry(file, "code\n1111"), Entry::Item { kind, code });
    }
}

#[test]
fn a_type_with_the_word_import_or_export_tells_the_kind_of_a_profile() {
    let content = "code;type\na;csv_product_IMPORT\nb;quick_export";
    let expected = [
        ("a", ItemKind::ImportProfile),
        ("b", ItemKind::ExportProfile),
    ]
    .map(|(text, kind)| Entry::Item {
        kind,
        code: code(text),
    });
    assert_eq!(entries("job_profiles.csv", content), expected);
}

#[test]
fn a_group_without_a_code_is_named_by_its_name() {
    let group = |text, label: &str| Entry::UserGroup {
        code: code(text),
        label: label.to_owned(),
    };
    let cases = [
        ("code;name\nit;IT support", group("it", "IT support")),
        ("code;name\nit;", group("it", "")),
        ("name\nIT support", group("IT support", "IT support")),
    ];
    for (content, expected) in cases {
        assert_eq!(entry("user_groups.csv", content), expected);
    }
}

#[test]
fn an_absent_column_says_nothing_and_an_empty_cell_says_nothing_is_there() {
    let product = |parent, categories| {
        Entry::Product(ProductEntry {
            kind: ProductKind::Product,
            code: code("hat"),
            parent,
            categories,
        })
    };
    let cases = [
        ("sku\nhat", product(None, None)),
        (
            "sku;parent;categories\nhat;;",
            product(Some(None), Some(Vec::new())),
        ),
        (
            "sku;parent;categories\nhat; caps ;b, ,a,B,,A",
            product(Some(Some(code("caps"))), Some(codes(["a", "b"]))),
        ),
    ];
    for (content, expected) in cases {
        assert_eq!(entry("products.csv", content), expected);
    }
}

#[test]
fn a_code_that_a_list_repeats_keeps_its_first_spelling() {
    let Entry::Channel { locales, .. } =
        entry("channels.csv", "code;locales\nshop;en_US,de_DE,EN_us")
    else {
        panic!("a channel");
    };
    let spelled: Vec<String> = locales.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(spelled, ["de_DE", "en_US"]);
}

#[test]
fn the_key_of_a_product_is_the_first_of_four_columns_that_is_there() {
    let cases = [
        ("uuid;code;identifier;sku", "sku", "d"),
        ("uuid;code;identifier;SKU", "identifier", "c"),
        ("uuid;code;x;y", "code", "b"),
        ("uuid;w;x;y", "uuid", "a"),
    ];
    for (header, key, expected) in cases {
        let finished = read("products.csv", &format!("{header}\na;b;c;d"));
        let row = &finished.batch.rows[0];
        assert_eq!(row.place.key_column, key);
        assert!(matches!(&row.entry, Entry::Product(p) if p.code == code(expected)));
    }
}

#[test]
fn the_other_files_of_the_catalog_read_as_the_table_says() {
    let cases = [
        (
            "product_models.csv",
            "code;parent\nm;",
            Entry::Product(ProductEntry {
                kind: ProductKind::Model,
                code: code("m"),
                parent: Some(None),
                categories: None,
            }),
        ),
        (
            "channels.csv",
            "code;tree;locales\nshop;;",
            Entry::Channel {
                code: code("shop"),
                tree: Some(None),
                locales: Some(Vec::new()),
            },
        ),
        (
            "attributes.csv",
            "code;group;localizable\nname;marketing;TRUE",
            Entry::Attribute {
                code: code("name"),
                group: code("marketing"),
                scopable: None,
                localizable: Some(true),
            },
        ),
        (
            "attributes.csv",
            "code;group;localizable;scopable\nname;marketing;;1",
            Entry::Attribute {
                code: code("name"),
                group: code("marketing"),
                scopable: Some(true),
                localizable: Some(false),
            },
        ),
        (
            "grid_views.csv",
            "code;attribute_groups\nmine;erp",
            Entry::GridView {
                code: code("mine"),
                attribute_groups: Some(codes(["erp"])),
            },
        ),
        (
            "categories.csv",
            "code;parent\nmaster;",
            Entry::Category {
                code: code("master"),
                parent: None,
            },
        ),
    ];
    for (file, content, expected) in cases {
        assert_eq!(entry(file, content), expected);
    }
}

#[test]
fn users_and_connections_have_roles_and_groups() {
    let content = "username;roles;groups;enabled\njulia;R1,R2;IT support,manager;";
    let julia = Entry::User(DirectoryEntry {
        code: code("julia"),
        roles: codes(["R1", "R2"]),
        groups: Some(codes(["IT support", "manager"])),
        enabled: Some(true),
    });
    assert_eq!(entry("users.csv", content), julia);
    let content = "code;roles;enabled\nerp;R1;False";
    let erp = Entry::Connection(DirectoryEntry {
        code: code("erp"),
        roles: codes(["R1"]),
        groups: None,
        enabled: Some(false),
    });
    assert_eq!(entry("connections.csv", content), erp);
}

#[test]
fn permissions_are_codes_or_acl_identifiers_or_everything() {
    let permissions = |cell: &str| {
        let content = format!("role;permissions\nR;\"{cell}\"");
        match entry("user_roles.csv", &content) {
            Entry::Role { permissions, .. } => permissions.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    let only = |codes: &[&str]| {
        let ids = codes
            .iter()
            .map(|code| CATALOGUE.find_permission(code).unwrap().id);
        RolePermissions::Only(ids.collect())
    };
    let acls = "action:pim_enrich_product_add_to_groups, pim_enrich_associations_view";
    let both = ["product.add_to_groups", "product.view_associations"];
    let cases = [
        ("", only(&[])),
        ("product.create", only(&["product.create"])),
        (acls, only(&both)),
        ("*", RolePermissions::EveryAllowed),
        ("product.create,*", RolePermissions::EveryAllowed),
    ];
    for (cell, expected) in cases {
        assert_eq!(permissions(cell), expected, "{cell}");
    }
}

#[test]
fn a_role_says_only_what_its_columns_say() {
    let role = |label: Option<&str>, audience| Entry::Role {
        code: code("R"),
        label: label.map(str::to_owned),
        audience,
        permissions: None,
    };
    let cases = [
        ("role\nR", role(None, None)),
        ("role;label;audience\nR;;", role(Some(""), None)),
        (
            "role;label;audience\nR;Erp;Connection",
            role(Some("Erp"), Some(Audience::Connection)),
        ),
    ];
    for (content, expected) in cases {
        assert_eq!(entry("user_roles.csv", content), expected);
    }
}

#[test]
fn rule_3_1_a_group_has_the_highest_level_that_names_it() {
    let product = AccessTarget::Kind;
    let cases = [
        (
            "product_category_accesses.csv",
            "category;own_items;view_items;edit_items\nx;c;a,B,c;b",
            product(ItemKind::Category),
            vec![
                ("a", Level::View, "view_items"),
                ("b", Level::Edit, "edit_items"),
                ("c", Level::Own, "own_items"),
            ],
        ),
        (
            "channel_accesses.csv",
            "channel;view_products;edit_products\nx;;All",
            product(ItemKind::Channel),
            vec![("All", Level::Edit, "edit_products")],
        ),
        (
            "locale_accesses.csv",
            "locale;view_products;edit_products\nx;;",
            product(ItemKind::Locale),
            vec![],
        ),
        (
            "attribute_group_accesses.csv",
            "attribute_group;view_attributes;edit_attributes\nx;a;",
            product(ItemKind::AttributeGroup),
            vec![("a", Level::View, "view_attributes")],
        ),
        (
            "asset_family_accesses.csv",
            "asset_family;view;edit\nx;a;a",
            product(ItemKind::AssetFamily),
            vec![("a", Level::Edit, "edit")],
        ),
        (
            "reference_entity_accesses.csv",
            "reference_entity;view;edit\nx;a;",
            product(ItemKind::ReferenceEntity),
            vec![("a", Level::View, "view")],
        ),
        (
            "job_profile_accesses.csv",
            "job_profile;execute_job_profile;edit_job_profile\nx;a,b;b,c",
            AccessTarget::Profile,
            vec![
                ("a", Level::Execute, "execute_job_profile"),
                ("b", Level::ExecuteAndEdit, "edit_job_profile"),
                ("c", Level::Edit, "edit_job_profile"),
            ],
        ),
    ];
    for (file, content, target, levels) in cases {
        let levels = levels.into_iter();
        let levels = levels.map(|(group, level, column)| GroupLevel {
            group: code(group),
            level,
            column,
        });
        let expected = Entry::Access {
            target,
            code: code("x"),
            levels: levels.collect(),
        };
        assert_eq!(entry(file, content), expected);
    }
}

#[test]
fn rule_5_6_an_app_chooses_everything_or_a_list() {
    let content = "code;scopes;trees_own;trees_view;locales_edit;attribute_groups_view\n\
                   shop;read_products,fly,Fly,fly;;sales;a,*;";
    let selection = |kind, level, column, chosen| AppSelection {
        kind,
        level,
        column,
        chosen,
    };
    let trees = Chosen::Codes(codes(["sales"]));
    let scope = CATALOGUE.find_scope("read_products").unwrap();
    let expected = Entry::App(AppEntry {
        code: code("shop"),
        scopes: [scope.id].into_iter().collect(),
        unknown_scopes: vec!["Fly".to_owned(), "fly".to_owned()],
        selections: vec![
            selection(ItemKind::Category, Level::View, "trees_view", trees),
            selection(ItemKind::Locale, Level::Edit, "locales_edit", Chosen::All),
        ],
    });
    assert_eq!(entry("apps.csv", content), expected);
}

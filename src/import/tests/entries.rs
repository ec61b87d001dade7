use super::*;
use crate::domain::{
    AttributePatch, CategoryPatch, ChannelPatch, GridViewPatch, ItemKind, Label, PlainItem,
    ProductKind, ProductPatch, SubjectKind, SubjectPatch, UserGroup,
};

#[test]
fn columns_are_found_by_name_and_unknown_ones_ignored() {
    let content = "\u{feff} parent ;\"label\";code\r\nmaster;Audio;\" audio \"\r\n";
    let expected = Entry::Category(CategoryPatch {
        code: code("audio"),
        parent: Some(Some(code("master"))),
    });
    assert_eq!(entry("categories.csv", content), expected);
}

#[test]
fn item_files_yield_items_of_their_kind() {
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
        assert_eq!(
            entry(file, "code\n1111"),
            Entry::Item(PlainItem { kind, code })
        );
    }
}

#[test]
fn the_type_column_determines_the_kind_of_profile() {
    let content = "code;type\na;csv_product_IMPORT\nb;quick_export";
    let expected = [
        ("a", ItemKind::ImportProfile),
        ("b", ItemKind::ExportProfile),
    ]
    .map(|(text, kind)| {
        Entry::Item(PlainItem {
            kind,
            code: code(text),
        })
    });
    assert_eq!(entries("job_profiles.csv", content), expected);
}

#[test]
fn a_group_without_a_code_column_is_keyed_by_name() {
    let group = |text, label: &str| {
        Entry::UserGroup(UserGroup {
            code: code(text),
            label: Label::stored(label),
            private: false,
        })
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
fn absent_columns_differ_from_empty_cells() {
    let product = |parent, categories| Entry::Product {
        product: ProductPatch {
            kind: ProductKind::Product,
            code: code("hat"),
            parent,
            categories,
        },
        rest: 0,
    };
    let cases = [
        ("sku\nhat", product(None, None)),
        (
            "sku;parent;categories\nhat;;",
            product(Some(None), Some(Vec::new())),
        ),
        (
            "sku;parent;categories\nhat; caps ;b, ,a,B,,A",
            product(Some(Some(code("caps"))), Some(codes(["b", "a", "b", "a"]))),
        ),
    ];
    for (content, expected) in cases {
        assert_eq!(entry("products.csv", content), expected);
    }
}

#[test]
fn lists_keep_their_order_and_spelling() {
    let Entry::Channel(ChannelPatch { locales, .. }) =
        entry("channels.csv", "code;locales\nshop;\"en_US, ,de_DE,EN_us\"")
    else {
        panic!("a channel");
    };
    let spelled: Vec<String> = locales.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(spelled, ["en_US", "de_DE", "EN_us"]);
}

#[test]
fn missing_trailing_cells_are_empty() {
    let short = entry("products.csv", "sku;categories;parent\nhat");
    assert_eq!(short, entry("products.csv", "sku;categories;parent\nhat;;"));
    let finished = read("attributes.csv", "code;group\na");
    assert_eq!(finished.batch.refused[0].column, "group");
}

#[test]
fn white_space_around_cells_and_items_is_trimmed() {
    let content = "\u{feff}\u{feff}sku\u{a0};\u{200b}categories \n\
                   \that\u{3000};\"\u{feff}a\u{200b},\u{2003}b c ,\u{a0}\"\n\u{a0}\n";
    let Entry::Product { product, .. } = entry("products.csv", content) else {
        panic!("a product");
    };
    assert_eq!(product.code.as_str(), "hat");
    assert_eq!(product.categories, Some(codes(["a", "b c"])));
}

#[test]
fn a_product_key_is_the_first_present_of_four_columns() {
    let cases = [
        ("uuid;code;identifier;sku", "sku", "d"),
        ("uuid;code;identifier;SKU", "identifier", "c"),
        ("uuid;code;x;y", "uuid", "a"),
        ("w;code;x;y", "code", "b"),
    ];
    for (header, key, expected) in cases {
        let finished = read("products.csv", &format!("{header}\na;b;c;d"));
        assert_eq!(finished.files[0].key_column, key);
        let row = &finished.batch.rows[0];
        assert!(
            matches!(&row.entry, Entry::Product { product, .. } if product.code == code(expected))
        );
    }
}

fn keyed_by(column: &str, content: &str) -> Finished {
    let mut reader = Reader::new().with_product_key(column.to_owned());
    let first = reader.push("products.csv", content.as_bytes());
    reader.push("locales.csv", b"code\nen_US\n");
    let mut finished = reader.finish();
    finished.batch.rows.splice(..0, first.rows);
    finished.batch.refused.splice(..0, first.refused);
    finished
}

fn product_codes(finished: &Finished) -> Vec<String> {
    let rows = finished.batch.rows.iter();
    let products = rows.filter_map(|row| {
        if let Entry::Product { product, .. } = &row.entry {
            Some(product.code.to_string())
        } else {
            None
        }
    });
    products.collect()
}

#[test]
fn a_product_without_a_key_is_keyed_by_its_uuid() {
    let content = "uuid;sku;categories\nu1;;\nu2;hat;\n;;\n";
    let finished = read("products.csv", content);
    assert_eq!(product_codes(&finished), ["u1", "hat"]);
    let refusal = &finished.batch.refused[0];
    assert_eq!((refusal.line, refusal.column.as_str()), (4, "sku"));
    let chosen = keyed_by("ean", "ean;uuid;code\n1;u1;c\n;u2;c\n");
    assert_eq!(product_codes(&chosen), ["1", "u2"]);
}

#[test]
fn the_caller_may_choose_the_key_column_of_products() {
    let finished = keyed_by("ean", "sku;ean\na;1\nb;\n");
    assert_eq!(product_codes(&finished), ["1"]);
    assert_eq!(finished.files[1].key_column, "ean");
    assert_eq!(finished.batch.refused[0].column, "ean");
    let missing = keyed_by("EAN", "sku;ean\na;1\n");
    assert!(missing.fatal);
    assert_eq!(
        missing.batch.refused[0].message,
        "the header lacks the key column `EAN` that was requested; its columns are `sku`, `ean`"
    );
}

#[test]
fn unread_columns_distinguish_products() {
    let rest = |content: &str| {
        let Entry::Product { rest, .. } = entry("products.csv", content) else {
            panic!("no product: {content}");
        };
        rest
    };
    let one = rest("sku;categories;name\nhat;a;Hat");
    assert_eq!(rest("sku;categories;name\ncap;b; Hat "), one);
    assert_ne!(rest("sku;categories;name\nhat;a;Cap"), one);
    assert_ne!(rest("sku;code\nhat;x"), rest("sku;code\nhat;y"));
    for nothing in ["sku;categories;name\nhat;a", "sku;categories\nhat;a"] {
        assert_eq!(rest(nothing), 0, "{nothing}");
    }
}

#[test]
fn other_catalog_files_read_as_documented() {
    let cases = [
        (
            "product_models.csv",
            "code;parent\nm;",
            Entry::Product {
                product: ProductPatch {
                    kind: ProductKind::Model,
                    code: code("m"),
                    parent: Some(None),
                    categories: None,
                },
                rest: 0,
            },
        ),
        (
            "channels.csv",
            "code;tree;locales\nshop;;",
            Entry::Channel(ChannelPatch {
                code: code("shop"),
                tree: Some(None),
                locales: Some(Vec::new()),
            }),
        ),
        (
            "attributes.csv",
            "code;group;localizable\nname;marketing;TRUE",
            Entry::Attribute(AttributePatch {
                code: code("name"),
                group: Some(code("marketing")),
                scopable: None,
                localizable: Some(true),
            }),
        ),
        (
            "attributes.csv",
            "code;group;localizable;scopable\nname;marketing;;1",
            Entry::Attribute(AttributePatch {
                code: code("name"),
                group: Some(code("marketing")),
                scopable: Some(true),
                localizable: Some(false),
            }),
        ),
        (
            "grid_views.csv",
            "code;attribute_groups\nmine;erp",
            Entry::GridView(GridViewPatch {
                code: code("mine"),
                attribute_groups: Some(codes(["erp"])),
            }),
        ),
    ];
    for (file, content, expected) in cases {
        assert_eq!(entry(file, content), expected);
    }
}

#[test]
fn an_empty_parent_cell_means_no_parent() {
    let cases = [(
        "categories.csv",
        "code;parent\nmaster;",
        Entry::Category(CategoryPatch {
            code: code("master"),
            parent: Some(None),
        }),
    )];
    for (file, content, expected) in cases {
        assert_eq!(entry(file, content), expected);
    }
}

#[test]
fn users_and_connections_have_roles_and_groups() {
    let content = "username;roles;groups;enabled\njulia;R1,R2;IT support,manager;";
    let julia = SubjectPatch {
        code: code("julia"),
        roles: Some(codes(["R1", "R2"])),
        groups: Some(codes(["IT support", "manager"])),
        enabled: Some(true),
    };
    let julia = Entry::Subject(SubjectKind::User, julia);
    assert_eq!(entry("users.csv", content), julia);
    let content = "code;roles;enabled\nerp;R1;False";
    let erp = SubjectPatch {
        code: code("erp"),
        roles: Some(codes(["R1"])),
        groups: None,
        enabled: Some(false),
    };
    let erp = Entry::Subject(SubjectKind::Connection, erp);
    assert_eq!(entry("connections.csv", content), erp);
}

#[test]
fn a_category_without_a_parent_column_keeps_its_parent() {
    let expected = Entry::Category(CategoryPatch {
        code: code("master"),
        parent: None,
    });
    assert_eq!(entry("categories.csv", "code\nmaster"), expected);
}

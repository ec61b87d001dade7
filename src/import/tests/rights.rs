use super::*;
use crate::{
    admin::{
        CodedKind,
        entry::{AccessEntry, AppEntry, LevelColumn, UnknownWords},
    },
    domain::{
        Audience, CATALOGUE, Chosen, ItemKind, Label, Level, PermissionSet, RequestedPermissions,
        RolePatch, SelectionPatch,
    },
};

#[test]
fn permissions_are_codes_or_acl_identifiers_or_everything() {
    let permissions = |cell: &str| {
        let content = format!("role;permissions\nR;\"{cell}\"");
        let Entry::Role { role, .. } = entry("user_roles.csv", &content) else {
            panic!("a role");
        };
        role.permissions.unwrap()
    };
    let only = |codes: &[&str]| {
        let ids = codes
            .iter()
            .map(|code| CATALOGUE.find_permission(code).unwrap().id);
        RequestedPermissions::Only(ids.collect())
    };
    let acls = "action:pim_enrich_product_add_to_groups, pim_enrich_associations_view";
    let both = ["product.add_to_groups", "product.view_associations"];
    let cases = [
        ("", only(&[])),
        ("product.create", only(&["product.create"])),
        (acls, only(&both)),
        ("*", RequestedPermissions::EveryAllowed),
        ("product.create,*", RequestedPermissions::EveryAllowed),
    ];
    for (cell, expected) in cases {
        assert_eq!(permissions(cell), expected, "{cell}");
    }
}

#[test]
fn a_role_has_only_the_fields_of_present_columns() {
    let role = |label: Option<&str>, audience| Entry::Role {
        role: RolePatch {
            code: code("R"),
            label: label.map(Label::stored),
            audience,
            permissions: None,
        },
        unknown_permissions: UnknownWords::default(),
    };
    let cases = [
        ("role\nR", role(None, None)),
        (
            "role;label;audience\nR;;",
            role(Some(""), Some(Audience::User)),
        ),
        (
            "role;label;audience\nR;Erp;Connection",
            role(Some("Erp"), Some(Audience::Connection)),
        ),
    ];
    for (content, expected) in cases {
        assert_eq!(entry("user_roles.csv", content), expected);
    }
}

/// Reads one row for `x`; returns the kinds of items that the file is about and the
/// levels that the row grants.
fn access(file: &str, content: &str) -> (&'static [CodedKind], Vec<LevelColumn>) {
    let Entry::Access(AccessEntry {
        code: about,
        columns,
        kept,
    }) = entry(file, content)
    else {
        panic!("a row of rights");
    };
    assert_eq!((about, kept), (code("x"), Level::Hidden));
    (file.parse::<ImportFile>().unwrap().kinds(), columns)
}

#[test]
fn a_row_without_the_edit_column_keeps_edit_flags() {
    let content = "job_profile;execute_job_profile\nx;a";
    let expected = Entry::Access(AccessEntry {
        code: code("x"),
        columns: given([("execute_job_profile", Level::Execute, &["a"])]),
        kept: Level::Edit,
    });
    assert_eq!(entry("job_profile_accesses.csv", content), expected);
}

fn given<const N: usize>(columns: [(&'static str, Level, &[&str]); N]) -> Vec<LevelColumn> {
    let columns = columns.map(|(column, level, groups)| LevelColumn {
        column,
        level,
        groups: groups.iter().map(|group| code(group)).collect(),
    });
    columns.into()
}

#[test]
fn each_column_grants_its_level_to_the_listed_groups() {
    let content = "category;own_items;view_items;edit_items\nx;c;a,B,c;b";
    let (kinds, columns) = access("product_category_accesses.csv", content);
    assert_eq!(kinds, [CodedKind::Items(ItemKind::Category)]);
    let expected = given([
        ("view_items", Level::View, &["a", "B", "c"]),
        ("edit_items", Level::Edit, &["b"]),
        ("own_items", Level::Own, &["c"]),
    ]);
    assert_eq!(columns, expected);
}

#[test]
fn each_profile_column_grants_one_flag() {
    let content = "job_profile;execute_job_profile;edit_job_profile\nx;a,b;b,c";
    let (kinds, columns) = access("job_profile_accesses.csv", content);
    let profiles = [ItemKind::ImportProfile, ItemKind::ExportProfile];
    assert_eq!(kinds, profiles.map(CodedKind::Items));
    let expected = given([
        ("execute_job_profile", Level::Execute, &["a", "b"]),
        ("edit_job_profile", Level::Edit, &["b", "c"]),
    ]);
    assert_eq!(columns, expected);
}

#[test]
fn other_access_files_have_two_group_columns() {
    let cases = [
        // key, columns, kind
        (
            "channel",
            "view_products",
            "edit_products",
            ItemKind::Channel,
        ),
        ("locale", "view_products", "edit_products", ItemKind::Locale),
        (
            "attribute_group",
            "view_attributes",
            "edit_attributes",
            ItemKind::AttributeGroup,
        ),
        ("asset_family", "view", "edit", ItemKind::AssetFamily),
        (
            "reference_entity",
            "view",
            "edit",
            ItemKind::ReferenceEntity,
        ),
    ];
    for (key, view, edit, kind) in cases {
        let file = format!("{key}_accesses.csv");
        let header = format!("{key};{view};{edit}");
        let (kinds, levels) = access(&file, &format!("{header}\nx;a,All;all"));
        assert_eq!(kinds, [CodedKind::Items(kind)]);
        let expected = given([
            (view, Level::View, &["a", "All"]),
            (edit, Level::Edit, &["all"]),
        ]);
        assert_eq!(levels, expected, "{file}");
        let nothing = given([(view, Level::View, &[]), (edit, Level::Edit, &[])]);
        assert_eq!(access(&file, &format!("{header}\nx;;")).1, nothing);
    }
}

fn unknown<const N: usize>(texts: [&str; N]) -> UnknownWords {
    let mut words = UnknownWords::default();
    for text in texts {
        words.insert(text.to_owned());
    }
    words
}

#[test]
fn unknown_permissions_are_recorded() {
    let content = "role;permissions\nR;\"acme.fly,locale.list,action:acme_fly,acme.fly\"";
    let Entry::Role {
        role,
        unknown_permissions,
    } = entry("user_roles.csv", content)
    else {
        panic!("a role");
    };
    let list = CATALOGUE.find_permission("locale.list").unwrap().id;
    let known: PermissionSet = [list].into_iter().collect();
    assert_eq!(role.permissions, Some(RequestedPermissions::Only(known)));
    assert_eq!(
        unknown_permissions,
        unknown(["acme.fly", "action:acme_fly"])
    );
}

#[test]
fn the_number_of_unknown_words_kept_is_bounded() {
    let words: Vec<String> = (0..1_000).map(|number| format!("acme.{number}")).collect();
    let content = format!("role;permissions\nR;{}", words.join(","));
    let Entry::Role {
        unknown_permissions,
        ..
    } = entry("user_roles.csv", &content)
    else {
        panic!("a role");
    };
    let shown = format!("{unknown_permissions:?}");
    assert_eq!(shown.matches("acme.").count(), UnknownWords::MOST);
    assert!(shown.contains("has_more: true"), "{shown}");
}

#[test]
fn rule_5_6_an_app_chooses_everything_or_a_list() {
    let content = "code;scopes;trees_own;trees_view;locales_edit;attribute_groups_view\n\
                   shop;read_products,fly,Fly,fly;;sales;a,*;";
    let selection = |kind, level, column, chosen| {
        let patch = SelectionPatch {
            kind,
            level,
            chosen,
        };
        (column, patch)
    };
    let trees = Chosen::Codes(codes(["sales"]));
    let nothing = || Chosen::Codes(Vec::new());
    let scope = CATALOGUE.find_scope("read_products").unwrap();
    let expected = Entry::App(AppEntry {
        code: code("shop"),
        scopes: [scope.id].into_iter().collect(),
        unknown_scopes: unknown(["Fly", "fly"]),
        selections: vec![
            selection(ItemKind::Category, Level::Own, "trees_own", nothing()),
            selection(ItemKind::Category, Level::View, "trees_view", trees),
            selection(ItemKind::Locale, Level::Edit, "locales_edit", Chosen::All),
            selection(
                ItemKind::AttributeGroup,
                Level::View,
                "attribute_groups_view",
                nothing(),
            ),
        ],
    });
    assert_eq!(entry("apps.csv", content), expected);
}

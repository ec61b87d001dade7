use super::*;
use crate::{
    admin::entry::{
        AccessEntry, AccessTarget, AppEntry, AppSelection, Chosen, GroupLevel, RolePermissions,
        UnknownWords,
    },
    domain::{Audience, CATALOGUE, ItemKind, Level, PermissionSet},
};

#[test]
fn permissions_are_codes_or_acl_identifiers_or_everything() {
    let permissions = |cell: &str| {
        let content = format!("role;permissions\nR;\"{cell}\"");
        let Entry::Role { permissions, .. } = entry("user_roles.csv", &content) else {
            panic!("a role");
        };
        permissions.unwrap()
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

/// Reads one row about `x`: what it is about and the levels it gives.
fn access(file: &str, content: &str) -> (AccessTarget, Vec<GroupLevel>) {
    let Entry::Access(AccessEntry {
        target,
        code: about,
        levels,
        kept,
    }) = entry(file, content)
    else {
        panic!("a row of rights");
    };
    assert_eq!((about, kept), (code("x"), Level::Hidden));
    (target, levels)
}

#[test]
fn a_row_without_the_column_of_edit_flags_keeps_them() {
    let content = "job_profile;execute_job_profile\nx;a";
    let expected = Entry::Access(AccessEntry {
        target: AccessTarget::Profile,
        code: code("x"),
        levels: given([("a", Level::Execute, "execute_job_profile")]),
        kept: Level::Edit,
    });
    assert_eq!(entry("job_profile_accesses.csv", content), expected);
}

fn given<const N: usize>(levels: [(&str, Level, &'static str); N]) -> Vec<GroupLevel> {
    let levels = levels.map(|(group, level, column)| GroupLevel {
        group: code(group),
        level,
        column,
    });
    levels.into()
}

#[test]
fn rule_3_1_a_group_has_the_highest_level_that_names_it() {
    let content = "category;own_items;view_items;edit_items\nx;c;a,B,c;b";
    let (target, levels) = access("product_category_accesses.csv", content);
    assert_eq!(target, AccessTarget::Kind(ItemKind::Category));
    let expected = given([
        ("a", Level::View, "view_items"),
        ("b", Level::Edit, "edit_items"),
        ("c", Level::Own, "own_items"),
    ]);
    assert_eq!(levels, expected);
}

#[test]
fn rule_3_3_the_flags_of_profiles_add_up() {
    let content = "job_profile;execute_job_profile;edit_job_profile\nx;a,b;b,c";
    let (target, levels) = access("job_profile_accesses.csv", content);
    assert_eq!(target, AccessTarget::Profile);
    let expected = given([
        ("a", Level::Execute, "execute_job_profile"),
        ("b", Level::ExecuteAndEdit, "edit_job_profile"),
        ("c", Level::Edit, "edit_job_profile"),
    ]);
    assert_eq!(levels, expected);
}

#[test]
fn the_other_files_of_rights_have_two_columns_of_groups() {
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
        let (target, levels) = access(&file, &format!("{header}\nx;a,All;all"));
        assert_eq!(target, AccessTarget::Kind(kind));
        let expected = given([("a", Level::View, view), ("All", Level::Edit, edit)]);
        assert_eq!(levels, expected, "{file}");
        assert_eq!(access(&file, &format!("{header}\nx;;")).1, []);
    }
}

fn unknown<const N: usize>(texts: [&str; N]) -> UnknownWords {
    let mut words = UnknownWords::default();
    texts
        .into_iter()
        .for_each(|text| words.insert(text.to_owned()));
    words
}

#[test]
fn a_permission_that_the_catalogue_does_not_know_is_noted() {
    let content = "role;permissions\nR;\"acme.fly,locale.list,action:acme_fly,acme.fly\"";
    let Entry::Role {
        permissions,
        unknown_permissions,
        ..
    } = entry("user_roles.csv", content)
    else {
        panic!("a role");
    };
    let list = CATALOGUE.find_permission("locale.list").unwrap().id;
    let known: PermissionSet = [list].into_iter().collect();
    assert_eq!(permissions, Some(RolePermissions::Only(known)));
    assert_eq!(
        unknown_permissions,
        unknown(["acme.fly", "action:acme_fly"])
    );
}

#[test]
fn of_many_unknown_words_some_are_kept() {
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
    let selection = |kind, level, column, chosen| AppSelection {
        kind,
        level,
        column,
        chosen,
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

//! Rules §1: tenants, subjects and codes.

use pim_authz::domain::{
    Edition::{Community, Enterprise, Growth},
    Level::{Edit, Own, View},
};

use crate::support::{World, assert_answers, question};

#[test]
fn rule_1_1_tenant_has_the_rights_of_its_edition() {
    let world = || {
        World::enterprise()
            .user("julia", &[])
            .with_product("hat", &["Hats"])
    };
    let cases = [
        (Community, "allowed at own"),
        (Growth, "allowed at own"),
        (
            Enterprise,
            "denied at none: category Hats needs view, has none",
        ),
    ];
    for (edition, expected) in cases {
        let question = question("user:julia", "view", "product:hat");
        assert_eq!(
            world().in_edition(edition).answer(question),
            expected,
            "{edition}"
        );
    }
}

#[test]
fn rule_1_2_users_apps_and_connections_have_separate_code_spaces() {
    let world = World::enterprise()
        .role("Owner", &["product.list"])
        .user("shop", &["Owners"])
        .with_roles("shop", &["Owner"])
        .connection("erp", &[])
        .app("shop", &["write_products"])
        .group("Owners")
        .may(Own)
        .category("Hats")
        .with_product("hat", &["Hats"]);
    assert_answers(
        &world,
        [
            (
                question("user:shop", "own", "product:hat"),
                "allowed at own",
            ),
            (
                question("app:shop", "own", "product:hat"),
                "denied at none: category Hats needs own, has none",
            ),
            (
                question("connection:shop", "own", "product:hat"),
                "denied at none: subject_unknown",
            ),
            (question("user:shop", "product.list", ""), "allowed"),
            (
                question("app:shop", "product.list", ""),
                "denied: scope product.list",
            ),
            (
                question("user:erp", "product.list", ""),
                "denied: subject_unknown",
            ),
        ],
    );
}

#[test]
fn rule_1_3_roles_give_permissions_and_user_groups_give_data_access() {
    let world = World::enterprise()
        .role("Lister", &["product.list"])
        .role("Remover", &["product.remove"])
        .user("julia", &["Viewers", "Owners"])
        .with_roles("julia", &["Lister", "Remover"])
        .user("mary", &["Owners"])
        .user("peter", &["Viewers"])
        .with_roles("peter", &["Remover"])
        .with_product("hat", &["Hats"])
        .group("Viewers")
        .may(View)
        .category("Hats")
        .group("Owners")
        .may(Own)
        .category("Hats");
    assert_answers(
        &world,
        [
            (
                question("user:julia", "product.list", "product:hat"),
                "allowed at own",
            ),
            (
                question("user:julia", "product.remove", "product:hat"),
                "allowed at own",
            ),
            // the data without the permission, and the permission without the data
            (
                question("user:mary", "product.remove", "product:hat"),
                "denied at own: permission product.remove",
            ),
            (
                question("user:peter", "product.remove", "product:hat"),
                "denied at view: category Hats needs own, has view",
            ),
        ],
    );
}

#[test]
fn rule_1_3_scopes_replace_roles_for_apps() {
    let world = World::community()
        .app("shop", &["read_products"])
        .with_product("hat", &[]);
    assert_answers(
        &world,
        [
            (
                question("app:shop", "api.product.list", "product:hat"),
                "allowed at own",
            ),
            (
                question("app:shop", "api.product.edit", "product:hat"),
                "denied at own: scope api.product.edit",
            ),
        ],
    );
}

#[test]
fn rule_1_4_all_contains_every_user_some_connections_and_no_app() {
    let world = World::enterprise()
        .user("julia", &[])
        .connection("erp", &["All"])
        .connection("shop", &[])
        .app("sync", &["write_products"])
        .group("All")
        .may(Edit)
        .category("Hats");
    let none = "denied at none: category Hats needs edit, has none";
    assert_answers(
        &world,
        [
            (
                question("user:julia", "edit", "category:Hats"),
                "allowed at edit",
            ),
            (
                question("connection:erp", "edit", "category:Hats"),
                "allowed at edit",
            ),
            (question("connection:shop", "edit", "category:Hats"), none),
            (question("app:sync", "edit", "category:Hats"), none),
        ],
    );
}

#[test]
fn rule_1_4_app_has_only_the_rights_of_its_private_group() {
    let world = World::enterprise()
        .user("julia", &["Redactors"])
        .app("sync", &["read_products"])
        .app("other", &["read_products"])
        .group("app:sync")
        .may(View)
        .category("Hats")
        .group("Redactors")
        .may(Own)
        .category("Hats");
    assert_answers(
        &world,
        [
            (
                question("app:sync", "view", "category:Hats"),
                "allowed at view",
            ),
            (
                question("app:other", "view", "category:Hats"),
                "denied at none: category Hats needs view, has none",
            ),
        ],
    );
}

#[test]
fn rule_1_5_codes_compare_case_insensitively() {
    let world = World::enterprise()
        .user("Julia", &["REDACTORS"])
        .group("Redactors")
        .may(Edit)
        .channel("Ecommerce")
        .locale("en_US")
        .category("Été")
        .attribute_group("Straße")
        .with_attribute("Name", "strasse", crate::support::SpecificTo::Both)
        .with_product("HAT", &["été"])
        .with_product("4711", &["ÉTÉ"]);
    assert_answers(
        &world,
        [
            (
                question("user:JULIA", "edit", "product:hat")
                    .channel("ECOMMERCE")
                    .locale("EN_us"),
                "allowed at edit, proposal",
            ),
            (
                question("user:julia", "edit", "product:4711"),
                "allowed at edit, proposal",
            ),
            // simple folding: ß is not ss
            (
                question("user:julia", "view", "attribute_group:STRAßE"),
                "allowed at edit",
            ),
            (
                question("user:julia", "view", "attribute_group:STRASSE"),
                "denied at none: attribute_group strasse needs view, has none",
            ),
            // normalization forms are not folded: e and an accent is not é
            (
                question("user:julia", "view", "category:e\u{301}t\u{e9}"),
                "denied at none: resource_unknown",
            ),
        ],
    );
}

#[test]
fn rule_1_5_denials_use_the_stored_spelling_of_codes() {
    let world = World::enterprise()
        .user("julia", &[])
        .with_attribute("NAME", "Marketing", crate::support::SpecificTo::Nothing)
        .with_product("hat", &["Audio", "Video"]);
    assert_answers(
        &world,
        [
            (
                question("user:julia", "view", "product:").in_categories(&["VIDEO", "AUDIO"]),
                "denied at none: category Audio needs view, has none",
            ),
            (
                question("user:julia", "view", "attribute:name"),
                "denied at none: attribute_group Marketing needs view, has none",
            ),
        ],
    );
}

#[test]
fn rule_1_5_products_and_models_have_separate_code_spaces() {
    let world = World::enterprise()
        .user("julia", &[])
        .with_product("hat", &[])
        .with_model("hat", &["Hats"])
        .with_model("cap", &[]);
    assert_answers(
        &world,
        [
            (
                question("user:julia", "view", "product:hat"),
                "allowed at own",
            ),
            (
                question("user:julia", "view", "product_model:hat"),
                "denied at none: category Hats needs view, has none",
            ),
            (
                question("user:julia", "view", "product:cap"),
                "denied at none: resource_unknown",
            ),
        ],
    );
}

#[test]
fn rule_1_6_unknown_disabled_or_disconnected_subject_is_denied_everything() {
    let questions = [
        // action              resource            level returned
        ("view", "product:hat", " at none"),
        ("view", "product:nowhere", " at none"),
        ("product.list", "product:hat", " at none"),
        ("product.list", "", ""),
        ("system_version.read", "", ""),
        ("view", "channel:ecommerce", " at none"),
    ];
    let subjects = [
        ("user:nobody", "subject_unknown"),
        ("app:gone", "subject_unknown"),
        ("connection:gone", "subject_unknown"),
        ("user:mary", "subject_disabled"),
        ("connection:erp", "subject_disabled"),
    ];
    for world in [World::enterprise(), World::community()] {
        let world = world
            .role("Lister", &["product.list", "system_information.view"])
            .user("mary", &[])
            .with_roles("mary", &["Lister"])
            .disabled("mary")
            .connection("erp", &["All"])
            .disabled("erp")
            .with_product("hat", &[])
            .group("All")
            .may(Edit)
            .channel("ecommerce");
        for (subject, reason) in subjects {
            for (action, resource, level) in questions {
                let answer = world.answer(question(subject, action, resource));
                assert_eq!(
                    answer,
                    format!("denied{level}: {reason}"),
                    "{subject} {action} {resource}"
                );
            }
        }
    }
}

#[test]
fn rule_1_7_resource_neither_stored_nor_described_is_unknown() {
    let everything = [
        ("view", "product:nowhere"),
        ("own", "product_model:nowhere"),
        ("view", "category:nowhere"),
        ("edit", "channel:nowhere"),
        ("view", "locale:nowhere"),
        ("edit", "attribute_group:nowhere"),
        ("view", "attribute:nowhere"),
        ("edit", "asset_family:nowhere"),
        ("view", "reference_entity:nowhere"),
        ("view", "enriched_category:nowhere"),
        ("view", "grid_view:nowhere"),
        ("category.edit_attributes", "category:nowhere"),
        ("edit", "enriched_category:nowhere"),
        ("export_profile.launch", "export_profile:nowhere"),
        ("import_profile.launch", "import_profile:nowhere"),
    ];
    for world in [World::enterprise(), World::growth()] {
        let world = world
            .role(
                "Editor",
                &[
                    "category.edit",
                    "export_profile.launch",
                    "import_profile.launch",
                ],
            )
            .user("julia", &[])
            .with_roles("julia", &["Editor"]);
        for (action, resource) in everything {
            let answer = world.answer(question("user:julia", action, resource));
            let expected = match action {
                // ignores the id
                "category.edit_attributes" => "allowed",
                _ => "denied at none: resource_unknown",
            };
            assert_eq!(answer, expected, "{action} {resource}");
        }
        for (action, resource) in [
            ("view", "asset:photo"),
            ("edit", "reference_entity_record:"),
        ] {
            let answer = world.answer(question("user:julia", action, resource).under("nowhere"));
            assert_eq!(
                answer, "denied at none: resource_unknown",
                "{action} {resource}"
            );
        }
    }
}

#[test]
fn rule_1_7_import_profile_is_unknown_as_an_export_profile() {
    let world = World::community()
        .role("Runner", &["export_profile.launch"])
        .user("julia", &[])
        .with_roles("julia", &["Runner"])
        .with(pim_authz::domain::ItemKind::ImportProfile, &["nightly"]);
    assert_answers(
        &world,
        [(
            question(
                "user:julia",
                "export_profile.launch",
                "export_profile:nightly",
            ),
            "denied at none: resource_unknown",
        )],
    );
}

#[test]
fn rule_1_7_unknown_names_in_the_context_have_level_none() {
    for world in [World::enterprise(), World::growth(), World::community()] {
        let world = world
            .user("julia", &[])
            .with_attribute("name", "General", crate::support::SpecificTo::Both)
            .with_product("hat", &[])
            .group("All")
            .may(Edit)
            .channel("ecommerce")
            .locale("en_US")
            .attribute_group("General");
        let hat = || question("user:julia", "view", "product:hat");
        assert_answers(
            &world,
            [
                (
                    hat().channel("nowhere"),
                    "denied at own: channel nowhere needs view, has none",
                ),
                (
                    hat().locale("nowhere"),
                    "denied at own: locale nowhere needs view, has none",
                ),
                (
                    hat().attribute_group("nowhere"),
                    "denied at own: attribute_group nowhere needs view, has none",
                ),
                (
                    hat().attribute("nowhere"),
                    "denied at own: attribute_group needs view, has none",
                ),
                // an unknown attribute even if the request gives its group
                (
                    hat().attribute("nowhere").attribute_group("GENERAL"),
                    "denied at own: attribute_group needs view, has none",
                ),
                (
                    question("user:julia", "view", "attribute:name").channel("nowhere"),
                    "denied at edit: channel nowhere needs view, has none",
                ),
            ],
        );
    }
}

#[test]
fn rule_1_7_other_axes_are_checked_before_an_unknown_product() {
    let world = World::enterprise()
        .user("julia", &[])
        .with_attribute_groups(&["General"])
        .with_channels(&["ecommerce"])
        .group("All")
        .may(View)
        .channel("print")
        .locale("en_US");
    let nowhere = || question("user:julia", "edit", "product:nowhere");
    assert_answers(
        &world,
        [
            (
                nowhere().channel("ecommerce"),
                "denied at none: channel ecommerce needs edit, has none",
            ),
            (
                nowhere().locale("en_US"),
                "denied at none: locale en_US needs edit, has view",
            ),
            (
                nowhere().attribute_group("General"),
                "denied at none: attribute_group General needs edit, has none",
            ),
            (nowhere(), "denied at none: resource_unknown"),
        ],
    );
}

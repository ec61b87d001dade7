//! Rules 4.9, 4.11 and 4.12: resources other than products.

use pim_authz::domain::Level::{Edit, Execute, ExecuteAndEdit, Own, View};

use crate::support::{QuestionBuilder, World, assert_answers, question};

fn library() -> World {
    World::enterprise()
        .user("julia", &["G"])
        .with_channels(&["hidden"])
        .with_locales(&["de_DE"])
        .with(pim_authz::domain::ItemKind::AssetFamily, &["secrets"])
        .with_trees(&["Cellar"])
        .group("G")
        .may(View)
        .channel("seen")
        .locale("en_US")
        .category("Attic")
        .asset_family("videos")
        .reference_entity("colors")
        .may(Edit)
        .asset_family("packshots")
        .reference_entity("brands")
}

#[test]
fn rule_4_9_viewing_needs_the_named_channel_and_locale() {
    let seen = [
        (
            question("user:julia", "view", "asset:photo").under("videos"),
            "view",
        ),
        (
            question("user:julia", "view", "reference_entity_record:").under("colors"),
            "view",
        ),
        (
            question("user:julia", "view", "enriched_category:Attic"),
            "view",
        ),
    ];
    for (question, level) in seen {
        let hidden = |item: &str| format!("denied at {level}: {item} needs view, has none");
        let allowed = format!("allowed at {level}");
        assert_answers(
            &library(),
            [
                (question.clone(), allowed.as_str()),
                (question.clone().channel("seen").locale("en_US"), &allowed),
                (
                    question.clone().channel("hidden").locale("de_DE"),
                    &hidden("channel hidden"),
                ),
                (question.clone().locale("de_DE"), &hidden("locale de_DE")),
                (question.locale("nowhere"), &hidden("locale nowhere")),
            ],
        );
    }
}

#[test]
fn rule_4_9_resource_without_view_right_on_its_item_is_hidden() {
    assert_answers(
        &library(),
        [
            (
                question("user:julia", "view", "asset:photo").under("secrets"),
                "denied at none: item asset_family secrets needs view, has none",
            ),
            (
                question("user:julia", "view", "enriched_category:Cellar"),
                "denied at none: category Cellar needs view, has none",
            ),
        ],
    );
}

#[test]
fn rule_4_9_unnamed_channel_and_locale_are_not_required() {
    // unlike products, these have no gate
    let world = World::enterprise()
        .user("julia", &[])
        .with_channels(&["hidden"])
        .with_locales(&["de_DE"])
        .group("All")
        .may(View)
        .asset_family("videos");
    assert_answers(
        &world,
        [(
            question("user:julia", "view", "asset:").under("videos"),
            "allowed at view",
        )],
    );
}

#[test]
fn rule_4_9_editing_is_not_limited_by_channel_and_locale() {
    let anywhere = |question: QuestionBuilder| question.channel("hidden").locale("de_DE");
    let world = library()
        .role(
            "Librarian",
            &["asset.edit", "asset.list_products", "category.edit"],
        )
        .with_roles("julia", &["Librarian"]);
    assert_answers(
        &world,
        [
            (
                anywhere(question("user:julia", "edit", "asset:photo").under("packshots")),
                "allowed at edit",
            ),
            (
                anywhere(question("user:julia", "edit", "asset:film").under("videos")),
                "denied at view: item asset_family videos needs edit, has view",
            ),
            (
                anywhere(
                    question("user:julia", "edit", "reference_entity_record:x").under("brands"),
                ),
                "allowed at edit",
            ),
            (
                anywhere(question("user:julia", "asset.edit", "asset:photo").under("packshots")),
                "allowed at edit",
            ),
            // a permission whose level is view has the requirements of `view`
            (
                anywhere(
                    question("user:julia", "asset.list_products", "asset:film").under("videos"),
                ),
                "denied at view: channel hidden needs view, has none",
            ),
            (
                question("user:julia", "asset.list_products", "asset:film").under("videos"),
                "allowed at view",
            ),
            // no level is needed to edit an enriched category
            (
                anywhere(question("user:julia", "edit", "enriched_category:Cellar")),
                "allowed at none",
            ),
            (
                question("user:julia", "edit", "enriched_category:Attic"),
                "allowed at view",
            ),
        ],
    );
}

#[test]
fn rule_4_9_editing_an_enriched_category_needs_the_role_permission() {
    assert_answers(
        &library(),
        [
            (
                question("user:julia", "edit", "enriched_category:Attic"),
                "denied at view: permission category.edit_attributes",
            ),
            (
                question("user:julia", "edit", "enriched_category:nowhere"),
                "denied at none: permission category.edit_attributes",
            ),
        ],
    );
}

#[test]
fn rule_4_11_profile_needs_role_permission_and_flag() {
    let world = |level| {
        World::enterprise()
            .role("Runner", &["export_profile.launch", "export_profile.edit"])
            .user("julia", &["Runners"])
            .with_roles("julia", &["Runner"])
            .user("mary", &["Runners"])
            .group("Runners")
            .may(level)
            .export_profile("nightly")
    };
    let launch = |user| question(user, "export_profile.launch", "export_profile:nightly");
    let edit = |user| question(user, "export_profile.edit", "export_profile:nightly");
    assert_answers(
        &world(Execute),
        [
            (launch("user:julia"), "allowed at execute"),
            (
                edit("user:julia"),
                "denied at execute: item export_profile nightly needs edit, has execute",
            ),
            // without the permission the right has no effect
            (
                launch("user:mary"),
                "denied at execute: permission export_profile.launch",
            ),
        ],
    );
    assert_answers(
        &world(ExecuteAndEdit),
        [
            (launch("user:julia"), "allowed at execute_and_edit"),
            (edit("user:julia"), "allowed at execute_and_edit"),
        ],
    );
}

#[test]
fn rule_4_12_categories_channels_locales_and_groups_use_their_own_level() {
    let items = [
        ("category", "category"),
        ("channel", "channel"),
        ("locale", "locale"),
        ("attribute_group", "attribute_group"),
    ];
    for (kind, axis) in items {
        let world = |level| {
            let world = World::enterprise()
                .user("julia", &["G"])
                .with_channels(&["x"])
                .with_locales(&["x"])
                .with_trees(&["x"])
                .with_attribute_groups(&["x"])
                .group("G")
                .may(level);
            match kind {
                "category" => world.category("x"),
                "channel" => world.channel("x"),
                "locale" => world.locale("x"),
                _ => world.attribute_group("x"),
            }
        };
        let x = |action| question("user:julia", action, &format!("{kind}:x"));
        assert_answers(
            &world(View),
            [
                (x("view"), "allowed at view"),
                (
                    x("edit"),
                    &format!("denied at view: {axis} x needs edit, has view"),
                ),
            ],
        );
        assert_answers(&world(Edit), [(x("edit"), "allowed at edit")]);
        if kind == "category" {
            assert_answers(&world(Own), [(x("own"), "allowed at own")]);
        }
    }
}

#[test]
fn rule_4_12_settings_screens_need_role_permissions_only() {
    let world = World::enterprise()
        .role("Settings", &["category.list", "locale.list"])
        .user("julia", &[])
        .with_roles("julia", &["Settings"])
        .with_trees(&["Cellar"])
        .with_locales(&["de_DE"]);
    assert_answers(
        &world,
        [
            (
                question("user:julia", "category.list", "category:Cellar"),
                "allowed",
            ),
            (
                question("user:julia", "locale.list", "locale:de_DE"),
                "allowed",
            ),
            (
                question("user:julia", "view", "category:Cellar"),
                "denied at none: category Cellar needs view, has none",
            ),
        ],
    );
}

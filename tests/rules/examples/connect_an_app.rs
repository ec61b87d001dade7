//! "Connect your App" (`connect-an-app.txt`).

use pim_authz::domain::Level::{self, Edit, Own, View};

use crate::support::{SpecificTo, World, assert_answers, question};

#[test]
fn user_without_manage_permission_cannot_connect_apps() {
    let world = World::enterprise()
        .role("Administrator", &["app.manage"])
        .role("User", &["app.open"])
        .user("julia", &[])
        .with_roles("julia", &["Administrator"])
        .user("mary", &[])
        .with_roles("mary", &["User"]);
    assert_answers(
        &world,
        [
            (question("user:julia", "app.manage", ""), "allowed"),
            (
                question("user:mary", "app.manage", ""),
                "denied: permission app.manage",
            ),
            (question("user:mary", "app.open", ""), "allowed"),
        ],
    );
}

#[test]
fn app_without_authorizations_reads_only_the_version() {
    let world = World::enterprise()
        .app("greeter", &["openid", "email"])
        .with_product("Hat", &[]);
    assert_answers(
        &world,
        [
            (
                question("app:greeter", "system_version.read", ""),
                "allowed",
            ),
            (
                question("app:greeter", "api.overall_access", ""),
                "denied: scope api.overall_access",
            ),
            (
                question("app:greeter", "api.product.list", "product:Hat"),
                "denied at own: scope api.product.list",
            ),
        ],
    );
}

#[test]
fn authorizations_suffice_in_community_and_growth() {
    for world in [World::community(), World::growth()] {
        let world = world
            .app("shop", &["read_products"])
            .with_channels(&["ecommerce"])
            .with_locales(&["en_US"])
            .with_product("Hat", &["Ecommerce"]);
        assert_answers(
            &world,
            [
                (
                    question("app:shop", "api.product.list", "product:Hat"),
                    "allowed at own",
                ),
                (
                    question("app:shop", "api.product.edit", "product:Hat"),
                    "denied at own: scope api.product.edit",
                ),
                (
                    question("app:shop", "api.product.edit", "product:cap"),
                    "denied at none: scope api.product.edit",
                ),
            ],
        );
    }
}

/// Returns a world where the app has a level on the tree of `Hat`; `Braided hat` is
/// in another tree.
fn hats(level: Level) -> World {
    World::enterprise()
        .with_channels(&["ecommerce"])
        .with_trees(&["Master catalog", "Ecommerce", "Print"])
        .with_category_under("Ecommerce", "Hats")
        .with_category_under("Print", "Winter")
        .with_product("Hat", &["Hats"])
        .with_product("Braided hat", &["Winter"])
        .app("erp", &["delete_products"])
        .group("app:erp")
        .may(level)
        .tree("Ecommerce")
}

#[test]
fn app_edits_products_in_its_tree_and_reads_no_others() {
    let hidden = |needed: &str| format!("denied at none: category Winter needs {needed}, has none");
    assert_answers(
        &hats(Own),
        [
            (
                question("app:erp", "api.product.list", "product:Hat"),
                "allowed at own",
            ),
            (
                question("app:erp", "api.product.edit", "product:Hat"),
                "allowed at own, direct",
            ),
            (
                question("app:erp", "api.product.remove", "product:Hat"),
                "allowed at own",
            ),
            // "the App can create any new product in the Ecommerce tree"
            (
                question("app:erp", "api.product.edit", "product:").in_categories(&["Ecommerce"]),
                "allowed at own, direct",
            ),
            (
                question("app:erp", "api.product.edit", "product:new hat").in_categories(&["Hats"]),
                "allowed at own, direct",
            ),
            (
                question("app:erp", "api.product.edit", "product:new hat")
                    .in_categories(&["Winter"]),
                &hidden("edit"),
            ),
            (
                question("app:erp", "api.product.list", "product:Braided hat"),
                &hidden("view"),
            ),
            (
                question("app:erp", "api.product.edit", "product:Braided hat"),
                &hidden("edit"),
            ),
        ],
    );
}

#[test]
fn app_makes_proposals_with_edit_and_only_reads_with_view() {
    let create = || question("app:erp", "api.product.edit", "product:").in_categories(&["Hats"]);
    let update = || question("app:erp", "api.product.edit", "product:Hat");
    let remove = || question("app:erp", "api.product.remove", "product:Hat");
    assert_answers(
        &hats(Edit),
        [
            (create(), "allowed at edit, proposal"),
            (update(), "allowed at edit, proposal"),
            (
                remove(),
                "denied at edit: category Hats needs own, has edit",
            ),
        ],
    );
    assert_answers(
        &hats(View),
        [
            (
                create(),
                "denied at view: category Hats needs edit, has view",
            ),
            (
                update(),
                "denied at view: category Hats needs edit, has view",
            ),
            (
                question("app:erp", "api.product.list", "product:Hat"),
                "allowed at view",
            ),
        ],
    );
}

#[test]
fn translation_app_updates_german_and_english_and_only_reads_french() {
    let world = World::enterprise()
        .with_channels(&["ecommerce"])
        .with_product("Hat", &["Master catalog"])
        .with_attribute("description", "marketing", SpecificTo::Locale)
        .app("translator", &["write_products"])
        .group("app:translator")
        .may(Edit)
        .tree("Master catalog")
        .attribute_group("marketing")
        .locale("de_DE")
        .locale("en_US")
        .may(View)
        .locale("fr_FR");
    let description = |action: &str, locale: &str| {
        question("app:translator", action, "product:Hat")
            .attribute("description")
            .locale(locale)
    };
    assert_answers(
        &world,
        [
            (
                description("api.product.edit", "de_DE"),
                "allowed at edit, proposal",
            ),
            (
                description("api.product.edit", "en_US"),
                "allowed at edit, proposal",
            ),
            (description("api.product.list", "fr_FR"), "allowed at edit"),
            (
                description("api.product.edit", "fr_FR"),
                "denied at edit: locale fr_FR needs edit, has view",
            ),
        ],
    );
}

#[test]
fn ecommerce_app_reads_three_attribute_groups_and_never_updates() {
    let groups = ["ERP", "technical", "ecommerce", "marketing", "media"];
    let world = World::enterprise()
        .with_channels(&["ecommerce"])
        .with_locales(&["en_US"])
        .with_attribute_groups(&groups)
        .with_product("Hat", &["Master catalog"])
        .app("sync", &["read_products"])
        .group("app:sync")
        .may(View)
        .tree("Master catalog")
        .locale("en_US")
        .attribute_group("ecommerce")
        .attribute_group("marketing")
        .attribute_group("media");
    let values = |action: &str, group: &str| {
        question("app:sync", action, "product:Hat").attribute_group(group)
    };
    for group in ["ecommerce", "marketing", "media"] {
        assert_answers(
            &world,
            [(values("api.product.list", group), "allowed at view")],
        );
    }
    for group in ["ERP", "technical"] {
        let hidden = format!("denied at view: attribute_group {group} needs view, has none");
        assert_answers(&world, [(values("api.product.list", group), &hidden)]);
    }
    assert_answers(
        &world,
        [
            (
                values("api.product.edit", "media"),
                "denied at view: scope api.product.edit",
            ),
            (
                values("api.product.remove", "media"),
                "denied at view: scope api.product.remove",
            ),
        ],
    );
}

//! The worked examples of the product's own help pages, as worlds.

use pim_authz::domain::Level::{Edit, Own, View};

use crate::support::{Ask, Specific, World, ask};

/// Asks each question and compares the whole answer.
#[track_caller]
pub(crate) fn assert_answers<const N: usize>(world: &World, cases: [(Ask, &str); N]) {
    let answers = cases.clone().map(|(ask, _)| world.answer(ask));
    for ((ask, expected), answer) in cases.into_iter().zip(answers) {
        assert_eq!(answer, expected, "{ask:?}");
    }
}

mod access_rights {
    //! "Access rights on product information" (`access-rights.txt`).

    use super::*;

    /// The user of the three examples of the hierarchy, as examples 1 to 3
    /// have it; the tenant has the locales de_DE, en_US and fr_FR.
    fn shop() -> World {
        World::enterprise()
            .user("peter", &["Shop"])
            .with_locales(&["de_DE", "en_US", "fr_FR"])
            .with_attribute("description", "General", Specific::ToLocale)
            .with_attribute("price", "General", Specific::ToChannel)
            .with_attribute("color", "General", Specific::ToNeither)
            .with_product("sneaker", &["Shoes"])
            .group("Shop")
            .may(Edit)
            .category("Shoes")
            .attribute_group("General")
    }

    fn sneaker(action: &str) -> Ask {
        ask("user:peter", action, "product:sneaker")
    }

    #[test]
    fn example_1_of_the_hierarchy_a_hidden_locale_hides_what_lies_below_it() {
        let world = shop().group("Shop").may(View).channel("ecommerce");
        assert_answers(
            &world,
            [
                (
                    sneaker("view").locale("de_DE"),
                    "denied at edit: locale de_DE needs view, has none",
                ),
                (
                    sneaker("edit").attribute("description").locale("de_DE"),
                    "denied at edit: locale de_DE needs edit, has none",
                ),
                // no locale is viewable: no product data at all
                (
                    sneaker("view"),
                    "denied at edit: locale (any) needs view, has none",
                ),
            ],
        );
    }

    #[test]
    fn example_1_of_the_hierarchy_values_of_a_channel_that_is_viewed_are_not_edited() {
        // "He can only view, but not edit, values specific to the ecommerce
        // channel": true once he may view a locale, as the next example has it.
        let world = shop()
            .group("Shop")
            .may(View)
            .channel("ecommerce")
            .locale("en_US");
        assert_answers(
            &world,
            [
                (
                    sneaker("view").attribute("price").channel("ecommerce"),
                    "allowed at edit",
                ),
                (
                    sneaker("edit").attribute("price").channel("ecommerce"),
                    "denied at edit: channel ecommerce needs edit, has view",
                ),
            ],
        );
    }

    #[test]
    fn example_2_of_the_hierarchy_a_locale_that_is_viewed_is_not_edited() {
        let world = World::enterprise()
            .user("peter", &["Shop"])
            .with_locales(&["de_DE"])
            .with_attribute("description", "General", Specific::ToLocale)
            .with_product("sneaker", &["Shoes"])
            .group("Shop")
            .may(View)
            .channel("ecommerce")
            .locale("en_US")
            .category("Shoes")
            .may(Edit)
            .attribute_group("General");
        assert_answers(
            &world,
            [
                (sneaker("view").locale("en_US"), "allowed at view"),
                (
                    sneaker("view").attribute("description").locale("en_US"),
                    "allowed at view",
                ),
                (
                    sneaker("edit").attribute("description").locale("en_US"),
                    "denied at view: locale en_US needs edit, has view",
                ),
                (
                    sneaker("view").locale("de_DE"),
                    "denied at view: locale de_DE needs view, has none",
                ),
            ],
        );
    }

    #[test]
    fn example_3_of_the_hierarchy_each_locale_has_its_own_level() {
        let world = shop()
            .group("Shop")
            .may(View)
            .channel("ecommerce")
            .locale("en_US")
            .may(Edit)
            .locale("fr_FR");
        assert_answers(
            &world,
            [
                (
                    sneaker("edit").attribute("description").locale("fr_FR"),
                    "allowed at edit, proposal",
                ),
                (sneaker("edit").locale("fr_FR"), "allowed at edit, proposal"),
                (
                    sneaker("view").attribute("description").locale("en_US"),
                    "allowed at edit",
                ),
                (
                    sneaker("edit").attribute("description").locale("en_US"),
                    "denied at edit: locale en_US needs edit, has view",
                ),
                (
                    sneaker("view").locale("de_DE"),
                    "denied at edit: locale de_DE needs view, has none",
                ),
            ],
        );
    }

    #[test]
    fn julia_edits_en_us_robert_views_it_and_mary_does_not_see_it() {
        let world = World::enterprise()
            .user("julia", &["HQ Marketing"])
            .user("robert", &["Manager"])
            .user("mary", &["German team"])
            .with_product("hat", &[])
            .group("HQ Marketing")
            .may(Edit)
            .locale("en_US")
            .group("Manager")
            .may(View)
            .locale("en_US")
            .group("German team")
            .may(Edit)
            .locale("de_DE");
        let on_en_us = |user: &str, action: &str| {
            ask(&format!("user:{user}"), action, "product:hat").locale("en_US")
        };
        assert_answers(
            &world,
            [
                (ask("user:julia", "edit", "locale:en_US"), "allowed at edit"),
                (on_en_us("julia", "edit"), "allowed at own, direct"),
                (
                    ask("user:robert", "view", "locale:en_US"),
                    "allowed at view",
                ),
                (on_en_us("robert", "view"), "allowed at own"),
                (
                    on_en_us("robert", "edit"),
                    "denied at own: locale en_US needs edit, has view",
                ),
                (
                    ask("user:mary", "view", "locale:en_US"),
                    "denied at none: locale en_US needs view, has none",
                ),
                (
                    on_en_us("mary", "view"),
                    "denied at own: locale en_US needs view, has none",
                ),
            ],
        );
    }

    fn audio_and_video() -> World {
        World::enterprise()
            .user("julia", &["Audio manager"])
            .user("mary", &["Redactor"])
            .user("marco", &["Supplier"])
            .user("elise", &["Clothes manager"])
            .with_product("Sony SS-SP32FWB", &["Audio and Video"])
            .group("Audio manager")
            .may(Own)
            .category("Audio and Video")
            .group("Redactor")
            .may(Edit)
            .category("Audio and Video")
            .group("Supplier")
            .may(View)
            .category("Audio and Video")
    }

    #[test]
    fn the_sony_is_owned_edited_viewed_and_hidden() {
        let sony = |user: &str, action: &str| {
            ask(&format!("user:{user}"), action, "product:Sony SS-SP32FWB")
        };
        let view_only = "denied at view: category Audio and Video needs edit, has view";
        let edit_only = "denied at edit: category Audio and Video needs own, has edit";
        let hidden = "denied at none: category Audio and Video needs view, has none";
        assert_answers(
            &audio_and_video(),
            [
                // the owner edits directly, and reviews what others propose
                (sony("julia", "edit"), "allowed at own, direct"),
                (sony("julia", "review_proposals"), "allowed at own"),
                (sony("julia", "change_categories"), "allowed at own"),
                (
                    sony("julia", "send_proposal"),
                    "denied at own: category Audio and Video needs edit, has own",
                ),
                // whoever edits makes a draft and sends it
                (sony("mary", "view"), "allowed at edit"),
                (sony("mary", "edit"), "allowed at edit, proposal"),
                (sony("mary", "send_proposal"), "allowed at edit, proposal"),
                (sony("mary", "review_proposals"), edit_only),
                (sony("mary", "change_categories"), edit_only),
                // the attributes are greyed out
                (sony("marco", "view"), "allowed at view"),
                (sony("marco", "edit"), view_only),
                // neither the form nor the category in the tree
                (sony("elise", "view"), hidden),
                (
                    ask("user:elise", "view", "category:Audio and Video"),
                    hidden,
                ),
            ],
        );
    }

    #[test]
    fn the_tabs_of_the_sony_need_a_role_permission_as_well() {
        let world = audio_and_video()
            .role(
                "Viewer",
                &["product.view_categories", "product.view_associations"],
            )
            .with_roles("julia", &["Viewer"])
            .with_roles("mary", &["Viewer"]);
        let sony = |user: &str, action: &str| {
            ask(&format!("user:{user}"), action, "product:Sony SS-SP32FWB")
        };
        assert_answers(
            &world,
            [
                (sony("mary", "product.view_categories"), "allowed at edit"),
                (
                    sony("marco", "product.view_categories"),
                    "denied at view: permission product.view_categories",
                ),
                (sony("julia", "product.view_associations"), "allowed at own"),
                (
                    sony("mary", "product.view_associations"),
                    "denied at edit: category Audio and Video needs own, has edit",
                ),
            ],
        );
    }

    #[test]
    fn product_a_in_three_categories_is_held_at_the_most_permissive_right() {
        let world = World::enterprise()
            .user("mary", &["Divided supplier"])
            .with_product("A", &["Divided brand", "Tshirt", "Yellow"])
            .group("Divided supplier")
            .may(Own)
            .category("Divided brand")
            .may(Edit)
            .category("Tshirt")
            .may(View)
            .category("Yellow");
        assert_answers(
            &world,
            [
                (ask("user:mary", "own", "product:A"), "allowed at own"),
                (
                    ask("user:mary", "edit", "product:A"),
                    "allowed at own, direct",
                ),
            ],
        );
    }

    #[test]
    fn a_product_without_a_category_is_everyones() {
        let world = World::enterprise()
            .user("mary", &[])
            .user("marco", &["Supplier"])
            .with_trees(&["Tshirt"])
            .with_product("A", &[]);
        assert_answers(
            &world,
            [
                (ask("user:mary", "own", "product:A"), "allowed at own"),
                (
                    ask("user:marco", "edit", "product:A"),
                    "allowed at own, direct",
                ),
            ],
        );
    }

    #[test]
    fn the_most_permissive_of_several_user_groups_wins() {
        let world = World::enterprise()
            .user("mary", &["Divided supplier", "Manager"])
            .user("peter", &["Manager"])
            .with_product("A", &["Tshirt"])
            .group("Divided supplier")
            .may(Own)
            .category("Tshirt")
            .group("Manager")
            .may(View)
            .category("Tshirt");
        assert_answers(
            &world,
            [
                (ask("user:mary", "own", "product:A"), "allowed at own"),
                (
                    ask("user:peter", "own", "product:A"),
                    "denied at view: category Tshirt needs own, has view",
                ),
            ],
        );
    }

    #[test]
    fn a_group_without_permissions_benefits_from_what_all_owns() {
        let world = World::enterprise()
            .user("mary", &["Divided supplier"])
            .with_product("A", &["Tshirt"])
            .group("All")
            .may(Own)
            .category("Tshirt");
        assert_answers(
            &world,
            [(
                ask("user:mary", "edit", "product:A"),
                "allowed at own, direct",
            )],
        );
    }

    #[test]
    fn julia_edits_marketing_robert_views_it_and_mary_does_not_see_it() {
        let world = World::enterprise()
            .user("julia", &["Marketing"])
            .user("robert", &["Intern"])
            .user("mary", &["Purchase team"])
            .with_attribute("slogan", "Marketing", Specific::ToNeither)
            .with_grid_view("slogans", &["Marketing"])
            .with_product("hat", &[])
            .group("Marketing")
            .may(Edit)
            .attribute_group("Marketing")
            .group("Intern")
            .may(View)
            .attribute_group("Marketing");
        let slogan = |user: &str, action: &str| {
            ask(&format!("user:{user}"), action, "product:hat").attribute("slogan")
        };
        let hidden = "attribute_group Marketing needs view, has none";
        assert_answers(
            &world,
            [
                (slogan("julia", "edit"), "allowed at own, direct"),
                (slogan("julia", "import"), "allowed at own, direct"),
                (slogan("robert", "view"), "allowed at own"),
                (slogan("robert", "export"), "allowed at own"),
                (
                    slogan("robert", "edit"),
                    "denied at own: attribute_group Marketing needs edit, has view",
                ),
                (
                    slogan("robert", "import"),
                    "denied at own: attribute_group Marketing needs edit, has view",
                ),
                (slogan("mary", "view"), &format!("denied at own: {hidden}")),
                (
                    slogan("mary", "export"),
                    &format!("denied at own: {hidden}"),
                ),
                (
                    ask("user:mary", "view", "grid_view:slogans"),
                    &format!("denied at none: {hidden}"),
                ),
                (
                    ask("user:robert", "view", "grid_view:slogans"),
                    "allowed at view",
                ),
            ],
        );
    }
}

mod connect_an_app {
    //! "Connect your App" (`connect-an-app.txt`).

    use super::*;

    #[test]
    fn a_user_without_manage_apps_cannot_connect_one() {
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
                (ask("user:julia", "app.manage", ""), "allowed"),
                (
                    ask("user:mary", "app.manage", ""),
                    "denied: permission app.manage",
                ),
                (ask("user:mary", "app.open", ""), "allowed"),
            ],
        );
    }

    #[test]
    fn an_app_without_authorizations_reads_the_version_and_no_more() {
        let world = World::enterprise()
            .app("greeter", &["openid", "email"])
            .with_product("Hat", &[]);
        assert_answers(
            &world,
            [
                (ask("app:greeter", "system_version.read", ""), "allowed"),
                (
                    ask("app:greeter", "api.overall_access", ""),
                    "denied: scope api.overall_access",
                ),
                (
                    ask("app:greeter", "api.product.list", "product:Hat"),
                    "denied at own: scope api.product.list",
                ),
            ],
        );
    }

    #[test]
    fn in_the_community_and_growth_editions_authorizations_suffice() {
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
                        ask("app:shop", "api.product.list", "product:Hat"),
                        "allowed at own",
                    ),
                    (
                        ask("app:shop", "api.product.edit", "product:Hat"),
                        "denied at own: scope api.product.edit",
                    ),
                    (
                        ask("app:shop", "api.product.edit", "product:cap"),
                        "denied at none: scope api.product.edit",
                    ),
                ],
            );
        }
    }

    /// The hat is in the tree that the app holds, the braided hat in another.
    fn hats(level: pim_authz::domain::Level) -> World {
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
    fn the_hat_is_updated_and_deleted_and_the_braided_hat_not_retrieved() {
        let hidden =
            |needed: &str| format!("denied at none: category Winter needs {needed}, has none");
        assert_answers(
            &hats(Own),
            [
                (
                    ask("app:erp", "api.product.list", "product:Hat"),
                    "allowed at own",
                ),
                (
                    ask("app:erp", "api.product.edit", "product:Hat"),
                    "allowed at own, direct",
                ),
                (
                    ask("app:erp", "api.product.remove", "product:Hat"),
                    "allowed at own",
                ),
                // "the App can create any new product in the Ecommerce tree"
                (
                    ask("app:erp", "api.product.edit", "product:").in_categories(&["Ecommerce"]),
                    "allowed at own, direct",
                ),
                (
                    ask("app:erp", "api.product.edit", "product:new hat").in_categories(&["Hats"]),
                    "allowed at own, direct",
                ),
                (
                    ask("app:erp", "api.product.edit", "product:new hat")
                        .in_categories(&["Winter"]),
                    &hidden("edit"),
                ),
                (
                    ask("app:erp", "api.product.list", "product:Braided hat"),
                    &hidden("view"),
                ),
                (
                    ask("app:erp", "api.product.edit", "product:Braided hat"),
                    &hidden("edit"),
                ),
            ],
        );
    }

    #[test]
    fn with_the_edit_level_the_app_sends_proposals_and_with_view_it_only_sees() {
        let create = || ask("app:erp", "api.product.edit", "product:").in_categories(&["Hats"]);
        let update = || ask("app:erp", "api.product.edit", "product:Hat");
        let remove = || ask("app:erp", "api.product.remove", "product:Hat");
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
                    ask("app:erp", "api.product.list", "product:Hat"),
                    "allowed at view",
                ),
            ],
        );
    }

    #[test]
    fn a_translation_app_updates_german_and_english_and_only_reads_french() {
        let world = World::enterprise()
            .with_channels(&["ecommerce"])
            .with_product("Hat", &["Master catalog"])
            .with_attribute("description", "marketing", Specific::ToLocale)
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
            ask("app:translator", action, "product:Hat")
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
    fn an_e_commerce_app_reads_three_attribute_groups_and_never_updates() {
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
            ask("app:sync", action, "product:Hat").attribute_group(group)
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
}

//! "Access rights on product information" (`access-rights.txt`).

use pim_authz::domain::Level::{Edit, Own, View};

use crate::support::{QuestionBuilder, SpecificTo, World, assert_answers, question};

/// Returns the world and the user of examples 1 to 3 of the hierarchy.
///
/// The tenant has the locales `de_DE`, `en_US` and `fr_FR`.
fn shop() -> World {
    World::enterprise()
        .user("peter", &["Shop"])
        .with_locales(&["de_DE", "en_US", "fr_FR"])
        .with_attribute("description", "General", SpecificTo::Locale)
        .with_attribute("price", "General", SpecificTo::Channel)
        .with_attribute("color", "General", SpecificTo::Nothing)
        .with_product("sneaker", &["Shoes"])
        .group("Shop")
        .may(Edit)
        .category("Shoes")
        .attribute_group("General")
}

fn sneaker(action: &str) -> QuestionBuilder {
    question("user:peter", action, "product:sneaker")
}

#[test]
fn hierarchy_example_1_hidden_locale_hides_everything_below_it() {
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
fn hierarchy_example_1_values_of_viewable_channel_cannot_be_edited() {
    // "He can only view, but not edit, values specific to the ecommerce
    // channel": this holds once he may view a locale, as in the next example.
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
fn hierarchy_example_2_viewable_locale_cannot_be_edited() {
    let world = World::enterprise()
        .user("peter", &["Shop"])
        .with_locales(&["de_DE"])
        .with_attribute("description", "General", SpecificTo::Locale)
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
fn hierarchy_example_3_each_locale_has_its_own_level() {
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
fn locale_is_editable_viewable_or_hidden_by_user_group() {
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
        question(&format!("user:{user}"), action, "product:hat").locale("en_US")
    };
    assert_answers(
        &world,
        [
            (
                question("user:julia", "edit", "locale:en_US"),
                "allowed at edit",
            ),
            (on_en_us("julia", "edit"), "allowed at own, direct"),
            (
                question("user:robert", "view", "locale:en_US"),
                "allowed at view",
            ),
            (on_en_us("robert", "view"), "allowed at own"),
            (
                on_en_us("robert", "edit"),
                "denied at own: locale en_US needs edit, has view",
            ),
            (
                question("user:mary", "view", "locale:en_US"),
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
fn product_is_owned_edited_viewed_or_hidden_by_user_group() {
    let sony = |user: &str, action: &str| {
        question(&format!("user:{user}"), action, "product:Sony SS-SP32FWB")
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
            // an editor makes a draft and sends it as a proposal
            (sony("mary", "view"), "allowed at edit"),
            (sony("mary", "edit"), "allowed at edit, proposal"),
            (sony("mary", "send_proposal"), "allowed at edit, proposal"),
            (sony("mary", "review_proposals"), edit_only),
            (sony("mary", "change_categories"), edit_only),
            // the attributes are grayed out
            (sony("marco", "view"), "allowed at view"),
            (sony("marco", "edit"), view_only),
            // neither the form nor the category in the tree is visible
            (sony("elise", "view"), hidden),
            (
                question("user:elise", "view", "category:Audio and Video"),
                hidden,
            ),
        ],
    );
}

#[test]
fn product_tabs_need_a_role_permission_as_well() {
    let world = audio_and_video()
        .role(
            "Viewer",
            &["product.view_categories", "product.view_associations"],
        )
        .with_roles("julia", &["Viewer"])
        .with_roles("mary", &["Viewer"]);
    let sony = |user: &str, action: &str| {
        question(&format!("user:{user}"), action, "product:Sony SS-SP32FWB")
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
fn product_in_three_categories_has_the_most_permissive_right() {
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
            (question("user:mary", "own", "product:A"), "allowed at own"),
            (
                question("user:mary", "edit", "product:A"),
                "allowed at own, direct",
            ),
        ],
    );
}

#[test]
fn product_without_category_is_owned_by_every_user() {
    let world = World::enterprise()
        .user("mary", &[])
        .user("marco", &["Supplier"])
        .with_trees(&["Tshirt"])
        .with_product("A", &[]);
    assert_answers(
        &world,
        [
            (question("user:mary", "own", "product:A"), "allowed at own"),
            (
                question("user:marco", "edit", "product:A"),
                "allowed at own, direct",
            ),
        ],
    );
}

#[test]
fn most_permissive_of_several_user_groups_applies() {
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
            (question("user:mary", "own", "product:A"), "allowed at own"),
            (
                question("user:peter", "own", "product:A"),
                "denied at view: category Tshirt needs own, has view",
            ),
        ],
    );
}

#[test]
fn member_of_group_without_rights_has_the_rights_of_all() {
    let world = World::enterprise()
        .user("mary", &["Divided supplier"])
        .with_product("A", &["Tshirt"])
        .group("All")
        .may(Own)
        .category("Tshirt");
    assert_answers(
        &world,
        [(
            question("user:mary", "edit", "product:A"),
            "allowed at own, direct",
        )],
    );
}

#[test]
fn attribute_group_is_editable_viewable_or_hidden_by_user_group() {
    let world = World::enterprise()
        .user("julia", &["Marketing"])
        .user("robert", &["Intern"])
        .user("mary", &["Purchase team"])
        .with_attribute("slogan", "Marketing", SpecificTo::Nothing)
        .with_grid_view("slogans", &["Marketing"])
        .with_product("hat", &[])
        .group("Marketing")
        .may(Edit)
        .attribute_group("Marketing")
        .group("Intern")
        .may(View)
        .attribute_group("Marketing");
    let slogan = |user: &str, action: &str| {
        question(&format!("user:{user}"), action, "product:hat").attribute("slogan")
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
                question("user:mary", "view", "grid_view:slogans"),
                &format!("denied at none: {hidden}"),
            ),
            (
                question("user:robert", "view", "grid_view:slogans"),
                "allowed at view",
            ),
        ],
    );
}

//! Rules §4: products and their categories.

use pim_authz::domain::Level::{Edit, Own, View};

use crate::support::{World, assert_answers, question};

#[test]
fn rule_4_1_product_has_the_highest_level_of_its_categories() {
    let world = World::enterprise()
        .user("julia", &["A", "B"])
        .with_category_under("Master", "Hats")
        .with_trees(&["Print", "Shop"])
        .with_product("hat", &["Hats", "Print", "Shop"])
        .group("A")
        .may(View)
        .category("Hats")
        .group("B")
        .may(Edit)
        .category("Print");
    assert_answers(
        &world,
        [
            (
                question("user:julia", "edit", "product:hat"),
                "allowed at edit, proposal",
            ),
            // a denial returns this level as well
            (
                question("user:julia", "own", "product:hat"),
                "denied at edit: category Print needs own, has edit",
            ),
            (
                question("user:julia", "view", "product:hat").channel("nowhere"),
                "denied at edit: channel nowhere needs view, has none",
            ),
            (
                question("user:julia", "product.list", "product:hat"),
                "denied at edit: permission product.list",
            ),
        ],
    );
}

/// Returns a world with a root model, its sub-model and a variant of that, each in
/// a category of its own, and with a variant of the root without categories.
fn shirts() -> World {
    World::enterprise()
        .user("root", &["Root"])
        .user("middle", &["Middle"])
        .user("leaf", &["Leaf"])
        .with_model("shirt", &["OfRoot"])
        .with_sub_model("shirt-red", "shirt", &["OfMiddle"])
        .with_variant("shirt-red-xl", "shirt-red", &["OfLeaf"])
        .with_variant("shirt-plain", "shirt", &[])
        .group("Root")
        .may(View)
        .category("OfRoot")
        .group("Middle")
        .may(Edit)
        .category("OfMiddle")
        .group("Leaf")
        .may(Own)
        .category("OfLeaf")
}

#[test]
fn rule_4_2_categories_are_inherited_from_ancestors_only() {
    let cases = [
        // resource                   root's user   middle's    leaf's
        ("product:shirt-red-xl", ["view", "edit", "own"]),
        ("product:shirt-plain", ["view", "none", "none"]),
        ("product_model:shirt-red", ["view", "edit", "none"]),
        ("product_model:shirt", ["view", "none", "none"]),
    ];
    let world = shirts();
    for (resource, levels) in cases {
        for (user, level) in ["user:root", "user:middle", "user:leaf"].iter().zip(levels) {
            let answer = world.answer(question(user, "view", resource));
            let held = answer.split(": ").next().unwrap();
            let verdict = if level == "none" { "denied" } else { "allowed" };
            assert_eq!(held, format!("{verdict} at {level}"), "{user} {resource}");
        }
    }
}

#[test]
fn rule_4_3_uncategorized_product_is_owned_by_every_enabled_subject() {
    let world = World::enterprise()
        .user("julia", &[])
        .connection("erp", &[])
        .app("sync", &["write_products"])
        .user("mary", &[])
        .disabled("mary")
        .with_trees(&["Hats"])
        .with_product("hat", &[])
        .with_model("shirt", &[])
        .with_variant("shirt-xl", "shirt", &[]);
    for subject in ["user:julia", "connection:erp", "app:sync"] {
        for resource in ["product:hat", "product_model:shirt", "product:shirt-xl"] {
            let answer = world.answer(question(subject, "own", resource));
            assert_eq!(answer, "allowed at own", "{subject} {resource}");
        }
    }
    assert_answers(
        &world,
        [(
            question("user:mary", "view", "product:hat"),
            "denied at none: subject_disabled",
        )],
    );
}

#[test]
fn rule_4_3_uncategorized_product_passes_the_category_axis_only() {
    let world = World::enterprise()
        .user("julia", &[])
        .with_locales(&["en_US"])
        .with_attribute_groups(&["General"])
        .with_product("hat", &[]);
    assert_answers(
        &world,
        [
            (
                question("user:julia", "view", "product:hat"),
                "denied at own: locale (any) needs view, has none",
            ),
            (
                question("user:julia", "view", "product:hat").locale("en_US"),
                "denied at own: locale en_US needs view, has none",
            ),
        ],
    );
    assert_answers(
        &world.group("All").may(View).locale("en_US"),
        [
            (
                question("user:julia", "view", "product:hat"),
                "allowed at own",
            ),
            (
                question("user:julia", "edit", "product:hat").locale("en_US"),
                "denied at own: locale en_US needs edit, has view",
            ),
            (
                question("user:julia", "view", "product:hat").attribute_group("General"),
                "denied at own: attribute_group General needs view, has none",
            ),
        ],
    );
}

#[test]
fn rule_4_3_unknown_or_inaccessible_category_leaves_a_product_categorized() {
    let world = World::enterprise()
        .user("julia", &[])
        .with_product("hat", &["Hats"]);
    let unknown = "denied at none: category needs view, has none";
    assert_answers(
        &world,
        [
            (
                question("user:julia", "view", "product:hat"),
                "denied at none: category Hats needs view, has none",
            ),
            (
                question("user:julia", "view", "product:hat").in_categories(&["nowhere"]),
                unknown,
            ),
            (
                question("user:julia", "view", "product:").under("nowhere"),
                unknown,
            ),
            (
                question("user:julia", "view", "product:")
                    .in_categories(&[])
                    .under("nowhere"),
                unknown,
            ),
        ],
    );
}

#[test]
fn rule_4_6_edits_are_direct_for_owners_and_proposals_for_editors() {
    let editing = [
        ("edit", "product"),
        ("import", "product"),
        ("product.edit_attributes", "product"),
        ("product.mass_edit", "product"),
        ("product.create", "product"),
        ("api.product.edit", "product"),
        ("edit", "product_model"),
        ("import", "product_model"),
        ("product_model.edit_attributes", "product_model"),
        ("api.product.edit", "product_model"),
    ];
    let role = [
        "product.edit_attributes",
        "product.mass_edit",
        "product.create",
        "product_model.edit_attributes",
        "api.product.edit",
        "api.overall_access",
    ];
    for (level, mode) in [(Own, "direct"), (Edit, "proposal")] {
        let world = World::enterprise()
            .role("Editor", &role)
            .user("julia", &["Redactors"])
            .with_roles("julia", &["Editor"])
            .with_product("hat", &["Hats"])
            .with_model("hat", &["Hats"])
            .group("Redactors")
            .may(level)
            .category("Hats");
        for (action, kind) in editing {
            let answer = world.answer(question("user:julia", action, &format!("{kind}:hat")));
            assert_eq!(answer, format!("allowed at {level}, {mode}"), "{action}");
        }
        // an action that does not need `edit` has no edit mode
        let answer = world.answer(question("user:julia", "view", "product:hat"));
        assert_eq!(answer, format!("allowed at {level}"));
    }
}

#[test]
fn rule_4_7_action_with_a_level_needs_permission_and_level() {
    let world = World::enterprise()
        .role("Remover", &["product.remove"])
        .user("julia", &["Owners"])
        .with_roles("julia", &["Remover"])
        .user("mary", &["Redactors"])
        .with_roles("mary", &["Remover"])
        .user("peter", &["Owners"])
        .with_product("hat", &["Hats"])
        .group("Owners")
        .may(Own)
        .category("Hats")
        .group("Redactors")
        .may(Edit)
        .category("Hats");
    assert_answers(
        &world,
        [
            (
                question("user:julia", "product.remove", "product:hat"),
                "allowed at own",
            ),
            (
                question("user:mary", "product.remove", "product:hat"),
                "denied at edit: category Hats needs own, has edit",
            ),
            (
                question("user:peter", "product.remove", "product:hat"),
                "denied at own: permission product.remove",
            ),
            // without a product only the role permission is checked
            (question("user:mary", "product.remove", ""), "allowed"),
        ],
    );
}

#[test]
fn rule_4_8_creating_needs_edit_on_a_category_of_the_product() {
    let world = World::enterprise()
        .role("Creator", &["product.create", "product_model.create"])
        .user("julia", &["G"])
        .with_roles("julia", &["Creator"])
        .with_trees(&["Hidden"])
        .with_model("shirt", &["Owned"])
        .with_product("stored", &["Viewed"])
        .group("G")
        .may(Own)
        .category("Owned")
        .may(Edit)
        .category("Edited")
        .may(View)
        .category("Viewed");
    let create = |resource: &str| question("user:julia", "product.create", resource);
    assert_answers(
        &world,
        [
            (
                create("product:new").in_categories(&["Owned", "Hidden"]),
                "allowed at own, direct",
            ),
            (
                create("product:").in_categories(&["Viewed", "Edited"]),
                "allowed at edit, proposal",
            ),
            (
                create("product:").in_categories(&["Viewed"]),
                "denied at view: category Viewed needs edit, has view",
            ),
            (
                create("product:").in_categories(&["Hidden"]),
                "denied at none: category Hidden needs edit, has none",
            ),
            // present and empty: uncategorized (rules 4.3)
            (
                create("product:new").in_categories(&[]),
                "allowed at own, direct",
            ),
            // absent: inherited, stored, or unknown (rules 1.7)
            (
                create("product:new").under("shirt"),
                "allowed at own, direct",
            ),
            (
                create("product:stored"),
                "denied at view: category Viewed needs edit, has view",
            ),
            (create("product:new"), "denied at none: resource_unknown"),
            (create(""), "allowed"),
            (
                question("user:julia", "product_model.create", "product_model:")
                    .in_categories(&["Edited"]),
                "allowed at edit, proposal",
            ),
        ],
    );
}

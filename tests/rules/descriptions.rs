//! Rules §7: facts that a question itself describes.

use pim_authz::domain::Level::{Edit, Own, View};

use crate::support::{QuestionBuilder, SpecificTo, World, assert_answers, question};

/// Returns a world where `shirt` is the parent of `shirt-red`, and that of `xl`.
///
/// julia has on each category the level that it is named after.
fn shirts() -> World {
    World::enterprise()
        .user("julia", &["G"])
        .with_trees(&["Hidden"])
        .with_model("shirt", &["Viewed"])
        .with_sub_model("shirt-red", "shirt", &["Edited"])
        .with_variant("xl", "shirt-red", &["Hidden"])
        .with_model("plain", &[])
        .group("G")
        .may(View)
        .category("Viewed")
        .may(Edit)
        .category("Edited")
        .may(Own)
        .category("Owned")
}

fn view(resource: &str) -> QuestionBuilder {
    question("user:julia", "view", resource)
}

#[test]
fn rule_7_1_categories_in_question_replace_the_stored_own_categories() {
    assert_answers(
        &shirts(),
        [
            (view("product:xl"), "allowed at edit"),
            // the categories of the ancestors still apply
            (
                view("product:xl").in_categories(&["Owned"]),
                "allowed at own",
            ),
            (
                view("product:xl").in_categories(&["Hidden"]),
                "allowed at edit",
            ),
            (view("product:xl").in_categories(&[]), "allowed at edit"),
            (
                view("product_model:shirt").in_categories(&["Hidden"]),
                "denied at none: category Hidden needs view, has none",
            ),
            (
                view("product_model:shirt").in_categories(&[]),
                "allowed at own",
            ),
        ],
    );
}

#[test]
fn rule_7_1_parent_in_question_replaces_the_stored_parent() {
    assert_answers(
        &shirts(),
        [
            (view("product:xl").under("shirt"), "allowed at view"),
            (
                view("product:xl").under("plain"),
                "denied at none: category Hidden needs view, has none",
            ),
            // a parent that is present and empty means no parent
            (
                view("product:xl").without_parent(),
                "denied at none: category Hidden needs view, has none",
            ),
            (
                view("product:xl").without_parent().in_categories(&[]),
                "allowed at own",
            ),
            // own categories apply even if the parent is unknown
            (
                view("product:xl")
                    .under("nowhere")
                    .in_categories(&["Viewed"]),
                "allowed at view",
            ),
            (
                view("product:xl").under("nowhere"),
                "denied at none: category Hidden needs view, has none",
            ),
        ],
    );
}

#[test]
fn rule_7_1_ancestors_of_the_parent_in_question_contribute_categories() {
    assert_answers(
        &shirts(),
        [
            (view("product:new").under("shirt-red"), "allowed at edit"),
            (view("product:new").under("shirt"), "allowed at view"),
            (view("product_model:new").under("SHIRT"), "allowed at view"),
            // the parent of a product is a model
            (
                view("product:new").under("xl"),
                "denied at none: category needs view, has none",
            ),
        ],
    );
}

#[test]
fn rule_7_1_ancestor_cycles_are_traversed_once() {
    assert_answers(
        &shirts(),
        [
            (
                view("product_model:shirt").under("shirt-red"),
                "allowed at edit",
            ),
            (
                view("product_model:shirt").under("shirt"),
                "allowed at view",
            ),
            (view("product_model:plain").under("plain"), "allowed at own"),
            // replaced categories also apply where the model is its own ancestor
            (
                view("product_model:shirt")
                    .under("shirt-red")
                    .in_categories(&["Owned"]),
                "allowed at own",
            ),
        ],
    );
}

#[test]
fn rule_7_1_described_product_need_not_be_stored() {
    assert_answers(
        &shirts(),
        [
            (view("product:new"), "denied at none: resource_unknown"),
            (
                view("product:new").in_categories(&["Owned"]),
                "allowed at own",
            ),
            (view("product:").in_categories(&["Owned"]), "allowed at own"),
            (view("product:").in_categories(&[]), "allowed at own"),
            (view("product:").without_parent(), "allowed at own"),
            (view("product:").under("plain"), "allowed at own"),
        ],
    );
}

#[test]
fn rule_7_1_attribute_group_in_question_replaces_the_stored_one() {
    let world = shirts()
        .with_attribute("name", "Secret", SpecificTo::Nothing)
        .with_attribute("code", "Public", SpecificTo::Locale)
        .group("G")
        .may(View)
        .attribute_group("Public");
    let plain = || view("product_model:plain");
    assert_answers(
        &world,
        [
            (
                plain().attribute("name"),
                "denied at own: attribute_group Secret needs view, has none",
            ),
            (
                plain().attribute("name").attribute_group("Public"),
                "allowed at own",
            ),
            (
                plain().attribute("name").attribute_group("nowhere"),
                "denied at own: attribute_group nowhere needs view, has none",
            ),
            // the attribute's other stored facts still apply
            (
                plain().attribute("code").attribute_group("Public"),
                "denied at own: locale (any) needs view, has none",
            ),
        ],
    );
}

#[test]
fn rule_7_1_description_applies_to_its_question_only() {
    use pim_authz::engine;
    let world = shirts();
    let described = view("product:xl").in_categories(&["Owned"]).build();
    let stored = view("product:xl").build();
    let facts = world.facts(&engine::needs([&described, &stored]));
    let levels = [&described, &stored, &described]
        .map(|question| engine::decide(question, &facts).level.unwrap());
    assert_eq!(levels, [Own, Edit, Own]);
}

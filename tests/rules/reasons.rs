//! Rules §8: the reason of a denial, and its explanation.

use pim_authz::domain::{
    Code, Edition,
    Level::{Edit, Own, View},
    ReasonCode, Step,
};

use crate::support::{QuestionBuilder, SpecificTo, World, assert_answers, decision_text, question};

/// Returns a tenant in which no subject has any right.
fn nothing_held() -> World {
    World::growth()
        .user("julia", &["G"])
        .with_channels(&["ecommerce"])
        .with_locales(&["en_US"])
        .with_attribute("name", "General", SpecificTo::Both)
        .with_trees(&["Hats"])
}

/// A change to the world that removes one cause of denial.
type Fix = fn(World) -> World;

/// Returns a question that every rule of denial applies to.
fn everything(user: &str) -> QuestionBuilder {
    question(user, "product.restore", "product:hat")
        .in_categories(&["Hats"])
        .channel("ecommerce")
        .locale("en_US")
        .attribute("name")
}

#[test]
fn rule_8_1_denial_names_the_first_failing_rule() {
    let bare = nothing_held();
    assert_answers(
        &bare,
        [
            (everything("user:nobody"), "denied at none: subject_unknown"),
            (
                everything("user:julia"),
                "denied at own: edition product.restore",
            ),
        ],
    );
    // each fix exposes the next reason
    let fixes: [(Fix, &str); 6] = [
        (
            |world| world.in_edition(Edition::Enterprise),
            "denied at none: permission product.restore",
        ),
        (
            |world| {
                let world = world.role("Restorer", &["product.restore"]);
                world.with_roles("julia", &["Restorer"])
            },
            "denied at none: channel ecommerce needs edit, has none",
        ),
        (
            |world| world.group("G").may(Edit).channel("ecommerce"),
            "denied at none: locale en_US needs edit, has none",
        ),
        (
            |world| world.group("G").may(Edit).locale("en_US"),
            "denied at none: category Hats needs own, has none",
        ),
        (
            |world| world.group("G").may(Own).category("Hats"),
            "denied at own: attribute_group General needs edit, has none",
        ),
        (
            |world| world.group("G").may(Edit).attribute_group("General"),
            "allowed at own",
        ),
    ];
    let mut world = bare;
    for (fix, expected) in fixes {
        world = fix(world);
        assert_answers(&world, [(everything("user:julia"), expected)]);
    }
    assert_answers(
        &world.disabled("julia"),
        [(everything("user:julia"), "denied at none: subject_disabled")],
    );
}

#[test]
fn rule_8_1_denial_names_the_highest_category_then_first_by_code() {
    let world = World::enterprise()
        .user("julia", &["G"])
        .with_trees(&["a"])
        .with_product("hat", &["z", "m", "b", "a"])
        .group("G")
        .may(View)
        .category("z")
        .category("m")
        .category("b");
    assert_answers(
        &world,
        [
            (
                question("user:julia", "edit", "product:hat"),
                "denied at view: category b needs edit, has view",
            ),
            // unknown categories are ignored
            (
                question("user:julia", "edit", "product:").in_categories(&["0", "Z"]),
                "denied at view: category z needs edit, has view",
            ),
        ],
    );
}

#[test]
fn rule_8_1_enterprise_permissions_are_denied_by_edition_in_growth() {
    let world = World::growth()
        .user("julia", &[])
        .app("sync", &[])
        .with_product("hat", &[])
        .with(pim_authz::domain::ItemKind::AssetFamily, &["packshots"]);
    assert_answers(
        &world,
        [
            (
                question("user:julia", "asset.edit", "asset:photo").under("packshots"),
                "denied at edit: edition asset.edit",
            ),
            (
                question("app:sync", "product.restore", "product:hat"),
                "denied at own: edition product.restore",
            ),
            (
                question("user:julia", "publish", "product:hat"),
                "denied at own: edition",
            ),
            (
                question("user:julia", "publish", "product:nowhere"),
                "denied at none: edition",
            ),
        ],
    );
}

#[test]
fn rule_8_1_edition_denial_message_mentions_permission_or_action() {
    let world = World::growth().user("julia", &[]).with_product("hat", &[]);
    for (action, expected) in [
        (
            "publish",
            "The action exists in the enterprise edition only.",
        ),
        (
            "product.restore",
            "`product.restore` exists in the enterprise edition only.",
        ),
    ] {
        let decision = world.decide(&question("user:julia", action, "product:hat").build());
        assert_eq!(decision.denial.unwrap().to_string(), expected);
    }
}

/// Returns a step and every step below it.
fn steps(step: &Step) -> Vec<&Step> {
    let below = step.steps.iter().flat_map(steps);
    std::iter::once(step).chain(below).collect()
}

#[test]
fn rule_8_2_explanation_lists_the_groups_that_give_each_level() {
    let world = World::enterprise()
        .role("Lister", &["product.list"])
        .user("julia", &["A", "B", "C"])
        .with_roles("julia", &["Lister"])
        .with_attribute("name", "General", SpecificTo::Both)
        .with_product("hat", &["Hats"])
        .group("A")
        .may(View)
        .category("Hats")
        .channel("ecommerce")
        .group("B")
        .may(Edit)
        .category("Hats")
        .locale("en_US")
        .group("C")
        .may(Edit)
        .category("Hats");
    let question = question("user:julia", "product.list", "product:hat")
        .channel("ecommerce")
        .locale("en_US")
        .attribute("name")
        .build();
    let explanation = world.explain(&question);
    assert_eq!(
        decision_text(&explanation.decision),
        "denied at edit: attribute_group General needs view, has none"
    );
    assert!(!explanation.root.passed);
    assert_eq!(explanation.root.axis, None);
    let all = steps(&explanation.root);
    let of = |axis| {
        let mut found = all.iter().filter(|step| step.axis == Some(axis));
        let step = *found.next().unwrap();
        let groups: Vec<&str> = step.groups.iter().map(Code::as_str).collect();
        (step.passed, step.needed, step.held, groups.join(" "))
    };
    let hidden = Some(pim_authz::domain::Level::Hidden);
    let cases = [
        (ReasonCode::Channel, true, Some(View), "A"),
        (ReasonCode::Locale, true, Some(Edit), "B"),
        (ReasonCode::Category, true, Some(Edit), "B C"),
        (ReasonCode::AttributeGroup, false, hidden, ""),
    ];
    for (axis, passed, held, groups) in cases {
        let expected = (passed, Some(View), held, groups.to_owned());
        assert_eq!(of(axis), expected, "{axis}");
    }
    let permission = all
        .iter()
        .find(|step| step.axis == Some(ReasonCode::Permission));
    let permission = permission.unwrap();
    assert!(permission.passed);
    assert_eq!(permission.permission, Some("product.list"));
    assert_eq!(permission.roles, [crate::support::code("Lister")]);
    for step in all {
        assert!(!step.message.is_empty(), "{step:?}");
    }
}

#[test]
fn rule_9_owner_denial_states_that_exactly_edit_is_needed() {
    let world = World::enterprise()
        .user("julia", &["G"])
        .with_product("orphan", &[])
        .with_product("hat", &["Hats"])
        .group("G")
        .may(Own)
        .category("Hats");
    for (product, expected) in [
        (
            "product:hat",
            "Needs exactly `edit` on category `Hats`; held is `own`.",
        ),
        (
            "product:orphan",
            "Needs exactly `edit` on the product; held is `own`.",
        ),
    ] {
        let decision = world.decide(&question("user:julia", "send_proposal", product).build());
        assert_eq!(decision.denial.unwrap().to_string(), expected);
    }
}

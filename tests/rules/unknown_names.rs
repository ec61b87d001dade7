//! Rules 1.7: names in a question that the tenant does not store, and the denials
//! that report them.

use pim_authz::domain::{
    Edition,
    Level::{Edit, Hidden, Own, View},
    ReasonCode,
};

use crate::support::{QuestionBuilder, SpecificTo, World, question};

const EDITIONS: [Edition; 3] = [Edition::Community, Edition::Growth, Edition::Enterprise];

/// Returns a tenant in which julia has the highest level on everything.
fn shop(edition: Edition) -> World {
    World::new(edition)
        .role("Launcher", &["export_profile.launch"])
        .user("julia", &["G"])
        .with_roles("julia", &["Launcher"])
        .with_attribute("name", "General", SpecificTo::Both)
        .with_product("hat", &["Hats"])
        .group("G")
        .may(Own)
        .category("Hats")
        .may(Edit)
        .channel("ecommerce")
        .locale("en_US")
        .attribute_group("General")
}

fn hat(action: &str) -> QuestionBuilder {
    question("user:julia", action, "product:hat")
}

#[test]
fn rule_1_7_unknown_attribute_is_denied_by_attribute_group_without_item() {
    for edition in EDITIONS {
        let world = shop(edition);
        for (action, needed) in [("view", View), ("edit", Edit), ("own", Edit)] {
            let unknown = || hat(action).attribute("taste");
            let questions = [
                unknown(),
                unknown().attribute_group("General"),
                unknown().attribute_group("nowhere"),
            ];
            for question in questions {
                let question = question.build();
                let explanation = world.explain(&question);
                let reason = explanation.decision.denial.unwrap();
                assert_eq!(reason.code, ReasonCode::AttributeGroup);
                assert_eq!(reason.item, None);
                assert_eq!((reason.needed, reason.held), (Some(needed), Some(Hidden)));
                assert_eq!(reason.to_string(), "The tenant has no attribute `taste`.");
                assert_eq!(explanation.remedies, []);
                assert_eq!(
                    explanation.no_remedy_reason.as_deref(),
                    Some("the tenant has no attribute `taste`")
                );
                let steps = explanation.root.steps.iter();
                let mut steps = steps.filter(|step| step.axis == Some(ReasonCode::AttributeGroup));
                let step = steps.next().unwrap();
                assert_eq!((step.rule, step.passed, &step.item), ("1.7", false, &None));
                assert_eq!(step.message, "The tenant has no attribute `taste`.");
            }
        }
    }
}

/// A question, the expected reason and item of its denial, and the unknown name.
type Unknown = (QuestionBuilder, &'static str, &'static str);

/// Returns questions about a known product with an unknown name in the context.
fn unknown_in_the_context() -> [Unknown; 5] {
    [
        // question, reason and item, unknown name
        (hat("view").channel("x"), "channel x", "channel `x`"),
        (hat("view").locale("x"), "locale x", "locale `x`"),
        (
            hat("view").attribute_group("x"),
            "attribute_group x",
            "attribute group `x`",
        ),
        (
            hat("edit").attribute("name").channel("x"),
            "channel x",
            "channel `x`",
        ),
        (
            hat("view").attribute("x").channel("y"),
            "attribute_group",
            "attribute `x`",
        ),
    ]
}

/// Returns questions about unknown resources, or about resources of an unknown
/// asset family or reference entity.
fn unknown_resources() -> [Unknown; 10] {
    let of = |action, resource| question("user:julia", action, resource);
    [
        (of("view", "product:x"), "resource_unknown", "product `x`"),
        (
            of("view", "product_model:x"),
            "resource_unknown",
            "product model `x`",
        ),
        (of("view", "category:x"), "resource_unknown", "category `x`"),
        (
            of("view", "enriched_category:x"),
            "resource_unknown",
            "category `x`",
        ),
        (
            of("view", "attribute:x"),
            "resource_unknown",
            "attribute `x`",
        ),
        (
            of("view", "grid_view:x"),
            "resource_unknown",
            "grid view `x`",
        ),
        (
            of("view", "asset_family:x"),
            "resource_unknown",
            "asset family `x`",
        ),
        (
            of("edit", "asset:photo").under("x"),
            "resource_unknown",
            "asset family `x`",
        ),
        (
            of("view", "reference_entity_record:acme").under("x"),
            "resource_unknown",
            "reference entity `x`",
        ),
        (
            of("export_profile.launch", "export_profile:x"),
            "resource_unknown",
            "export profile `x`",
        ),
    ]
}

#[test]
fn rule_1_7_denial_names_the_unknown_code_and_has_no_remedy() {
    for edition in EDITIONS {
        let world = shop(edition);
        let cases = unknown_in_the_context().into_iter();
        for (question, expected, unknown) in cases.chain(unknown_resources()) {
            let explanation = world.explain(&question.clone().build());
            let reason = explanation.decision.denial.unwrap();
            let code = reason.item.iter().filter_map(|item| item.code.clone());
            let named: Vec<String> = std::iter::once(reason.code.to_string())
                .chain(code.map(|code| code.to_string()))
                .collect();
            assert_eq!(named.join(" "), expected, "{question:?}");
            assert_eq!(reason.to_string(), format!("The tenant has no {unknown}."));
            assert_eq!(explanation.remedies, []);
            let why = explanation.no_remedy_reason.unwrap();
            assert_eq!(why, format!("the tenant has no {unknown}"));
        }
    }
}

#[test]
fn rule_1_7_denial_names_unknown_categories_or_parents_of_described_products() {
    let world = shop(Edition::Enterprise).with_model("shirt", &[]);
    let described = || question("user:julia", "view", "product:");
    let cases = [
        (described().in_categories(&["x", "y"]), "category `x`"),
        (described().in_categories(&["x"]).under("z"), "category `x`"),
        (described().under("z"), "product model `z`"),
        (
            described().in_categories(&[]).under("z"),
            "product model `z`",
        ),
        (
            described().in_categories(&["x"]).under("shirt"),
            "category `x`",
        ),
    ];
    for (question, unknown) in cases {
        let explanation = world.explain(&question.build());
        let reason = explanation.decision.denial.unwrap();
        assert_eq!((reason.code, &reason.item), (ReasonCode::Category, &None));
        assert_eq!((reason.needed, reason.held), (Some(View), Some(Hidden)));
        assert_eq!(reason.to_string(), format!("The tenant has no {unknown}."));
        let why = explanation.no_remedy_reason.unwrap();
        assert_eq!(why, format!("the tenant has no {unknown}"));
    }
    // If one category is known, its level can be raised.
    let world = shop(Edition::Enterprise).with_trees(&["Caps"]);
    let explanation = world.explain(&described().in_categories(&["Caps", "x"]).build());
    assert_eq!(
        explanation.decision.denial.unwrap().to_string(),
        "Needs `view` on category `Caps`; held is `none`."
    );
    assert_eq!(explanation.remedies.len(), 1);
}

#[test]
fn rule_4_4_without_channels_or_locales_there_is_no_remedy() {
    let world = World::enterprise()
        .user("julia", &["G"])
        .with_attribute("price", "General", SpecificTo::Channel)
        .with_attribute("name", "General", SpecificTo::Locale)
        .with_product("hat", &["Hats"])
        .group("G")
        .may(Own)
        .category("Hats");
    for (attribute, why) in [
        ("price", "the tenant has no channel"),
        ("name", "the tenant has no locale"),
    ] {
        let explanation = world.explain(&hat("view").attribute(attribute).build());
        assert_eq!(explanation.no_remedy_reason.as_deref(), Some(why));
    }
}

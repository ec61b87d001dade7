//! Rules §9: which actions there are.

use pim_authz::domain::{
    Action, CATALOGUE, Code, Context, Description, Level::Own, LevelAction, Parent, Question,
    Resource, ResourceType,
};
use strum::IntoEnumIterator as _;

use crate::support::{World, assert_answers, code, question, reference, subject};

fn kinds() -> Vec<Option<ResourceType>> {
    std::iter::once(None)
        .chain(ResourceType::iter().map(Some))
        .collect()
}

fn resource(kind: ResourceType, id: Option<Code>) -> Resource {
    let family = Some(Parent::Code(code("family")));
    Resource {
        kind,
        id,
        description: Description {
            categories: None,
            parent: family.filter(|_| kind.has_parent()),
        },
    }
}

#[test]
fn rule_9_types_accept_only_their_actions_and_permissions() {
    for kind in kinds() {
        for action in Action::all() {
            let resource = kind.map(|kind| resource(kind, Some(code("x"))));
            let question = Question::new(subject("user:x"), action, resource, Context::default());
            assert_eq!(
                question.is_ok(),
                reference::requirements(action, kind).is_some(),
                "{action} on {kind:?}"
            );
            if let Err(refused) = question {
                assert_eq!(refused.field, "action");
            }
        }
    }
}

#[test]
fn rule_9_level_actions_of_each_type_match_the_table() {
    let products = "view edit own export import change_categories review_proposals send_proposal";
    let cases = [
        (None, "system_version.read"),
        (Some(ResourceType::Product), &format!("{products} publish")),
        (Some(ResourceType::ProductModel), products),
        (Some(ResourceType::Category), "view edit own"),
        (Some(ResourceType::Channel), "view edit"),
        (Some(ResourceType::Locale), "view edit"),
        (Some(ResourceType::AttributeGroup), "view edit"),
        (Some(ResourceType::Attribute), "view edit"),
        (Some(ResourceType::AssetFamily), "view edit"),
        (Some(ResourceType::ReferenceEntity), "view edit"),
        (Some(ResourceType::Asset), "view edit"),
        (Some(ResourceType::ReferenceEntityRecord), "view edit"),
        (Some(ResourceType::EnrichedCategory), "view edit"),
        (Some(ResourceType::ImportProfile), ""),
        (Some(ResourceType::ExportProfile), ""),
        (Some(ResourceType::GridView), "view"),
        (Some(ResourceType::SystemVersion), "system_version.read"),
    ];
    assert_eq!(cases.len(), kinds().len());
    for (kind, expected) in cases {
        let actions = LevelAction::iter().map(Action::Level);
        let has: Vec<&str> = actions
            .filter(|action| action.rule_on(kind).is_some())
            .map(Action::as_str)
            .collect();
        assert_eq!(has.join(" "), expected, "{kind:?}");
    }
}

#[test]
fn rule_9_all_actions_match_the_reference_in_every_edition() {
    use pim_authz::domain::Edition::{Community, Enterprise, Growth};
    for edition in [Community, Growth, Enterprise] {
        let world = World::new(edition)
            .user("julia", &[])
            .app("sync", &[])
            .with_product("x", &["x"]);
        for kind in kinds() {
            for name in ["user:julia", "app:sync"] {
                let resource = kind.map(|kind| resource(kind, Some(code("x"))));
                let questions =
                    Question::every_action(&subject(name), resource.as_ref(), &Context::default());
                for question in questions.unwrap() {
                    let expected = reference::decide(&world, &question);
                    assert_eq!(world.decide(&question), expected, "{question:?}");
                }
            }
        }
    }
}

#[test]
fn rule_9_permissions_without_level_ignore_the_resource_id() {
    let world = World::enterprise()
        .role(
            "Creator",
            &["category.create", "locale.list", "asset_family.create"],
        )
        .user("julia", &[])
        .with_roles("julia", &["Creator"]);
    assert_answers(
        &world,
        [
            (
                question("user:julia", "category.create", "category:new"),
                "allowed",
            ),
            (
                question("user:julia", "category.create", "category:"),
                "allowed",
            ),
            (
                question("user:julia", "locale.list", "locale:nowhere"),
                "allowed",
            ),
            (
                question("user:julia", "asset_family.create", "asset_family:"),
                "allowed",
            ),
            (
                question("user:julia", "category.edit", "category:new"),
                "denied: permission category.edit",
            ),
        ],
    );
}

#[test]
fn rule_9_level_on_named_parent_decides_for_unstored_types() {
    let world = World::enterprise()
        .role(
            "Librarian",
            &["asset.create", "reference_entity_record.edit"],
        )
        .connection_role("API", &["api.overall_access", "api.asset.list"])
        .user("julia", &["G"])
        .with_roles("julia", &["Librarian"])
        .connection("erp", &["G"])
        .with_roles("erp", &["API"])
        .group("G")
        .may(pim_authz::domain::Level::Edit)
        .asset_family("packshots")
        .may(pim_authz::domain::Level::View)
        .reference_entity("brands");
    assert_answers(
        &world,
        [
            (
                question("user:julia", "asset.create", "asset:").under("packshots"),
                "allowed at edit",
            ),
            (
                question(
                    "user:julia",
                    "reference_entity_record.edit",
                    "reference_entity_record:x",
                )
                .under("brands"),
                "denied at view: item reference_entity brands needs edit, has view",
            ),
            (
                question("connection:erp", "api.asset.list", "asset:photo").under("packshots"),
                "allowed at edit",
            ),
            // the same code on the family itself
            (
                question("user:julia", "asset.create", "asset_family:packshots"),
                "allowed at edit",
            ),
            (
                question("user:julia", "asset.create", "asset_family:nowhere"),
                "denied at none: resource_unknown",
            ),
        ],
    );
}

#[test]
fn rule_9_apps_and_connections_always_read_the_system_version() {
    let world = World::growth()
        .role("Support", &["system_information.view"])
        .user("julia", &[])
        .with_roles("julia", &["Support"])
        .user("mary", &[])
        .connection("erp", &[])
        .app("sync", &[]);
    for resource in ["", "system_version:", "system_version:whatever"] {
        let read = |name| question(name, "system_version.read", resource);
        assert_answers(
            &world,
            [
                (read("app:sync"), "allowed"),
                (read("connection:erp"), "allowed"),
                (read("user:julia"), "allowed"),
                (
                    read("user:mary"),
                    "denied: permission system_information.view",
                ),
                (read("app:gone"), "denied: subject_unknown"),
            ],
        );
    }
}

#[test]
fn rule_9_sending_a_proposal_needs_exactly_edit() {
    let cases = [
        (
            pim_authz::domain::Level::View,
            "denied at view: category Hats needs edit, has view",
        ),
        (pim_authz::domain::Level::Edit, "allowed at edit, proposal"),
        (Own, "denied at own: category Hats needs edit, has own"),
    ];
    for (level, expected) in cases {
        let world = World::enterprise()
            .user("julia", &["G"])
            .with_product("hat", &["Hats"])
            .with_product("bare", &[])
            .group("G")
            .may(level)
            .category("Hats")
            .locale("en_US");
        assert_answers(
            &world,
            [
                (
                    question("user:julia", "send_proposal", "product:hat"),
                    expected,
                ),
                (
                    question("user:julia", "send_proposal", "product:bare"),
                    "denied at own: category needs edit, has own",
                ),
            ],
        );
    }
}

#[test]
fn rule_9_enterprise_actions_are_denied_by_edition_in_community() {
    for (action, kinds) in [
        ("review_proposals", &["product", "product_model"][..]),
        ("send_proposal", &["product", "product_model"]),
        ("publish", &["product"]),
    ] {
        for kind in kinds {
            let world = World::community()
                .user("julia", &[])
                .with_product("hat", &[])
                .with_model("hat", &[]);
            let answer = world.answer(question("user:julia", action, &format!("{kind}:hat")));
            assert_eq!(answer, "denied at own: edition", "{action} {kind}");
        }
    }
}

#[test]
fn rule_9_questions_without_resource_accept_permissions_and_system_version() {
    let without = Action::all().filter(|action| action.rule_on(None).is_some());
    assert_eq!(without.count(), CATALOGUE.permissions().len() + 1);
    let level_action = Action::find("view").unwrap();
    let refused = Question::new(subject("user:x"), level_action, None, Context::default());
    assert_eq!(refused.unwrap_err().field, "action");
}

#[test]
fn rule_9_context_fields_foreign_to_the_type_are_rejected() {
    let named = || Some(code("x"));
    let contexts = [
        (
            "context.channel",
            Context {
                channel: named(),
                ..Context::default()
            },
        ),
        (
            "context.locale",
            Context {
                locale: named(),
                ..Context::default()
            },
        ),
        (
            "context.attribute",
            Context {
                attribute: named(),
                ..Context::default()
            },
        ),
        (
            "context.attribute_group",
            Context {
                attribute_group: named(),
                ..Context::default()
            },
        ),
    ];
    let takes = |kind: Option<ResourceType>, field: &str| {
        use ResourceType as T;
        match kind {
            Some(T::Product | T::ProductModel) => true,
            Some(T::Attribute | T::EnrichedCategory | T::Asset | T::ReferenceEntityRecord) => {
                ["context.channel", "context.locale"].contains(&field)
            }
            _ => false,
        }
    };
    for kind in kinds() {
        let action = Action::all().find(|action| action.rule_on(kind).is_some());
        for (field, context) in &contexts {
            let resource = kind.map(|kind| resource(kind, named()));
            let question = Question::new(
                subject("user:x"),
                action.unwrap(),
                resource,
                context.clone(),
            );
            let refused = question.err().map(|refused| refused.field);
            let expected = (!takes(kind, field)).then_some(*field);
            assert_eq!(refused, expected, "{kind:?}");
        }
    }
}

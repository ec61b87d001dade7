//! Rules 5.12: level actions of apps need a scope.

use pim_authz::{
    domain::{
        Action, CATALOGUE, Code, Context, Edition, FilterScope, ItemKind,
        Level::{self, Edit, Own, View},
        LevelAction, ListingQuestion, ReasonCode, Remedy, ResourceType,
    },
    engine,
};
use strum::IntoEnumIterator as _;

use crate::support::{
    QuestionBuilder, SpecificTo, World, assert_answers, code, decision_text, question, reference,
    subject,
};

/// One resource of each type with access levels, each accessible at the highest
/// level.
const RESOURCES: [(&str, &str, &str); 13] = [
    // resource, permission needed to read, permission needed to write
    ("product:hat", "api.product.list", "api.product.edit"),
    (
        "product_model:shirt",
        "api.product.list",
        "api.product.edit",
    ),
    ("category:Hats", "api.product.list", "api.product.edit"),
    ("channel:ecommerce", "api.product.list", "api.product.edit"),
    ("locale:en_US", "api.product.list", "api.product.edit"),
    ("attribute:name", "api.product.list", "api.product.edit"),
    (
        "attribute_group:General",
        "api.product.list",
        "api.product.edit",
    ),
    (
        "enriched_category:Hats",
        "api.category.list",
        "category.edit_attributes",
    ),
    (
        "asset_family:packshots",
        "api.asset_family.list",
        "api.asset_family.edit",
    ),
    ("asset:photo", "api.asset.list", "api.asset.edit"),
    (
        "reference_entity:brands",
        "api.reference_entity.list",
        "api.reference_entity.edit",
    ),
    (
        "reference_entity_record:acme",
        "api.reference_entity_record.list",
        "api.reference_entity_record.edit",
    ),
    ("grid_view:mine", "", ""),
];

/// Returns a tenant in which the app `sync` has the highest level on everything.
fn everything_held(edition: Edition, scopes: &[&str]) -> World {
    World::new(edition)
        .app("sync", scopes)
        .with_attribute("name", "General", SpecificTo::Both)
        .with_grid_view("mine", &["General"])
        .with_product("hat", &["Hats"])
        .with_model("shirt", &["Hats"])
        .group("app:sync")
        .may(Own)
        .category("Hats")
        .may(Edit)
        .channel("ecommerce")
        .locale("en_US")
        .attribute_group("General")
        .asset_family("packshots")
        .reference_entity("brands")
}

/// Returns the app's question about one of [`RESOURCES`].
fn of_app(action: LevelAction, resource: &str) -> QuestionBuilder {
    let question = question("app:sync", action.into(), resource);
    match resource {
        "asset:photo" => question.under("packshots"),
        "reference_entity_record:acme" => question.under("brands"),
        _ => question,
    }
}

/// Returns the level actions of a resource of [`RESOURCES`].
fn level_actions(resource: &str) -> Vec<LevelAction> {
    let kind: ResourceType = resource.split_once(':').unwrap().0.parse().unwrap();
    LevelAction::iter()
        .filter(|action| reference::requirements(Action::Level(*action), Some(kind)).is_some())
        .collect()
}

#[test]
fn rule_5_12_app_without_scope_is_denied_every_level_action() {
    for scopes in [&[][..], &["openid", "profile", "email"]] {
        let world = everything_held(Edition::Enterprise, scopes);
        for (resource, reads, writes) in RESOURCES {
            for action in level_actions(resource) {
                let question = of_app(action, resource).build();
                let answer = world.answer(of_app(action, resource));
                let missing = match action {
                    LevelAction::View | LevelAction::Export => reads,
                    _ => writes,
                };
                let expected = format!("denied at LEVEL: scope {missing}");
                let level = world.decide(&question).level.unwrap();
                assert_ne!(level, Level::Hidden, "{resource} {action}");
                let expected = expected.replace("LEVEL", &level.to_string());
                assert_eq!(answer, expected.trim_end(), "{resource} {action}");
            }
        }
        assert_eq!(
            world.answer(question(
                "app:sync",
                "system_version.read",
                "system_version:"
            )),
            "allowed"
        );
    }
}

#[test]
fn rule_5_12_read_scopes_allow_view_and_export_write_scopes_the_rest() {
    let scopes: Vec<&str> = CATALOGUE.scopes().iter().map(|scope| scope.code).collect();
    for scope in scopes {
        let world = everything_held(Edition::Enterprise, &[scope]);
        let id = CATALOGUE.find_scope(scope).unwrap().id;
        let given = CATALOGUE.permissions_of_scopes([id].into_iter().collect());
        for (resource, reads, writes) in RESOURCES {
            for action in level_actions(resource) {
                let needed = match action {
                    LevelAction::View | LevelAction::Export => reads,
                    _ => writes,
                };
                let needed = CATALOGUE.find_permission(needed);
                let is_given = needed.is_some_and(|needed| given.contains(needed.id));
                let answer = world.answer(of_app(action, resource));
                // An owner has no need to send a proposal (rules 9).
                let owner = action == LevelAction::SendProposal
                    && answer.starts_with("denied at own: category");
                let is_allowed = answer.starts_with("allowed") || owner;
                assert_eq!(
                    is_allowed, is_given,
                    "{scope} {resource} {action}: {answer}"
                );
            }
        }
    }
}

#[test]
fn rule_5_12_rights_without_matching_scope_have_no_effect() {
    let hat = |action| question("app:sync", action, "product:hat");
    let cases: [(&[&str], [&str; 3]); 3] = [
        // scopes               view, edit, own
        (
            &["write_products"],
            ["allowed at own", "allowed at own, direct", "allowed at own"],
        ),
        (
            &["read_products"],
            [
                "allowed at own",
                "denied at own: scope api.product.edit",
                "denied at own: scope api.product.edit",
            ],
        ),
        (
            &[],
            [
                "denied at own: scope api.product.list",
                "denied at own: scope api.product.edit",
                "denied at own: scope api.product.edit",
            ],
        ),
    ];
    for (scopes, [view, edit, own]) in cases {
        for edition in [Edition::Enterprise, Edition::Growth] {
            let world = everything_held(edition, scopes);
            assert_answers(
                &world,
                [(hat("view"), view), (hat("edit"), edit), (hat("own"), own)],
            );
        }
    }
}

#[test]
fn rule_5_12_uncategorized_product_still_needs_a_scope() {
    let world = everything_held(Edition::Enterprise, &[]).with_product("orphan", &[]);
    assert_answers(
        &world,
        [
            (
                question("app:sync", "view", "product:orphan"),
                "denied at own: scope api.product.list",
            ),
            (
                question("app:sync", "edit", "product:").in_categories(&[]),
                "denied at own: scope api.product.edit",
            ),
        ],
    );
}

#[test]
fn rule_5_12_scope_is_checked_after_edition_and_before_axes() {
    let denied = |scopes: &[&str]| {
        World::growth()
            .app("sync", scopes)
            .with_product("hat", &["Hats"])
    };
    let publish = || question("app:sync", "publish", "product:hat");
    let view = || question("app:sync", "view", "product:hat").channel("nowhere");
    assert_answers(
        &denied(&[]),
        [
            (publish(), "denied at own: edition"),
            (view(), "denied at own: scope api.product.list"),
            (
                question("app:sync", "view", "product:nowhere"),
                "denied at none: scope api.product.list",
            ),
        ],
    );
    assert_answers(
        &denied(&["read_products"]).in_edition(Edition::Enterprise),
        [
            (publish(), "denied at none: scope api.product.edit"),
            (
                view(),
                "denied at none: channel nowhere needs view, has none",
            ),
        ],
    );
}

#[test]
fn rule_5_12_outside_enterprise_asset_and_entity_types_are_denied_by_scope() {
    // granted before a downgrade
    let scopes = ["write_assets", "write_asset_families", "read_products"];
    let world = everything_held(Edition::Growth, &scopes);
    let photo = |action| of_app(action, "asset:photo");
    assert_answers(
        &world,
        [
            (
                photo(LevelAction::View),
                "denied at edit: scope api.asset.list",
            ),
            (
                photo(LevelAction::Edit),
                "denied at edit: scope api.asset.edit",
            ),
            (
                question("app:sync", "view", "asset_family:packshots"),
                "denied at edit: scope api.asset_family.list",
            ),
            (
                question("app:sync", "edit", "reference_entity:brands"),
                "denied at edit: scope api.reference_entity.edit",
            ),
        ],
    );
    let explanation = world.explain(&photo(LevelAction::View).build());
    assert_eq!(explanation.remedies, []);
    assert_eq!(
        explanation.no_remedy_reason.as_deref(),
        Some("no scope that the tenant's edition offers gives `api.asset.list`")
    );
    assert_eq!(
        explanation.decision.denial.unwrap().to_string(),
        "No scope of the app gives `api.asset.list` in the tenant's edition."
    );
}

#[test]
fn rule_5_12_remedy_is_the_scope_that_directly_grants_the_permission() {
    let world = everything_held(Edition::Enterprise, &[]);
    let mut found = Vec::new();
    for (resource, ..) in RESOURCES {
        for action in [LevelAction::View, LevelAction::Edit] {
            if !level_actions(resource).contains(&action) {
                continue;
            }
            let explanation = world.explain(&of_app(action, resource).build());
            let scopes = explanation.remedies.iter().map(|remedy| match remedy {
                Remedy::Scope(id) => CATALOGUE.scope(*id).code,
                other => panic!("{other:?}"),
            });
            let scopes: Vec<&str> = scopes.collect();
            let scopes = scopes.join(" + ");
            let why = explanation.no_remedy_reason.unwrap_or_default();
            found.push(format!("{action} {resource}: {scopes}{why}"));
        }
    }
    insta::assert_snapshot!(found.join("\n"), @r"
    view product:hat: read_products
    edit product:hat: write_products
    view product_model:shirt: read_products
    edit product_model:shirt: write_products
    view category:Hats: read_products
    edit category:Hats: write_products
    view channel:ecommerce: read_products
    edit channel:ecommerce: write_products
    view locale:en_US: read_products
    edit locale:en_US: write_products
    view attribute:name: read_products
    edit attribute:name: write_products
    view attribute_group:General: read_products
    edit attribute_group:General: write_products
    view enriched_category:Hats: read_categories
    edit enriched_category:Hats: no scope gives `category.edit_attributes`
    view asset_family:packshots: read_asset_families
    edit asset_family:packshots: write_asset_families
    view asset:photo: read_assets
    edit asset:photo: write_assets
    view reference_entity:brands: read_reference_entities
    edit reference_entity:brands: write_reference_entities
    view reference_entity_record:acme: read_reference_entity_records
    edit reference_entity_record:acme: write_reference_entity_records
    view grid_view:mine: no scope gives the action
    ");
}

#[test]
fn rule_5_12_remedies_combine_missing_scope_and_missing_rights() {
    let world = World::enterprise()
        .app("sync", &[])
        .with_channels(&["ecommerce"])
        .with_locales(&["en_US"])
        .with_product("hat", &["Hats"]);
    let question = question("app:sync", "view", "product:hat").build();
    let explanation = world.explain(&question);
    let scope = CATALOGUE.find_scope("read_products").unwrap().id;
    let right = |kind, text| Remedy::Access {
        group: code("app:sync"),
        item: crate::support::item(kind, text),
        level: View,
    };
    assert_eq!(
        explanation.remedies,
        [
            Remedy::Scope(scope),
            right(ItemKind::Locale, "en_US"),
            right(ItemKind::Category, "Hats"),
        ]
    );
    assert!(world.is_turned_by(&question, &explanation.remedies));
}

#[test]
fn rule_5_12_explanation_checks_scope_after_subject_and_edition() {
    let axes = |scopes: &[&str], action| {
        let world = everything_held(Edition::Enterprise, scopes);
        let question = question("app:sync", action, "product:hat").build();
        let explanation = world.explain(&question);
        let steps = explanation.root.steps.into_iter();
        let steps: Vec<String> = steps
            .map(|step| {
                let permission = step.permission.unwrap_or_default();
                let tick = if step.passed { "passed" } else { "failed" };
                let axis = step.axis.unwrap();
                format!("{} {axis} {tick} {permission}", step.rule)
                    .trim_end()
                    .to_owned()
            })
            .collect();
        (steps, decision_text(&explanation.decision))
    };
    let (steps, decided) = axes(&["read_products"], "publish");
    assert_eq!(decided, "denied at own: scope api.product.edit");
    assert_eq!(
        steps,
        [
            "1.6 subject_disabled passed",
            "9 edition passed",
            "5.12 scope failed api.product.edit",
            "4.5 channel passed",
            "4.5 locale passed",
            "4.1 category passed",
            "1.7 resource_unknown passed",
        ]
    );
    let (steps, decided) = axes(&["read_products"], "view");
    assert_eq!(decided, "allowed at own");
    assert_eq!(steps[1], "5.12 scope passed api.product.list");
}

#[test]
fn rule_5_12_grid_view_denial_of_apps_has_no_permission_or_remedy() {
    let scopes: Vec<&str> = CATALOGUE.scopes().iter().map(|scope| scope.code).collect();
    let world = everything_held(Edition::Enterprise, &scopes);
    let explanation = world.explain(&of_app(LevelAction::View, "grid_view:mine").build());
    let reason = explanation.decision.denial.unwrap();
    assert_eq!((reason.code, reason.permission), (ReasonCode::Scope, None));
    assert_eq!(reason.to_string(), "No scope gives an app this action.");
    assert_eq!(explanation.decision.level, Some(View));
    assert_eq!(explanation.remedies, []);
    assert_eq!(
        explanation.no_remedy_reason.as_deref(),
        Some("no scope gives the action")
    );
}

#[test]
fn rule_5_12_users_and_connections_need_no_permission_for_a_level_action() {
    let world = everything_held(Edition::Growth, &[])
        .user("julia", &[])
        .connection("erp", &[]);
    for subject in ["user:julia", "connection:erp"] {
        for (resource, ..) in RESOURCES {
            let question = question(subject, "view", resource);
            let question = match resource {
                "asset:photo" => question.under("packshots"),
                "reference_entity_record:acme" => question.under("brands"),
                _ => question,
            };
            let answer = world.answer(question);
            assert!(
                answer.starts_with("allowed"),
                "{subject} {resource}: {answer}"
            );
        }
    }
}

#[test]
fn rule_5_12_access_filter_is_limited_by_scopes() {
    let channel = || (ItemKind::Channel, code("ecommerce"), Edit);
    let category = || (ItemKind::Category, code("Hats"), Own);
    let cases: [(&[&str], &str, FilterScope, Option<Level>); 5] = [
        // scopes, action, scope of the filter, level of the channel in the filter
        (
            &["write_products"],
            "edit",
            FilterScope::Everything,
            Some(Edit),
        ),
        (
            &["write_products"],
            "view",
            FilterScope::Everything,
            Some(Edit),
        ),
        (
            &["read_products"],
            "view",
            FilterScope::Everything,
            Some(View),
        ),
        (&["read_products"], "edit", FilterScope::Nothing, Some(View)),
        (&["read_assets"], "view", FilterScope::Nothing, None),
    ];
    for edition in [Edition::Enterprise, Edition::Growth] {
        for (scopes, action, scope, level) in cases.clone() {
            let world = everything_held(edition, scopes);
            let question = ListingQuestion::new(
                subject("app:sync"),
                Action::find(action).unwrap(),
                ResourceType::Product,
                Context::default(),
            );
            let question = question.unwrap();
            let facts = world.facts(&engine::needs([&question.without_categories()]));
            let filter = engine::access_filter(&question, &facts, vec![category(), channel()]);
            let levels: Vec<(Code, Level)> =
                level.map(|it| (channel().1, it)).into_iter().collect();
            assert_eq!(
                (filter.scope, filter.channels),
                (scope, levels),
                "{scopes:?} {action}"
            );
        }
    }
}

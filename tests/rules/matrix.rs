//! The golden matrix: the decision for each subject, action and resource, as a
//! text whose changes are reviewed line by line.

use std::fmt::Write as _;

use pim_authz::domain::{
    Action, Decision, Edition,
    Level::{Edit, Execute, Own, View},
    ResourceType,
};

use crate::support::{QuestionBuilder, SpecificTo, World, question, reference};

const SUBJECTS: [&str; 8] = [
    "user:owner",
    "user:editor",
    "user:viewer",
    "user:outsider",
    "user:disabled",
    "connection:erp",
    "app:sync",
    "app:gone",
];

/// One subject of each kind, for an edition that ignores rights.
const ONE_OF_EACH: [&str; 3] = ["user:outsider", "connection:erp", "app:sync"];

/// The resources, each with a few permissions of each kind.
///
/// The questions are the level actions of the resource and these permissions.
const RESOURCES: [(&str, &str); 21] = [
    (
        "product:hat",
        "product.list product.create product.remove product.restore api.product.edit",
    ),
    ("product:bare", "api.product.remove"),
    ("product:shirt-xl", "product.edit_attributes"),
    ("product:nowhere", "product.list"),
    (
        "product_model:shirt",
        "product_model.edit_attributes api.product.list",
    ),
    ("category:Hats", "category.list category.edit_attributes"),
    ("category:Cellar", ""),
    ("channel:ecommerce", "channel.list"),
    ("locale:en_US", "locale.list"),
    ("locale:de_DE", ""),
    ("attribute_group:General", ""),
    ("attribute:name", ""),
    ("asset_family:packshots", "asset.create"),
    ("reference_entity:brands", ""),
    ("asset:photo", "asset.edit asset.list_products"),
    (
        "reference_entity_record:acme",
        "api.reference_entity_record.edit",
    ),
    ("enriched_category:Hats", ""),
    (
        "import_profile:nightly",
        "import_profile.launch import_profile.edit",
    ),
    (
        "export_profile:feed",
        "export_profile.launch export_profile.edit",
    ),
    ("grid_view:mine", ""),
    ("system_version:", ""),
];

/// The permissions of the role that all users have; their user groups differ.
const ROLE: [&str; 15] = [
    "product.list",
    "product.create",
    "product.remove",
    "product.restore",
    "product.edit_attributes",
    "product_model.edit_attributes",
    "category.list",
    "category.edit",
    "asset.create",
    "asset.edit",
    "asset.list_products",
    "import_profile.launch",
    "import_profile.edit",
    "export_profile.launch",
    "system_information.view",
];

/// The users and their groups.
const PEOPLE: [(&str, &str); 5] = [
    ("owner", "Owners"),
    ("editor", "Editors"),
    ("viewer", "Viewers"),
    ("outsider", "Outsiders"),
    ("disabled", "Owners"),
];

/// Returns a tenant with a user of each level, a user without rights, a disabled
/// user, a connection and an app.
fn tenant(edition: Edition) -> World {
    let mut world = World::new(edition)
        .role("Role", &ROLE)
        .connection_role("API", &["api.overall_access", "api.product.edit"])
        .with_trees(&["Cellar"])
        .with_locales(&["de_DE"])
        .with_attribute("name", "General", SpecificTo::Locale)
        .with_grid_view("mine", &["General"])
        .with_product("bare", &[])
        .with_product("hat", &["Hats"])
        .with_model("shirt", &["Shirts"])
        .with_variant("shirt-xl", "shirt", &["Hats"])
        .connection("erp", &["Owners"])
        .with_roles("erp", &["API"])
        .app("sync", &["write_products", "read_assets"]);
    for (user, group) in PEOPLE {
        world = world.user(user, &[group]).with_roles(user, &["Role"]);
    }
    let levels = [
        // group, on Hats, on Shirts, on the rest
        ("Owners", Own, Own, Edit),
        ("Editors", Edit, Edit, Edit),
        ("Viewers", View, Edit, View),
        ("app:sync", Edit, View, View),
    ];
    for (group, hats, shirts, rest) in levels {
        world = world
            .group(group)
            .may(hats)
            .category("Hats")
            .may(shirts)
            .category("Shirts")
            .may(rest)
            .channel("ecommerce")
            .locale("en_US")
            .attribute_group("General");
    }
    world
        .group("Owners")
        .may(Edit)
        .asset_family("packshots")
        .reference_entity("brands")
        .import_profile("nightly")
        .may(Execute)
        .export_profile("feed")
        .group("Viewers")
        .may(View)
        .asset_family("packshots")
        .reference_entity("brands")
        .disabled("disabled")
}

fn questions(
    subject: &str,
    resource: &str,
    permissions: &'static str,
) -> Vec<(String, QuestionBuilder)> {
    let (kind, _) = resource.split_once(':').unwrap();
    let kind: ResourceType = kind.parse().unwrap();
    let level_actions = Action::all()
        .filter(|action| matches!(action, Action::Level(_)))
        .filter(|action| reference::requirements(*action, Some(kind)).is_some())
        .map(Action::as_str);
    level_actions
        .chain(permissions.split_whitespace())
        .map(|action| {
            let question = question(subject, action, resource);
            let question = match kind {
                ResourceType::Asset => question.under("packshots"),
                ResourceType::ReferenceEntityRecord => question.under("brands"),
                _ => question,
            };
            (action.to_owned(), question)
        })
        .collect()
}

/// Abbreviates a decision: `allowed at own, direct` as `yes own direct`, `denied at view: category Hats
/// needs edit, has view` as `-   view (category)`.
fn cell(decision: &Decision) -> String {
    let words = [
        decision.level.map(|level| level.to_string()),
        decision.edit_mode.map(|mode| mode.to_string()),
        decision
            .denial
            .as_ref()
            .map(|reason| format!("({})", reason.code)),
    ];
    let words: Vec<String> = words.into_iter().flatten().collect();
    let verdict = if decision.is_allowed() { "yes" } else { "-  " };
    format!("{verdict} {}", words.join(" "))
        .trim_end()
        .to_owned()
}

fn matrix(world: &World, subjects: &[&str]) -> String {
    let mut text = String::new();
    for (resource, permissions) in RESOURCES {
        for subject in subjects {
            writeln!(text, "\n{resource} · {subject}").unwrap();
            for (action, builder) in questions(subject, resource, permissions) {
                let question = builder.build();
                let decision = world.decide(&question);
                assert_eq!(decision, reference::decide(world, &question));
                writeln!(text, "  {action:<34}{}", cell(&decision)).unwrap();
            }
        }
    }
    text
}

#[test]
fn the_matrix_of_an_enterprise_tenant_is_as_reviewed() {
    insta::assert_snapshot!(matrix(&tenant(Edition::Enterprise), &SUBJECTS));
}

#[test]
fn the_matrix_of_a_growth_tenant_is_as_reviewed() {
    insta::assert_snapshot!(matrix(&tenant(Edition::Growth), &ONE_OF_EACH));
}

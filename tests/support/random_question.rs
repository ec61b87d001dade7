//! Random questions about a world, including names that it does not store.

use pim_authz::domain::{
    Action, CATALOGUE, Code, Context, Description, ItemKind, Parent, ProductKind, Question,
    Resource, ResourceType, SubjectKind, SubjectRef,
};
use strum::IntoEnumIterator as _;

use super::{
    entropy::Entropy,
    random_world::{PERMISSIONS, written},
    reference::requirements,
    world::{World, code},
};

/// Returns a random valid question, over every resource type, subject kind,
/// context field and description.
pub(crate) fn random_question(world: &World, entropy: &mut Entropy) -> Question {
    let subject = random_subject(entropy);
    // Weighted towards products, to which most rules apply.
    let kinds: Vec<Option<ResourceType>> = ResourceType::iter()
        .map(Some)
        .chain([None, Some(ResourceType::Product)])
        .chain([Some(ResourceType::Product); 14])
        .chain([Some(ResourceType::ProductModel); 5])
        .collect();
    let kind = *entropy.pick(&kinds);
    let action = random_action(kind, entropy);
    let resource = kind.map(|kind| random_resource(world, action, kind, entropy));
    let context = random_context(world, kind, entropy);
    Question::new(subject, action, resource, context).unwrap()
}

fn random_subject(entropy: &mut Entropy) -> SubjectRef {
    // There are three code spaces (rules 1.2), and 3 % of the subjects are
    // unknown.
    let somebody = [
        (SubjectKind::User, "julia"),
        (SubjectKind::User, "Mary"),
        (SubjectKind::Connection, "erp"),
        (SubjectKind::Connection, "Shop"),
        (SubjectKind::App, "translator"),
        (SubjectKind::App, "Sync"),
    ];
    let is_nobody = entropy.chance(3);
    let known = if is_nobody {
        &[(SubjectKind::App, "julia"), (SubjectKind::User, "erp")][..]
    } else {
        &somebody
    };
    let (kind, text) = *entropy.pick(known);
    let code = respelled(text, entropy);
    SubjectRef { kind, code }
}

/// Returns the code, sometimes in another case (rules 1.5).
fn respelled(text: &str, entropy: &mut Entropy) -> Code {
    match entropy.below(6) {
        4 => code(&text.to_lowercase()),
        5 => code(&text.to_uppercase()),
        _ => code(text),
    }
}

fn random_action(kind: Option<ResourceType>, entropy: &mut Entropy) -> Action {
    let all: Vec<Action> = Action::all()
        .filter(|action| requirements(*action, kind).is_some())
        .collect();
    let (levels, permissions): (Vec<Action>, Vec<Action>) = all
        .into_iter()
        .partition(|action| matches!(action, Action::Level(_)));
    let held_by_some: Vec<Action> = permissions
        .iter()
        .copied()
        .filter(|action| PERMISSIONS.contains(&action.as_str()))
        .collect();
    let pools = [
        &levels,
        &levels,
        &levels,
        &held_by_some,
        &held_by_some,
        &permissions,
    ];
    let pool = *entropy.pick(&pools);
    let pool = [pool, &levels, &permissions]
        .into_iter()
        .find(|pool| !pool.is_empty());
    *entropy.pick(pool.unwrap())
}

fn random_resource(
    world: &World,
    action: Action,
    kind: ResourceType,
    entropy: &mut Entropy,
) -> Resource {
    let description = random_description(world, kind, entropy);
    let is_product = kind.product_kind().is_some();
    let requires_resource = requirements(action, Some(kind)).unwrap().requires_resource;
    let may_be_empty = is_product && description.is_given()
        || kind.has_parent()
        || !requires_resource
        || kind == ResourceType::SystemVersion;
    let id = (!may_be_empty || entropy.chance(70))
        .then(|| code_of(&stored_codes(world, kind), 93, entropy));
    Resource {
        kind,
        id,
        description,
    }
}

/// Returns a stored code in `percent` of the cases, otherwise one that is not
/// stored.
fn code_of(stored: &[String], percent: usize, entropy: &mut Entropy) -> Code {
    if stored.is_empty() || !entropy.chance(percent) {
        return code("nowhere");
    }
    let text = entropy.pick(stored).clone();
    respelled(&text, entropy)
}

fn stored_codes(world: &World, kind: ResourceType) -> Vec<String> {
    let strings = |codes: Vec<&Code>| codes.into_iter().map(Code::to_string).collect();
    if let Some(kind) = kind.product_kind() {
        return product_codes(world, kind);
    }
    match (kind, kind.ruling_item()) {
        (ResourceType::Attribute, _) => strings(world.attributes.keys().collect()),
        (ResourceType::GridView, _) => strings(world.grid_views.keys().collect()),
        (ResourceType::Asset | ResourceType::ReferenceEntityRecord, _) | (_, None) => Vec::new(),
        (_, Some(item)) => written(world, item),
    }
}

fn product_codes(world: &World, kind: ProductKind) -> Vec<String> {
    let products = world.products.keys().filter(|of| of.kind == kind);
    products.map(|of| of.code.to_string()).collect()
}

fn random_description(world: &World, kind: ResourceType, entropy: &mut Entropy) -> Description {
    if let ResourceType::Asset | ResourceType::ReferenceEntityRecord = kind {
        let families = written(world, kind.ruling_item().unwrap());
        return Description {
            categories: None,
            parent: Some(Parent::Code(code_of(&families, 92, entropy))),
        };
    }
    if kind.product_kind().is_none() {
        return Description::default();
    }
    let mut categories = written(world, ItemKind::Category);
    categories.push("nowhere".to_owned());
    // In a fifth of the cases, one category is not stored.
    if !entropy.chance(20) {
        categories.pop();
    }
    let categories = entropy.chance(30).then(|| {
        let chosen = entropy.some(35, &categories);
        chosen.iter().map(|text| respelled(text, entropy)).collect()
    });
    let models = product_codes(world, ProductKind::Model);
    let parent = entropy.chance(25).then(|| {
        if entropy.chance(25) {
            Parent::Absent
        } else {
            Parent::Code(code_of(&models, 80, entropy))
        }
    });
    Description { categories, parent }
}

fn random_context(world: &World, kind: Option<ResourceType>, entropy: &mut Entropy) -> Context {
    let Some(kind) = kind.filter(|kind| kind.takes_channel_and_locale()) else {
        return Context::default();
    };
    let mut named = |percent, stored: Vec<String>| {
        let is_named = entropy.chance(percent);
        is_named.then(|| code_of(&stored, 90, entropy))
    };
    let channel = named(45, written(world, ItemKind::Channel));
    let locale = named(45, written(world, ItemKind::Locale));
    if kind.product_kind().is_none() {
        return Context {
            channel,
            locale,
            ..Context::default()
        };
    }
    let attributes = world.attributes.keys().map(Code::to_string).collect();
    Context {
        channel,
        locale,
        attribute: named(45, attributes),
        attribute_group: named(35, written(world, ItemKind::AttributeGroup)),
    }
}

/// Every permission of [`PERMISSIONS`] is in the catalogue.
#[test]
fn the_permissions_of_random_roles_are_in_the_catalogue() {
    for text in PERMISSIONS {
        assert!(CATALOGUE.find_permission(text).is_some(), "{text}");
    }
}

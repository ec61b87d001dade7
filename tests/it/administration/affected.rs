//! Counts the subjects and products that a write affects, from two states of
//! the model: every question is decided for every subject before and after.

use std::collections::{BTreeMap, BTreeSet};

use pim_authz::domain::{
    Action, CATALOGUE, Code, Context, Description, ItemKind, ItemRef, Level, Parent, Question,
    Resource, ResourceType, SubjectKind, SubjectRef,
};

use crate::support::{World, reference, world::Role};

/// A resource and an action to check, and whether the resource is a stored
/// product.
struct Probe {
    resource: Resource,
    action: Action,
    is_product: bool,
}

/// Number of subjects, and of products, whose decisions differ between the two
/// states (`api.md`, `Effect`).
pub(super) fn count(before: &World, after: &World) -> [u64; 2] {
    let mut subjects: BTreeSet<SubjectRef> = BTreeSet::new();
    let mut products: BTreeSet<(ResourceType, Code)> = BTreeSet::new();
    let probes = everything(before, after);
    for subject in of_both(before, after, every_subject) {
        // Permissions can differ only if what grants them differs.
        let granted = granted(before, &subject) != granted(after, &subject);
        if granted && held(before, &subject) != held(after, &subject) {
            subjects.insert(subject.clone());
        }
        for probe in &probes {
            if answer(before, &subject, probe) == answer(after, &subject, probe) {
                continue;
            }
            subjects.insert(subject.clone());
            if let Some(code) = probe.resource.id.clone().filter(|_| probe.is_product) {
                products.insert((probe.resource.kind, code));
            }
        }
    }
    [subjects.len() as u64, products.len() as u64]
}

/// As [`count`], for trees with thousands of categories. Rights are stored on
/// each item, and nothing is inherited when a decision is made (rules 3.6). So
/// of the categories without products that exist and are held identically in
/// both states, only one is checked.
pub(super) fn count_in_big_trees(before: &World, after: &World) -> [u64; 2] {
    let named = |world: &World| -> Vec<Code> {
        let products = world.products.values();
        products.flat_map(|of| of.categories.clone()).collect()
    };
    let named = of_both(before, after, named);
    let mut alike: BTreeSet<[Option<Held>; 2]> = BTreeSet::new();
    let mut left: BTreeSet<Code> = named.clone();
    let held = [before, after].map(rights_on_categories);
    let categories = held.iter().flat_map(BTreeMap::keys);
    for code in categories.collect::<BTreeSet<&Code>>() {
        if alike.insert(held.each_ref().map(|side| side.get(code).cloned())) {
            left.insert(code.clone());
        }
    }
    let [before, after] = [before, after].map(|world| {
        let is_left = |item: &ItemRef| item.kind != ItemKind::Category || left.contains(&item.code);
        let mut world = world.clone();
        world.items.retain(is_left);
        world.rights.retain(|(_, item), _| is_left(item));
        world
    });
    count(&before, &after)
}

/// The groups that hold an item, and the bits of their levels.
type Held = Vec<(Code, u8)>;

/// The rights on each category.
fn rights_on_categories(world: &World) -> BTreeMap<Code, Held> {
    let categories = world.items_of(ItemKind::Category);
    let mut rights: BTreeMap<Code, Held> = categories
        .map(|item| (item.code.clone(), Held::new()))
        .collect();
    for ((group, item), level) in &world.rights {
        if item.kind == ItemKind::Category && *level != Level::Hidden {
            let held = rights.entry(item.code.clone()).or_default();
            held.push((group.clone(), level.bits()));
        }
    }
    rights
}

fn of_both<T: Ord>(before: &World, after: &World, of: impl Fn(&World) -> Vec<T>) -> BTreeSet<T> {
    of(before).into_iter().chain(of(after)).collect()
}

fn every_subject(world: &World) -> Vec<SubjectRef> {
    let users = world.users.keys().map(|code| (SubjectKind::User, code));
    let connections = world.connections.keys();
    let connections = connections.map(|code| (SubjectKind::Connection, code));
    let apps = world.apps.keys().map(|code| (SubjectKind::App, code));
    let all = users.chain(connections).chain(apps);
    all.map(|(kind, code)| SubjectRef {
        kind,
        code: code.clone(),
    })
    .collect()
}

/// Everything that determines the permissions of a subject.
fn granted(world: &World, subject: &SubjectRef) -> String {
    let member = world.member(subject);
    let roles = member.into_iter().flat_map(|member| &member.roles);
    let roles: Vec<&Role> = roles.map(|role| &world.roles[role]).collect();
    let scopes = world.apps.get(&subject.code);
    let scopes = scopes.filter(|_| subject.kind == SubjectKind::App);
    let disabled = member.map(|member| member.disabled);
    let edition = world.edition;
    format!("{edition} {disabled:?} {roles:?} {scopes:?}")
}

/// Codes of the permissions that the subject effectively holds.
fn held(world: &World, subject: &SubjectRef) -> Vec<&'static str> {
    let permissions = CATALOGUE.permissions().iter();
    let held = permissions.filter(|permission| {
        let action = Action::Permission(permission.id);
        let question = Question::new(subject.clone(), action, None, Context::default());
        reference::decide(world, &question.unwrap()).is_allowed()
    });
    held.map(|permission| permission.code).collect()
}

/// Every stored resource with each action that a level decides, and a product
/// described with no category, which shows whether the gate is open.
fn everything(before: &World, after: &World) -> Vec<Probe> {
    let stored = of_both(before, after, every_resource);
    let mut probes: Vec<Probe> = Vec::new();
    for (kind, code) in stored {
        let resource = Resource {
            kind,
            id: Some(code),
            description: Description::default(),
        };
        probes.extend(actions_on(&resource));
    }
    let described = Resource {
        kind: ResourceType::Product,
        id: None,
        description: Description {
            categories: Some([].into()),
            parent: Some(Parent::Absent),
        },
    };
    probes.extend(actions_on(&described));
    probes
}

fn every_resource(world: &World) -> Vec<(ResourceType, Code)> {
    let items = world.items.iter().map(|item| {
        let kind: ResourceType = item.kind.to_string().parse().unwrap();
        (kind, item.code.clone())
    });
    let enriched = world.items_of(ItemKind::Category);
    let enriched = enriched.map(|item| (ResourceType::EnrichedCategory, item.code.clone()));
    let attributes = world.attributes.keys();
    let attributes = attributes.map(|code| (ResourceType::Attribute, code.clone()));
    let views = world.grid_views.keys();
    let views = views.map(|code| (ResourceType::GridView, code.clone()));
    let products = world.products.keys();
    let products = products.map(|product| (product.kind.into(), product.code.clone()));
    let all = items
        .chain(enriched)
        .chain(attributes)
        .chain(views)
        .chain(products);
    all.collect()
}

/// The level actions of a resource; for profiles, the actions that require
/// their level.
fn actions_on(resource: &Resource) -> Vec<Probe> {
    let launch = match resource.kind {
        ResourceType::ImportProfile => Action::find("import_profile.launch"),
        ResourceType::ExportProfile => Action::find("export_profile.launch"),
        _ => None,
    };
    let by_level = Action::all().filter(|action| matches!(action, Action::Level(_)));
    let actions = by_level.chain(launch);
    let actions = actions.filter(|action| action.rule_on(Some(resource.kind)).is_some());
    let is_product = resource.kind.product_kind().is_some() && resource.id.is_some();
    let probes = actions.map(|action| Probe {
        resource: resource.clone(),
        action,
        is_product,
    });
    probes.collect()
}

fn answer(world: &World, subject: &SubjectRef, probe: &Probe) -> (bool, Level) {
    let resource = Some(probe.resource.clone());
    let question = Question::new(subject.clone(), probe.action, resource, Context::default());
    let decision = reference::decide(world, &question.unwrap());
    (decision.is_allowed(), decision.level.unwrap_or_default())
}

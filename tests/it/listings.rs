//! Random worlds, imported into a real server: every list contains exactly what
//! the naive reference allows, for any page size (rules 9).

use std::collections::{BTreeMap, BTreeSet};

use pim_authz::{
    domain::{
        Action, CATALOGUE, Code, Context, Description, ItemKind, ItemRef, Level, ProductKind,
        ProductRef, Question, Resource, ResourceType, SubjectKind, SubjectRef,
    },
    pb::{
        self, authorization_service_client::AuthorizationServiceClient,
        operations_service_client::OperationsServiceClient,
    },
};
use tonic::transport::Channel;

use crate::{
    harness::{
        Seed, TestServer, first_seed, lists, seeds,
        stored_worlds::{every_subject, store_world},
        words,
    },
    support::{Entropy, World, random_question, random_stored_world, reference},
};

const WORLDS: usize = 12;
const QUESTIONS_A_WORLD: usize = 12;
const PAGES: [i32; 3] = [1, 7, 10_000];

#[tokio::test]
async fn lists_match_the_reference_on_random_worlds() {
    let server = TestServer::start().await;
    let uncached = TestServer::start_without_memory(server.database.clone()).await;
    let mut clients = [server.client().await, uncached.client().await];
    let mut listed = 0;
    for seed in (first_seed()..).take(seeds(WORLDS)) {
        let _printed_on_failure = Seed(seed);
        let mut entropy = Entropy::seeded(seed + 1_000, 8_000);
        let world = random_stored_world(&mut entropy);
        let tenant = format!("world_{seed}");
        store_world(&server, &tenant, &world).await;
        let questions = (0..QUESTIONS_A_WORLD).map(|_| random_question(&world, &mut entropy));
        let questions: Vec<Question> = questions.collect();
        for question in &questions {
            compare_subjects(&mut clients[0], &tenant, &world, question).await;
        }
        for (number, question) in (0..).zip(questions.into_iter().chain(plain_questions(&world))) {
            let kind = question.resource().map(|resource| resource.kind);
            let Some(kind) = kind.filter(|kind| is_listed(*kind)) else {
                continue;
            };
            let expected = expected(&world, &question, kind);
            listed += expected.len();
            let request = request(&tenant, &question, kind);
            for client in &mut clients {
                compare_lists(client, &request, &expected).await;
                if let Some(product) = kind.product_kind() {
                    compare_filter(client, &world, &question, &request, product, &expected).await;
                }
            }
            let client = &mut clients[number % 2];
            compare_filtered(client, &world, request, kind, &expected, &mut entropy).await;
        }
    }
    // The lists were long enough to be meaningful.
    assert!(listed > 200, "{listed}");
    // Both ways to build a page were compared.
    let mut operations = OperationsServiceClient::new(server.channel().await);
    let status = operations.get_status(pb::GetStatusRequest::default());
    let status = status.await.unwrap().into_inner();
    assert!(status.pages_from_memory > 1_000, "{status:?}");
    assert!(status.indexed_products > 0, "{status:?}");
}

/// The most common questions of every subject, without context; they yield long
/// lists.
fn plain_questions(world: &World) -> Vec<Question> {
    let cases = [
        (ResourceType::Product, "view"),
        (ResourceType::Product, "send_proposal"),
        (ResourceType::ProductModel, "edit"),
        (ResourceType::Category, "view"),
    ];
    let questions = every_subject(world).into_iter().flat_map(|subject| {
        cases.map(|(kind, action)| {
            let resource = Resource {
                kind,
                id: Some("any".parse().unwrap()),
                description: Description::default(),
            };
            let action = Action::find(action).unwrap();
            Question::new(subject.clone(), action, Some(resource), Context::default()).unwrap()
        })
    });
    questions.collect()
}

/// The expected list: each code in the spelling that it was first written with,
/// and its level.
type Expected = BTreeMap<Code, pb::Level>;

fn is_listed(kind: ResourceType) -> bool {
    let unstored = [
        ResourceType::Asset,
        ResourceType::ReferenceEntityRecord,
        ResourceType::SystemVersion,
    ];
    !unstored.contains(&kind)
}

fn expected(world: &World, question: &Question, kind: ResourceType) -> Expected {
    let mut expected = Expected::new();
    for code in stored(world, kind) {
        let resource = Resource {
            kind,
            id: Some(code.clone()),
            description: Description::default(),
        };
        let subject = question.subject().clone();
        let context = question.context().clone();
        let candidate = Question::new(subject, question.action(), Some(resource), context).unwrap();
        let decision = reference::decide(world, &candidate);
        if decision.is_allowed() {
            expected.insert(code, words::level(decision.level));
        }
    }
    expected
}

fn stored(world: &World, kind: ResourceType) -> Vec<Code> {
    if let Some(kind) = kind.product_kind() {
        let products = world.products.keys().filter(|of| of.kind == kind);
        return products.map(|product| product.code.clone()).collect();
    }
    match (kind, kind.ruling_item()) {
        (ResourceType::Attribute, _) => world.attributes.keys().cloned().collect(),
        (ResourceType::GridView, _) => world.grid_views.keys().cloned().collect(),
        (_, item) => {
            let items = world.items_of(item.unwrap());
            items.map(|item| item.code.clone()).collect()
        }
    }
}

fn request(tenant: &str, question: &Question, kind: ResourceType) -> pb::ListAllowedRequest {
    let check = words::request(tenant, question);
    pb::ListAllowedRequest {
        tenant: check.tenant,
        subject: check.subject,
        action: check.action,
        resource_type: kind.to_string(),
        context: check.context,
        ..Default::default()
    }
}

async fn compare_lists(
    client: &mut AuthorizationServiceClient<Channel>,
    request: &pb::ListAllowedRequest,
    expected: &Expected,
) {
    let mut orders = Vec::new();
    for page_size in PAGES {
        let request = pb::ListAllowedRequest {
            page_size,
            ..request.clone()
        };
        orders.push(lists::all_pages(client, &request).await);
        orders.push(lists::whole_stream(client, &request, false).await);
        let ids = lists::whole_stream(client, &request, true).await;
        let with_levels = orders.last().unwrap().iter();
        let without: Vec<&String> = with_levels.map(|(id, _)| id).collect();
        let ids: Vec<&String> = ids.iter().map(|(id, _)| id).collect();
        assert_eq!(ids, without, "{request:#?}");
    }
    for order in &orders {
        assert_eq!(order, &orders[0], "{request:#?}");
    }
    let found: Vec<(String, pb::Level)> = expected
        .iter()
        .map(|(code, level)| (code.to_string(), *level))
        .collect();
    let mut listed = orders.swap_remove(0);
    listed.sort_by_key(|(id, _)| Code::fold(id));
    assert_eq!(listed, found, "{request:#?}");
}

/// The effective categories of a product (rules 4.2): its own, and those of all
/// models above it.
fn effective_categories(world: &World, product: &ProductRef) -> BTreeSet<Code> {
    let mut effective = BTreeSet::new();
    let mut next = Some(product.clone());
    while let Some(product) = next {
        let stored = &world.products[&product];
        effective.extend(stored.categories.iter().cloned());
        next = stored.parent.clone().map(|code| ProductRef {
            kind: ProductKind::Model,
            code,
        });
    }
    effective
}

async fn compare_filter(
    client: &mut AuthorizationServiceClient<Channel>,
    world: &World,
    question: &Question,
    request: &pb::ListAllowedRequest,
    kind: ProductKind,
    expected: &Expected,
) {
    let request = pb::GetAccessFilterRequest {
        tenant: request.tenant.clone(),
        subject: request.subject.clone(),
        action: request.action.clone(),
        resource_type: request.resource_type.clone(),
        context: request.context.clone(),
        minimum_revision: 0,
    };
    let answer = client.get_access_filter(request.clone()).await;
    let filter = answer.unwrap().into_inner();
    let products = world.products.keys().filter(|of| of.kind == kind);
    let let_in = products.filter(|product| lets_in(&filter, &effective_categories(world, product)));
    let let_in: BTreeSet<&Code> = let_in.map(|product| &product.code).collect();
    assert_eq!(
        let_in,
        expected.keys().collect(),
        "{request:#?} {filter:#?}"
    );
    let axes = [
        (ItemKind::Channel, &filter.channels),
        (ItemKind::Locale, &filter.locales),
        (ItemKind::AttributeGroup, &filter.attribute_groups),
    ];
    let most = most_usable(world, question.subject());
    for (kind, answered) in axes {
        let items = world.items_of(kind);
        let held = items.map(|item| (item.code.to_string(), held(world, question.subject(), item)));
        let viewable: Vec<(String, pb::Level)> = held
            .map(|(code, level)| (code, Level::from_bits(level.bits() & most.bits())))
            .filter(|(_, level)| *level != Level::Hidden)
            .map(|(code, level)| (code, words::level(Some(level))))
            .collect();
        let answered = answered.iter().map(|item| (item.id.clone(), item.level()));
        assert_eq!(answered.collect::<Vec<_>>(), viewable, "{request:#?}");
    }
}

/// The highest level that the subject can use (rules 5.12): for an app "at most
/// `view` without `api.product.edit`, none without `api.product.list`".
fn most_usable(world: &World, subject: &SubjectRef) -> Level {
    let Some(scopes) = world.apps.get(&subject.code) else {
        return Level::Own;
    };
    if subject.kind != SubjectKind::App {
        return Level::Own;
    }
    let held = CATALOGUE.permissions_of_scopes(*scopes);
    let holds = |code| held.contains(CATALOGUE.find_permission(code).unwrap().id);
    if holds("api.product.edit") {
        Level::Own
    } else if holds("api.product.list") {
        Level::View
    } else {
        Level::Hidden
    }
}

fn lets_in(filter: &pb::GetAccessFilterResponse, categories: &BTreeSet<Code>) -> bool {
    let is_in = |codes: &[String]| {
        codes
            .iter()
            .any(|text| categories.contains(&text.parse().unwrap()))
    };
    match filter.scope() {
        pb::FilterScope::Nothing => false,
        pb::FilterScope::Everything => {
            assert!(filter.include_uncategorized, "true with EVERYTHING");
            true
        }
        pb::FilterScope::Categories if categories.is_empty() => filter.include_uncategorized,
        pb::FilterScope::Categories => is_in(&filter.any_category) && !is_in(&filter.no_category),
        pb::FilterScope::Unspecified => panic!("a filter has a scope"),
    }
}

/// The level that a subject has on a channel, locale or attribute group, taken
/// from the reference's answer to a `Check` (rules 4.12).
fn held(world: &World, subject: &SubjectRef, item: &ItemRef) -> Level {
    let resource = Resource {
        kind: item.kind.to_string().parse().unwrap(),
        id: Some(item.code.clone()),
        description: Description::default(),
    };
    let view = Action::find("view").unwrap();
    let question = Question::new(subject.clone(), view, Some(resource), <_>::default());
    reference::decide(world, &question.unwrap()).level.unwrap()
}

/// Compares lists with random filters, or checks the rejection of a filter that
/// does not apply to the type.
async fn compare_filtered(
    client: &mut AuthorizationServiceClient<Channel>,
    world: &World,
    request: pb::ListAllowedRequest,
    kind: ResourceType,
    expected: &Expected,
    entropy: &mut Entropy,
) {
    let mut categories: Vec<String> = world
        .items_of(ItemKind::Category)
        .map(|item| item.code.to_string())
        .collect();
    categories.extend(["nowhere".to_owned(), String::new()]);
    let filter = pb::ListFilter {
        tree: entropy.pick(&categories).to_uppercase(),
        category: entropy.pick(&categories).to_lowercase(),
        ids: random_ids(world, kind, entropy),
    };
    let request = pb::ListAllowedRequest {
        filter: Some(filter.clone()),
        ..request
    };
    let has_categories = kind.product_kind().is_some()
        || [ResourceType::Category, ResourceType::EnrichedCategory].contains(&kind);
    let names_category = !filter.tree.is_empty() || !filter.category.is_empty();
    if !has_categories && names_category {
        let refused = client.list_allowed(request).await.unwrap_err();
        let (_, reason, field) = crate::harness::refusal(&refused);
        let field = field.unwrap();
        assert_eq!(reason, "INVALID_REQUEST");
        assert!(
            ["filter.tree", "filter.category"].contains(&&*field),
            "{field}"
        );
        return;
    }
    let matching = expected
        .iter()
        .filter(|(code, _)| matches_filter(world, kind, code, &filter));
    let matching: Expected = matching
        .map(|(code, level)| (code.clone(), *level))
        .collect();
    compare_lists(client, &request, &matching).await;
}

/// An empty filter in three of four cases; otherwise some stored codes, each
/// also in capital letters, and one unknown code.
fn random_ids(world: &World, kind: ResourceType, entropy: &mut Entropy) -> Vec<String> {
    if entropy.chance(75) {
        return Vec::new();
    }
    let mut ids = vec!["nowhere".to_owned()];
    for code in entropy.some(50, &stored(world, kind)) {
        ids.extend([code.to_string(), code.as_str().to_uppercase()]);
    }
    ids
}

fn matches_filter(world: &World, kind: ResourceType, code: &Code, filter: &pb::ListFilter) -> bool {
    let lies_in: BTreeSet<Code> = match kind.product_kind() {
        Some(kind) => {
            let code = code.clone();
            effective_categories(world, &ProductRef { kind, code })
        }
        None => BTreeSet::from([code.clone()]),
    };
    let in_tree = filter.tree.is_empty() || {
        let tree: Code = filter.tree.parse().unwrap();
        lies_in
            .iter()
            .any(|category| world.root_of(category) == tree)
    };
    let in_category = filter.category.is_empty() || {
        let wanted: Code = filter.category.parse().unwrap();
        lies_in
            .iter()
            .any(|category| is_within(world, category, &wanted))
    };
    let meant = filter.ids.is_empty() || {
        let mut ids = filter.ids.iter();
        ids.any(|id| id.parse::<Code>().unwrap() == *code)
    };
    in_tree && in_category && meant
}

fn is_within(world: &World, category: &Code, wanted: &Code) -> bool {
    let above = |category: &Code| world.category_parents.get(category).cloned();
    std::iter::successors(Some(category.clone()), above).any(|category| category == *wanted)
}

async fn compare_subjects(
    client: &mut AuthorizationServiceClient<Channel>,
    tenant: &str,
    world: &World,
    question: &Question,
) {
    let check = words::request(tenant, question);
    let kinds = [
        ("", None),
        ("user", Some(SubjectKind::User)),
        ("app", Some(SubjectKind::App)),
        ("connection", Some(SubjectKind::Connection)),
    ];
    for (subject_type, kind) in kinds {
        let allowed = every_subject(world).into_iter().filter(|subject| {
            let resource = question.resource().cloned();
            let context = question.context().clone();
            let candidate = Question::new(subject.clone(), question.action(), resource, context);
            kind.is_none_or(|kind| kind == subject.kind)
                && reference::decide(world, &candidate.unwrap()).is_allowed()
        });
        let expected: BTreeSet<String> = allowed.map(|subject| subject.to_string()).collect();
        for page_size in PAGES {
            let request = pb::ListSubjectsRequest {
                tenant: tenant.to_owned(),
                action: check.action.clone(),
                resource: check.resource.clone(),
                context: check.context.clone(),
                subject_type: subject_type.to_owned(),
                page_size,
                ..Default::default()
            };
            let listed = lists::all_subjects(client, &request).await;
            let once: BTreeSet<String> = listed.iter().cloned().collect();
            assert_eq!(once.len(), listed.len(), "{request:#?}");
            assert_eq!(once, expected, "{request:#?}");
        }
    }
}

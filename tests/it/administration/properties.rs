//! Random writes: the service behaves as the model does, in its answers, its
//! lists, its decisions and its audit log.

use std::collections::BTreeMap;

use pim_authz::{
    domain::{
        Action, Code, Context, Description, Edition, Question, Resource, ResourceType, SubjectKind,
        SubjectRef,
    },
    pb::{self, authorization_service_client::AuthorizationServiceClient},
};

use super::{
    administered::Administered,
    affected,
    calls::Call,
    random_call::{self, random_call},
    replay,
    steps::{Tenant, assert_same},
};
use crate::{
    harness::{Seed, TestServer, first_seed, lists, refusal, seeds, user, words},
    support::{self, Entropy, random_question, reference},
};

const TENANTS: usize = 12;
const WRITES_A_TENANT: usize = 70;
const QUESTIONS: usize = 8;

/// Where the state of a tenant is read from.
#[derive(Clone, Copy, PartialEq)]
enum Source {
    Decisions,
    Lists,
    AuditLog,
}

#[tokio::test]
async fn decisions_after_random_writes_match_the_model() {
    write_and_compare(Source::Decisions).await;
}

#[tokio::test]
async fn lists_after_random_writes_match_the_model() {
    write_and_compare(Source::Lists).await;
}

#[tokio::test]
async fn audit_log_replays_to_the_state_after_random_writes() {
    write_and_compare(Source::AuditLog).await;
}

/// Writes to one tenant after the other; compares the effect or refusal of
/// every write, and at intervals the state that `source` reports.
async fn write_and_compare(source: Source) {
    let server = TestServer::start().await;
    let beside = TestServer::start_beside(&server).await;
    let uncached = TestServer::start_without_memory(server.database.clone()).await;
    for seed in (first_seed()..).take(seeds(TENANTS)) {
        let _printed_on_failure = Seed(seed);
        let mut entropy = Entropy::seeded(seed + 7_000, 60_000);
        let editions = [
            Edition::Enterprise,
            Edition::Enterprise,
            Edition::Growth,
            Edition::Community,
        ];
        let edition = *entropy.pick(&editions);
        let mut tenant = Tenant::create(&server, &format!("model_{seed}"), edition).await;
        if source == Source::Decisions {
            tenant.counts_affected = Some(affected::count);
        }
        for call in random_call::filling(&tenant.model, &mut entropy) {
            tenant.perform(call).await;
        }
        let mut history = CheckHistory {
            clients: vec![
                server.client().await,
                beside.client().await,
                uncached.client().await,
            ],
            questions: Vec::new(),
        };
        for number in 1..=WRITES_A_TENANT {
            write(&mut tenant, &mut entropy).await;
            if number % 8 == 0 {
                compare(&mut history, &tenant, source, &mut entropy).await;
            }
        }
        if source == Source::Decisions {
            compare_allowed(&server, &tenant).await;
            compare_deleted(&server, &tenant).await;
        }
    }
}

async fn compare(
    history: &mut CheckHistory,
    tenant: &Tenant,
    source: Source,
    entropy: &mut Entropy,
) {
    match source {
        Source::Decisions => compare_checks(history, tenant, entropy).await,
        Source::Lists => tenant.compare_lists(*entropy.pick(&[2, 3, 1_000])).await,
        Source::AuditLog => {
            let (channel, revision) = (&tenant.channel, tenant.revision);
            let replayed = replay::snapshot(channel, &tenant.code, revision).await;
            assert_same(
                "the audit log",
                &replayed,
                &tenant.model.snapshot().audited(),
            );
            let verified = replay::verified(channel, &tenant.code).await;
            assert!(verified.intact, "{verified:?}");
            assert!(verified.compared_facts > 0, "{verified:?}");
        }
    }
}

async fn write(tenant: &mut Tenant, entropy: &mut Entropy) {
    if entropy.chance(15) {
        tenant.connect_an_app(entropy).await;
        return;
    }
    if entropy.chance(12) {
        let files = random_call::random_files(&tenant.model, entropy);
        tenant.import(&files, entropy.chance(20)).await;
        return;
    }
    if entropy.chance(6) {
        let call = random_call::of_a_vocabulary(&tenant.model, entropy);
        tenant.perform(call.rehearsed()).await;
        return;
    }
    let call = random_call(&tenant.model, entropy);
    match entropy.below(10) {
        0 | 1 => {
            tenant.perform(call.clone().rehearsed()).await;
            tenant.perform(call).await;
        }
        2 | 3 => tenant.perform_with_key(call).await,
        4 => {
            let stale = u64::from(entropy.chance(50));
            let expected = tenant.revision - stale;
            tenant.perform(call.expecting(expected)).await;
        }
        _ => {
            tenant.perform(call).await;
        }
    }
}

/// Checks new questions and, to test cached facts, some that were checked
/// before other writes; each on every server, one of which has no cache.
async fn compare_checks(history: &mut CheckHistory, tenant: &Tenant, entropy: &mut Entropy) {
    let world = &tenant.model.world;
    let new = (0..QUESTIONS).map(|_| random_question(world, entropy));
    let new: Vec<Question> = new.collect();
    let again = (0..QUESTIONS).filter_map(|_| {
        let before = history.questions.len();
        (before > 0).then(|| history.questions[entropy.below(before)].clone())
    });
    let questions: Vec<Question> = new.iter().cloned().chain(again).collect();
    history.questions.extend(new);
    for question in &questions {
        let expected = support::decision_text(&reference::decide(world, question));
        for (server, client) in history.clients.iter_mut().enumerate() {
            let request = words::request(&tenant.code, question);
            let answer = client.check(request).await.unwrap().into_inner();
            assert!(answer.revision <= tenant.revision);
            assert!(server > 0 || answer.revision == tenant.revision);
            assert_eq!(
                Code::fold(&words::decision_text(&words::decision(&answer))),
                Code::fold(&expected),
                "server {server}, {question:#?}"
            );
        }
    }
}

/// The clients of the servers, and the questions that were checked so far.
struct CheckHistory {
    clients: Vec<AuthorizationServiceClient<tonic::transport::Channel>>,
    questions: Vec<Question>,
}

/// A deleted tenant no longer exists, and cannot be deleted again.
async fn compare_deleted(server: &TestServer, tenant: &Tenant) {
    let deletion = Call::DeleteTenant(pb::DeleteTenantRequest::default());
    let deletion = deletion.of(&tenant.code);
    deletion.send(&tenant.channel).await.unwrap();
    let again = deletion.send(&tenant.channel).await.unwrap_err();
    assert_eq!(refusal(&again).1, "TENANT_NOT_FOUND", "{again:?}");
    let check = pb::CheckRequest {
        tenant: tenant.code.clone(),
        subject: user("admin"),
        action: "app.manage".into(),
        ..Default::default()
    };
    let refused = server.client().await.check(check).await.unwrap_err();
    assert_eq!(refusal(&refused).1, "TENANT_NOT_FOUND", "{refused:?}");
}

/// Compares the products and models that each subject may view.
async fn compare_allowed(server: &TestServer, tenant: &Tenant) {
    let mut client = server.client().await;
    let world = &tenant.model.world;
    let users = world.users.keys().map(|code| (SubjectKind::User, code));
    let apps = world.apps.keys().map(|code| (SubjectKind::App, code));
    for (kind, code) in users.chain(apps) {
        let code = code.clone();
        let subject = SubjectRef { kind, code };
        compare_allowed_to(&mut client, tenant, &subject).await;
    }
}

async fn compare_allowed_to(
    client: &mut AuthorizationServiceClient<tonic::transport::Channel>,
    tenant: &Tenant,
    subject: &SubjectRef,
) {
    let world = &tenant.model.world;
    for kind in [ResourceType::Product, ResourceType::ProductModel] {
        let request = pb::ListAllowedRequest {
            tenant: tenant.code.clone(),
            subject: Some(pb::Subject {
                r#type: subject.kind.to_string(),
                id: subject.code.to_string(),
            }),
            action: "view".into(),
            resource_type: kind.to_string(),
            page_size: 3,
            ..Default::default()
        };
        let listed = lists::all_pages(client, &request).await;
        let mut listed: Vec<String> = listed.into_iter().map(|(code, _)| code).collect();
        listed.sort_by_key(|code| Code::fold(code));
        let products = world.products.keys();
        let products = products.filter(|key| ResourceType::from(key.kind) == kind);
        let allowed = products.filter(|key| {
            let resource = Resource {
                kind,
                id: Some(key.code.clone()),
                description: Description::default(),
            };
            let view = Action::find("view").unwrap();
            let context = Context::default();
            let question = Question::new(subject.clone(), view, Some(resource), context);
            reference::decide(world, &question.unwrap()).is_allowed()
        });
        let allowed: Vec<String> = allowed.map(|key| key.code.to_string()).collect();
        assert_eq!(listed, allowed, "{request:#?}");
    }
}

/// Every refusal that random writes must meet, each at least three times.
const REFUSALS: [&str; 25] = [
    "ACTOR_NOT_PERMITTED",
    "APP_NOT_FOUND",
    "ATTRIBUTE_GROUP_IN_USE",
    "ATTRIBUTE_GROUP_NOT_FOUND",
    "ATTRIBUTE_NOT_FOUND",
    "AUDIENCE_MISMATCH",
    "CATEGORY_IN_USE",
    "CATEGORY_LOOP",
    "CATEGORY_NOT_FOUND",
    "EDITION_REQUIRED",
    "GROUP_ALL_IS_FIXED",
    "GROUP_IS_PRIVATE",
    "INVALID_REQUEST",
    "LOCALE_IN_USE",
    "LOCALE_NOT_FOUND",
    "LOCK_OUT_GUARD",
    "PARENT_INVALID",
    "PERMISSION_NOT_FOUND",
    "PRODUCT_MODEL_IN_USE",
    "PRODUCT_MODEL_NOT_FOUND",
    "ROLE_IN_USE",
    "ROLE_NOT_FOUND",
    "STEP_OUT_OF_ORDER",
    "TENANT_EXISTS",
    "USER_GROUP_IN_USE",
];

/// Tests the model alone: shows that the random writes are worth comparing.
#[test]
fn random_writes_meet_every_refusal_and_mostly_succeed() {
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    let (mut done, mut all) = (0, 0);
    for seed in 0..90 {
        let mut entropy = Entropy::seeded(seed + 7_000, 60_000);
        let edition = *entropy.pick(&[Edition::Enterprise, Edition::Growth]);
        let mut model = Administered::new(edition);
        let mut calls = random_call::filling(&model, &mut entropy);
        calls.reverse();
        let mut open = String::new();
        for number in 0..120 {
            let call = if !open.is_empty() {
                random_call::step(&model, "open", &open, &mut entropy)
            } else if let Some(call) = calls.pop() {
                call
            } else if entropy.chance(12) {
                Call::StartConnection(random_call::start(&model, &mut entropy))
            } else {
                random_call(&model, &mut entropy)
            };
            all += 1;
            match model.after(&call) {
                Ok(next) => {
                    done += 1;
                    let before = std::mem::replace(&mut model, next);
                    if let Call::StartConnection(start) = &call {
                        let answer = before.start_answer(start, "open");
                        model.started(&before, start, &answer);
                        open.clone_from(&start.actor);
                    }
                }
                Err(faults) => {
                    for reason in REFUSALS {
                        *refused.entry(reason.to_owned()).or_default() +=
                            usize::from(faults.accept(reason));
                    }
                }
            }
            if model.steps_of("open").is_empty() || number % 10 == 0 {
                open.clear();
            }
        }
    }
    assert!((all / 2..all * 9 / 10).contains(&done), "{done} of {all}");
    assert!(refused.values().all(|count| *count >= 3), "{refused:#?}");
}

/// Tests the model alone: random imports of each partial file succeed often
/// enough to be worth comparing, and are refused as well.
#[test]
fn each_partial_file_is_both_imported_and_refused() {
    let mut done: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    let mut done_alone = done.clone();
    for seed in 0..60 {
        let mut entropy = Entropy::seeded(seed + 7_000, 60_000);
        let mut model = Administered::new(Edition::Enterprise);
        for call in random_call::filling(&model, &mut entropy) {
            model = model.after(&call).unwrap_or(model);
        }
        for _ in 0..40 {
            let is_alone = entropy.chance(50);
            let (files, done) = if is_alone {
                let file = random_call::one_random_file(&model, &mut entropy);
                (vec![file], &mut done_alone)
            } else {
                (random_call::random_files(&model, &mut entropy), &mut done)
            };
            let next = model.after_import(&files);
            for file in &files {
                done.entry(file.name).or_default()[usize::from(next.is_ok())] += 1;
            }
            model = next.unwrap_or(model);
        }
    }
    assert_eq!(done.len(), 11, "{done:#?}");
    let is_tried = |[refused, done]: &[usize; 2]| *refused > 25 && *done > 25;
    assert!(done.values().all(is_tried), "{done:#?}");
    // Most of the single files are imported, so that their effect is compared.
    assert_eq!(done_alone.len(), 11, "{done_alone:#?}");
    let is_mostly_done = |[refused, done]: &[usize; 2]| done > refused;
    assert!(done_alone.values().all(is_mostly_done), "{done_alone:#?}");
    let [refused, done] = done["apps.csv"];
    assert!(done > refused, "{refused} refused, {done} done");
}

//! Answers of `Check`, `BatchCheck`, `ListActions` and `Explain` for a small
//! company, imported in the format that the PIM exports.

use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use pim_authz::pb::{self, Edition, check_result::Outcome};
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

use crate::harness::{File, TestServer, context, file, product, refusal, resource, user, words};

/// Julia is a manager, Mary may only send proposals, and only managers may
/// access audio.
fn company() -> Vec<File> {
    vec![
        file("channels.csv", &["code", "ecommerce"]),
        file("locales.csv", &["code", "en_US", "fr_FR"]),
        file(
            "categories.csv",
            &["code;parent", "master;", "audio;master"],
        ),
        file("attribute_groups.csv", &["code", "marketing"]),
        file(
            "attributes.csv",
            &["code;group;localizable;scopable", "name;marketing;1;0"],
        ),
        file(
            "products.csv",
            &["sku;categories", "hat;master", "radio;audio", "orphan;"],
        ),
        file(
            "user_groups.csv",
            &["code;name", "manager;Manager", "redactor;Redactor"],
        ),
        file(
            "user_roles.csv",
            &[
                "role;audience;permissions",
                "editor;user;product.list,product.edit_attributes",
            ],
        ),
        file(
            "users.csv",
            &[
                "username;roles;groups",
                "Julia;editor;manager",
                "mary;editor;redactor",
            ],
        ),
        file(
            "product_category_accesses.csv",
            &[
                "category;view_items;edit_items;own_items",
                "master;manager,redactor;manager,redactor;manager",
                "audio;manager;manager;manager",
            ],
        ),
        file(
            "locale_accesses.csv",
            &[
                "locale;view_products;edit_products",
                "en_US;All;All",
                "fr_FR;manager;manager",
            ],
        ),
    ]
}

async fn company_server() -> TestServer {
    let server = TestServer::start().await;
    server
        .import("default", Edition::Enterprise, &company())
        .await;
    server
}

fn edit(code: &str, resource: Option<pb::Resource>) -> pb::CheckRequest {
    pb::CheckRequest {
        subject: user(code),
        action: "edit".into(),
        resource,
        ..Default::default()
    }
}

#[tokio::test]
async fn a_check_answers_with_level_mode_reason_and_revision() {
    let server = company_server().await;
    let mut client = server.client().await;
    let in_french = || context(|context| context.locale = "fr_FR".into());
    let cases = [
        (edit("julia", product("hat")), "allowed at own, direct"),
        (edit("mary", product("HAT")), "allowed at edit, proposal"),
        (
            edit("mary", product("radio")),
            "denied at none: category audio needs edit, has none",
        ),
        (
            pb::CheckRequest {
                context: in_french(),
                ..edit("mary", product("hat"))
            },
            "denied at edit: locale fr_FR needs edit, has none",
        ),
        (edit("mary", product("orphan")), "allowed at own, direct"),
        (
            edit("mary", product("nothing")),
            "denied at none: resource_unknown",
        ),
        (
            edit("nobody", product("hat")),
            "denied at none: subject_unknown",
        ),
        (
            pb::CheckRequest {
                action: "product.remove".into(),
                ..edit("julia", None)
            },
            "denied: permission product.remove",
        ),
    ];
    for (request, expected) in cases {
        let answer = client.check(request.clone()).await.unwrap().into_inner();
        assert_eq!(
            words::decision_text(&words::decision(&answer)),
            expected,
            "{request:?}"
        );
        assert_eq!(answer.revision, 1);
    }
}

#[tokio::test]
async fn batch_keeps_order_stops_by_mode_and_isolates_bad_items() {
    let server = company_server().await;
    let mut client = server.client().await;
    let about = |code: &str| pb::CheckItem {
        correlation_id: format!("the {code}"),
        resource: product(code),
        ..Default::default()
    };
    let batch = |mode: pb::BatchMode| pb::BatchCheckRequest {
        subject: user("mary"),
        action: "edit".into(),
        items: vec![
            pb::CheckItem {
                action: "fly".into(),
                ..about("kite")
            },
            about("hat"),
            about("radio"),
            about("orphan"),
        ],
        mode: mode.into(),
        ..Default::default()
    };
    let cases = [
        (
            pb::BatchMode::Unspecified,
            "kite error, hat true, radio false, orphan true",
        ),
        (
            pb::BatchMode::StopAtDenial,
            "kite error, hat true, radio false",
        ),
        (pb::BatchMode::StopAtAllow, "kite error, hat true"),
    ];
    for (mode, expected) in cases {
        let answer = client.batch_check(batch(mode)).await.unwrap().into_inner();
        assert_eq!(answer.revision, 1);
        let outcomes: Vec<String> = answer
            .results
            .into_iter()
            .map(|result| {
                let mark = result
                    .correlation_id
                    .strip_prefix("the ")
                    .unwrap()
                    .to_owned();
                match result.outcome.unwrap() {
                    Outcome::Decision(decision) => format!("{mark} {}", decision.allowed),
                    Outcome::Error(error) => {
                        assert_eq!(error.code, i32::from(Code::InvalidArgument));
                        assert!(error.message.contains("items[0].action"), "{error:?}");
                        assert_eq!(error.details.len(), 2, "ErrorInfo and BadRequest");
                        format!("{mark} error")
                    }
                }
            })
            .collect();
        assert_eq!(outcomes.join(", "), expected);
    }
}

#[tokio::test]
async fn empty_batch_returns_the_revision() {
    let server = company_server().await;
    let answer = server
        .client()
        .await
        .batch_check(pb::BatchCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!((answer.results.len(), answer.revision), (0, 1));
}

#[tokio::test]
async fn a_batch_of_ten_thousand_items_is_one_statement() {
    let metrics = Metrics::record();
    let server = company_server().await;
    let mut client = server.client().await;
    let codes = ["hat", "radio", "orphan", "nothing"];
    let items = (0..10_000).map(|number| pb::CheckItem {
        correlation_id: number.to_string(),
        resource: product(codes[number % codes.len()]),
        ..Default::default()
    });
    let request = pb::BatchCheckRequest {
        subject: user("mary"),
        action: "edit".into(),
        items: items.collect(),
        ..Default::default()
    };
    let before = metrics.round_trips_of("find_facts");
    let answer = client.batch_check(request).await.unwrap().into_inner();
    assert_eq!(metrics.round_trips_of("find_facts") - before, 1);
    assert_eq!(answer.results.len(), 10_000);
    for (number, result) in answer.results.iter().enumerate() {
        assert_eq!(result.correlation_id, number.to_string());
        let Some(Outcome::Decision(decision)) = &result.outcome else {
            panic!("{result:?}");
        };
        assert_eq!(decision.allowed, number % 2 == 0);
    }
}

#[tokio::test]
async fn list_actions_lists_what_a_check_would_allow() {
    let server = company_server().await;
    let mut client = server.client().await;
    let request = |code: &str, resource| pb::ListActionsRequest {
        subject: user(code),
        resource,
        ..Default::default()
    };
    let about = |resource| request("mary", resource);
    let cases = [
        (about(None), "product.edit_attributes product.list"),
        (
            about(product("hat")),
            "view edit:proposal export import:proposal send_proposal:proposal \
             product.edit_attributes:proposal product.list",
        ),
        (about(product("radio")), ""),
        (about(resource("category", "master")), "view edit"),
        (request("nobody", None), ""),
    ];
    for (request, expected) in cases {
        let answer = client
            .list_actions(request.clone())
            .await
            .unwrap()
            .into_inner();
        let mut listed: Vec<String> = answer
            .actions
            .iter()
            .map(|action| match action.edit_mode() {
                pb::EditMode::Unspecified => action.action.clone(),
                pb::EditMode::Direct => format!("{}:direct", action.action),
                pb::EditMode::Proposal => format!("{}:proposal", action.action),
            })
            .collect();
        listed.sort();
        let mut expected: Vec<&str> = expected.split_whitespace().collect();
        expected.sort_unstable();
        assert_eq!(listed, expected, "{request:?}");
    }
}

#[tokio::test]
async fn explanation_names_the_right_that_would_allow_access() {
    let server = company_server().await;
    let mut client = server.client().await;
    let request = pb::ExplainRequest {
        subject: user("mary"),
        action: "edit".into(),
        resource: product("radio"),
        ..Default::default()
    };
    let answer = client.explain(request).await.unwrap().into_inner();
    let decision = answer.decision.unwrap();
    assert_eq!(
        words::decision_text(&decision),
        "denied at none: category audio needs edit, has none"
    );
    let root = answer.root.unwrap();
    assert!(!root.passed && !root.steps.is_empty());
    let [remedy] = answer.remedies.as_slice() else {
        panic!("{:?}", answer.remedies);
    };
    let Some(pb::remedy::Grant::Access(grant)) = &remedy.grant else {
        panic!("{remedy:?}");
    };
    let item = grant.item.as_ref().unwrap();
    assert_eq!(
        (
            grant.group.as_str(),
            item.r#type.as_str(),
            item.id.as_str(),
            grant.level()
        ),
        ("redactor", "category", "audio", pb::Level::Edit)
    );
}

#[tokio::test]
async fn cold_check_runs_one_statement_and_warm_check_none() {
    let metrics = Metrics::record();
    let server = company_server().await;
    let mut client = server.client().await;
    let mut statements = Vec::new();
    while statements.last() != Some(&0) && statements.len() < 1_000 {
        let before = metrics.round_trips_of("find_facts");
        client.check(edit("mary", product("hat"))).await.unwrap();
        statements.push(metrics.round_trips_of("find_facts") - before);
    }
    // The first check is cold. Memory is filled in the background, so the next
    // ones may be cold too.
    let (warm, cold) = statements.split_last().unwrap();
    assert_eq!(*warm, 0, "memory was not filled");
    assert!(!cold.is_empty() && cold.iter().all(|one| *one == 1));
}

#[tokio::test]
async fn check_waits_for_the_minimum_revision() {
    let server = company_server().await;
    let mut client = server.client().await;
    let waiting = tokio::spawn({
        let mut client = client.clone();
        let question = edit("mary", product("new"));
        let request = pb::CheckRequest {
            minimum_revision: 2,
            ..question
        };
        async move { client.check(request).await }
    });
    let now = client
        .check(edit("mary", product("new")))
        .await
        .unwrap()
        .into_inner();
    assert!(!now.allowed);
    let more = [file("products.csv", &["sku;categories", "new;master"])];
    server.import("default", Edition::Unspecified, &more).await;
    let then = waiting.await.unwrap().unwrap().into_inner();
    assert_eq!((then.allowed, then.revision), (true, 2));
}

/// The wait ends at the caller's deadline of one second, and without a deadline
/// at the server's limit of five seconds.
#[tokio::test]
async fn unreached_minimum_revision_ends_with_deadline_exceeded() {
    let server = company_server().await;
    let mut client = server.client().await;
    let future = || pb::CheckRequest {
        minimum_revision: 99,
        ..edit("mary", product("hat"))
    };
    let mut request = Request::new(future());
    request.set_timeout(Duration::from_secs(1));
    let status = client.check(request).await.unwrap_err();
    assert_eq!(
        refusal(&status),
        (Code::DeadlineExceeded, "DEADLINE".to_owned(), None)
    );

    let status = client.check(future()).await.unwrap_err();
    assert_eq!(
        refusal(&status),
        (Code::DeadlineExceeded, "DEADLINE".to_owned(), None)
    );
    let info = status.get_details_error_info().unwrap();
    assert_eq!(
        (
            info.metadata["minimum_revision"].as_str(),
            info.metadata["revision"].as_str()
        ),
        ("99", "1")
    );
}

#[tokio::test]
async fn entities_of_one_tenant_do_not_affect_another() {
    let server = company_server().await;
    let other = [
        file("users.csv", &["username;roles;groups", "julia;;"]),
        file("user_groups.csv", &["code;name", "manager;Manager"]),
        file("categories.csv", &["code;parent", "master;"]),
        file("products.csv", &["sku;categories", "hat;master"]),
        file(
            "product_category_accesses.csv",
            &[
                "category;view_items;edit_items;own_items",
                "master;manager;;",
            ],
        ),
    ];
    server.import("other", Edition::Enterprise, &other).await;
    let request = pb::CheckRequest {
        tenant: "OTHER".into(),
        ..edit("julia", product("hat"))
    };
    let answer = server
        .client()
        .await
        .check(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        words::decision_text(&words::decision(&answer)),
        "denied at none: category master needs edit, has none"
    );
}

/// Counts the round trips of the store during one test, on the test's own
/// thread, where the server, the client and the database's connections all run.
struct Metrics {
    snapshotter: Snapshotter,
    counted: std::cell::RefCell<std::collections::HashMap<String, u64>>,
    _recording: metrics::LocalRecorderGuard<'static>,
}

impl Metrics {
    fn record() -> Self {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let recorder: &'static DebuggingRecorder = Box::leak(Box::new(recorder));
        Self {
            snapshotter,
            counted: std::cell::RefCell::default(),
            _recording: metrics::set_default_local_recorder(recorder),
        }
    }

    fn round_trips_of(&self, statement: &str) -> u64 {
        self.count();
        self.counted
            .borrow()
            .get(statement)
            .copied()
            .unwrap_or_default()
    }

    /// Adds up the counters: a snapshot contains only what was counted since
    /// the previous one.
    fn count(&self) {
        for (key, _, _, value) in self.snapshotter.snapshot().into_vec() {
            let key = key.key();
            if key.name() != "authz_store_round_trips_total" {
                continue;
            }
            let statement = key
                .labels()
                .find(|label| label.key() == "statement")
                .unwrap();
            let DebugValue::Counter(more) = value else {
                panic!("{value:?}");
            };
            *self
                .counted
                .borrow_mut()
                .entry(statement.value().to_owned())
                .or_default() += more;
        }
    }
}

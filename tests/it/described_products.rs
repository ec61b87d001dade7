//! Products described with many categories: calls that decide for several
//! subjects at once give the same answers as a single `Check` of each.

use std::collections::BTreeSet;

use pim_authz::pb::{
    self, Edition, authorization_service_client::AuthorizationServiceClient, check_result::Outcome,
};
use tonic::transport::Channel;

use crate::harness::{File, TestServer, file, lists, user};

const TENANT: &str = "acme";
const CATEGORIES: usize = 400;
const GROUPS: usize = 8;
const USERS: usize = 150;
const ACTIONS: [&str; 5] = ["view", "edit", "own", "send_proposal", "publish"];

/// Files in which twenty users per group follow one another, so that later
/// users have groups that no earlier user had. A group may view, edit or own
/// some categories; the last groups none.
fn files() -> Vec<File> {
    let mut groups = vec!["name".to_owned()];
    groups.extend((0..GROUPS).map(|group| format!("g{group}")));
    let mut users = vec!["username;roles;groups".to_owned()];
    users.extend((0..USERS).map(|user| format!("u{user:03};;g{}", user / 20 % GROUPS)));
    let mut categories = vec!["code;parent".to_owned()];
    let mut accesses = vec!["category;view_items;edit_items;own_items".to_owned()];
    for category in 0..CATEGORIES {
        categories.push(format!("c{category:03};"));
        let held = match category % 50 {
            7 => "g0,g1,g2;g1;",
            9 => "g3,g4;g3,g4;g4",
            _ => ";;",
        };
        accesses.push(format!("c{category:03};{held}"));
    }
    let lines = |name: &str, lines: &[String]| {
        file(name, &lines.iter().map(String::as_str).collect::<Vec<_>>())
    };
    vec![
        lines("categories.csv", &categories),
        lines("product_category_accesses.csv", &accesses),
        lines("user_groups.csv", &groups),
        lines("users.csv", &users),
    ]
}

fn described() -> Option<pb::Resource> {
    let codes = (0..CATEGORIES).map(|category| format!("c{category:03}"));
    Some(pb::Resource {
        r#type: "product".into(),
        categories: Some(pb::CategoryList {
            codes: codes.collect(),
        }),
        ..Default::default()
    })
}

/// The answer of a single `Check`.
async fn check(
    client: &mut AuthorizationServiceClient<Channel>,
    subject: &str,
    action: &str,
) -> pb::CheckResponse {
    let request = pb::CheckRequest {
        tenant: TENANT.into(),
        subject: user(subject),
        action: action.into(),
        resource: described(),
        ..Default::default()
    };
    client.check(request).await.unwrap().into_inner()
}

async fn assert_all_as_checked(client: &mut AuthorizationServiceClient<Channel>) {
    for action in ACTIONS {
        let mut allowed = BTreeSet::new();
        let mut items = Vec::new();
        let mut expected = Vec::new();
        for number in 0..USERS {
            let subject = format!("u{number:03}");
            let decision = check(client, &subject, action).await;
            if decision.allowed {
                allowed.insert(format!("user:{subject}"));
            }
            items.push(pb::CheckItem {
                subject: user(&subject),
                ..Default::default()
            });
            expected.push((decision.allowed, decision.level, decision.reason));
        }
        let batch = pb::BatchCheckRequest {
            tenant: TENANT.into(),
            action: action.into(),
            resource: described(),
            items,
            ..Default::default()
        };
        let answer = client.batch_check(batch).await.unwrap().into_inner();
        let answered = answer.results.into_iter().map(|result| {
            let Some(Outcome::Decision(decision)) = result.outcome else {
                panic!("{result:?}");
            };
            (decision.allowed, decision.level, decision.reason)
        });
        assert_eq!(answered.collect::<Vec<_>>(), expected, "{action}");
        for page_size in [7, 10_000] {
            let request = pb::ListSubjectsRequest {
                tenant: TENANT.into(),
                action: action.into(),
                resource: described(),
                page_size,
                ..Default::default()
            };
            let listed = lists::all_subjects(client, &request).await;
            let listed: BTreeSet<String> = listed.into_iter().collect();
            assert_eq!(listed, allowed, "{action} {page_size}");
        }
    }
}

async fn assert_actions_as_checked(client: &mut AuthorizationServiceClient<Channel>) {
    for subject in ["u000", "u020", "u060", "u080", "u100"] {
        let request = pb::ListActionsRequest {
            tenant: TENANT.into(),
            subject: user(subject),
            resource: described(),
            ..Default::default()
        };
        let answer = client.list_actions(request).await.unwrap().into_inner();
        let listed: BTreeSet<String> = answer.actions.into_iter().map(|of| of.action).collect();
        for action in ACTIONS {
            let decision = check(client, subject, action).await;
            assert_eq!(
                listed.contains(action),
                decision.allowed,
                "{subject} {action}"
            );
        }
    }
}

#[tokio::test]
async fn rule_7_1_batches_and_lists_answer_as_single_checks() {
    let server = TestServer::start().await;
    server.import(TENANT, Edition::Enterprise, &files()).await;
    let uncached = TestServer::start_without_memory(server.database.clone()).await;
    for server in [&server, &uncached] {
        let mut client = server.client().await;
        assert_all_as_checked(&mut client).await;
        assert_actions_as_checked(&mut client).await;
    }
}

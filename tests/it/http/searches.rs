//! Searches of AuthZEN, and their pages.

use http::StatusCode;
use serde_json::{Value, json};

use super::shop;
use crate::harness::{TestServer, http_client::Answer};

async fn search(server: &TestServer, kind: &str, question: &Value) -> Answer {
    let path = format!("/access/v1/search/{kind}");
    server.http().post(&path, question).await
}

/// A search for who may view `boot`, what `julia` may view, or what she may do with it.
fn question(kind: &str) -> Value {
    let mut question = json!({
        "subject": {"type": "user", "id": "julia"},
        "action": {"name": "view"},
        "resource": {"type": "product", "id": "boot"},
    });
    match kind {
        "action" => question.as_object_mut().unwrap().remove("action"),
        kind => question[kind].as_object_mut().unwrap().remove("id"),
    };
    question
}

const KINDS: [&str; 3] = ["subject", "resource", "action"];

#[tokio::test]
async fn search_finds_what_is_allowed() {
    let server = shop().await;
    let found = search(&server, "resource", &question("resource"))
        .await
        .ok();
    assert_eq!(
        found,
        json!({"results": [
            {"type": "product", "id": "boot"},
            {"type": "product", "id": "sandal"},
        ]})
    );
    let found = search(&server, "subject", &question("subject")).await.ok();
    assert_eq!(
        found,
        json!({"results": [
            {"type": "user", "id": "julia"},
            {"type": "user", "id": "otto"},
        ]})
    );
    let found = search(&server, "action", &question("action")).await.ok();
    let names = found["results"].as_array().unwrap();
    assert!(names.contains(&json!({"name": "edit"})), "{found}");
    assert!(!names.contains(&json!({"name": "own"})), "{found}");
    assert!(names.is_sorted_by_key(|name| name["name"].as_str().unwrap().to_owned()));
}

#[tokio::test]
async fn id_of_what_is_looked_for_is_ignored() {
    let server = shop().await;
    for kind in ["subject", "resource"] {
        let plain = question(kind);
        let mut named = plain.clone();
        named[kind]["id"] = json!("anything");
        let (plain, named) = (
            search(&server, kind, &plain).await.ok(),
            search(&server, kind, &named).await.ok(),
        );
        assert_eq!(plain, named);
    }
}

#[tokio::test]
async fn pages_joined_are_the_whole() {
    let server = shop().await;
    for kind in KINDS {
        let whole = search(&server, kind, &question(kind)).await.ok();
        assert!(whole.get("page").is_none(), "{whole}");
        let mut joined = Vec::new();
        let mut asked = question(kind);
        asked["page"] = json!({"limit": 1});
        loop {
            let page = search(&server, kind, &asked).await.ok();
            let results = page["results"].as_array().unwrap().clone();
            assert_eq!(page["page"]["count"], results.len());
            assert!(results.len() <= 1);
            joined.extend(results);
            match page["page"]["next_token"].as_str().unwrap() {
                "" => break,
                token => asked["page"]["token"] = json!(token),
            }
        }
        assert_eq!(json!(joined), whole["results"], "{kind}");
        assert!(joined.len() > 1, "{kind}");
    }
}

#[tokio::test]
async fn page_is_stated_if_it_was_asked_for() {
    let server = shop().await;
    for kind in KINDS {
        for page in [
            json!({}),
            json!({"token": ""}),
            json!({"limit": 0}),
            json!({"limit": 99_999}),
        ] {
            let mut asked = question(kind);
            asked["page"] = page.clone();
            let found = search(&server, kind, &asked).await.ok();
            assert_eq!(found["page"]["next_token"], "", "{kind} {page}");
        }
    }
}

#[tokio::test]
async fn token_is_bound_to_its_request() {
    let server = shop().await;
    for kind in KINDS {
        let mut asked = question(kind);
        asked["page"] = json!({"limit": 1});
        let page = search(&server, kind, &asked).await.ok();
        let token = page["page"]["next_token"].as_str().unwrap().to_owned();
        let mut other = asked.clone();
        let member = if kind == "subject" {
            "resource"
        } else {
            "subject"
        };
        other[member]["id"] = json!(if kind == "subject" { "hat" } else { "otto" });
        other["page"]["token"] = json!(token);
        let refused = search(&server, kind, &other).await;
        assert_eq!(
            refused.status,
            StatusCode::BAD_REQUEST,
            "{kind} {refused:?}"
        );
        for wrong in [
            &token[..token.len() / 2],
            "nonsense",
            "!",
            &format!("x{token}"),
        ] {
            asked["page"]["token"] = json!(wrong);
            let refused = search(&server, kind, &asked).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{kind} {wrong}");
        }
    }
}

#[tokio::test]
async fn malformed_searches_are_refused() {
    let server = shop().await;
    for kind in KINDS {
        for member in ["subject", "action", "resource"] {
            if kind == member && kind == "action" {
                continue;
            }
            let mut asked = question(kind);
            let Some(_) = asked.as_object_mut().unwrap().remove(member) else {
                continue;
            };
            let refused = search(&server, kind, &asked).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{kind} {member}");
        }
        for page in [
            json!(7),
            json!([]),
            json!({"limit": -1}),
            json!({"limit": "7"}),
            json!({"token": 7}),
        ] {
            let mut asked = question(kind);
            asked["page"] = page.clone();
            let refused = search(&server, kind, &asked).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{kind} {page}");
        }
    }
}

#[tokio::test]
async fn unknown_subject_finds_nothing() {
    let server = shop().await;
    for kind in ["resource", "action"] {
        let mut asked = question(kind);
        asked["subject"]["id"] = json!("nobody");
        assert_eq!(
            search(&server, kind, &asked).await.ok(),
            json!({"results": []})
        );
        asked["page"] = json!({});
        let found = search(&server, kind, &asked).await.ok();
        assert_eq!(found["page"], json!({"next_token": "", "count": 0}));
    }
}

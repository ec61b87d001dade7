//! The AuthZEN Authorization API.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::shop;
use crate::harness::{TestServer, http_client::JSON};

const EVALUATION: &str = "/access/v1/evaluation";
const EVALUATIONS: &str = "/access/v1/evaluations";

fn question(action: &str, product: &str) -> Value {
    json!({
        "subject": {"type": "user", "id": "julia"},
        "action": {"name": action},
        "resource": {"type": "product", "id": product},
    })
}

async fn evaluated(server: &TestServer, question: &Value) -> Value {
    server.http().post(EVALUATION, question).await.ok()
}

#[tokio::test]
async fn evaluation_is_a_bare_decision() {
    let server = shop().await;
    let yes = json!({"decision": true});
    let no = json!({"decision": false});
    assert_eq!(evaluated(&server, &question("edit", "boot")).await, yes);
    assert_eq!(evaluated(&server, &question("edit", "hat")).await, no);
    assert_eq!(evaluated(&server, &question("own", "boot")).await, no);
    let mut unknown = question("edit", "boot");
    unknown["subject"]["id"] = json!("nobody");
    assert_eq!(evaluated(&server, &unknown).await, no);
    // The rights do not look at them.
    let mut rich = question("edit", "boot");
    rich["subject"]["properties"] = json!({"department": "shoes"});
    rich["action"]["properties"] = json!({"method": "PUT"});
    rich["resource"]["properties"] = json!({"color": "red"});
    rich["context"] = json!({"time": "2026-01-01T00:00:00Z", "nested": {"a": [1, null]}});
    rich["other"] = json!([1, 2]);
    assert_eq!(evaluated(&server, &rich).await, yes);
}

#[tokio::test]
async fn reason_is_stated_only_when_asked_for() {
    let server = shop().await;
    let mut asked = question("edit", "hat");
    asked["context"] = json!({"explain": true});
    let mut answer = evaluated(&server, &asked).await;
    let message = answer["context"]["reason"]["message"].take();
    assert!(message.as_str().unwrap().contains("edit"), "{message}");
    assert_eq!(
        answer,
        json!({
            "decision": false,
            "context": {
                "level": "LEVEL_NONE",
                "revision": "1",
                "reason": {
                    "code": "REASON_CODE_CATEGORY",
                    "message": null,
                    "item": {"type": "category", "id": "hats"},
                    "needed": "LEVEL_EDIT",
                    "held": "LEVEL_NONE",
                },
            },
        })
    );
    asked["resource"]["id"] = json!("boot");
    assert_eq!(
        evaluated(&server, &asked).await,
        json!({
            "decision": true,
            "context": {"level": "LEVEL_EDIT", "edit_mode": "EDIT_MODE_PROPOSAL", "revision": "1"},
        })
    );
    asked["action"]["name"] = json!("fly");
    let answer = evaluated(&server, &asked).await;
    assert_eq!(answer["decision"], false);
    assert_eq!(answer["context"]["error"]["status"], 400);
}

#[tokio::test]
async fn unknown_type_or_action_is_a_denial() {
    let server = shop().await;
    for (member, name, value) in [
        ("subject", "type", "robot"),
        ("action", "name", "fly"),
        ("action", "name", "product.fly"),
        ("resource", "type", "moon"),
    ] {
        let mut asked = question("view", "boot");
        asked[member][name] = json!(value);
        for path in [EVALUATION, EVALUATIONS] {
            let answer = server.http().post(path, &asked).await;
            assert_eq!(answer.ok(), json!({"decision": false}), "{path} {value}");
        }
        for search in ["subject", "resource", "action"] {
            if search == member {
                continue;
            }
            let path = format!("/access/v1/search/{search}");
            let answer = server.http().post(&path, &asked).await;
            let is_action = search == "action" && member == "action";
            if !is_action {
                assert_eq!(answer.ok(), json!({"results": []}), "{path} {value}");
            }
        }
    }
}

#[tokio::test]
async fn resource_may_be_described() {
    let server = shop().await;
    for (categories, expected) in [
        (json!(["shoes"]), true),
        (json!(["hats"]), false),
        (json!([]), true),
    ] {
        let mut asked = question("edit", "");
        asked["resource"]["properties"] = json!({"categories": categories});
        let answer = evaluated(&server, &asked).await;
        assert_eq!(answer["decision"], expected, "{asked}");
    }
}

#[tokio::test]
async fn evaluations_take_defaults_whole() {
    let server = shop().await;
    let asked = json!({
        "subject": {"type": "user", "id": "julia"},
        "action": {"name": "edit"},
        "resource": {"type": "product", "id": "", "properties": {"categories": ["shoes"]}},
        "evaluations": [
            {"resource": {"type": "product", "id": "boot"}},
            {"resource": {"type": "product", "id": "hat"}},
            {"action": {"name": "own"}},
            {"subject": {"type": "user", "id": "otto"}, "action": {"name": "own"}},
            {},
            // Its id alone does not stand beside the categories of the default.
            {"resource": {"type": "product", "id": "sandal"}, "action": {"name": "fly"}},
            {"context": {"explain": true}, "resource": {"type": "product", "id": "boot"}},
        ],
    });
    let answer = server.http().post(EVALUATIONS, &asked).await.ok();
    let evaluations = answer["evaluations"].as_array().unwrap();
    let decisions: Vec<&Value> = evaluations
        .iter()
        .map(|answer| &answer["decision"])
        .collect();
    assert_eq!(decisions, [true, false, false, true, true, false, true]);
    assert_eq!(evaluations[1], json!({"decision": false}));
    let error = &evaluations[5]["context"]["error"];
    assert_eq!(error["status"], 400);
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("action: `fly`"), "{message}");
    assert_eq!(evaluations[6]["context"]["level"], "LEVEL_EDIT");
    assert_eq!(answer.as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn a_question_without_a_member_is_refused_alone() {
    let server = shop().await;
    let asked = json!({
        "subject": {"type": "user", "id": "julia"},
        "evaluations": [
            {"action": {"name": "product.list"}},
            {"action": {"name": "view"}, "resource": {"type": "product"}},
            question("view", "boot"),
        ],
    });
    let answer = server.http().post(EVALUATIONS, &asked).await.ok();
    let error = |message: &str| {
        let error = json!({"status": 400, "message": message});
        json!({"decision": false, "context": {"error": error}})
    };
    // Without a resource the contract would ask about the permission alone.
    assert_eq!(answer["evaluations"][0], error("resource: it is required"));
    assert_eq!(
        answer["evaluations"][1],
        error("resource.id: it is required")
    );
    assert_eq!(answer["evaluations"][2], json!({"decision": true}));
}

#[tokio::test]
async fn evaluations_stop_where_they_are_decided() {
    let server = shop().await;
    let ask = async |semantic: &str, products: &[&str]| {
        let questions = products.iter().map(|product| match *product {
            "" => json!({}),
            "?" => json!({"resource": {"type": "moon", "id": "x"}}),
            product => json!({"resource": {"type": "product", "id": product}}),
        });
        let asked = json!({
            "subject": {"type": "user", "id": "julia"},
            "action": {"name": "edit"},
            "evaluations": questions.collect::<Vec<_>>(),
            "options": {"evaluations_semantic": semantic, "other": 1},
        });
        let answer = server.http().post(EVALUATIONS, &asked).await.ok();
        let answers = answer["evaluations"].as_array().unwrap();
        let decisions = answers
            .iter()
            .map(|answer| answer["decision"].as_bool().unwrap());
        decisions.collect::<Vec<bool>>()
    };
    let all = ["boot", "hat", "sandal"];
    assert_eq!(ask("execute_all", &all).await, [true, false, true]);
    assert_eq!(ask("deny_on_first_deny", &all).await, [true, false]);
    assert_eq!(ask("permit_on_first_permit", &all).await, [true]);
    // A failure is a denial.
    for failing in ["", "?"] {
        let failed = ["boot", failing, "hat", "sandal"];
        assert_eq!(ask("deny_on_first_deny", &failed).await, [true, false]);
        let failed = ["hat", failing, "boot", "sandal"];
        assert_eq!(
            ask("permit_on_first_permit", &failed).await,
            [false, false, true]
        );
        assert_eq!(
            ask("execute_all", &failed).await,
            [false, false, true, true]
        );
    }
}

#[tokio::test]
async fn evaluations_without_questions_are_one() {
    let server = shop().await;
    for questions in [None, Some(json!([])), Some(Value::Null)] {
        let mut asked = question("edit", "boot");
        if let Some(questions) = questions {
            asked["evaluations"] = questions;
        }
        let answer = server.http().post(EVALUATIONS, &asked).await;
        assert_eq!(answer.ok(), json!({"decision": true}));
        asked["resource"]["id"] = json!("hat");
        let answer = server.http().post(EVALUATIONS, &asked).await;
        assert_eq!(answer.ok(), json!({"decision": false}));
        asked["resource"]["id"] = json!("x".repeat(300));
        let answer = server.http().post(EVALUATIONS, &asked).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        asked.as_object_mut().unwrap().remove("resource");
        let answer = server.http().post(EVALUATIONS, &asked).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.text(), "resource: it is required");
    }
}

#[tokio::test]
async fn malformed_questions_are_refused() {
    let server = shop().await;
    let good = question("view", "boot").to_string();
    let cases = [
        String::new(),
        "{".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "\"question\"".to_owned(),
        format!("{good}{good}"),
        good.replace("\"julia\"", "7"),
        good.replace("{\"name\":\"view\"}", "\"view\""),
        good.replace("{\"name\":\"view\"}", "[\"view\"]"),
        good.replace("\"view\"", "null"),
        good.replace(
            "\"boot\"",
            "\"boot\",\"properties\":{\"categories\":\"shoes\"}",
        ),
        good.replace("\"boot\"", "\"boot\",\"properties\":7"),
        good.replacen('{', "{\"context\":{\"channel\":7},", 1),
        good.replacen('{', "{\"context\":{\"explain\":\"yes\"},", 1),
        good.replacen('{', "{\"subject\":{\"type\":\"user\",\"id\":\"otto\"},", 1),
    ];
    for case in cases {
        for endpoint in [
            "evaluation",
            "evaluations",
            "search/subject",
            "search/resource",
        ] {
            let path = format!("/access/v1/{endpoint}");
            let answer = server.http().post_with(&path, &[], case.clone()).await;
            // A search ignores the id of what it looks for, but not its type.
            assert_eq!(
                answer.status,
                StatusCode::BAD_REQUEST,
                "{path} {case} {answer:?}"
            );
            assert!(answer.header("content-type").starts_with("text/plain"));
        }
    }
    for options in ["{\"evaluations_semantic\":\"some\"}", "7", "[]"] {
        let case = good.replacen('{', &format!("{{\"options\":{options},"), 1);
        let answer = server.http().post_with(EVALUATIONS, &[], case).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{options}");
    }
}

#[tokio::test]
async fn what_is_no_question_is_refused() {
    let server = shop().await;
    let good = question("view", "boot").to_string();
    let other = "/access/v1/other";
    let kinds = [
        "text/plain",
        "application/xml",
        "application/json; charset=latin1",
    ];
    let kinds = kinds.map(|kind| [("content-type", kind)]);
    let [text, xml, latin] = &kinds;
    for (expected, method, path, headers) in [
        (400, Method::POST, EVALUATION, &[][..]),
        (400, Method::POST, EVALUATION, text),
        (400, Method::POST, EVALUATION, xml),
        (400, Method::POST, EVALUATION, latin),
        (405, Method::GET, EVALUATION, &[JSON]),
        (404, Method::POST, other, &[JSON]),
    ] {
        let answer = server
            .http()
            .send(method, path, headers, good.clone())
            .await;
        assert_eq!(answer.status, expected, "{path} {headers:?}");
    }
}

#[tokio::test]
async fn request_id_comes_back() {
    let server = shop().await;
    let asked = question("view", "boot").to_string();
    let cases = [
        (EVALUATION, asked.as_str()),
        (EVALUATION, "{"),
        ("/access/v1/other", "{}"),
    ];
    for (path, body) in cases {
        let id = [("x-request-id", "bfe9eb29 ä")];
        let answer = server.http().post_with(path, &id, body.to_owned()).await;
        assert_eq!(
            answer.headers["x-request-id"].as_bytes(),
            "bfe9eb29 ä".as_bytes()
        );
    }
}

#[tokio::test]
async fn tenant_is_that_of_the_path() {
    let server = shop().await;
    let asked = question("view", "boot");
    for (tenant, expected) in [
        ("acme", 200),
        ("ACME", 200),
        ("nobody", 404),
        ("a%2Fb", 404),
        ("%FF", 400),
    ] {
        let path = format!("/tenants/{tenant}{EVALUATION}");
        let answer = server.http().post(&path, &asked).await;
        assert_eq!(answer.status, expected, "{tenant} {answer:?}");
    }
}

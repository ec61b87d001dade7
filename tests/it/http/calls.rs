use http::{Method, StatusCode};
use pim_authz::pb::{self, CheckResponse};
use prost::Message as _;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::{Value, json};
use tonic::Status;

use super::{rpc, shop};
use crate::{
    callers::world,
    harness::{
        TestServer,
        http_client::{JSON, STREAM},
        messages, methods,
    },
};

#[tokio::test]
async fn check_over_http_is_a_check() {
    let server = shop().await;
    for client in [server.http(), server.http_2()] {
        let question = |product: &str| {
            json!({
                "subject": {"type": "user", "id": "julia"},
                "action": "edit",
                "resource": {"type": "product", "id": product},
            })
        };
        let allowed = client.post(&rpc("Check"), &question("boot")).await;
        assert_eq!(allowed.header("content-type"), "application/json");
        assert_eq!(
            allowed.ok(),
            json!({
                "allowed": true,
                "editMode": "EDIT_MODE_PROPOSAL",
                "level": "LEVEL_EDIT",
                "revision": "1",
            })
        );
        let denied = client.post(&rpc("Check"), &question("hat")).await.ok();
        assert_eq!(denied["allowed"], false);
        assert_eq!(denied["level"], "LEVEL_NONE");
        assert_eq!(denied["reason"]["code"], "REASON_CODE_CATEGORY");
        assert_eq!(
            denied["reason"]["item"],
            json!({"type": "category", "id": "hats"})
        );
        let length: usize = allowed
            .header("content-length")
            .parse()
            .unwrap_or(allowed.body.len());
        assert_eq!(length, allowed.body.len());
    }
}

#[tokio::test]
async fn a_call_in_protobuf_is_the_message_alone() {
    let server = shop().await;
    let request = pb::CheckRequest {
        subject: crate::harness::user("julia"),
        action: "view".to_owned(),
        resource: crate::harness::product("boot"),
        ..Default::default()
    };
    let proto = [("content-type", "application/proto")];
    let answer = server
        .http()
        .send(Method::POST, &rpc("Check"), &proto, request.encode_to_vec())
        .await;
    assert_eq!(answer.header("content-type"), "application/proto");
    let response = CheckResponse::decode(answer.body).unwrap();
    assert!(response.allowed);
}

/// A method's plausible request, about a tenant that does not exist, in protobuf and JSON.
fn about_nobody(method: &MethodDescriptor) -> (Vec<u8>, String) {
    let (sent, _) = messages(method, None);
    let mut message = DynamicMessage::decode(method.input(), sent[0].clone()).unwrap();
    if message.has_field_by_name("tenant") {
        message.set_field_by_name("tenant", prost_reflect::Value::String("nobody".to_owned()));
    }
    let json = serde_json::to_string(&message).unwrap();
    (message.encode_to_vec(), json)
}

/// The status of an error in JSON.
fn status_of(error: &Value) -> (String, String, usize) {
    let details = error["details"].as_array().map_or(0, Vec::len);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&error["code"]), text(&error["message"]), details)
}

fn expected_of(status: &Status) -> (String, String, usize) {
    let details = tonic_types::Status::decode(status.details()).unwrap();
    let code = format!("{:?}", status.code());
    let words = code.char_indices().map(|(place, letter)| {
        let underscore = if place > 0 && letter.is_uppercase() {
            "_"
        } else {
            ""
        };
        format!("{underscore}{}", letter.to_lowercase())
    });
    let code = words.collect::<String>().replace("cancelled", "canceled");
    (code, status.message().to_owned(), details.details.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_is_refused_over_http_as_over_grpc() {
    let server = shop().await;
    let (channel, client) = (server.channel().await, server.http());
    let changes_tenants = ["CreateTenant", "DeleteTenant"];
    let mut refused = 0;
    for method in methods() {
        if method.is_client_streaming() || changes_tenants.contains(&method.name()) {
            continue;
        }
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let (protobuf, json) = about_nobody(&method);
        let over_grpc = world::call(&channel, &path, protobuf, &[]).await;
        let over_http = if method.is_server_streaming() {
            let framed = crate::harness::http_client::framed(0, json.as_bytes());
            let answer = client.send(Method::POST, &path, &[STREAM], framed);
            match over_grpc {
                // A watch does not end.
                Ok(()) => continue,
                Err(_) => answer.await,
            }
        } else {
            client.post_with(&path, &[], json).await
        };
        match over_grpc {
            Ok(()) => assert_eq!(over_http.status, StatusCode::OK, "{path} {over_http:?}"),
            Err(status) => {
                refused += 1;
                let error = if method.is_server_streaming() {
                    assert_eq!(over_http.header("content-type"), STREAM.1, "{path}");
                    let messages = crate::harness::http_client::unframed(&over_http.body);
                    let end: Value = serde_json::from_slice(&messages[0].1).unwrap();
                    end["error"].clone()
                } else {
                    assert_ne!(over_http.status, StatusCode::OK, "{path}");
                    over_http.json()
                };
                assert_eq!(status_of(&error), expected_of(&status), "{path}");
            }
        }
    }
    assert!(refused > 40, "{refused}");
}

#[tokio::test]
async fn an_error_has_its_details() {
    let server = shop().await;
    let answer = server.http().post(&rpc("Check"), &json!({})).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(!answer.header("x-request-id").is_empty());
    let error = answer.json();
    assert_eq!(error["code"], "invalid_argument");
    let details = error["details"].as_array().unwrap();
    let of = |name: &str| {
        let found = details.iter().find(|detail| detail["type"] == name);
        found.unwrap_or_else(|| panic!("{name} {error}"))
    };
    assert_eq!(
        of("google.rpc.ErrorInfo")["debug"]["reason"],
        "INVALID_REQUEST"
    );
    let violation = &of("google.rpc.BadRequest")["debug"]["fieldViolations"][0];
    assert_eq!(violation["field"], "subject");
    let named = [("x-request-id", "mine-1")];
    let answer = server.http().post_with(&rpc("Check"), &named, "{}").await;
    assert_eq!(answer.header("x-request-id"), "mine-1");
}

/// A request: its method, path and headers.
type Sent<'a> = (Method, &'a str, &'a [(&'a str, &'a str)]);

#[tokio::test]
async fn what_is_no_call_is_refused() {
    let server = shop().await;
    let (check, stream) = (rpc("Check"), rpc("StreamAllowed"));
    let import = "/pim.authz.v1.ImportService/ImportCatalog";
    let grpc = ("content-type", "application/grpc");
    let other_grpc = ("content-type", "application/grpc-web+json");
    let version = ("connect-protocol-version", "2");
    let timeout = ("connect-timeout-ms", "soon");
    let zipped = ("content-encoding", "br");
    let cases: [(u16, Sent<'_>); 14] = [
        (405, (Method::GET, &check, &[])),
        (405, (Method::PUT, &check, &[JSON])),
        (405, (Method::OPTIONS, &check, &[])),
        (415, (Method::POST, &check, &[])),
        (415, (Method::POST, &check, &[STREAM])),
        (415, (Method::POST, &check, &[other_grpc])),
        (415, (Method::POST, &stream, &[JSON])),
        (415, (Method::POST, import, &[JSON])),
        (505, (Method::POST, &check, &[grpc])),
        (404, (Method::POST, "/pim.authz.v1.No/Call", &[JSON])),
        (404, (Method::GET, "/", &[])),
        (400, (Method::POST, &check, &[JSON, version])),
        (400, (Method::POST, &check, &[JSON, timeout])),
        (501, (Method::POST, &check, &[JSON, zipped])),
    ];
    for (expected, (method, path, headers)) in cases {
        let sent = format!("{method} {path} {headers:?}");
        let answer = server.http().send(method, path, headers, "{}").await;
        assert_eq!(answer.status, expected, "{sent} {answer:?}");
        let allow = if expected == 405 { "POST" } else { "" };
        assert_eq!(answer.header("allow"), allow, "{sent}");
        let names_types = !answer.header("accept-post").is_empty();
        assert_eq!(names_types, expected == 415, "{sent}");
    }
}

#[tokio::test]
async fn timeout_of_connect_ends_a_call() {
    let server = shop().await;
    let waiting = json!({
        "subject": {"type": "user", "id": "julia"},
        "action": "product.list",
        "minimumRevision": 99,
    });
    for timeout in ["50", "0000000050", "0"] {
        let timeout = [("connect-timeout-ms", timeout)];
        let answer = server
            .http()
            .post_with(&rpc("Check"), &timeout, waiting.to_string())
            .await;
        assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT, "{answer:?}");
        assert_eq!(answer.json()["code"], "deadline_exceeded");
    }
    let long = [("connect-timeout-ms", "9999999999")];
    let question = r#"{"subject":{"type":"user","id":"julia"},"action":"product.list"}"#;
    let answer = server
        .http()
        .post_with(&rpc("Check"), &long, question)
        .await;
    assert_eq!(answer.ok()["allowed"], true);
}

#[tokio::test]
async fn health_answers_over_http() {
    let server = TestServer::start().await;
    let path = "/grpc.health.v1.Health/Check";
    let answer = server.http().post(path, &json!({})).await;
    assert_eq!(answer.ok(), json!({"status": "SERVING"}));
}

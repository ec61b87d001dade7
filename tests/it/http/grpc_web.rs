//! gRPC-Web, as pages in a browser speak it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Method;
use pim_authz::pb;
use prost::Message as _;

use super::{rpc, shop};
use crate::harness::http_client::{Answer, framed, unframed};

/// The flag of trailers in the body.
const TRAILERS: u8 = 0x80;

fn question() -> Vec<u8> {
    let request = pb::CheckRequest {
        subject: crate::harness::user("julia"),
        action: "view".to_owned(),
        resource: crate::harness::product("boot"),
        ..Default::default()
    };
    framed(0, &request.encode_to_vec())
}

fn response(body: &[u8]) -> (pb::CheckResponse, String) {
    let messages = unframed(body);
    let (flags, trailers) = &messages[1];
    assert_eq!(*flags, TRAILERS);
    let trailers = String::from_utf8(trailers.clone()).unwrap();
    (
        pb::CheckResponse::decode(messages[0].1.as_slice()).unwrap(),
        trailers,
    )
}

/// Decodes base64 in groups of four letters, any of which may end with padding.
fn decoded(text: &str) -> Vec<u8> {
    let groups = text.as_bytes().chunks(4);
    groups
        .flat_map(|group| STANDARD.decode(group).unwrap())
        .collect()
}

async fn send(
    client: &crate::harness::http_client::HttpClient,
    kind: &str,
    body: Vec<u8>,
) -> Answer {
    let headers = [("content-type", kind), ("accept", kind)];
    client
        .send(Method::POST, &rpc("Check"), &headers, body)
        .await
}

#[tokio::test]
async fn check_over_grpc_web_is_a_check() {
    let server = shop().await;
    for client in [server.http(), server.http_2()] {
        for kind in ["application/grpc-web", "application/grpc-web+proto"] {
            let answer = send(&client, kind, question()).await;
            let (response, trailers) = response(&answer.body);
            assert!(response.allowed, "{kind}");
            assert!(trailers.contains("grpc-status:0"), "{trailers}");
        }
        let encoded = STANDARD.encode(question()).into_bytes();
        let answer = send(&client, "application/grpc-web-text", encoded).await;
        // Each part of the body is encoded for itself.
        let decoded = decoded(str::from_utf8(&answer.body).unwrap());
        assert!(response(&decoded).0.allowed);
    }
}

#[tokio::test]
async fn refusal_over_grpc_web_has_its_status() {
    let server = shop().await;
    let answer = send(&server.http(), "application/grpc-web", framed(0, &[])).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("grpc-status"), "3", "{answer:?}");
    assert!(!answer.header("grpc-status-details-bin").is_empty());
}

//! Streams of responses by the Connect protocol.

use http::Method;
use pim_authz::pb::{self, stream_allowed_response::Event};
use prost::Message as _;
use serde_json::{Value, json};

use super::{rpc, shop};
use crate::harness::http_client::{Answer, STREAM, framed, unframed};

const END: u8 = 2;

fn question() -> Value {
    json!({
        "subject": {"type": "user", "id": "julia"},
        "action": "view",
        "resourceType": "product",
        "idsOnly": true,
    })
}

/// The messages of a stream in JSON, and its end.
fn messages(answer: &Answer) -> (Vec<Value>, Value) {
    let mut messages = unframed(&answer.body);
    let (flags, end) = messages.pop().unwrap();
    assert_eq!(flags, END);
    let parsed = messages.into_iter().map(|(flags, message)| {
        assert_eq!(flags, 0);
        serde_json::from_slice(&message).unwrap()
    });
    (parsed.collect(), serde_json::from_slice(&end).unwrap())
}

#[tokio::test]
async fn stream_of_json_ends_with_its_status() {
    let server = shop().await;
    for client in [server.http(), server.http_2()] {
        let request = framed(0, question().to_string().as_bytes());
        let answer = client
            .send(Method::POST, &rpc("StreamAllowed"), &[STREAM], request)
            .await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), STREAM.1);
        let (messages, end) = messages(&answer);
        assert_eq!(end, json!({}));
        assert_eq!(messages[0]["batch"]["ids"], json!(["boot", "sandal"]));
        assert_eq!(messages[1]["end"]["count"], "2");
    }
}

#[tokio::test]
async fn stream_of_protobuf_has_the_messages_of_grpc() {
    let server = shop().await;
    let request = pb::StreamAllowedRequest {
        subject: crate::harness::user("julia"),
        action: "view".to_owned(),
        resource_type: "product".to_owned(),
        ..Default::default()
    };
    let answer = server
        .http()
        .send(
            Method::POST,
            &rpc("StreamAllowed"),
            &[("content-type", "application/connect+proto")],
            framed(0, &request.encode_to_vec()),
        )
        .await;
    let messages = unframed(&answer.body);
    let events: Vec<Option<Event>> = messages
        .iter()
        .filter(|(flags, _)| *flags == 0)
        .map(|(_, message)| {
            pb::StreamAllowedResponse::decode(message.as_slice())
                .unwrap()
                .event
        })
        .collect();
    assert!(matches!(events.last(), Some(Some(Event::End(end))) if end.count == 2));
    assert_eq!(messages.last().unwrap(), &(END, b"{}".to_vec()));
}

#[tokio::test]
async fn refused_stream_ends_at_once() {
    let server = shop().await;
    let mut wrong = question();
    wrong["resourceType"] = json!("moon");
    let cases = [
        (framed(0, wrong.to_string().as_bytes()), "invalid_argument"),
        (framed(0, b"{"), "invalid_argument"),
        (framed(1, b"no gzip"), "invalid_argument"),
        (b"{}".to_vec(), "invalid_argument"),
        (framed(1, b"{}"), "invalid_argument"),
        (Vec::new(), "unimplemented"),
        (
            [framed(0, b"{}"), framed(0, b"{}")].concat(),
            "unimplemented",
        ),
    ];
    for (request, code) in cases {
        let answer = server
            .http()
            .send(Method::POST, &rpc("StreamAllowed"), &[STREAM], request)
            .await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), STREAM.1);
        let (messages, end) = messages(&answer);
        assert_eq!(messages, Vec::<Value>::new());
        assert_eq!(end["error"]["code"], code, "{end}");
        let has_details = end["error"]["details"].is_array();
        assert_eq!(has_details, code == "invalid_argument", "{end}");
    }
}

#[tokio::test]
async fn messages_of_a_stream_may_be_compressed() {
    use std::io::{Read as _, Write as _};
    let server = shop().await;
    let rows: Vec<String> = (0..2_000)
        .map(|number| format!("product_{number}"))
        .collect();
    let rows: Vec<&str> = std::iter::once("sku")
        .chain(rows.iter().map(String::as_str))
        .collect();
    let products = crate::harness::file("products.csv", &rows);
    server
        .import("default", pb::Edition::Enterprise, &[products])
        .await;
    let mut packing = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packing
        .write_all(question().to_string().as_bytes())
        .unwrap();
    let headers = [
        STREAM,
        ("connect-content-encoding", "gzip"),
        ("connect-accept-encoding", "gzip"),
    ];
    let request = framed(1, &packing.finish().unwrap());
    let answer = server
        .http()
        .send(Method::POST, &rpc("StreamAllowed"), &headers, request)
        .await;
    assert_eq!(answer.header("connect-content-encoding"), "gzip");
    let mut ids = 0;
    let mut packed = 0;
    for (flags, message) in unframed(&answer.body) {
        let mut json = message.clone();
        if flags & 1 != 0 {
            packed += 1;
            json.clear();
            let mut unpacking = flate2::read::GzDecoder::new(message.as_slice());
            unpacking.read_to_end(&mut json).unwrap();
        }
        let json: Value = serde_json::from_slice(&json).unwrap();
        ids += json["batch"]["ids"].as_array().map_or(0, Vec::len);
    }
    assert_eq!(ids, 2_002);
    assert!(packed > 0);
}

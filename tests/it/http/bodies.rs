//! Bodies that are compressed, too large, slow or no messages.

use std::{io::Write as _, time::Duration};

use flate2::{Compression, write::GzEncoder};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{fill, rpc, shop};
use crate::harness::{Database, STREAM, TestServer, framed};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packing = GzEncoder::new(Vec::new(), Compression::fast());
    packing.write_all(bytes).unwrap();
    packing.finish().unwrap()
}

fn unzip(bytes: &[u8]) -> Vec<u8> {
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(bytes), &mut unpacked).unwrap();
    unpacked
}

/// A batch about this many products.
fn batch(items: usize) -> Value {
    let item = json!({"resource": {"type": "product", "id": "boot"}});
    json!({
        "subject": {"type": "user", "id": "julia"},
        "action": "view",
        "items": vec![item; items],
    })
}

#[tokio::test]
async fn bodies_may_be_compressed() {
    let server = shop().await;
    let packed = [("content-encoding", "gzip"), ("accept-encoding", "gzip")];
    let body = gzip(batch(500).to_string().as_bytes());
    let answer = server
        .http()
        .post_with(&rpc("BatchCheck"), &packed, body.clone())
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-encoding"), "gzip");
    let response: Value = serde_json::from_slice(&unzip(&answer.body)).unwrap();
    assert_eq!(response["results"].as_array().unwrap().len(), 500);
    // A caller that does not accept it gets none.
    for accepted in ["identity", "gzip;q=0", "br, deflate"] {
        let headers = [("content-encoding", "gzip"), ("accept-encoding", accepted)];
        let answer = server
            .http()
            .post_with(&rpc("BatchCheck"), &headers, body.clone())
            .await;
        assert_eq!(answer.header("content-encoding"), "", "{accepted}");
        assert_eq!(answer.ok(), response, "{accepted}");
    }
    for wrong in ["no gzip", ""] {
        let (path, client) = (rpc("BatchCheck"), server.http());
        let broken = client.post_with(&path, &packed, wrong).await;
        assert_eq!(broken.status, StatusCode::BAD_REQUEST);
    }
    // Nothing is nothing, however it is compressed.
    let proto = [
        ("content-type", "application/proto"),
        ("content-encoding", "GZIP"),
    ];
    let path = "/pim.authz.v1.OperationsService/GetStatus";
    let answer = server
        .http()
        .send(http::Method::POST, path, &proto, "")
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

#[tokio::test]
async fn compressed_bomb_is_refused() {
    let server = shop().await;
    let bomb = gzip(&vec![b' '; 80 << 20]);
    assert!(bomb.len() < 1 << 20);
    let packed = [("content-encoding", "gzip")];
    for path in [rpc("Check"), "/access/v1/evaluation".to_owned()] {
        let answer = server.http().post_with(&path, &packed, bomb.clone()).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
        assert!(answer.text().contains("too large"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let server = shop().await;
    let large = vec![b' '; 70 << 20];
    for path in [rpc("Check"), "/access/v1/evaluations".to_owned()] {
        let answer = server.http().post_with(&path, &[], large.clone()).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
    }
}

/// Many small values take much more memory than their text.
#[tokio::test]
async fn a_body_that_takes_too_much_memory_is_refused() {
    let database = crate::harness::Database::create().await;
    let mut config = TestServer::config(&database);
    config.limits.call_bytes = 8 << 20;
    let server = TestServer::start_with(config, database).await;
    super::fill(&server).await;
    let few = batch(1_000).to_string();
    server
        .http()
        .post_with(&rpc("BatchCheck"), &[], few)
        .await
        .ok();
    let objects = format!(r#"{{"items":[{}{{}}]}}"#, "{},".repeat(100_000));
    let evaluations = objects.replace("items", "evaluations");
    for (path, body) in [
        (rpc("BatchCheck"), objects),
        ("/access/v1/evaluations".to_owned(), evaluations),
    ] {
        let answer = server.http().post_with(&path, &[], body).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
        assert!(answer.text().contains("retry"), "{answer:?}");
    }
}

#[tokio::test]
async fn malformed_json_is_refused_with_its_place() {
    let server = shop().await;
    let cases = [
        ("", "empty"),
        ("{", "EOF"),
        ("[]", "an object"),
        ("null", "an object"),
        (r#"{"subject":{"type":1}}"#, "subject.type"),
        (r#"{"resouce":{}}"#, "resouce"),
        ("\u{feff}{}", "expected value"),
        (r#"{"action":"view"}{}"#, "trailing"),
    ];
    for (body, expected) in cases {
        let answer = server.http().post_with(&rpc("Check"), &[], body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        let error = answer.json();
        assert_eq!(error["code"], "invalid_argument", "{body}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(expected), "{body}: {message}");
    }
    let bytes = [b"{\"action\":\"".as_slice(), &[0xff], b"\"}"].concat();
    let answer = server.http().post_with(&rpc("Check"), &[], bytes).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

/// Sends the beginning of an HTTP/1.1 request, and returns all that comes back.
async fn answer_to(server: &TestServer, sent: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    read_answer(&mut stream).await
}

async fn read_answer(stream: &mut TcpStream) -> String {
    let mut answer = vec![0; 1 << 16];
    let read = stream.read(&mut answer);
    let read = timeout(Duration::from_secs(20), read).await;
    let length = read.unwrap().unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_refused() {
    let server = shop().await;
    let request = format!(
        "POST {} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         connect-timeout-ms: 200\r\ncontent-length: 100\r\n\r\n{{\"action\":",
        rpc("Check")
    );
    let answer = answer_to(&server, &request).await;
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
}

/// Callers send the head first; a connection that is closed before they have sent the
/// body would hide the response.
#[tokio::test]
async fn connection_stays_open_after_a_refusal_before_the_body() {
    let server = shop().await;
    let (check, nowhere) = (rpc("Check"), "/nowhere".to_owned());
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let body = format!("{{\"action\":\"{}\"}}", "x".repeat(100_000));
    for (path, header, expected) in [
        (
            &check,
            "content-type: application/json\r\nauthorization: Bearer x",
            "401",
        ),
        (
            &check,
            "content-type: application/json\r\nconnect-timeout-ms: 0",
            "504",
        ),
        (&check, "content-type: text/plain", "415"),
        (&nowhere, "content-type: application/json", "404"),
        (&check, "content-type: application/json", "400"),
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\n{header}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
        stream.write_all(body.as_bytes()).await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {expected}")),
            "{answer}"
        );
        assert!(!answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn endless_body_of_a_refused_call_closes_its_connection() {
    let server = shop().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn heads_that_are_no_http_are_refused() {
    let server = shop().await;
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(100 << 10));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(1_000));
    for (sent, expected) in [
        (
            "nonsense that is longer than a preface\r\n\r\n",
            "HTTP/1.1 400",
        ),
        (long.as_str(), "HTTP/1.1 431"),
        (many.as_str(), "HTTP/1.1 431"),
    ] {
        let answer = answer_to(&server, sent).await;
        assert!(answer.starts_with(expected), "{answer}");
    }
    server.http().get("/").await;
}

/// Opens a connection, and on it a watch that never ends by itself.
async fn watched(server: &TestServer) -> TcpStream {
    let body = framed(0, b"{}");
    let head = format!(
        "POST /pim.authz.v1.AuditService/WatchChanges HTTP/1.1\r\nhost: x\r\n\
         content-type: {}\r\ncontent-length: {}\r\n\r\n",
        STREAM.1,
        body.len()
    );
    loop {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let mut begun = [0; 12];
        let sent = stream.write_all(&[head.as_bytes(), &body].concat()).await;
        // One connection too many is closed at once.
        if sent.is_ok() && stream.read_exact(&mut begun).await.is_ok() {
            assert_eq!(&begun, b"HTTP/1.1 200");
            return stream;
        }
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_nothing() {
    let database = Database::create().await;
    let mut config = TestServer::config(&database);
    config.limits.connections = 4;
    let server = TestServer::start_with(config, database).await;
    fill(&server).await;
    let given_up = async {
        for _ in 0..20 {
            drop(watched(&server).await);
        }
    };
    // Calls that stayed would keep their connections.
    timeout(Duration::from_mins(1), given_up).await.unwrap();
}

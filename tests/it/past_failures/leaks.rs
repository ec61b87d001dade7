//! Texts that commonly cause database errors, in every field of every call.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use pim_authz::pb::Edition;
use prost_reflect::MethodDescriptor;
use tonic::{Code, Request, Status, client::Grpc, transport::Channel};

use crate::{
    callers::world::Raw,
    harness::{TestServer, file, messages, methods},
};

/// Words of PostgreSQL, of SQL and of the code, which no answer may contain.
/// None of them is in the texts that are sent.
const INTERNALS: [&str; 22] = [
    "select ",
    "insert into",
    "delete from",
    "update pim",
    "where ",
    "pim_authz.",
    "sqlstate",
    "syntax error",
    "relation \"",
    "unterminated",
    "byte sequence",
    "postgres",
    "pg_",
    "db error",
    "prepared statement",
    "violates",
    "duplicate key",
    "value too long",
    "null value",
    "out of range",
    "panicked",
    ".rs:",
];

/// The texts that are sent.
fn texts() -> Vec<String> {
    vec![
        "'; DROP TABLE users; --".to_owned(),
        "\"'`\\$$;{}()".to_owned(),
        "a\0b".to_owned(),
        "\u{0}".to_owned(),
        "%_%%_\u{fffd}\u{202e}\u{1f4a9}".to_owned(),
        "x".repeat(300),
        "9".repeat(70_000),
    ]
}

/// Makes a call and returns its code and all content of its answer, as text.
pub(crate) async fn response(
    channel: Channel,
    method: &MethodDescriptor,
    sent: Vec<Bytes>,
) -> (Code, String) {
    let service = method.parent_service().full_name().to_owned();
    let path = format!("/{service}/{}", method.name()).parse().unwrap();
    let mut grpc = Grpc::new(channel).max_decoding_message_size(usize::MAX);
    grpc.ready().await.unwrap();
    let mut request = Request::new(stream::iter(sent));
    // A watch does not end by itself.
    request.set_timeout(Duration::from_secs(if method.name() == "WatchChanges" {
        1
    } else {
        60
    }));
    let mut text = String::new();
    let ended = async {
        let answers = grpc.streaming(request, path, Raw).await?.into_inner();
        let mut answers = answers.take(20);
        while let Some(answer) = answers.next().await {
            text.push_str(&String::from_utf8_lossy(&answer?));
        }
        Ok::<(), Status>(())
    };
    let code = match ended.await {
        Ok(()) => Code::Ok,
        Err(status) => {
            text.push_str(status.message());
            text.push_str(&String::from_utf8_lossy(status.details()));
            status.code()
        }
    };
    (code, text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_field_values_reveal_no_database_internals() {
    let server = TestServer::start().await;
    let files = [
        file("categories.csv", &["code;parent", "master;"]),
        file("users.csv", &["username;roles", "julia;", "admin;"]),
        file("products.csv", &["sku;categories", "master;master"]),
    ];
    server.import("acme", Edition::Enterprise, &files).await;
    let channel = server.channel().await;
    let methods = methods();
    assert!(methods.len() > 75, "{}", methods.len());
    let texts = texts();
    let mut call_count = 0;
    for method in &methods {
        let (_, count) = messages(method, None);
        for number in 0..count {
            let calls = texts.iter().map(|text| {
                let (sent, _) = messages(method, Some((number, text)));
                let channel = channel.clone();
                async move { (text, response(channel, method, sent).await) }
            });
            let mut calls = stream::iter(calls).buffer_unordered(4);
            while let Some((text, (code, answer_text))) = calls.next().await {
                call_count += 1;
                let what = || {
                    let text: String = text.chars().take(30).collect();
                    format!(
                        "{} field {number} {text:?}: {code:?} {answer_text}",
                        method.name()
                    )
                };
                let ours = [
                    Code::Internal,
                    Code::Unknown,
                    Code::DataLoss,
                    Code::Unavailable,
                ];
                assert!(!ours.contains(&code), "{}", what());
                let lower = answer_text.to_lowercase();
                let leaked = INTERNALS.iter().find(|word| lower.contains(*word));
                assert!(leaked.is_none(), "{leaked:?} {}", what());
            }
        }
    }
    assert!(call_count > 1_500, "{call_count}");
}

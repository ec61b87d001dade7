//! Malformed messages, and messages that are larger than they appear.

use std::{io::Write as _, time::Duration};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http_body_util::{BodyExt as _, Full};
use pim_authz::pb;
use prost::Message as _;
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;
use tonic::{Code, Request, Status, body::Body, codegen::http, transport::Channel};
use tonic_types::StatusExt as _;
use tower::{Service as _, ServiceExt as _};

use super::Attacked;
use crate::harness::{refusal, user};

/// A unary call, one that streams its answer, and one that streams in both
/// directions.
const PATHS: [&str; 3] = [
    "/pim.authz.v1.AuthorizationService/Check",
    "/pim.authz.v1.AuditService/WatchChanges",
    "/pim.authz.v1.ImportService/ImportCatalog",
];

/// The status of a call with these bytes as its body.
pub(super) async fn answer(
    channel: &Channel,
    path: &str,
    encoding: Option<&str>,
    body: Vec<u8>,
) -> Status {
    let mut request = http::Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(encoding) = encoding {
        request = request.header("grpc-encoding", encoding);
    }
    let body = Body::new(Full::new(Bytes::from(body)));
    let request = request.body(body).unwrap();
    let mut channel = channel.clone();
    let response = channel.ready().await.unwrap().call(request).await.unwrap();
    let (head, body) = response.into_parts();
    if let Some(status) = Status::from_header_map(&head.headers) {
        return status;
    }
    let sent = body.collect().await.unwrap();
    Status::from_header_map(sent.trailers().unwrap()).unwrap()
}

/// A message with the gRPC length prefix.
pub(super) fn framed(flag: u8, declared_bytes: u32, message: &[u8]) -> Vec<u8> {
    [&[flag][..], &declared_bytes.to_be_bytes(), message].concat()
}

fn question() -> Vec<u8> {
    pb::CheckRequest {
        tenant: "other".into(),
        subject: user("u1"),
        action: "product.list".into(),
        ..Default::default()
    }
    .encode_to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_messages_are_rejected_as_caller_errors() {
    let attacked = Attacked::start().await;
    let channel = attacked.server.channel().await;
    let whole = question();
    let length = u32::try_from(whole.len()).unwrap();
    let cases: [(&str, Option<&str>, Vec<u8>); 9] = [
        ("no message", None, Vec::new()),
        ("half a head", None, vec![0, 0, 0]),
        ("a head alone", None, framed(0, 100, &[])),
        ("cut", None, framed(0, length, &whole[..5])),
        ("four gigabytes", None, framed(0, u32::MAX, &whole)),
        ("an unknown flag", None, framed(7, length, &whole)),
        ("compressed by nothing", None, framed(1, length, &whole)),
        ("no gzip", Some("gzip"), framed(1, length, &whole)),
        ("noise", None, framed(0, 5, &[0xff; 5])),
    ];
    for path in PATHS {
        for (case, encoding, body) in &cases {
            let status = answer(&channel, path, *encoding, body.clone()).await;
            let codes = [Code::InvalidArgument, Code::ResourceExhausted];
            assert!(codes.contains(&status.code()), "{path} {case}: {status:?}");
            let info = status.get_details_error_info();
            assert!(info.is_some(), "{path} {case}: {status:?}");
        }
        // An unknown encoding is rejected with the code that gRPC specifies.
        let status = answer(&channel, path, Some("br"), framed(1, length, &whole)).await;
        assert_eq!(status.code(), Code::Unimplemented, "{path}: {status:?}");
    }
    // Two messages where one is expected.
    let two = framed(0, length, &whole).repeat(2);
    let status = answer(&channel, PATHS[0], None, two).await;
    let refused = [Code::Ok, Code::InvalidArgument];
    assert!(refused.contains(&status.code()), "{status:?}");
    drop(channel);
    attacked.assert_as_before().await;
}

/// A compressed message of less than 2 MiB that decompresses to a gigabyte.
fn bomb() -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let block = vec![0; 1 << 20];
    for _ in 0..1_024 {
        gzip.write_all(&block).unwrap();
    }
    let packed = gzip.finish().unwrap();
    framed(1, u32::try_from(packed.len()).unwrap(), &packed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decompression_bombs_are_rejected() {
    let attacked = Attacked::start().await;
    let bomb = bomb();
    assert!(bomb.len() < 2 << 20, "{}", bomb.len());
    let mut bombs = JoinSet::new();
    for number in 0..12 {
        let channel = attacked.server.channel().await;
        let (path, bomb) = (PATHS[number % PATHS.len()], bomb.clone());
        bombs.spawn(async move { answer(&channel, path, Some("gzip"), bomb).await });
    }
    while let Some(status) = bombs.join_next().await {
        let status = status.unwrap();
        let (code, reason, _) = refusal(&status);
        assert_eq!(code, Code::ResourceExhausted, "{status:?}");
        let reasons = ["TOO_MANY_ENTRIES", "OVERLOADED"];
        assert!(reasons.contains(&reason.as_str()), "{status:?}");
    }
    attacked.assert_as_before().await;
}

/// The callers keep answering pings but never end the streams of their
/// requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_without_end_of_stream_end_at_their_deadline() {
    let attacked = Attacked::start().await;
    let mut slow = JoinSet::new();
    for _ in 0..16 {
        let channel = attacked.server.channel().await;
        slow.spawn(async move {
            let mut grpc = tonic::client::Grpc::new(channel);
            grpc.ready().await.unwrap();
            let message = pb::CheckRequest {
                action: "x".repeat(100_000),
                ..Default::default()
            };
            let messages = tokio_stream::once(message).chain(tokio_stream::pending());
            let mut request = Request::new(messages);
            request.set_timeout(Duration::from_secs(1));
            let path = PATHS[0].parse().unwrap();
            let codec = tonic_prost::ProstCodec::<_, pb::CheckResponse>::default();
            grpc.streaming(request, path, codec).await.unwrap_err()
        });
    }
    while let Some(status) = slow.join_next().await {
        let status = status.unwrap();
        let late = [Code::DeadlineExceeded, Code::Cancelled];
        assert!(late.contains(&status.code()), "{status:?}");
    }
    attacked.assert_as_before().await;
}

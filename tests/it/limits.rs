//! Deadlines, message sizes, and an unreachable database.

use std::time::Duration;

use pim_authz::pb::{
    self, import_catalog_request::Part, import_service_client::ImportServiceClient,
};
use tokio_stream::StreamExt as _;
use tonic::{Code, Request, client::Grpc, codec::CompressionEncoding};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt as _;

use crate::harness::{TestServer, header, refusal, user};

fn question() -> pb::CheckRequest {
    pb::CheckRequest {
        subject: user("julia"),
        action: "product.list".into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn call_ends_at_the_callers_deadline() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    // No `Check` can read the tenant while its table is locked.
    let (holder, connection) = server.database.connect().await;
    holder
        .batch_execute("BEGIN; LOCK TABLE pim_authz.tenant IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let mut request = Request::new(question());
    request.set_timeout(Duration::from_secs(1));
    let status = client.check(request).await.unwrap_err();
    assert_eq!(
        refusal(&status),
        (Code::DeadlineExceeded, "DEADLINE".to_owned(), None)
    );
    holder.batch_execute("ROLLBACK").await.unwrap();
    drop(holder);
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn oversized_message_is_rejected() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let huge = pb::CheckRequest {
        action: "x".repeat(65 << 20),
        ..question()
    };
    let status = client.check(huge).await.unwrap_err();
    assert_eq!(
        refusal(&status),
        (Code::ResourceExhausted, "TOO_MANY_ENTRIES".to_owned(), None)
    );
}

#[tokio::test]
async fn unreachable_database_returns_unavailable_with_retry_delay() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    server
        .database
        .execute_elsewhere(
            "ALTER DATABASE {database} ALLOW_CONNECTIONS false;
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'",
        )
        .await;
    let status = client.check(question()).await.unwrap_err();
    assert_eq!(
        refusal(&status),
        (Code::Unavailable, "STORE_UNAVAILABLE".to_owned(), None)
    );
    assert!(
        status
            .get_details_retry_info()
            .unwrap()
            .retry_delay
            .is_some()
    );
    assert!(!status.message().contains("it_"), "internals stay inside");
}

#[tokio::test]
async fn undecodable_message_is_rejected_as_invalid_request() {
    let server = TestServer::start().await;
    let mut client = Grpc::new(server.channel().await);
    client.ready().await.unwrap();
    // At the field number of the subject, these bytes are not a valid message.
    let request = Request::new(pb::FilePiece {
        file: String::new(),
        content: vec![0xff],
    });
    let path = "/pim.authz.v1.AuthorizationService/Check".parse().unwrap();
    let codec = ProstCodec::<pb::FilePiece, pb::CheckResponse>::default();
    let status = client.unary(request, path, codec).await.unwrap_err();
    let expected = (
        Code::InvalidArgument,
        "INVALID_REQUEST".to_owned(),
        Some(String::new()),
    );
    assert_eq!(refusal(&status), expected, "{status:?}");
}

#[tokio::test]
async fn compressed_message_is_accepted() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let mut client = client.send_compressed(CompressionEncoding::Gzip);
    let status = client.check(question()).await.unwrap_err();
    assert_eq!(refusal(&status).1, "TENANT_NOT_FOUND");
}

#[tokio::test]
async fn oversized_metadata_is_rejected_with_contract_error() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let mut check_with_metadata = async |bytes: usize| {
        let mut request = Request::new(question());
        let value = "x".repeat(bytes).parse().unwrap();
        request.metadata_mut().insert("x-caller", value);
        refusal(&client.check(request).await.unwrap_err())
    };
    let refused = (Code::ResourceExhausted, "TOO_MANY_ENTRIES".to_owned(), None);
    for bytes in [16_385, 100_000, 900_000] {
        assert_eq!(check_with_metadata(bytes).await, refused, "{bytes}");
    }
    assert_eq!(check_with_metadata(15_000).await.1, "TENANT_NOT_FOUND");
}

#[tokio::test]
async fn message_oversized_after_decompression_is_rejected_with_details() {
    let server = TestServer::start().await;
    let refused = (Code::ResourceExhausted, "TOO_MANY_ENTRIES".to_owned(), None);
    let client = server.client().await;
    let mut client = client.send_compressed(CompressionEncoding::Gzip);
    let huge = pb::CheckRequest {
        action: "x".repeat(65 << 20),
        ..question()
    };
    assert_eq!(refusal(&client.check(huge).await.unwrap_err()), refused);

    let client = ImportServiceClient::new(server.channel().await);
    let mut client = client.send_compressed(CompressionEncoding::Gzip);
    let piece = pb::FilePiece {
        file: "products.csv".into(),
        content: vec![b'x'; 5 << 20],
    };
    let parts = [
        Part::Header(header("default", pb::Edition::Growth)),
        Part::Piece(piece),
    ];
    let parts = parts.map(|part| pb::ImportCatalogRequest { part: Some(part) });
    let events = client.import_catalog(tokio_stream::iter(parts)).await;
    let mut events = events.unwrap().into_inner();
    let status = loop {
        match events.message().await {
            Ok(event) => assert!(event.is_some(), "it ended well"),
            Err(status) => break status,
        }
    };
    assert_eq!(refusal(&status), refused, "{status:?}");
}

#[tokio::test]
async fn readiness_follows_the_database_but_liveness_does_not() {
    let server = TestServer::start().await;
    let mut health = HealthClient::new(server.channel().await);
    let service = || HealthCheckRequest {
        service: "pim.authz.v1.AuthorizationService".into(),
    };
    let watched = health.watch(service()).await.unwrap();
    let mut statuses = watched.into_inner().map(|status| status.unwrap().status());
    assert_eq!(statuses.next().await, Some(ServingStatus::Serving));
    server
        .database
        .execute_elsewhere(
            "ALTER DATABASE {database} ALLOW_CONNECTIONS false;
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'",
        )
        .await;
    assert_eq!(statuses.next().await, Some(ServingStatus::NotServing));
    let process = health.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(process.into_inner().status(), ServingStatus::Serving);
    server
        .database
        .execute_elsewhere("ALTER DATABASE {database} ALLOW_CONNECTIONS true")
        .await;
    assert_eq!(statuses.next().await, Some(ServingStatus::Serving));
}

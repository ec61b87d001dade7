//! What callers see while the database is away (`docs/coherence.md`).

use std::time::{Duration, Instant};

use pim_authz::pb::{
    self, Edition, authorization_service_client::AuthorizationServiceClient,
    operations_service_client::OperationsServiceClient,
};
use tonic::{Code, Status, transport::Channel};

use crate::harness::{Database, TestServer, file, product, refusal, user};

const LEASE: Duration = Duration::from_secs(2);

async fn check(client: &mut AuthorizationServiceClient<Channel>) -> Result<bool, Status> {
    let request = pb::CheckRequest {
        subject: user("julia"),
        action: "view".into(),
        resource: product("hat"),
        ..Default::default()
    };
    Ok(client.check(request).await?.into_inner().allowed)
}

async fn hits(server: &TestServer) -> u64 {
    let mut operations = OperationsServiceClient::new(server.channel().await);
    let request = pb::GetStatusRequest::default();
    operations
        .get_status(request)
        .await
        .unwrap()
        .into_inner()
        .hits
}

#[tokio::test]
async fn memory_answers_for_what_is_left_of_the_lease_and_recovers_by_itself() {
    let database = Database::create().await;
    let mut config = TestServer::config(&database);
    config.cache.lease = LEASE;
    let server = TestServer::start_with(config, database).await;
    let files = [
        file("users.csv", &["username;roles", "julia;"]),
        file("products.csv", &["sku;categories", "hat;"]),
    ];
    server.import("default", Edition::Enterprise, &files).await;
    let mut client = server.client().await;
    while hits(&server).await == 0 {
        assert!(check(&mut client).await.unwrap());
    }
    let away = Instant::now();
    server
        .database
        .execute_elsewhere(
            "ALTER DATABASE {database} ALLOW_CONNECTIONS false;
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'",
        )
        .await;
    assert!(check(&mut client).await.unwrap(), "memory went on");
    let status = loop {
        match check(&mut client).await {
            Ok(allowed) => assert!(allowed),
            Err(status) => break status,
        }
        assert!(away.elapsed() < LEASE * 2, "the lease had run out");
    };
    assert_eq!(status.code(), Code::Unavailable);
    let reason = refusal(&status).1;
    assert!(
        ["LEASE_LOST", "STORE_UNAVAILABLE"].contains(&reason.as_str()),
        "{status:?}"
    );
    // A write is not made, and says so.
    let mut directory =
        pb::directory_service_client::DirectoryServiceClient::new(server.channel().await);
    let write = pb::PutUsersRequest {
        tenant: "default".into(),
        users: vec![pb::User {
            code: "mary".into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let refused = directory.put_users(write.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    server
        .database
        .execute_elsewhere("ALTER DATABASE {database} ALLOW_CONNECTIONS true")
        .await;
    let back = Instant::now();
    while check(&mut client).await.is_err() {
        assert!(
            back.elapsed() < Duration::from_secs(20),
            "it did not recover"
        );
    }
    directory.put_users(write).await.unwrap();
}

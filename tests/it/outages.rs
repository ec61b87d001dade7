//! What callers see while the database is unreachable (`docs/coherence.md`).

use std::time::{Duration, Instant};

use pim_authz::{
    cache::CacheMode,
    pb::{self, Edition, authorization_service_client::AuthorizationServiceClient},
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{net::TcpListener, process::Command};
use tonic::{Code, Status, transport::Channel};

use crate::harness::{Database, File, TestServer, file, product, refusal, user};

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
    server.status().await.hits
}

/// Runs `pim-authz status` and returns its exit status and output.
async fn shown_status(server: &TestServer) -> (Option<i32>, serde_json::Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_pim-authz"))
        .args(["status", "--output", "json", "--server"])
        .arg(format!("http://{}", server.address))
        .output()
        .await
        .unwrap();
    let printed = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code(), printed)
}

fn new_user() -> pb::PutUsersRequest {
    pb::PutUsersRequest {
        tenant: "default".into(),
        users: vec![pb::User {
            code: "mary".into(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Checks that the status is returned from memory, and waits until the lease
/// has expired.
async fn assert_status_comes_from_memory(server: &TestServer) {
    let reported = server.status().await;
    assert!(reported.database_away && reported.hits > 0, "{reported:?}");
    let unknown = (0, pb::Durability::Unspecified);
    assert_eq!((reported.servers, reported.durability()), unknown);
    let begun = Instant::now();
    while server.status().await.lease_remaining != Some(prost_types::Duration::default()) {
        assert!(begun.elapsed() < LEASE * 5, "the lease had run out");
    }
    let (exit, printed) = shown_status(server).await;
    assert_eq!(exit, Some(1), "it answers, and has no lease: {printed}");
    assert_eq!(printed["database_away"], true);
}

#[tokio::test]
async fn cache_answers_until_lease_expires_and_server_recovers() {
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
    assert_status_comes_from_memory(&server).await;
    // A write is rejected.
    let mut directory =
        pb::directory_service_client::DirectoryServiceClient::new(server.channel().await);
    let refused = directory.put_users(new_user()).await.unwrap_err();
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
    directory.put_users(new_user()).await.unwrap();
    let reported = server.status().await;
    assert!(
        !reported.database_away && reported.servers == 1,
        "{reported:?}"
    );
    assert_eq!(shown_status(&server).await.0, Some(0));
}

/// Terminates all sessions of the database and rejects new ones.
const CLOSE: &str = "ALTER DATABASE {database} ALLOW_CONNECTIONS false;
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'";

#[tokio::test]
async fn restored_database_replaces_cached_facts() {
    let database = Database::create().await;
    let mut config = TestServer::config(&database);
    config.cache.lease = LEASE;
    let server = TestServer::start_with(config, database).await;
    server
        .import("default", Edition::Enterprise, &files("1"))
        .await;
    let database = &server.database;
    // A backup, with the lease and the epoch at that time.
    database.execute_elsewhere(CLOSE).await;
    database
        .execute_elsewhere("CREATE DATABASE {database}_backup TEMPLATE {database}")
        .await;
    database
        .execute_elsewhere("ALTER DATABASE {database} ALLOW_CONNECTIONS true")
        .await;
    let mut client = server.client().await;
    check_until(&mut client, true).await;
    let disabled = [file("users.csv", &["username;roles;enabled", "julia;;0"])];
    server
        .import("default", Edition::Enterprise, &disabled)
        .await;
    check_until(&mut client, false).await;
    let before = hits(&server).await;
    while hits(&server).await == before {
        assert!(!check(&mut client).await.unwrap(), "kept in memory");
    }
    // The backup replaces the database, while PostgreSQL and the server keep
    // running.
    database.execute_elsewhere(CLOSE).await;
    for swap in [
        "ALTER DATABASE {database} RENAME TO {database}_before",
        "ALTER DATABASE {database}_backup RENAME TO {database}",
    ] {
        database.execute_elsewhere(swap).await;
    }
    check_until(&mut client, true).await;
    // The log of the backup is behind that of the replaced database, but the
    // cache still answers.
    let before = hits(&server).await;
    let begun = Instant::now();
    while hits(&server).await == before {
        assert!(check(&mut client).await.unwrap());
        assert!(begun.elapsed() < Duration::from_secs(30), "never a hit");
    }
    database
        .execute_elsewhere("DROP DATABASE {database}_before")
        .await;
}

#[tokio::test]
async fn server_connects_to_second_host_when_first_is_silent() {
    let database = Database::create().await;
    // The kernel accepts connections, but no process answers them.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let first = silent.local_addr().unwrap();
    let (login, place) = database.url().expose_secret().rsplit_once('@').unwrap();
    let url = format!("{login}@{first},{place}?target_session_attrs=read-write");
    let mut config = TestServer::config_on(SecretString::from(url));
    config.cache.lease = LEASE;
    let server = TestServer::start_with(config, database).await;
    server
        .import("default", Edition::Enterprise, &files("1"))
        .await;
    check_until(&mut server.client().await, true).await;
}

/// When a database is restored while servers run, its schema and rights appear
/// after the first sessions are opened.
#[tokio::test]
async fn sessions_opened_without_schema_are_discarded() {
    let database = Database::create().await;
    let mut config = TestServer::config(&database);
    config.cache.lease = LEASE;
    config.cache.mode = CacheMode::Off;
    let server = TestServer::start_with(config, database).await;
    server
        .import("default", Edition::Enterprise, &files("1"))
        .await;
    let mut client = server.client().await;
    check_until(&mut client, true).await;
    let database = &server.database;
    database
        .execute("ALTER SCHEMA pim_authz RENAME TO gone")
        .await;
    database
        .execute_elsewhere(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'",
        )
        .await;
    // The sessions that replace the terminated ones find no schema.
    for _ in 0..20 {
        assert!(check(&mut client).await.is_err());
    }
    database
        .execute("ALTER SCHEMA gone RENAME TO pim_authz")
        .await;
    check_until(&mut client, true).await;
    for _ in 0..20 {
        assert!(check(&mut client).await.unwrap(), "each session is whole");
    }
}

fn files(enabled: &str) -> [File; 2] {
    [
        file(
            "users.csv",
            &["username;roles;enabled", &format!("julia;;{enabled}")],
        ),
        file("products.csv", &["sku;categories", "hat;"]),
    ]
}

/// Repeats the `Check` until it returns the expected answer without an error.
async fn check_until(client: &mut AuthorizationServiceClient<Channel>, expected: bool) {
    let begun = Instant::now();
    while !check(client).await.is_ok_and(|allowed| allowed == expected) {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "never {expected}"
        );
    }
}

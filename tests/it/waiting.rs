//! The program itself: a startup that waits for its database, and a shutdown
//! that does not wait for silent peers.

use std::{net::SocketAddr, time::Duration};

use pim_authz::{
    pb::{self, authorization_service_client::AuthorizationServiceClient},
    store,
};
use secrecy::ExposeSecret as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tonic::{Code, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::harness::{Database, Program, channel_to, refusal, terminate, user};

const PATIENCE: Duration = Duration::from_mins(1);

/// The message `FATAL: the database system is starting up` in the PostgreSQL
/// protocol.
fn starting_up() -> Vec<u8> {
    let fields = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0";
    let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
    [b"E", &length[..], fields].concat()
}

async fn is_serving(channel: &Channel, service: &str) -> bool {
    let request = HealthCheckRequest {
        service: service.into(),
    };
    let mut health = HealthClient::new(channel.clone());
    let answer = health.check(request).await.unwrap().into_inner();
    answer.status() == ServingStatus::Serving
}

async fn check_refusal(channel: &Channel) -> (Code, String) {
    let request = pb::CheckRequest {
        subject: user("julia"),
        action: "product.list".into(),
        ..Default::default()
    };
    let mut client = AuthorizationServiceClient::new(channel.clone());
    let (code, reason, _) = refusal(&client.check(request).await.unwrap_err());
    (code, reason)
}

/// Starts a program whose database is not available yet, and checks that it
/// waits.
async fn spawn_waiting(database: &Database, url: &str) -> (Program, Channel) {
    let mut command = Program::command(database);
    command
        .arg("--wait-for-database")
        .env("PIM_AUTHZ_DATABASE_URL", url);
    let mut program = Program::spawn(&mut command);
    let line = program.logged("listening on ").await;
    let (_, address) = line.split_once("listening on ").unwrap();
    let address: SocketAddr = address.split(' ').next().unwrap().parse().unwrap();
    program.logged("waiting for the database").await;
    let channel = channel_to(address).await;
    assert!(is_serving(&channel, "").await, "it lives");
    let service = "pim.authz.v1.AuthorizationService";
    assert!(!is_serving(&channel, service).await, "it is not ready");
    let unavailable = (Code::Unavailable, "STORE_UNAVAILABLE".to_owned());
    assert_eq!(check_refusal(&channel).await, unavailable);
    (program, channel)
}

/// Checks that calls on the same connection are answered once the database is
/// available.
async fn assert_serves(mut program: Program, channel: Channel) {
    timeout(PATIENCE, program.logged("serving on "))
        .await
        .unwrap();
    let not_found = (Code::NotFound, "TENANT_NOT_FOUND".to_owned());
    assert_eq!(check_refusal(&channel).await, not_found);
    let (mut child, _log) = program.with_log();
    assert_eq!(terminate(&mut child).await, Some(0));
}

/// An address that only this process uses, and on which nothing listens yet.
fn own_address() -> SocketAddr {
    let [.., high, low] = std::process::id().to_be_bytes();
    format!("127.98.{high}.{low}:5432").parse().unwrap()
}

#[tokio::test]
async fn startup_waits_while_database_refuses_connections_or_starts() {
    let database = Database::create().await;
    let url = database.url().expose_secret();
    let (credentials, rest) = url.split_once('@').unwrap();
    let (real, name) = rest.split_once('/').unwrap();
    let address = own_address();
    let through = format!("{credentials}@{address}/{name}");
    let (mut program, channel) = spawn_waiting(&database, &through).await;

    let listener = TcpListener::bind(address).await.unwrap();
    let (mut starting, _) = listener.accept().await.unwrap();
    // The client requests TLS first, which this server does not support.
    let mut start = [0; 8];
    starting.read_exact(&mut start).await.unwrap();
    starting.write_all(b"N").await.unwrap();
    starting.read_exact(&mut start).await.unwrap();
    starting.write_all(&starting_up()).await.unwrap();
    drop(starting);
    program.logged("starting up").await;

    let real = real.to_owned();
    tokio::spawn(async move {
        while let Ok((mut here, _)) = listener.accept().await {
            let mut there = TcpStream::connect(&real).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut here, &mut there).await });
        }
    });
    assert_serves(program, channel).await;
}

#[tokio::test]
async fn startup_waits_for_unmigrated_database() {
    let database = Database::create().await;
    database.execute("DROP SCHEMA pim_authz CASCADE").await;
    let (program, channel) = spawn_waiting(&database, database.url().expose_secret()).await;
    let role = store::RuntimeRole::Stored;
    store::migrate(database.url(), &role).await.unwrap();
    assert_serves(program, channel).await;
}

#[tokio::test]
async fn startup_waits_for_free_database_connection() {
    let database = Database::create().await;
    // The connection limit of a role does not apply to the owner, who is a
    // superuser.
    let login = format!("crowded_{}", std::process::id());
    let url = database.create_login(&login).await;
    database
        .execute(&format!(
            "ALTER ROLE {login} CONNECTION LIMIT 0;
             DO $$ BEGIN
                 EXECUTE format('GRANT %I TO {login}', (SELECT runtime_role FROM pim_authz.installation));
             END $$"
        ))
        .await;
    let (program, channel) = spawn_waiting(&database, url.expose_secret()).await;
    database
        .execute(&format!("ALTER ROLE {login} CONNECTION LIMIT -1"))
        .await;
    assert_serves(program, channel).await;
    database.execute(&format!("DROP ROLE {login}")).await;
}

#[tokio::test]
async fn waiting_startup_can_be_stopped_and_fails_on_permanent_errors() {
    let database = Database::create().await;
    let nowhere = "postgresql://nobody@127.0.0.1:1/nothing";
    let (program, _channel) = spawn_waiting(&database, nowhere).await;
    let (mut child, _log) = program.with_log();
    assert_eq!(terminate(&mut child).await, Some(0));

    let url = database.url().expose_secret();
    let (server, _) = url.rsplit_once('/').unwrap();
    let (_, address) = url.split_once('@').unwrap();
    let wrong_password = format!("postgresql://postgres:wrong@{address}");
    for url in [&format!("{server}/nothing"), &wrong_password, "no url"] {
        let mut command = Program::command(&database);
        command
            .arg("--wait-for-database")
            .env("PIM_AUTHZ_DATABASE_URL", url);
        let (mut child, _log) = Program::spawn(&mut command).with_log();
        let ended = timeout(PATIENCE, child.wait()).await.unwrap();
        assert_eq!(ended.unwrap().code(), Some(2), "{url}");
    }
}

#[tokio::test]
async fn startup_without_waiting_exits_with_status_2() {
    let database = Database::create().await;
    let mut command = Program::command(&database);
    command.env(
        "PIM_AUTHZ_DATABASE_URL",
        "postgresql://nobody@127.0.0.1:1/nothing",
    );
    let (mut child, log) = Program::spawn(&mut command).with_log();
    assert_eq!(child.wait().await.unwrap().code(), Some(2));
    let log = log.await.unwrap().join("\n");
    assert!(log.contains("check that PostgreSQL runs"), "{log}");
}

#[tokio::test]
async fn silent_peers_delay_shutdown_by_at_most_the_drain_time() {
    let database = Database::create().await;
    let mut command = Program::command(&database);
    let mut program = Program::spawn(command.args(["--drain-seconds", "1"]));
    let address = program.address().await;
    let _silent = TcpStream::connect(address).await.unwrap();
    let mut stalled = TcpStream::connect(address).await.unwrap();
    stalled.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    // Only a call that has begun delays it.
    let mut calling = TcpStream::connect(address).await.unwrap();
    let call = "POST /pim.authz.v1.AuthorizationService/Check HTTP/1.1\r\nhost: x\r\n\
                content-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    calling.write_all(call.as_bytes()).await.unwrap();
    // All connections were accepted, because this later one is answered.
    assert!(is_serving(&channel_to(address).await, "").await);
    let (mut child, log) = program.with_log();
    let ended = timeout(Duration::from_secs(15), terminate(&mut child)).await;
    assert_eq!(ended.unwrap(), Some(0));
    let log = log.await.unwrap().join("\n");
    assert!(log.contains("stopped before all calls"), "{log}");
}

//! A server whose log is not read: it keeps serving and stops in an orderly
//! way.

use std::{fs::File, net::SocketAddr, process::Stdio, time::Duration};

use pim_authz::pb::{self, authorization_service_client::AuthorizationServiceClient};
use tokio::time::timeout;
use tonic::{Code, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::harness::{Database, Program, channel_to, refusal, terminate, user};

const PATIENCE: Duration = Duration::from_mins(1);

/// Sends a `Check` for an unknown tenant and returns the error, which shows
/// whether the database was read.
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

async fn serves(channel: &Channel) -> bool {
    let request = HealthCheckRequest {
        service: "pim.authz.v1.AuthorizationService".into(),
    };
    let mut client = HealthClient::new(channel.clone());
    let answer = client.check(request).await.unwrap().into_inner();
    answer.status() == ServingStatus::Serving
}

fn not_found() -> (Code, String) {
    (Code::NotFound, "TENANT_NOT_FOUND".into())
}

#[tokio::test]
async fn server_without_log_reader_keeps_serving() {
    let database = Database::create().await;
    let mut program = Program::spawn(&mut Program::command(&database));
    let channel = channel_to(program.address().await).await;
    let mut child = program.without_log_reader();
    // The lease must log something: the sessions of the database are terminated
    // and reconnect.
    let end_sessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = '{database}'";
    for _ in 0..3 {
        database.execute_elsewhere(end_sessions).await;
        let answered = async {
            while check_refusal(&channel).await != not_found() || !serves(&channel).await {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, answered).await.unwrap();
    }
    assert_eq!(terminate(&mut child).await, Some(0));
}

#[tokio::test]
async fn server_with_unwritable_log_keeps_serving() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let database = Database::create().await;
    // The port cannot be read from the log, so the test chooses an address that
    // only this process uses.
    let [.., high, low] = std::process::id().to_be_bytes();
    let address: SocketAddr = format!("127.99.{high}.{low}:50051").parse().unwrap();
    let mut child = Program::command(&database)
        .env("PIM_AUTHZ_LISTEN", address.to_string())
        .stderr(Stdio::from(full))
        .spawn()
        .unwrap();
    let reached = async {
        while tokio::net::TcpStream::connect(address).await.is_err() {
            assert_eq!(child.try_wait().unwrap(), None, "it ended");
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap();
    let channel = channel_to(address).await;
    let answered = async {
        while check_refusal(&channel).await.0 == Code::Unavailable {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, answered).await.unwrap();
    assert_eq!(check_refusal(&channel).await, not_found());
    assert_eq!(terminate(&mut child).await, Some(0));
}

#[tokio::test]
async fn server_with_blocked_log_reader_answers_and_stops() {
    let database = Database::create().await;
    let mut command = Program::command(&database);
    let mut program = Program::spawn(command.env("RUST_LOG", "info,h2=trace,hyper=trace"));
    let channel = channel_to(program.address().await).await;
    let (mut child, _idle) = program.with_idle_log_reader();
    // More log lines than the pipe and the queue can hold.
    for _ in 0..1_000 {
        let answer = timeout(PATIENCE, check_refusal(&channel)).await.unwrap();
        assert_eq!(answer, not_found());
    }
    assert!(serves(&channel).await);
    drop(channel);
    let ended = timeout(PATIENCE, terminate(&mut child)).await.unwrap();
    assert_eq!(ended, Some(0));
}

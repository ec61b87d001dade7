//! More connections than the limit of open files allows.

use std::{net::SocketAddr, time::Duration};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::{io::AsyncReadExt as _, net::TcpStream, process::Command, time::timeout};
use tonic::transport::Channel;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::harness::{Database, Program, channel_to, terminate};

const PATIENCE: Duration = Duration::from_mins(1);

async fn serves(channel: &Channel) -> bool {
    let request = HealthCheckRequest {
        service: "pim.authz.v1.AuthorizationService".into(),
    };
    let mut health = HealthClient::new(channel.clone());
    let answer = timeout(PATIENCE, health.check(request)).await.unwrap();
    answer.unwrap().into_inner().status() == ServingStatus::Serving
}

/// Retries until a connection is accepted and answered.
async fn connect_with_retries(address: SocketAddr) -> Channel {
    let connected = async {
        loop {
            let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
            let Ok(channel) = endpoint.connect().await else {
                continue;
            };
            let mut health = HealthClient::new(channel.clone());
            if health.check(HealthCheckRequest::default()).await.is_ok() {
                return channel;
            }
        }
    };
    timeout(PATIENCE, connected).await.unwrap()
}

#[tokio::test]
async fn connections_are_capped_below_the_limit_of_open_files() {
    let database = Database::create().await;
    let plain = Program::command(&database);
    let plain = plain.as_std();
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 80 && exec \"$0\" \"$@\""])
        .arg(plain.get_program())
        .args(plain.get_args())
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut program = Program::spawn(&mut command);
    let address = program.address().await;
    let channel = channel_to(address).await;
    assert!(serves(&channel).await);
    let mut idle = Vec::new();
    for _ in 0..120 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    // The last ones are closed immediately.
    let last = idle.last_mut().unwrap();
    let closed = timeout(PATIENCE, last.read(&mut [0; 64])).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    assert!(serves(&channel).await, "open connections are answered");
    program.logged("16 connections are open").await;
    drop(idle);
    assert!(serves(&connect_with_retries(address).await).await);
    let (mut child, log) = program.with_log();
    assert_eq!(terminate(&mut child).await, Some(0));
    let log = log.await.unwrap().join("\n");
    assert!(!log.contains("connections are open"), "logged once: {log}");
}

#[tokio::test]
async fn server_out_of_file_descriptors_logs_once_and_recovers() {
    let database = Database::create().await;
    let mut program = Program::spawn(&mut Program::command(&database));
    let address = program.address().await;
    let channel = channel_to(address).await;
    assert!(serves(&channel).await);
    let id = i32::try_from(program.id()).unwrap();
    let pid = Pid::from_raw(id);
    let usual = getrlimit(Resource::Nofile);
    // No file descriptor at or above the limit can be opened.
    let limit = |current| {
        let limit = Rlimit {
            current: Some(current),
            ..usual
        };
        prlimit(pid, Resource::Nofile, limit).unwrap();
    };
    limit(3);
    let waiting = TcpStream::connect(address).await.unwrap();
    let logged = program.logged("connections cannot be accepted");
    timeout(PATIENCE, logged).await.unwrap();
    assert!(serves(&channel).await, "open connections are answered");
    limit(usual.current.unwrap_or(1_024));
    assert!(serves(&connect_with_retries(address).await).await);
    drop(waiting);
    let (mut child, log) = program.with_log();
    assert_eq!(terminate(&mut child).await, Some(0));
    let log = log.await.unwrap().join("\n");
    assert!(!log.contains("cannot be accepted"), "logged once: {log}");
}

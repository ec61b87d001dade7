use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use pim_authz::pb::{self, Edition, authorization_service_client::AuthorizationServiceClient};
use tokio::task::JoinHandle;
use tonic::{Status, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::harness::{TestServer, file, user};

/// The users of the tenant `other`.
pub(crate) const USERS: usize = 100;

/// Creates the tenant `other`, whose users may list products.
pub(crate) async fn create(server: &TestServer) {
    let roles = file(
        "user_roles.csv",
        &["role;permissions", "reader;product.list"],
    );
    let users: Vec<String> = (0..USERS).map(|n| format!("u{n};reader")).collect();
    let rows: Vec<&str> = std::iter::once("username;roles")
        .chain(users.iter().map(String::as_str))
        .collect();
    let files = [roles, file("users.csv", &rows)];
    server.import("other", Edition::Growth, &files).await;
}

/// Checks a user who may list products.
pub(crate) async fn check(
    client: &mut AuthorizationServiceClient<Channel>,
    number: usize,
) -> Result<(), Status> {
    let request = pb::CheckRequest {
        tenant: "other".into(),
        subject: user(&format!("u{number}")),
        action: "product.list".into(),
        ..Default::default()
    };
    let answer = client.check(request).await?.into_inner();
    assert!(answer.allowed, "{answer:?}");
    Ok(())
}

/// Callers of another tenant who keep calling the server: checks of cached and
/// of unknown subjects, health checks, and writes.
pub(crate) struct Others {
    over: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<u64>>,
}

impl Others {
    /// Starts the calls.
    pub(crate) async fn start(server: &TestServer) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        let known = server.client().await;
        tasks.push(tokio::spawn(repeat(
            over.clone(),
            known,
            async |client, number| {
                check(client, number % USERS).await.unwrap();
            },
        )));
        let unknown = server.client().await;
        tasks.push(tokio::spawn(repeat(
            over.clone(),
            unknown,
            async |client, number| {
                let request = pb::CheckRequest {
                    tenant: "other".into(),
                    subject: user(&format!("unknown_{number}")),
                    action: "product.list".into(),
                    ..Default::default()
                };
                let answer = client.check(request).await.unwrap().into_inner();
                assert!(!answer.allowed);
            },
        )));
        let health = HealthClient::new(server.channel().await);
        tasks.push(tokio::spawn(repeat(
            over.clone(),
            health,
            async |client, _| {
                let request = HealthCheckRequest {
                    service: "pim.authz.v1.AuthorizationService".into(),
                };
                let answer = client.check(request).await.unwrap().into_inner();
                assert_eq!(answer.status(), ServingStatus::Serving);
            },
        )));
        let writing =
            pb::directory_service_client::DirectoryServiceClient::new(server.channel().await);
        tasks.push(tokio::spawn(repeat(
            over.clone(),
            writing,
            async |client, number| {
                let request = pb::PutUsersRequest {
                    tenant: "other".into(),
                    actor: "user:admin".into(),
                    users: vec![pb::User {
                        code: format!("new_{number}"),
                        ..Default::default()
                    }],
                    ..Default::default()
                };
                client.put_users(request).await.unwrap();
            },
        )));
        Self { over, tasks }
    }

    /// Stops the calls, none of which may have failed; returns the number of
    /// checks that were answered.
    pub(crate) async fn were_all_answered(self) -> u64 {
        self.over.store(true, Ordering::SeqCst);
        let mut answered = Vec::new();
        for task in self.tasks {
            answered.push(task.await.unwrap());
        }
        assert!(answered.iter().all(|count| *count > 0), "{answered:?}");
        answered[..2].iter().sum()
    }
}

/// Makes the call at least once, until `over` is set.
async fn repeat<C>(over: Arc<AtomicBool>, mut client: C, call: impl AsyncFn(&mut C, usize)) -> u64 {
    let mut count = 0;
    loop {
        call(&mut client, count).await;
        count += 1;
        if over.load(Ordering::SeqCst) {
            return u64::try_from(count).unwrap();
        }
    }
}

impl TestServer {
    /// Number of statements that read facts for questions.
    pub(crate) async fn loads(&self) -> u64 {
        self.status().await.loads
    }
}

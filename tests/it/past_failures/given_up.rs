use std::time::Duration;

use pim_authz::pb::{self, Edition};
use tokio::{task::JoinSet, time::timeout};
use tonic::{Code, Request};

use crate::harness::{TestServer, file, user};

const PATIENCE: Duration = Duration::from_mins(1);

fn question() -> pb::CheckRequest {
    pb::CheckRequest {
        subject: user("julia"),
        action: "product.list".into(),
        ..Default::default()
    }
}

async fn is_allowed(server: &TestServer) -> bool {
    let answer = server.client().await.check(question()).await;
    answer.unwrap().into_inner().allowed
}

/// Sends questions while the tenant cannot be read, and waits until all callers
/// have given up.
async fn give_up(server: &TestServer) {
    let (holder, connection) = server.database.connect().await;
    holder
        .batch_execute("BEGIN; LOCK TABLE pim_authz.tenant IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let mut calls = JoinSet::new();
    for number in 0..40 {
        let mut client = server.client().await;
        calls.spawn(async move {
            let mut request = Request::new(question());
            let patience = Duration::from_millis(50 + 10 * number);
            if number % 2 == 0 {
                request.set_timeout(patience);
                let status = client.check(request).await.unwrap_err();
                let late = [Code::DeadlineExceeded, Code::Cancelled];
                assert!(late.contains(&status.code()), "{status:?}");
            } else {
                // The caller drops the call.
                let left = timeout(patience, client.check(request)).await;
                assert!(left.is_err(), "{left:?}");
            }
        });
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap();
    }
    holder.batch_execute("ROLLBACK").await.unwrap();
    drop(holder);
    connection.await.unwrap().unwrap();
}

/// The partial result of an evaluation that was canceled or timed out must not
/// be cached as if it were complete.
#[tokio::test]
async fn abandoned_questions_leave_no_wrong_facts_in_cache() {
    let server = TestServer::start().await;
    let roles = file(
        "user_roles.csv",
        &["role;permissions", "reader;product.list"],
    );
    let with = [
        roles,
        file("users.csv", &["username;roles", "julia;reader"]),
    ];
    let without = [file("users.csv", &["username;roles", "julia;"])];
    server.import("default", Edition::Growth, &with).await;
    // A server that has just started has an empty cache.
    let cold = TestServer::start_beside(&server).await;
    for expected in [true, false, true] {
        let files = if expected { &with[..] } else { &without };
        server.import("default", Edition::Growth, files).await;
        give_up(&cold).await;
        let answers = async {
            for _ in 0..20 {
                assert_eq!(is_allowed(&cold).await, expected);
            }
        };
        timeout(PATIENCE, answers).await.unwrap();
    }
}

use std::time::Duration;

use pim_authz::pb::{self, Edition, audit_service_client::AuditServiceClient};
use tokio::time::Instant;
use tokio_postgres::Client;
use tonic::Request;

use super::served::{migrate, verifying};
use crate::harness::{Program, TlsPostgres, channel_to, file, header, import, parts, terminate};

const WAITS: &str = "wait_event_type = 'Lock'";

/// The sessions of this program that meet a condition.
async fn sessions(admin: &Client, condition: &str) -> Vec<i32> {
    let sql = format!(
        "SELECT pid FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'pim-authz' AND {condition}"
    );
    let rows = admin.query(&sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn abandoned_statement_is_cancelled_over_tls() {
    // Without cancellation, the statement ends at its time-out of 10 seconds.
    const AT_ONCE: Duration = Duration::from_secs(6);
    let postgres = TlsPostgres::shared().await;
    let name = migrate(&postgres).await;
    let mut program = Program::spawn(&mut verifying("serve", &postgres, &name));
    let channel = channel_to(program.address().await).await;
    let users = [file("users.csv", &["username;roles", "julia;"])];
    let parts = parts(header("default", Edition::Enterprise), &users);
    import(channel.clone(), parts).await.ended.unwrap();
    let admin = postgres.admin(&name).await;
    let locker = postgres.admin(&name).await;
    locker
        .batch_execute("BEGIN; LOCK TABLE pim_authz.audit")
        .await
        .unwrap();
    let call = tokio::spawn(async move {
        let mut request = Request::new(pb::ListChangesRequest {
            tenant: "default".into(),
            ..Default::default()
        });
        request.set_timeout(Duration::from_mins(1));
        AuditServiceClient::new(channel).list_changes(request).await
    });
    let waiting = loop {
        let waiting = sessions(&admin, WAITS).await;
        if !waiting.is_empty() {
            break waiting;
        }
    };
    let given_up = Instant::now();
    call.abort();
    while !sessions(&admin, WAITS).await.is_empty() {}
    assert!(given_up.elapsed() < AT_ONCE, "{:?}", given_up.elapsed());
    let open = sessions(&admin, "true").await;
    assert!(open.contains(&waiting[0]), "{waiting:?} {open:?}");
    let (mut child, _log) = program.with_log();
    assert_eq!(terminate(&mut child).await, Some(0));
}

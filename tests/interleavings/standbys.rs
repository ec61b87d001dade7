//! A server does not answer from a standby.

use std::time::Duration;

use crate::{
    harness::{Database, OwnPostgres, Server, TENANT, assert_unavailable, company},
    postgres_proxy::request,
};

/// The lease's connection stays with the primary; new connections reach a standby.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_and_writes_without_effect_on_a_standby_are_unavailable() {
    let primary = OwnPostgres::start().await;
    let held = Database::create().await;
    let server = Server::start_at(&primary.url(), held, Duration::from_secs(5)).await;
    server.import(&company(&["julia;;admins"], "admins")).await;
    let standby = primary.standby().await;
    server.proxy.set_upstream(standby.address());
    // All connections but the lease's.
    primary
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE application_name = 'pim-authz' AND query !~ 'renew|read_log|acknowledge|listen'",
        )
        .await;
    let renewed = server.proxy.observe(request("renew").every());
    for key in ["", "key"] {
        let unchanged = server.put_user("julia", &["admins"], key).await;
        assert_unavailable(&unchanged.unwrap_err());
    }
    assert_unavailable(&server.members("admins").await.unwrap_err());
    let status = server.status().await;
    assert!(
        status.database_away,
        "only the memory reports it: {status:?}"
    );
    assert_unavailable(&server.may_view(TENANT, "mary").await.unwrap_err());
    renewed.arrived().await;
}

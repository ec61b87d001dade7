//! State that an epoch inherits from the one before.

use std::time::Duration;

use crate::{
    harness::{Database, OwnPostgres, Server, TENANT, assert_unavailable, company},
    postgres_proxy::{Traffic, reply},
};

/// A lease during which PostgreSQL can be restarted twice.
const LONG_LEASE: Duration = Duration::from_secs(6);

/// The first restart voids the lease of a server that is cut off; after the second,
/// nothing records that server any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_stale_answer_after_two_restarts_within_one_lease() {
    let mut postgres = OwnPostgres::start().await;
    let held = Database::create().await;
    let cut_off = Server::start_at(&postgres.url(), held.clone(), LONG_LEASE).await;
    let leaving = Server::start_at(&postgres.url(), held.clone(), LONG_LEASE).await;
    leaving.import(&company(&["julia;;admins"], "admins")).await;
    cut_off.answers_from_memory("julia", true).await;

    cut_off.proxy.set(Traffic::IsRefused);
    let joined = leaving.proxy.observe(reply("join"));
    postgres.restart().await;
    leaving.proxy.set_upstream(postgres.address());
    joined.arrived().await;
    leaving.stop().await;
    postgres.restart().await;
    let writer = Server::start_at(&postgres.url(), held, LONG_LEASE).await;

    let still = cut_off.may_view(TENANT, "julia").await;
    assert!(still.unwrap(), "its lease runs on, else this shows nothing");
    writer.put_user("julia", &[], "").await.unwrap();
    match cut_off.may_view(TENANT, "julia").await {
        Ok(allowed) => assert!(!allowed, "the answer is older than the write"),
        Err(status) => assert_unavailable(&status),
    }
}

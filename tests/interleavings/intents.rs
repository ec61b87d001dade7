//! Intents of live writers, and intents without a writer.

use std::time::Duration;

use pim_authz::store::Store;

use crate::{
    harness::{Database, LEASE, Server, company, within},
    postgres_proxy::{Proxy, begin_of, reply, request},
};

/// The server that reads the intent has a shorter lease than its writer.
#[tokio::test]
async fn live_intent_is_judged_by_its_writers_lease() {
    let database = Database::create().await;
    let writer = Server::start_with_lease(&database, Duration::from_secs(10)).await;
    writer.import(&company(&["julia;;admins"], "admins")).await;
    let held = writer.proxy.hold(request(begin_of("use_intent")));
    let writing = writer.putting_user("julia", &[], "");
    held.arrived().await;
    // The writer sends a heartbeat every 2 s. The other reads intents every 100 ms,
    // and by its own lease would wait for 1.1 s.
    let hasty = Server::start_with_lease(&database, Duration::from_millis(500)).await;
    let reaped = hasty.proxy.observe(request("reap").every());
    let looks = hasty.proxy.observe(reply("read_intents").every());
    looks.arrived_times(16).await;
    assert_eq!(reaped.count(), 0, "the writer lives");
    held.release();
    writing.await.unwrap().unwrap();
}

/// Nothing but the row of the acknowledgement is missing, which other servers read.
#[tokio::test]
async fn writers_own_server_acknowledges_in_memory() {
    let database = Database::create().await;
    let lease = Duration::from_secs(20);
    let server = Server::start_with_lease(&database, lease).await;
    server.import(&company(&["julia;;admins"], "admins")).await;
    let held = server.proxy.hold(request("acknowledge").every());
    let put = server.put_user("julia", &[], "");
    within(lease / 2, put).await.unwrap();
    assert_eq!(server.members("admins").await.unwrap(), [""; 0]);
    held.release();
}

/// The writer cannot know the number of its announcement.
#[tokio::test]
async fn announcement_without_a_reply_leaves_no_intent() {
    const SQL: &str = "SELECT count(*) FROM pim_authz.intent";
    let database = Database::create().await;
    let server = Server::start_with_lease(&database, Duration::from_secs(20)).await;
    server.import(&company(&["julia;;admins"], "admins")).await;
    let cut = server.proxy.cut(reply("announce"));
    // The call may fail, or succeed by a retry.
    let _either_way = server.put_user("julia", &[], "").await;
    assert_eq!(cut.count(), 1);
    let (owner, _connection) = database.connect().await;
    within(LEASE, async {
        while owner.query_one(SQL, &[]).await.unwrap().get::<_, i64>(0) != 0 {}
    })
    .await;
}

/// The announcement arrives after its writer has abandoned it and announced again.
#[tokio::test]
async fn late_announcement_leaves_no_intent() {
    const SQL: &str = "SELECT count(*) FROM pim_authz.intent";
    let database = Database::create().await;
    let server = Server::start(&database).await;
    server.import(&company(&["julia;;admins"], "admins")).await;
    let held = server.proxy.hold(request("announce"));
    // The call may fail, or succeed by a retry.
    let _either_way = server.put_user("julia", &[], "").await;
    let late = server.proxy.observe(reply("announce"));
    held.release();
    late.arrived().await;
    let (owner, _connection) = database.connect().await;
    within(LEASE, async {
        while owner.query_one(SQL, &[]).await.unwrap().get::<_, i64>(0) != 0 {}
    })
    .await;
}

/// Announcing a write increments the number in the row of `head`.
#[tokio::test]
async fn clean_up_does_not_block_writes_while_deleting() {
    let database = Database::create().await;
    let sql = "UPDATE pim_authz.head SET seq = 20000;
               INSERT INTO pim_authz.invalidation SELECT n, '{}' FROM generate_series(1, 20000) AS n";
    database.execute(sql).await;
    let server = Server::start(&database).await;
    server.import(&company(&["julia;;admins"], "admins")).await;
    let (proxy, url) = Proxy::before(database.url()).await;
    let store = Store::new(&url, 1).unwrap();
    let held = proxy.hold(request("clean_log"));
    let cleaning = tokio::spawn(async move {
        let mut connection = store.pooled_connection().await.unwrap();
        connection.clean_up().await.unwrap()
    });
    held.arrived().await;
    within(LEASE, server.put_user("julia", &[], ""))
        .await
        .unwrap();
    held.release();
    assert!(cleaning.await.unwrap() > 0);
}

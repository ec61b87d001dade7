//! A write and its retry on another server have one effect and one response.

use crate::{
    harness::{Database, Server, company},
    postgres_proxy::{begin, begin_of, commit_of, request},
};

async fn two_servers() -> (Database, Server, Server) {
    let database = Database::create().await;
    let one = Server::start(&database).await;
    let other = Server::start(&database).await;
    one.import(&company(&["julia;;"], "admins")).await;
    (database, one, other)
}

/// The retry finds nothing to change, but stores its response only after the first
/// attempt has looked for one.
#[tokio::test]
async fn late_first_attempt_and_its_retry_return_one_response() {
    let (database, first, other) = two_servers().await;
    let (owner, _connection) = database.connect().await;
    let announced = first.proxy.hold(request(begin_of("use_intent")));
    let first_try = first.putting_user("julia", &["admins"], "key");
    announced.arrived().await;
    other.put_user("julia", &["admins"], "").await.unwrap();
    // The first BEGIN is of the rehearsal, the second of storing the response.
    let keeping = other.proxy.hold(request(begin()).nth(2));
    let mut retry = other.putting_user("julia", &["admins"], "key");
    keeping.arrived().await;
    // Another caller's write, which returns before a response to the key exists.
    other.put_user("julia", &[], "").await.unwrap();
    let late = first.proxy.hold(request("finish_write"));
    announced.release();
    late.arrived().await;
    keeping.release();
    let early = tokio::select! {
        answered = &mut retry => Some(answered),
        () = database.somebody_waits_for_a_lock(&owner) => None,
    };
    late.release();
    let first_try = first_try.await.unwrap().unwrap().effect.unwrap();
    let retry = match early {
        Some(answered) => answered,
        None => retry.await,
    };
    let retry = retry.unwrap().unwrap().effect.unwrap();
    let members = other.members("admins").await.unwrap();
    assert_eq!(first_try, retry, "two answers of one write; {members:?}");
    assert_eq!(members.len(), usize::try_from(retry.changed).unwrap());
}

/// The first attempt begins its commit only after its retry and another caller's
/// write have returned.
#[tokio::test]
async fn late_commit_of_first_attempt_undoes_no_later_write() {
    let (_database, first, other) = two_servers().await;
    let held = first.proxy.hold(request(begin_of("use_intent")));
    let first_try = first.putting_user("julia", &["admins"], "key");
    held.arrived().await;
    let retry = other.put_user("julia", &["admins"], "key").await.unwrap();
    other.put_user("julia", &[], "").await.unwrap();
    held.release();
    assert_eq!(first_try.await.unwrap().unwrap(), retry);
    assert_eq!(other.members("admins").await.unwrap(), [""; 0]);
}

/// The same, but there is nothing to change when the retry arrives.
#[tokio::test]
async fn late_commit_undoes_no_write_after_retry_without_effect() {
    let (_database, first, other) = two_servers().await;
    let held = first.proxy.hold(request(begin_of("use_intent")));
    let first_try = first.putting_user("julia", &["admins"], "key");
    held.arrived().await;
    other.put_user("julia", &["admins"], "").await.unwrap();
    let retry = other.put_user("julia", &["admins"], "key").await.unwrap();
    other.put_user("julia", &[], "").await.unwrap();
    held.release();
    assert_eq!(first_try.await.unwrap().unwrap(), retry);
    assert_eq!(other.members("admins").await.unwrap(), [""; 0]);
}

/// While the first attempt's COMMIT is in progress its retry waits for it.
#[tokio::test]
async fn retry_during_commit_returns_the_response_of_that_commit() {
    let (database, first, other) = two_servers().await;
    let (owner, _connection) = database.connect().await;
    let held = first.proxy.hold(request(commit_of("use_intent")));
    let first_try = first.putting_user("julia", &["admins"], "key");
    held.arrived().await;
    let retry = other.putting_user("julia", &["admins"], "key");
    database.somebody_waits_for_a_lock(&owner).await;
    held.release();
    let answer = first_try.await.unwrap().unwrap();
    assert_eq!(answer.revision, 2);
    assert_eq!(retry.await.unwrap().unwrap(), answer);
}

/// A first attempt that found nothing to change stores that response late.
#[tokio::test]
async fn late_response_without_effect_yields_to_the_retrys_response() {
    let (_database, first, other) = two_servers().await;
    other.put_user("julia", &["admins"], "").await.unwrap();
    let held = first.proxy.hold(request(begin()).nth(2));
    let first_try = first.putting_user("julia", &["admins"], "key");
    held.arrived().await;
    other.put_user("julia", &[], "").await.unwrap();
    let retry = other.put_user("julia", &["admins"], "key").await.unwrap();
    other.put_user("julia", &[], "").await.unwrap();
    held.release();
    assert_eq!(first_try.await.unwrap().unwrap(), retry);
    assert_eq!(other.members("admins").await.unwrap(), [""; 0]);
}

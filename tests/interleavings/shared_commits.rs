//! Writes of one tenant that wait for the same commit share the next one.

use std::{collections::BTreeSet, time::Duration};

use pim_authz::pb::{
    self, directory_service_client::DirectoryServiceClient,
    operations_service_client::OperationsServiceClient,
};
use tokio::task::JoinHandle;
use tonic::{Code, Status};

use crate::{
    harness::{Database, Server, TENANT, assert_unavailable, company, refusal},
    postgres_proxy::{Fault, Point, begin_of, commit_of, reply, request, rollback_of},
};

/// Number of writes that wait; some of them may have to wait for a turn first.
const WAITING: usize = 8;

/// Of so many the commit waits for no turn: two others may still rehearse.
const SURELY_QUEUED: i64 = 6;

/// A lease with which no commit counts as stalled while a test holds it.
const LONG: Duration = Duration::from_secs(100);

type Put = JoinHandle<Result<pb::PutUsersResponse, Status>>;

struct World {
    database: Database,
    server: Server,
}

impl World {
    async fn new() -> Self {
        let database = Database::create().await;
        let server = Server::start_with_lease(&database, LONG).await;
        server.import(&company(&["julia;;admins"], "admins")).await;
        Self { database, server }
    }

    /// Stops a write that deletes the group `editors` before its commit.
    async fn deleting_editors(&self) -> (JoinHandle<Result<(), Status>>, Fault) {
        let held = self.server.proxy.hold(request(begin_of("use_intent")));
        let mut client = DirectoryServiceClient::new(self.server.channel.clone());
        let request = pb::DeleteUserGroupsRequest {
            tenant: TENANT.into(),
            codes: vec!["editors".into()],
            ..Default::default()
        };
        let deleting =
            tokio::spawn(async move { client.delete_user_groups(request).await.map(|_| ()) });
        held.arrived().await;
        (deleting, held)
    }

    /// Starts writes that put a user each into a group, and waits until they are rehearsed.
    async fn rehearsed(&self, users: &[&str], group: &str) -> Vec<Put> {
        let rehearsed = self
            .server
            .proxy
            .observe(request(rollback_of("read_tenant")).every());
        let puts = users
            .iter()
            .map(|user| self.server.putting_user(user, &[group], ""));
        let puts: Vec<Put> = puts.collect();
        rehearsed.arrived_times(users.len()).await;
        rehearsed.release();
        puts
    }

    /// Stops a write before its commit, and starts others of the users of [`users`].
    async fn waiting(&self) -> (Put, Fault, Vec<Put>) {
        let held = self.server.proxy.hold(request(begin_of("use_intent")));
        let first = self.server.putting_user("first", &["admins"], "");
        held.arrived().await;
        let users = users();
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        let puts = self.rehearsed(&users, "admins").await;
        (first, held, puts)
    }

    /// Returns the greatest number of writes that one transaction committed.
    async fn most_in_one_transaction(&self) -> i64 {
        let (client, _connection) = self.database.connect().await;
        let sql = "SELECT max(writes) FROM (SELECT count(DISTINCT revision) AS writes FROM pim_authz.audit GROUP BY xmin::text) AS each";
        client.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Asserts that `put` and no other users are admins, and that the audit log is intact.
    async fn assert_admins(&self, put: &[String]) {
        let members: BTreeSet<String> = self
            .server
            .members("admins")
            .await
            .unwrap()
            .into_iter()
            .collect();
        let expected = put
            .iter()
            .cloned()
            .chain(["first", "julia"].map(String::from));
        assert_eq!(members, expected.collect::<BTreeSet<String>>());
        let mut client = OperationsServiceClient::new(self.server.channel.clone());
        let request = pb::VerifyAuditRequest {
            tenant: TENANT.into(),
            facts: true,
            ..Default::default()
        };
        let verified = client.verify_audit(request).await.unwrap().into_inner();
        assert!(verified.intact, "{verified:?}");
    }
}

fn users() -> Vec<String> {
    (0..WAITING)
        .map(|number| format!("user_{number}"))
        .collect()
}

/// Returns the revisions of writes that all succeeded.
async fn revisions(puts: Vec<Put>) -> BTreeSet<u64> {
    let mut revisions = BTreeSet::new();
    for put in puts {
        revisions.insert(put.await.unwrap().unwrap().revision);
    }
    revisions
}

#[tokio::test]
async fn waiting_writes_share_one_commit() {
    let world = World::new().await;
    let (first, held, puts) = world.waiting().await;
    held.release();
    let before = first.await.unwrap().unwrap().revision;
    let expected: BTreeSet<u64> = (before + 1..).take(WAITING).collect();
    assert_eq!(revisions(puts).await, expected);
    world.assert_admins(&users()).await;
    let together = world.most_in_one_transaction().await;
    assert!(together >= SURELY_QUEUED, "{together}");
}

#[tokio::test]
async fn refused_member_fails_alone() {
    let world = World::new().await;
    let (deleting, held) = world.deleting_editors().await;
    let refused = world.rehearsed(&["mary"], "editors").await;
    let others = world.rehearsed(&["first", "peter", "paul"], "admins").await;
    held.release();
    deleting.await.unwrap().unwrap();
    for put in refused {
        let status = put.await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{status:?}");
        assert_eq!(refusal(&status).1, "USER_GROUP_NOT_FOUND");
    }
    revisions(others).await;
    world
        .assert_admins(&["peter", "paul"].map(String::from))
        .await;
}

#[tokio::test]
async fn members_with_one_key_return_one_response() {
    let world = World::new().await;
    let held = world.server.proxy.hold(request(begin_of("use_intent")));
    let first = world.server.putting_user("first", &["admins"], "");
    held.arrived().await;
    let rehearsed = world
        .server
        .proxy
        .observe(request(rollback_of("read_tenant")).every());
    let puts: Vec<Put> = (0..WAITING)
        .map(|_| world.server.putting_user("mary", &["admins"], "key"))
        .collect();
    rehearsed.arrived_times(WAITING).await;
    rehearsed.release();
    held.release();
    let revision = first.await.unwrap().unwrap().revision;
    assert_eq!(revisions(puts).await, BTreeSet::from([revision + 1]));
    world.assert_admins(&["mary".to_owned()]).await;
}

#[tokio::test]
async fn member_with_revision_of_before_is_refused() {
    let world = World::new().await;
    let (first, held, puts) = world.waiting().await;
    let rehearsed = world
        .server
        .proxy
        .observe(request(rollback_of("read_tenant")));
    let expecting = pb::PutUsersRequest {
        tenant: TENANT.into(),
        expected_revision: Some(1),
        users: vec![pb::User {
            code: "mary".into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut client = DirectoryServiceClient::new(world.server.channel.clone());
    let expecting = tokio::spawn(async move { client.put_users(expecting).await });
    rehearsed.arrived().await;
    held.release();
    let status = expecting.await.unwrap().unwrap_err();
    assert_eq!(refusal(&status).1, "REVISION_CHANGED");
    first.await.unwrap().unwrap();
    revisions(puts).await;
    world.assert_admins(&users()).await;
}

/// Commits the waiting writes while a connection is cut, and asserts that each is committed
/// once.
async fn committed_though_cut(point: Point) -> World {
    let world = World::new().await;
    let (first, held, puts) = world.waiting().await;
    let cut = world.server.proxy.cut(point);
    held.release();
    let before = first.await.unwrap().unwrap().revision;
    let expected: BTreeSet<u64> = (before + 1..).take(WAITING).collect();
    assert_eq!(revisions(puts).await, expected);
    assert_eq!(cut.count(), 1);
    world.assert_admins(&users()).await;
    world
}

/// The outcome of each member is looked up.
#[tokio::test]
async fn members_of_commit_without_reply_are_committed_once() {
    let world = committed_though_cut(reply(commit_of("finish_write")).nth(2)).await;
    let together = world.most_in_one_transaction().await;
    assert!(together >= SURELY_QUEUED, "{together}");
}

/// None of them is committed; each is tried again, or returns that nothing has changed.
#[tokio::test]
async fn members_of_commit_that_did_not_arrive_are_tried_again() {
    let world = World::new().await;
    let (first, held, puts) = world.waiting().await;
    let cut = world
        .server
        .proxy
        .cut(request(commit_of("finish_write")).nth(2));
    held.release();
    first.await.unwrap().unwrap();
    let mut put = Vec::new();
    for (user, answer) in users().into_iter().zip(puts) {
        match answer.await.unwrap() {
            Ok(_) => put.push(user),
            Err(status) => assert_unavailable(&status),
        }
    }
    assert_eq!(cut.count(), 1);
    world.assert_admins(&put).await;
}

/// A statement of one member fails, and with it the transaction: each is committed alone.
#[tokio::test]
async fn members_are_committed_alone_after_one_has_failed() {
    let world = committed_though_cut(request("finish_write").nth(3)).await;
    assert!(world.most_in_one_transaction().await <= 2);
}

//! Rules about the commit of a write.

use pim_authz::{
    failpoints::{Gate, Rule, gates::count},
    pb::{self, catalog_service_client::CatalogServiceClient},
};

use crate::{
    harness::{Server, TENANT, Verdict, World, needs, refusal},
    postgres_proxy::{Fault, begin_of, commit_of, reply, request},
};
use tokio::task::JoinHandle;

/// Another server gives the write up, and a load sees it neither pending nor committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intent_is_condition() {
    let schedule = async |database| {
        let world = World::new(database).await;
        let commit = world.writer.proxy.hold(request(begin_of("use_intent")));
        let removal = world.removing_julia();
        commit.arrived().await;
        let reap = "DELETE FROM pim_authz.intent";
        world.database.execute(reap).await;
        assert!(world.reader.may_view(TENANT, "julia").await.unwrap());
        commit.release();
        removal.await.unwrap();
        world.check_after(false).await
    };
    needs(&[Rule::IntentIsCondition], schedule).await;
}

/// A category gets another product between the rehearsal and the commit of its deletion.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn announced_keys_only() {
    let schedule = async |database| {
        let world = World::new(database).await;
        world.move_products(&["cap"], "other").await;
        let commit = world.writer.proxy.hold(request(begin_of("use_intent")));
        let delete = pb::DeleteCategoriesRequest {
            tenant: TENANT.into(),
            codes: vec!["other".into()],
            cascade: true,
            ..Default::default()
        };
        let mut client = CatalogServiceClient::new(world.writer.channel.clone());
        let deletion = tokio::spawn(async move { client.delete_categories(delete).await });
        commit.arrived().await;
        world.move_products(&["hat"], "other").await;
        assert!(!world.reader.may_view(TENANT, "julia").await.unwrap());
        let patch = world.reader.proxy.hold(request("find_facts"));
        commit.release();
        deletion.await.unwrap().unwrap();
        patch.arrived().await;
        world.reader_knows("mary", "cap").await;
        // Everyone may view a product without categories.
        world.check_after(true).await
    };
    needs(&[Rule::AnnouncedKeysOnly], schedule).await;
}

/// A first attempt commits after its retry and another write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idempotency_in_commit() {
    let schedule = async |database| {
        let world = World::new(database).await;
        let commit = world.writer.proxy.hold(request(begin_of("use_intent")));
        let first = world.writer.putting_user("julia", &[], "key");
        commit.arrived().await;
        let (retry, other) = (&world.reader, &world.reader);
        retry.put_user("julia", &[], "key").await.unwrap();
        other.put_user("julia", &["admins"], "").await.unwrap();
        commit.release();
        first.await.unwrap().unwrap();
        world.check_after(true).await
    };
    needs(&[Rule::IdempotencyInCommit], schedule).await;
}

/// The end of Julia's membership, and of Mary's.
type Removals = [JoinHandle<()>; 2];

/// Begins two writes of one server, which will be announced together once the returned
/// announcement is released.
async fn two_writes(writer: &Server) -> (Removals, Fault) {
    let announcing = writer.proxy.hold(reply("announce"));
    let before = writer.putting_user("zoe", &[], "");
    announcing.arrived().await;
    let queued = count(Gate::AnnouncementQueued);
    let julia = removing(writer, "julia");
    queued.arrived_times(1).await;
    let mary = removing(writer, "mary");
    queued.arrived_times(2).await;
    let both = writer.proxy.hold(request("announce"));
    announcing.release();
    before.await.unwrap().unwrap();
    ([julia, mary], both)
}

/// Removes a user from all groups, in a task.
fn removing(writer: &Server, user: &str) -> JoinHandle<()> {
    let put = writer.putting_user(user, &[], "");
    tokio::spawn(async move {
        put.await.unwrap().unwrap();
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group_announces_all() {
    let schedule = async |database| {
        let world = World::new(database).await;
        let (removals, both) = two_writes(&world.writer).await;
        both.release();
        for removal in removals {
            removal.await.unwrap();
        }
        Verdict::of(world.reader.may_view(TENANT, "mary").await, false)
    };
    needs(&[Rule::GroupAnnouncesAll], schedule).await;
}

/// A write arrives while another one is announced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_before_commit() {
    let schedule = async |database| {
        let world = World::new(database).await;
        world.reader.answers_from_memory("julia", true).await;
        let announcing = world.writer.proxy.hold(reply("announce"));
        let before = world.writer.putting_user("zoe", &[], "");
        announcing.arrived().await;
        let queued = count(Gate::AnnouncementQueued);
        let removal = world.removing_julia();
        queued.arrived().await;
        announcing.release();
        before.await.unwrap().unwrap();
        removal.await.unwrap();
        world.check_after(false).await
    };
    needs(&[Rule::MembersBeforeCommit], schedule).await;
}

/// A COMMIT arrives after the writer has given it up, and cannot try again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn give_up_deletes_intent() {
    let schedule = async |database| {
        let world = World::new(database).await;
        let (writer, proxy) = (&world.writer, &world.writer.proxy);
        let commit = proxy.hold(request(commit_of("finish_write")));
        let removal = writer.putting_user("julia", &[], "");
        commit.arrived().await;
        let _again = proxy.swallow(request("read_tenant"));
        let status = removal.await.unwrap().unwrap_err();
        let committed = proxy.observe(reply(commit_of("finish_write")));
        commit.release();
        committed.arrived().await;
        let is_removed = !world.reader.may_view(TENANT, "julia").await.unwrap();
        if is_removed && refusal(&status).1 != "OUTCOME_UNKNOWN" {
            return Verdict::Wrong(format!("committed, though it failed: {status:?}"));
        }
        Verdict::Right
    };
    needs(&[Rule::GiveUpDeletesIntent], schedule).await;
}

/// A load runs between the commits of two writes that were announced together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_member_row() {
    let schedule = async |database| {
        let world = World::new(database).await;
        let ([mut julia, mut mary], both) = two_writes(&world.writer).await;
        let second = request(begin_of("use_intent")).nth(2);
        let second = world.writer.proxy.hold(second);
        both.release();
        let (left, removal) = tokio::select! {
            _ = &mut julia => ("mary", mary),
            _ = &mut mary => ("julia", julia),
        };
        second.arrived().await;
        assert!(world.reader.may_view(TENANT, left).await.unwrap());
        second.release();
        removal.await.unwrap();
        Verdict::of(world.reader.may_view(TENANT, left).await, false)
    };
    needs(&[Rule::OwnMemberRow], schedule).await;
}

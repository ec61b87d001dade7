//! Rules about the facts in the cache.

use pim_authz::failpoints::{Gate, Rule, gates::hold};

use crate::{
    harness::{Database, TENANT, Verdict, World, needs},
    postgres_proxy::{commit_of, reply, request},
};

/// A load of Julia begins before the announcement of a write and ends after the write.
async fn load_around_a_write(database: Database) -> Verdict {
    let world = World::new(database).await;
    let load = world.reader.proxy.hold(reply("find_facts"));
    let early = world.checking().await;
    load.arrived().await;
    world.remove_julia().await;
    load.release();
    early.await.unwrap().unwrap();
    world.check_after(false).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floors() {
    needs(&[Rule::Floors], load_around_a_write).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_of_in_data_snapshot() {
    needs(&[Rule::AsOfInDataSnapshot], load_around_a_write).await;
}

/// A load runs after the announcement and before the commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pending_not_cached() {
    let schedule = async |database| {
        let world = World::new(database).await;
        let commit = world.writer.proxy.hold(request(commit_of("finish_write")));
        let removal = world.removing_julia();
        commit.arrived().await;
        assert!(world.reader.may_view(TENANT, "julia").await.unwrap());
        commit.release();
        removal.await.unwrap();
        world.check_after(false).await
    };
    needs(&[Rule::PendingNotCached], schedule).await;
}

/// A Check begins after the write, while a statement from before it has no reply yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn share_young_loads_only() {
    let schedule = async |database| {
        let world = World::new(database).await;
        let commit = world.writer.proxy.hold(request(commit_of("finish_write")));
        let removal = world.removing_julia();
        commit.arrived().await;
        let load = world.reader.proxy.hold(reply("find_facts"));
        let early = world.checking().await;
        load.arrived().await;
        commit.release();
        removal.await.unwrap();
        let queued = hold(Gate::LoadQueued);
        let late = world.checking().await;
        queued.arrived().await;
        load.release();
        queued.release();
        early.await.unwrap().unwrap();
        Verdict::of(late.await.unwrap(), false)
    };
    needs(&[Rule::ShareYoungLoadsOnly], schedule).await;
}

/// Two writes between the reads of two facts: `hat` may be viewed before, between and after
/// them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn final_floor_check() {
    let schedule = async |database| {
        let world = World::new(database).await;
        world.reader.answers_from_memory("julia", true).await;
        let found = hold(Gate::SubjectLent);
        let check = world.checking().await;
        found.arrived().await;
        let groups = ["admins", "editors"];
        let put = world.writer.put_user("julia", &groups, "");
        put.await.unwrap();
        world.move_products(&["hat"], "other").await;
        world.index_is_patched().await;
        found.release();
        Verdict::of(check.await.unwrap(), true)
    };
    needs(&[Rule::FinalFloorCheck], schedule).await;
}

/// A product of the index has changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn products_marked() {
    let schedule = async |database| {
        let world = World::new(database).await;
        world.reader.answers_from_memory("julia", true).await;
        world.move_products(&["hat"], "other").await;
        world.check_after(false).await
    };
    needs(&[Rule::ProductsMarked], schedule).await;
}

//! Rules about the pages of lists, which read pending products from the database.

use pim_authz::failpoints::Rule;

use crate::{
    harness::{Database, Verdict, World, needs},
    postgres_proxy::{begin_of, commit_of, reply, request},
};

/// A world in which the reader builds the list of Julia's products from its cache.
async fn world(database: Database, groups: &[&str]) -> World {
    let world = World::new(database).await;
    world.writer.put_user("julia", groups, "").await.unwrap();
    while world.reader.status().await.pages_from_memory == 0 {
        world.list().await;
    }
    world
}

fn verdict(listed: &[String], expected: &[&[&str]]) -> Verdict {
    if expected.iter().any(|expected| listed == *expected) {
        return Verdict::Right;
    }
    Verdict::Wrong(format!("listed: {listed:?}"))
}

/// A write of a product has returned; the reader has not read the product again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marked_read_last() {
    let schedule = async |database| {
        let world = world(database, &["admins"]).await;
        let patch = world.reader.proxy.hold(request("find_facts"));
        world.move_products(&["hat"], "other").await;
        patch.arrived().await;
        let listed = world.list().await;
        patch.release();
        verdict(&listed, &[&["cap"]])
    };
    needs(&[Rule::MarkedReadLast], schedule).await;
}

/// A product is read before a write, and Julia after that write and a second one. She may
/// view `hat` all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uncached_last() {
    let schedule = async |database| {
        let world = world(database, &["admins", "editors"]).await;
        let commit = world.writer.proxy.hold(request(commit_of("finish_write")));
        let moving = world.moving_products(&["hat"], "other");
        commit.arrived().await;
        let products = world.reader.proxy.hold(reply("find_facts"));
        let list = world.listing();
        products.arrived().await;
        commit.release();
        moving.await.unwrap();
        let put = world.writer.put_user("julia", &["editors"], "");
        put.await.unwrap();
        world.reader.answers_from_memory("julia", true).await;
        products.release();
        verdict(&list.await.unwrap(), &[&["hat"], &["hat", "cap"]])
    };
    needs(&[Rule::UncachedLast], schedule).await;
}

/// One write moves two products.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uncached_together() {
    let schedule = async |database| {
        let world = world(database, &["admins"]).await;
        let commit = world.writer.proxy.hold(request(commit_of("finish_write")));
        let moving = world.moving_products(&["hat", "cap"], "other");
        commit.arrived().await;
        let products = world.reader.proxy.hold(reply("find_facts"));
        let list = world.listing();
        products.arrived().await;
        commit.release();
        moving.await.unwrap();
        products.release();
        verdict(&list.await.unwrap(), &[&["hat", "cap"], &[]])
    };
    needs(&[Rule::UncachedTogether], schedule).await;
}

/// Julia is found before a write, and a product read after that write and a second one. She
/// may view `hat` all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn validate_after_last() {
    let schedule = async |database| {
        let world = world(database, &["admins"]).await;
        let commit = world.writer.proxy.hold(request(begin_of("use_intent")));
        let moving = world.moving_products(&["hat"], "other");
        commit.arrived().await;
        let products = world.reader.proxy.hold(request("find_facts"));
        let list = world.listing();
        products.arrived().await;
        let groups = ["admins", "editors"];
        let put = world.writer.put_user("julia", &groups, "");
        put.await.unwrap();
        commit.release();
        moving.await.unwrap();
        products.release();
        verdict(&list.await.unwrap(), &[&["hat", "cap"]])
    };
    needs(&[Rule::ValidateAfterLast], schedule).await;
}

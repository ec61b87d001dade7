//! Rules about the log of announcements.

use pim_authz::failpoints::Rule;

use crate::{
    harness::{Database, Verdict, World, needs},
    postgres_proxy::{reply, request},
};

/// The log is cleaned up between an announcement and the reader's next look at it.
async fn clean_up_before_a_look(database: Database) -> Verdict {
    let world = World::new(database).await;
    world.reader.answers_from_memory("julia", true).await;
    let log = world.reader.proxy.hold(request("read_log"));
    log.arrived().await;
    let announced = world.writer.proxy.observe(reply("announce"));
    let removal = world.removing_julia();
    announced.arrived().await;
    let clean_up = "BEGIN; SELECT set_config('pim_authz.door', 'clean-up', true);
         DELETE FROM pim_authz.invalidation;
         UPDATE pim_authz.head SET log_floor = seq; COMMIT";
    world.database.execute(clean_up).await;
    log.release();
    removal.await.unwrap();
    world.check_after(false).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_floor_drops_all() {
    needs(&[Rule::LogFloorDropsAll], clean_up_before_a_look).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_floor_with_rows() {
    needs(&[Rule::LogFloorWithRows], clean_up_before_a_look).await;
}

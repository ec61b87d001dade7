//! Rules about joining the servers that hold a lease, and about renewing it.

use std::time::Duration;

use pim_authz::failpoints::{Gate, Rule, gates::count};

use crate::{
    harness::{LONGER, TENANT, World, needs},
    postgres_proxy::{Traffic, reply, request},
};

/// A lease that is renewed during a schedule, and does not end.
const LEASE: Duration = Duration::from_secs(6);

/// A write is announced while the reader joins again. A load from before that ends only after
/// the write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn join_row_first_or_join_gives_no_lease() {
    let schedule = async |database| {
        let world = World::with_leases(database, [LEASE, LONGER]).await;
        let load = world.reader.proxy.hold(reply("find_facts"));
        let early = world.checking().await;
        load.arrived().await;
        let join = world.reader.proxy.hold(request("join"));
        let end = "DELETE FROM pim_authz.lease WHERE length_ms = 6000";
        world.database.execute(end).await;
        join.arrived().await;
        world.remove_julia().await;
        let renewal = world.reader.proxy.hold(request("renew").every());
        join.release();
        renewal.arrived().await;
        if world.reader.may_view(TENANT, "mary").await.is_err() {
            renewal.release();
            world.reader_answers_again().await;
        }
        world.reader.answers_from_memory("mary", true).await;
        let loaded = count(Gate::LoadEnded);
        load.release();
        loaded.arrived().await;
        let _either_way = early.await.unwrap();
        world.check_after(false).await
    };
    needs(&[Rule::JoinRowFirst, Rule::JoinGivesNoLease], schedule).await;
}

/// A first write ends the lease of the reader. A second one is made while the reader renews
/// it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_read_after_row() {
    let schedule = async |database| {
        let world = World::new(database).await;
        world.reader.answers_from_memory("julia", true).await;
        world.reader.proxy.set(Traffic::IsRefused);
        world.write_in_time().await;
        let renewal = world.reader.proxy.hold(request("renew"));
        world.reader.proxy.set(Traffic::Passes);
        renewal.arrived().await;
        world.remove_julia().await;
        let log = world.reader.proxy.hold(request("read_log").every());
        renewal.release();
        log.arrived().await;
        world.check_after(false).await
    };
    needs(&[Rule::LogReadAfterRow], schedule).await;
}

//! Rules about the lease of a server that loses its connection to PostgreSQL.

use std::time::Duration;

use pim_authz::{
    cache::Clock,
    failpoints::{
        Gate, Rule,
        gates::{Closed, count, hold},
    },
};
use tokio::task::JoinHandle;
use tonic::Status;

use crate::{
    harness::{Database, LONG, LONGER, Verdict, World, needs},
    postgres_proxy::{Fault, Traffic, reply, request},
};

/// A world whose reader has Julia in its cache.
async fn world(database: Database) -> World {
    let world = World::new(database).await;
    world.reader.answers_from_memory("julia", true).await;
    world
}

/// The reader is cut off before the write.
async fn cut_off_reader(database: Database) -> Verdict {
    let world = world(database).await;
    world.reader.proxy.set(Traffic::IsRefused);
    world.remove_julia_in_time().await;
    world.check_after(false).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lease_checked() {
    needs(&[Rule::LeaseChecked], cut_off_reader).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wait_full_lease() {
    needs(&[Rule::WaitFullLease], cut_off_reader).await;
}

/// A Check begins after the lease has ended, and the reader joins again before it ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn until_before_floors() {
    let schedule = async |database| {
        let world = world(database).await;
        world.reader.proxy.set(Traffic::IsRefused);
        world.remove_julia_in_time().await;
        let compared = hold(Gate::WatermarksCompared);
        let check = world.checking().await;
        compared.arrived().await;
        world.reader.proxy.set(Traffic::Passes);
        world.reader_answers_again().await;
        compared.release();
        Verdict::of(check.await.unwrap(), false)
    };
    needs(&[Rule::UntilBeforeFloors], schedule).await;
}

/// The reader joins again after the write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn join_raises_floors() {
    let schedule = async |database| {
        let world = world(database).await;
        world.reader.proxy.set(Traffic::IsRefused);
        world.remove_julia_in_time().await;
        world.reader.proxy.set(Traffic::Passes);
        world.reader_answers_again().await;
        world.check_after(false).await
    };
    needs(&[Rule::JoinRaisesFloors], schedule).await;
}

/// A first write ends the lease of the reader, which reads no log before a second one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewal_hits_row() {
    let schedule = async |database| {
        let world = world(database).await;
        world.reader.proxy.set(Traffic::IsRefused);
        world.write_in_time().await;
        world.reader.proxy.set(Traffic::Passes);
        world.reader_answers_again().await;
        let log = world.reader.proxy.hold(request("read_log").every());
        log.arrived().await;
        world.remove_julia_despite(&log).await;
        world.check_after(false).await
    };
    needs(&[Rule::RenewalHitsRow], schedule).await;
}

/// The reader renews its lease during the wait of the write, and cannot read the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_applied_before_lease() {
    let schedule = async |database| {
        let world = world(database).await;
        world.reader.proxy.set(Traffic::DropsNotifications);
        let lost = world.reader.proxy.swallow(request("read_log"));
        lost.arrived().await;
        let removal = world.removing_julia();
        world.write_waits().await;
        world.passes(LONG / 2);
        // On a new connection it renews first.
        let log = world.reader.proxy.hold(request("read_log").every());
        lost.release();
        log.arrived().await;
        world.returns_in_time(removal).await;
        world.check_after(false).await
    };
    needs(&[Rule::LogAppliedBeforeLease], schedule).await;
}

/// The log that a renewal reads arrives late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lease_from_send() {
    let schedule = async |database| {
        let world = world(database).await;
        let renewal = world.reader.proxy.hold(reply("renew"));
        world.reader.proxy.cut(request("read_log")).arrived().await;
        renewal.arrived().await;
        let log = world.reader.proxy.hold(reply("read_log"));
        renewal.release();
        log.arrived().await;
        let removal = world.removing_julia();
        world.write_waits().await;
        world.passes(LONG / 2);
        let next = world.reader.proxy.hold(request("read_log").every());
        log.release();
        next.arrived().await;
        world.returns_in_time(removal).await;
        world.check_after(false).await
    };
    needs(&[Rule::LeaseFromSend], schedule).await;
}

/// A world whose reader has no index: it caches products one by one. It waits for no call
/// when it stops.
async fn world_without_index(database: Database) -> World {
    let clock = Clock::settable();
    let reader = World::serve(&database, LONG, clock, |config| {
        config.drain = Duration::ZERO;
    });
    let reader = reader.await;
    let _index = reader.proxy.hold(request("copy_products").every());
    let world = World {
        writer: World::writer(&database, LONGER, clock).await,
        reader,
        database,
        clock,
    };
    world.reader_knows("julia", "cap").await;
    world
}

/// A Check of Julia that has found her, and a load of `hat` that has been sent.
struct Straddling {
    check: JoinHandle<Result<bool, Status>>,
    found: Closed,
    load: Fault,
}

impl Straddling {
    async fn begin(world: &World) -> Self {
        let load = world.reader.proxy.hold(request("find_facts"));
        let _unanswered = tokio::spawn(world.check("mary", "hat"));
        load.arrived().await;
        let found = hold(Gate::SubjectsFound);
        let check = world.checking().await;
        found.arrived().await;
        Self { check, found, load }
    }

    /// Makes two writes, between which and after which Julia may view `hat`, too; then the
    /// load runs, and after it the Check continues.
    async fn end_after_two_writes(self, world: &World) -> Verdict {
        let groups = ["admins", "editors"];
        let put = world.writer.putting_user("julia", &groups, "");
        world.returns_in_time(put).await.unwrap();
        let moved = world.moving_products(&["hat"], "other");
        world.returns_in_time(moved).await;
        let loaded = count(Gate::LoadEnded);
        self.load.release();
        loaded.arrived().await;
        self.found.release();
        Verdict::of(self.check.await.unwrap(), true)
    }
}

/// The lease ends during a Check.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lease_checked_last() {
    let schedule = async |database: Database| {
        let world = world_without_index(database).await;
        let straddling = Straddling::begin(&world).await;
        let log = world.reader.proxy.hold(request("read_log").every());
        log.arrived().await;
        straddling.end_after_two_writes(&world).await
    };
    needs(&[Rule::LeaseCheckedLast], schedule).await;
}

/// The reader stops during a Check, without waiting for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leave_stops_first() {
    let schedule = async |database: Database| {
        let mut world = world_without_index(database).await;
        let straddling = Straddling::begin(&world).await;
        let leaves = world.reader.proxy.hold(reply("leave"));
        world.reader.served.begin_stop();
        leaves.arrived().await;
        let verdict = straddling.end_after_two_writes(&world).await;
        leaves.release();
        verdict
    };
    needs(&[Rule::LeaveStopsFirst], schedule).await;
}

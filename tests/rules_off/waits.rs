//! Rules about the acknowledgements that a write waits for.

use pim_authz::{cache::Clock, failpoints::Rule};

use crate::{
    harness::{Database, LONG, LONGER, TENANT, Verdict, World, needs},
    postgres_proxy::{Traffic, commit_of, reply, request},
};

/// The reader does not read the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wait_for_acks() {
    let schedule = async |database| {
        let world = World::new(database).await;
        world.reader.answers_from_memory("julia", true).await;
        let log = world.reader.proxy.hold(request("read_log").every());
        log.arrived().await;
        world.remove_julia_despite(&log).await;
        world.check_after(false).await
    };
    needs(&[Rule::WaitForAcks], schedule).await;
}

/// The acknowledgement has arrived, and its reply has not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apply_before_ack() {
    let schedule = async |database| {
        let world = World::new(database).await;
        world.reader.answers_from_memory("julia", true).await;
        let log = world.reader.proxy.hold(request("read_log"));
        log.arrived().await;
        let announced = world.writer.proxy.observe(reply("announce"));
        let removal = world.removing_julia();
        announced.arrived().await;
        let acknowledged = world.reader.proxy.hold(reply("acknowledge"));
        log.release();
        removal.await.unwrap();
        let verdict = world.check_after(false).await;
        acknowledged.release();
        verdict
    };
    needs(&[Rule::ApplyBeforeAck], schedule).await;
}

/// A Check of the writer, and then one of the reader, which does not read the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_after_wait() {
    let schedule = async |database| {
        let world = World::new(database).await;
        world.reader.answers_from_memory("julia", true).await;
        let log = world.reader.proxy.hold(request("read_log").every());
        log.arrived().await;
        let looks = world.writer.proxy.observe(reply("read_leases").every());
        let committed = world.writer.proxy.observe(reply(commit_of("finish_write")));
        let removal = world.removing_julia();
        tokio::select! {
            biased;
            () = committed.arrived() => {}
            () = looks.arrived_times(3) => {}
        }
        let first = world.writer.may_view(TENANT, "julia").await.unwrap();
        let then = world.reader.may_view(TENANT, "julia").await.unwrap();
        log.release();
        removal.await.unwrap();
        if then && !first {
            return Verdict::Wrong("older than the answer before".to_owned());
        }
        Verdict::Right
    };
    needs(&[Rule::CommitAfterWait], schedule).await;
}

/// A server joins while the announcement is under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registry_after_intent() {
    let schedule = async |database: Database| {
        let clock = Clock::settable();
        let writer = World::writer(&database, LONGER, clock).await;
        let announce = writer.proxy.hold(request("announce"));
        let removal = writer.putting_user("julia", &[], "");
        announce.arrived().await;
        let reader = World::serve(&database, LONG, clock, |_| {}).await;
        reader.answers_from_memory("julia", true).await;
        let world = World {
            reader,
            writer,
            database,
            clock,
        };
        let log = world.reader.proxy.hold(request("read_log").every());
        log.arrived().await;
        announce.release();
        let removed = world.returns_despite(removal, &log).await;
        removed.unwrap();
        world.check_after(false).await
    };
    needs(&[Rule::RegistryAfterIntent], schedule).await;
}

/// The reader renews its lease during the wait of a write, but reads the log only after it. So
/// it has applied the announcement of that write, and not that of the next.
///
/// With `holds_leases`, the write reads the leases when the lease was renewed, after half of
/// the wait.
async fn renewed_during_a_wait(database: Database, holds_leases: bool) -> Verdict {
    let world = World::new(database).await;
    world.reader.answers_from_memory("julia", true).await;
    world.reader.proxy.set(Traffic::DropsNotifications);
    let lost = world.reader.proxy.swallow(request("read_log"));
    lost.arrived().await;
    let leases = holds_leases.then(|| world.writer.proxy.hold(request("read_leases")));
    let first = world.writer.putting_user("zoe", &[], "");
    match &leases {
        Some(leases) => leases.arrived().await,
        None => world.write_waits().await,
    }
    world.passes(LONG / 2);
    // On a new connection it renews first.
    let log = world.reader.proxy.hold(request("read_log").every());
    lost.release();
    log.arrived().await;
    if let Some(leases) = &leases {
        leases.release();
    }
    world.returns_in_time(first).await.unwrap();
    let next = world.reader.proxy.hold(request("read_log").every());
    log.release();
    next.arrived().await;
    world.remove_julia_despite(&next).await;
    world.check_after(false).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delete_unmoved_lease() {
    let schedule = async |database| renewed_during_a_wait(database, false).await;
    needs(&[Rule::DeleteUnmovedLease], schedule).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clock_after_registry() {
    let schedule = async |database| renewed_during_a_wait(database, true).await;
    needs(&[Rule::ClockAfterRegistry], schedule).await;
}

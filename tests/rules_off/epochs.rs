//! Rules about epochs: PostgreSQL was restarted or replaced.

use std::time::Duration;

use pim_authz::{
    cache::Clock,
    failpoints::{Gate, Rule, gates::count},
};

use crate::{
    harness::{LONG, Server, TENANT, Verdict, World, needs},
    postgres_proxy::{Traffic, begin_of, reply, request},
};

/// A lease that is renewed during a schedule.
const LEASE: Duration = Duration::from_secs(3);

/// The primary changes while the reader is cut off: its lease row is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_wait_unless_armed() {
    let schedule = async |database| {
        let world = World::with_leases(database, [LONG; 2]).await;
        world.reader.answers_from_memory("julia", true).await;
        world.reader.proxy.set(Traffic::IsRefused);
        world.begin_epoch("second").await;
        world.remove_julia_in_time().await;
        world.check_after(false).await
    };
    needs(&[Rule::FullWaitUnlessArmed], schedule).await;
}

/// The primary changes again during the first wait of an epoch, while the reader is cut off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arm_own_epoch() {
    let schedule = async |database| {
        let world = World::with_leases(database, [LONG, LEASE]).await;
        let joined = world.reader.proxy.observe(reply("join"));
        world.begin_epoch("second").await;
        joined.arrived().await;
        world.reader_answers_again().await;
        world.reader.answers_from_memory("julia", true).await;
        let first = world.writer.putting_user("zoe", &[], "");
        world.write_waits().await;
        world.passes(LONG / 2);
        world.reader_connects_again().await;
        world.reader.proxy.set(Traffic::IsRefused);
        world.begin_epoch("third").await;
        world.returns_in_time(first).await.unwrap();
        world.remove_julia_in_time().await;
        world.check_after(false).await
    };
    needs(&[Rule::ArmOwnEpoch], schedule).await;
}

/// Keeps the memberships as they are, for [`PROMOTE`].
const COPY: &str = "CREATE TABLE public.copied AS TABLE pim_authz.membership";

/// Promotes a copy that lacks the last announcement and its write.
const PROMOTE: &str = "BEGIN;
    SET LOCAL session_replication_role = replica;
    DELETE FROM pim_authz.membership;
    INSERT INTO pim_authz.membership SELECT * FROM public.copied;
    DELETE FROM pim_authz.commit_log WHERE n = (SELECT seq FROM pim_authz.head);
    DELETE FROM pim_authz.invalidation WHERE seq = (SELECT seq FROM pim_authz.head);
    UPDATE pim_authz.head SET seq = seq - 1, fingerprint = 'copy';
    COMMIT";

/// A load saw the write that is lost, and ends in the next epoch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn epoch_tag() {
    let schedule = async |database| {
        let world = World::new(database).await;
        world.database.execute(COPY).await;
        world.remove_julia().await;
        let load = world.reader.proxy.hold(reply("find_facts"));
        let mut early = world.checking().await;
        load.arrived().await;
        let joined = world.reader.proxy.observe(reply("join"));
        world.database.execute(PROMOTE).await;
        joined.arrived().await;
        world.reader_answers_again().await;
        world.reader.answers_from_memory("mary", true).await;
        let loaded = count(Gate::LoadEnded);
        let again = world.reader.proxy.hold(request("find_facts"));
        load.release();
        loaded.arrived().await;
        // Unless it failed when the epoch began, the early Check loads Julia again.
        tokio::select! {
            () = again.arrived() => {}
            _ = &mut early => again.release(),
        }
        let verdict = world.check_after(true).await;
        again.release();
        verdict
    };
    needs(&[Rule::EpochTag], schedule).await;
}

/// A commit arrives after the copy has numbered another announcement like its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn epoch_is_condition() {
    let schedule = async |database| {
        let clock = Clock::default();
        let writer = World::writer(&database, LEASE, clock).await;
        database.execute(COPY).await;
        let commit = writer.proxy.hold(request(begin_of("use_intent")));
        let removal = writer.putting_user("julia", &[], "");
        commit.arrived().await;
        for of_lease in ["read_log", "renew", "listen"] {
            writer.proxy.hold(request(of_lease).every());
        }
        database.execute(PROMOTE).await;
        let reader = Server::start_with_lease(&database, LEASE).await;
        let announced = reader.proxy.observe(reply("announce"));
        let other = reader.putting_user("zoe", &[], "");
        announced.arrived().await;
        reader.answers_from_memory("julia", true).await;
        commit.release();
        let is_removed = removal.await.unwrap().is_ok();
        let verdict = Verdict::of(reader.may_view(TENANT, "julia").await, !is_removed);
        other.await.unwrap().unwrap();
        verdict
    };
    needs(&[Rule::EpochIsCondition], schedule).await;
}

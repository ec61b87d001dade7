//! Coherence of the caches (`docs/coherence.md`): several servers, a real
//! PostgreSQL, faults, and a checker of all responses to clients.
//!
//! `PIM_AUTHZ_COHERENCE_ROUNDS=n` runs every fault and every pair of faults n
//! times instead of a selection once; `PIM_AUTHZ_COHERENCE_LOGS=1` prints the
//! servers' logs. With the feature `failpoints`, each rule of the protocol is
//! also switched off, and the checker must detect its absence.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it does not expect fails"
)]

mod cluster;
mod fault;
#[path = "../support/history.rs"]
mod history;
#[cfg(feature = "failpoints")]
mod mutants;
#[path = "../support/postgres_proxy/proxy.rs"]
#[expect(
    dead_code,
    unused_imports,
    reason = "here the whole traffic is disturbed, not single statements"
)]
mod postgres_proxy;
#[path = "../support/registers.rs"]
mod registers;
mod remade;
mod scenario;
mod statements;
mod workload;

use std::time::Duration;

use fault::{FAULTS, Fault};
use scenario::{Outcome, Verdict};

/// Pairs of faults that are run by default.
const PAIRS: [[Fault; 2]; 8] = [
    [Fault::LongStandstill, Fault::Death],
    [Fault::HeldNetwork, Fault::LongStandstill],
    [Fault::LostCommitAnswer, Fault::Crash],
    [Fault::Storm, Fault::LostHints],
    [Fault::LateNetwork, Fault::LostCommitAnswer],
    [Fault::RefusedNetwork, Fault::Restart],
    [Fault::ShortStandstill, Fault::Crash],
    [Fault::Death, Fault::LateNetwork],
];

fn scenarios() -> Vec<Vec<Fault>> {
    let mut once: Vec<Vec<Fault>> = vec![Vec::new()];
    once.extend(FAULTS.map(|fault| vec![fault]));
    let rounds = std::env::var("PIM_AUTHZ_COHERENCE_ROUNDS");
    let Ok(rounds) = rounds else {
        once.extend(PAIRS.map(Vec::from));
        return once;
    };
    // A fault that stops all servers is not paired with others.
    let paired = FAULTS
        .into_iter()
        .filter(|fault| *fault != Fault::TwoRestarts);
    for first in paired.clone() {
        once.extend(paired.clone().map(|second| vec![first, second]));
    }
    std::iter::repeat_n(once, rounds.parse().unwrap())
        .flatten()
        .collect()
}

fn median(sorted: &[Duration]) -> Duration {
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn report(faults: &[Fault], outcome: &Outcome) {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let gaps = outcome.longest_gaps.iter();
    let gaps: Vec<String> = gaps
        .map(|gap| format!("{:.2}", gap.as_secs_f64()))
        .collect();
    println!(
        "{faults:?}: {} reads, {} writes, {} retries, {} failed reads; write p50 {:.1} ms, longest {:.0} ms; longest without answer {} s",
        outcome.reads,
        outcome.writes,
        outcome.retries,
        outcome.failures,
        ms(median(&outcome.write_latency)),
        ms(outcome.write_latency.last().copied().unwrap_or_default()),
        gaps.join(" "),
    );
}

/// G1, G2 and one-instant decisions hold under every fault, and the counters show
/// that the critical situations occurred.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_see_one_order_whatever_happens() {
    let mut postgres = cluster::Postgres::start().await;
    let mut hits_with_pending = 0;
    let mut leases_lost = 0;
    let mut leases_ended = 0;
    let mut withheld = 0;
    let mut loads_with_pending = 0;
    let mut pages_from_memory = 0;
    let mut products_patched = 0;
    for faults in scenarios() {
        let outcome = scenario::run(&mut postgres, &faults, &[]).await;
        report(&faults, &outcome);
        match &outcome.verdict {
            Verdict::Explained => {}
            Verdict::Unexplained(why) => panic!("{faults:?}: {why}"),
            Verdict::NotRecovered => panic!("{faults:?}: it did not recover by itself"),
        }
        assert!(outcome.reads > 100 && outcome.writes > 5, "{outcome:?}");
        for status in &outcome.statuses {
            hits_with_pending += status.hits_with_pending;
            leases_lost += status.leases_lost;
            leases_ended += status.leases_ended;
            withheld += status.answers_withheld;
            loads_with_pending += status.loads_with_pending;
            pages_from_memory += status.pages_from_memory;
            products_patched += status.products_patched;
        }
    }
    println!(
        "{hits_with_pending} answers from memory while writes were under way, {leases_lost} leases lost, {leases_ended} ended by others, {withheld} answers withheld, {loads_with_pending} loads that met a write, {pages_from_memory} pages from memory, {products_patched} products patched"
    );
    let counted = [
        hits_with_pending,
        leases_lost,
        leases_ended,
        withheld,
        loads_with_pending,
        pages_from_memory,
        products_patched,
    ];
    assert!(counted.iter().all(|count| *count > 0), "{counted:?}");
}

//! Schedules by seed: three servers on a real PostgreSQL, and a seed that chooses what happens
//! next. No schedule ends in a wrong response with all rules; without a rule one does, which
//! is printed and shrunk.
//!
//! `PIM_AUTHZ_SCHEDULES=n` runs n schedules, or at most n without each rule;
//! `PIM_AUTHZ_SCHEDULE_SEED=s` repeats the one of a seed.

mod cluster;
mod scheduler;

use std::collections::BTreeSet;

use pim_authz::failpoints::{Rule, rules::switch_off};

use self::cluster::{Cluster, Operation, Outcome, SERVERS};
use crate::{harness::turn, history::REGISTERS};

/// Returns the operations of a seed: writes, and reads of what they change.
fn operations(seed: u64) -> Vec<Operation> {
    // Other choices than those of the scheduler.
    let mut random = fastrand::Rng::with_seed(!seed);
    let mut free: Vec<usize> = (0..REGISTERS).collect();
    let mut operations = Vec::new();
    let mut written = Vec::new();
    for _ in 0..random.usize(3..=8) {
        let server = random.usize(0..SERVERS);
        operations.push(match random.u32(0..8) {
            0..=2 if !free.is_empty() => {
                let register = free.swap_remove(random.usize(0..free.len()));
                written.push(register);
                Operation::Write { register, server }
            }
            3 if !written.is_empty() => {
                let register = written[random.usize(0..written.len())];
                Operation::Retry { register, server }
            }
            4 => Operation::List {
                of_first: random.bool(),
                server,
            },
            _ => {
                let mut registers = [random.bool(), random.bool(), random.bool()];
                registers[random.usize(0..REGISTERS)] = true;
                Operation::Check { registers, server }
            }
        });
    }
    operations
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Runs the schedules of seeds until one ends wrong; returns its seed.
async fn first_wrong(seeds: impl Iterator<Item = u64>) -> Option<(u64, Outcome)> {
    let mut cluster = Cluster::start().await;
    for seed in seeds {
        if cluster.is_used_up() {
            cluster = Cluster::start().await;
        }
        let outcome = cluster.run(seed, &operations(seed), BTreeSet::new()).await;
        if outcome.wrong.is_some() {
            return Some((seed, outcome));
        }
    }
    None
}

fn describe(seed: u64, outcome: &Outcome) -> String {
    format!(
        "seed {seed}: {}\n{:?}\n  {}",
        outcome.wrong.as_deref().unwrap_or("right"),
        operations(seed),
        outcome.trace.join("\n  "),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn no_schedule_is_wrong() {
    let _turn = turn().await;
    let seeds = match number("PIM_AUTHZ_SCHEDULE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("PIM_AUTHZ_SCHEDULES").unwrap_or(100),
    };
    if let Some((seed, outcome)) = first_wrong(seeds).await {
        panic!("{}", describe(seed, &outcome));
    }
}

/// Without a rule, a schedule ends wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn rules_are_missed() {
    let _turn = turn().await;
    let rules = std::env::var("PIM_AUTHZ_SCHEDULE_WITHOUT").unwrap_or_default();
    for rule in rules.split(',').filter(|rule| !rule.is_empty()) {
        let rule: Rule = rule.parse().unwrap();
        let _off = switch_off(&[rule]);
        let begun = std::time::Instant::now();
        let found = first_wrong(0..number("PIM_AUTHZ_SCHEDULES").unwrap_or(200)).await;
        let took = begun.elapsed().as_secs();
        match found {
            Some((seed, outcome)) => {
                println!(
                    "without {rule}: after {took} s {}",
                    describe(seed, &outcome)
                );
            }
            None => println!("without {rule}: not found in {took} s"),
        }
    }
}

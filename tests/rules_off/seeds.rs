//! Schedules by seed: three servers on a real PostgreSQL, and a seed that chooses what happens
//! next. No schedule ends in a wrong response with all rules; without a rule one does, which
//! is printed and shrunk.
//!
//! `PIM_AUTHZ_SCHEDULES=n` runs n schedules, or at most n without each rule;
//! `PIM_AUTHZ_SCHEDULE_SEED=s` repeats the one of a seed; `PIM_AUTHZ_SCHEDULE_WITHOUT` names
//! rules, and `PIM_AUTHZ_SCHEDULE_SEEDS=n` counts the schedules until each is missed n times.

mod cluster;
mod scheduler;

use std::collections::BTreeSet;

use pim_authz::failpoints::{Rule, rules::switch_off};

use self::cluster::{Cluster, Operation, Outcome, Plan, SERVERS};
use crate::{harness::turn, history::REGISTERS};

/// How many schedules run by default.
const SCHEDULES: u64 = 60;

/// Maximum number of schedules until a missing rule is found.
const MOST: u64 = 1_000;

/// Rules that are tried by default: their absence is found in the first dozens.
const FOUND_SOON: &str = "Floors,ProductsMarked";

/// How often a smaller schedule is tried before it counts as right.
const TRIES: usize = 3;

/// Returns the plan of a seed: writes, and reads of what they change. Half of the plans are
/// about one register, which is read on one server and written on others.
fn plan(seed: u64) -> Plan {
    // Other choices than those of the scheduler.
    let mut random = fastrand::Rng::with_seed(!seed);
    let focus = random
        .bool()
        .then(|| (random.usize(0..REGISTERS), random.usize(0..SERVERS)));
    let mut free: Vec<usize> = match focus {
        Some((register, _)) => vec![register],
        None => (0..REGISTERS).collect(),
    };
    let mut operations = Vec::new();
    let mut written = Vec::new();
    for _ in 0..random.usize(4..=10) {
        let any = random.usize(0..SERVERS);
        let writer = match focus {
            Some((_, reader)) if any == reader => (any + 1) % SERVERS,
            _ => any,
        };
        operations.push(match random.u32(0..8) {
            0..=2 if !free.is_empty() => {
                let register = free.swap_remove(random.usize(0..free.len()));
                written.push(register);
                Operation::Write {
                    register,
                    server: writer,
                }
            }
            3 if !written.is_empty() => Operation::Retry {
                register: written[random.usize(0..written.len())],
                server: writer,
            },
            4 => Operation::List {
                of_first: random.bool(),
                server: any,
            },
            _ => {
                let mut registers = [(); REGISTERS].map(|()| random.u32(0..4) == 0);
                registers[random.usize(0..REGISTERS)] = true;
                let (registers, server) = match focus {
                    Some((register, reader)) => ([0, 1, 2].map(|other| other == register), reader),
                    None => (registers, any),
                };
                Operation::Check { registers, server }
            }
        });
    }
    Plan {
        operations,
        may_be_cut_off: match focus {
            Some((_, reader)) => vec![reader],
            None => (0..SERVERS).collect(),
        },
        begins_cold: random.u32(0..3) == 0,
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// A schedule that ended wrong, and how to run it again.
struct Wrong {
    seed: u64,
    plan: Plan,
    /// Steps that do not wait.
    passing: BTreeSet<String>,
    outcome: Outcome,
}

/// Runs the schedules of seeds until one ends wrong.
async fn first_wrong(seeds: impl Iterator<Item = u64>) -> Option<Wrong> {
    let mut cluster = Cluster::start().await;
    for seed in seeds {
        if cluster.is_used_up() {
            cluster = Cluster::start().await;
        }
        let plan = plan(seed);
        let passing = BTreeSet::new();
        let outcome = cluster.run(seed, &plan, passing.clone()).await;
        if outcome.wrong.is_some() {
            return Some(Wrong {
                seed,
                plan,
                passing,
                outcome,
            });
        }
    }
    None
}

impl Wrong {
    /// Leaves operations out and lets steps pass, one after the other, as long as a schedule
    /// still ends wrong in one of [`TRIES`].
    async fn shrunk(mut self) -> Self {
        for number in (0..self.plan.operations.len()).rev() {
            let mut plan = self.plan.clone();
            plan.operations.remove(number);
            let passing = self.passing.clone();
            self.becomes(plan, passing).await;
        }
        for name in self.outcome.controlled.clone() {
            let mut passing = self.passing.clone();
            passing.insert(name);
            self.becomes(self.plan.clone(), passing).await;
        }
        self
    }

    /// Takes this plan if it ends wrong, too.
    async fn becomes(&mut self, plan: Plan, passing: BTreeSet<String>) {
        for _ in 0..TRIES {
            // What was wrong may still be cached.
            let mut cluster = Cluster::start().await;
            let outcome = cluster.run(self.seed, &plan, passing.clone()).await;
            if outcome.wrong.is_some() {
                *self = Self {
                    seed: self.seed,
                    plan,
                    passing,
                    outcome,
                };
                return;
            }
        }
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let why = self.outcome.wrong.as_deref().unwrap_or_default();
        let choices = self.outcome.trace.join("\n  ");
        writeln!(f, "seed {}: {why}\n{:?}", self.seed, self.plan)?;
        writeln!(f, "  {choices}")
    }
}

/// With all rules, no schedule ends wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn no_schedule_ends_wrong() {
    let _turn = turn().await;
    let seeds = match number("PIM_AUTHZ_SCHEDULE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("PIM_AUTHZ_SCHEDULES").unwrap_or(SCHEDULES),
    };
    if let Some(wrong) = first_wrong(seeds).await {
        let whole = wrong.to_string();
        panic!("{whole}\nshrunk:\n{}", wrong.shrunk().await);
    }
}

/// Without a rule, a schedule ends wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn missing_rule_is_found() {
    let _turn = turn().await;
    let rules = std::env::var("PIM_AUTHZ_SCHEDULE_WITHOUT");
    let rules = rules.unwrap_or_else(|_| FOUND_SOON.into());
    for rule in rules.split(',') {
        let rule: Rule = rule.parse().unwrap();
        let _off = switch_off(&[rule]);
        let most = number("PIM_AUTHZ_SCHEDULES").unwrap_or(MOST);
        let seeds = number("PIM_AUTHZ_SCHEDULE_SEEDS").unwrap_or(1);
        let mut needed = Vec::new();
        for from in (0..seeds).map(|number| number * most) {
            let wrong = first_wrong(from..from + most).await;
            needed.push(wrong.map(|wrong| wrong.seed - from + 1));
        }
        println!("without {rule}: {needed:?}");
        assert!(
            needed.iter().all(Option::is_some),
            "without {rule}: {needed:?}"
        );
    }
}

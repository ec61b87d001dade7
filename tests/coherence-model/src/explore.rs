//! Breadth-first exploration: the first counterexample found is a shortest one.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::time::{Duration, Instant};

use crate::rules::Rule;
use crate::scenario::Scenario;
use crate::state::{Begun, FactKind, Load, Phase, Renewal, State, WriterStep};
use crate::steps::Steps;
use crate::{check, replica, shared_commit, writer};

/// What an exploration found.
pub struct Outcome {
    /// How many were visited.
    pub states: usize,
    /// Length of the longest path.
    pub depth: usize,
    /// How long it took.
    pub time: Duration,
    /// What was found.
    pub result: Found,
}

/// Whether an answer was wrong.
pub enum Found {
    /// Every reachable state was visited; all answers were right.
    Holds,
    /// The steps to a wrong answer.
    Violation(Vec<String>),
    /// More states than allowed.
    TooMany,
}

/// States are remembered by a 64-bit fingerprint: at 100 million of them the
/// chance that two differ and collide is about 3 in 10,000.
type Seen = HashSet<u64, BuildHasherDefault<Itself>>;

/// A fingerprint is a hash already.
#[derive(Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0 << 8 | u64::from(*byte));
    }
    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }
}

/// Explores all of `world`, or `max_states` of it.
pub fn explore(world: &Scenario, max_states: usize) -> Outcome {
    check::prepare(world);
    let begun = Instant::now();
    let first = world.initial();
    let mut seen = Seen::default();
    let mut origins = Origins::default();
    let mut frontier = vec![(first, origins.add(0, 0))];
    let mut steps = Steps::default();
    let mut depth = 0;
    seen.insert(fingerprint(&first));
    let mut result = Found::Holds;
    'levels: while !frontier.is_empty() {
        let mut next_frontier = Vec::new();
        for (state, id) in frontier.drain(..) {
            steps.clear();
            add_steps(world, &state, &mut steps);
            if let Some(text) = steps.violation.take() {
                result = Found::Violation(trace(world, &origins, id, text));
                break 'levels;
            }
            for (number, next) in steps.states.iter().enumerate() {
                if seen.insert(fingerprint(next)) {
                    next_frontier.push((*next, origins.add(id, number as u8)));
                }
            }
        }
        if seen.len() > max_states {
            result = Found::TooMany;
            break;
        }
        frontier = next_frontier;
        depth += 1;
    }
    Outcome { states: seen.len(), depth, time: begun.elapsed(), result }
}

/// For each state found, the state it came from and the number of the step.
#[derive(Default)]
struct Origins {
    parents: Vec<u32>,
    numbers: Vec<u8>,
}

impl Origins {
    fn add(&mut self, parent: u32, number: u8) -> u32 {
        self.parents.push(parent);
        self.numbers.push(number);
        self.parents.len() as u32 - 1
    }
}

fn trace(world: &Scenario, origins: &Origins, mut id: u32, text: String) -> Vec<String> {
    let mut numbers = Vec::new();
    while id != 0 {
        numbers.push(origins.numbers[id as usize]);
        id = origins.parents[id as usize];
    }
    let mut state = world.initial();
    let mut labels = Vec::new();
    for number in numbers.into_iter().rev() {
        let mut steps = Steps { wants_labels: true, ..Steps::default() };
        add_steps(world, &state, &mut steps);
        labels.push(steps.labels.swap_remove(number as usize));
        state = steps.states[number as usize];
    }
    labels.push(text);
    labels
}

/// All that can happen in `state`.
fn add_steps(world: &Scenario, state: &State, steps: &mut Steps) {
    for i in 0..2 {
        replica::add_steps(world, state, i, steps);
        check::add_steps(world, state, i, steps);
    }
    for w in 0..2 {
        writer::add_steps(world, state, w, steps);
    }
    shared_commit::add_steps(world, state, steps);
    add_environment(world, state, steps);
    for next in &mut steps.states {
        simplify(world, next);
    }
}

/// Time, clean-up of the log, a new epoch.
fn add_environment(world: &Scenario, state: &State, steps: &mut Steps) {
    steps.add(tick(world, state), || "a tick".to_string());
    let db = &state.database;
    if world.clean_up && db.log_floor < db.seq {
        let mut next = *state;
        next.database.log_floor += 1;
        steps.add(next, || format!("clean-up deletes row {}", next.database.log_floor));
    }
    if db.epoch < world.epochs {
        let mut next = *state;
        shared_commit::disconnect(&mut next);
        next.database.epoch += 1;
        next.database.armed = false;
        next.database.leases = [None; 2];
        next.database.intents = [None; 2];
        steps.add(next, || "a new epoch: leases and intents deleted, not armed".to_string());
    }
}

fn tick(world: &Scenario, state: &State) -> State {
    let mut next = *state;
    for replica in &mut next.replicas {
        replica.lease = replica.lease.saturating_sub(1);
        if let Some(check) = &mut replica.check {
            check.until = check.until.saturating_sub(1);
        }
        if let Renewal::Sent { age }
        | Renewal::ReadFirst { age, .. }
        | Renewal::RowRenewed { age }
        | Renewal::LogRead { age, .. } = &mut replica.renewal
        {
            *age = (*age + 1).min(world.lease_ticks);
        }
    }
    for writer in &mut next.writers {
        let counts = matches!(writer.step, WriterStep::EarlyRegistry | WriterStep::EarlyClock | WriterStep::Waiting);
        if counts {
            writer.age = (writer.age + 1).min(writer::full_wait(world));
        }
    }
    next
}

/// Forgets what can no longer matter, so that equal futures are one state.
fn simplify(world: &Scenario, state: &mut State) {
    for replica in &mut state.replicas {
        if world.has(Rule::Floors) {
            for key in 0..2 {
                let floor = replica.floor[key];
                replica.cache[key] = replica.cache[key].filter(|entry| entry.as_of >= floor);
            }
        }
        if world.has(Rule::FinalFloorCheck)
            && let Load::Read { key, fact, .. } = replica.load
            && fact.kind == FactKind::Cacheable
            && fact.entry.as_of < replica.floor[key as usize]
        {
            replica.load = Load::Idle;
        }
        let floor = replica.floor;
        replica.check = replica.check.filter(|check| !check::is_doomed(check, floor));
        if replica.check.is_none()
            && let Load::Read { begun, .. } | Load::DataOnly { begun, .. } = &mut replica.load
        {
            *begun = Begun::Late;
        }
        if replica.phase != Phase::Member {
            replica.renewal = Renewal::Idle;
        }
    }
    for writer in &mut state.writers {
        if !matches!(writer.step, WriterStep::EarlyRegistry | WriterStep::EarlyClock | WriterStep::Waiting) {
            writer.waits_for = 0;
            writer.renewed = 0;
            writer.age = 0;
        }
    }
    if world.symmetric {
        state.sort_replicas();
    }
}

fn fingerprint(state: &State) -> u64 {
    let mut hasher = Folded { hash: 0x9E37_79B9_7F4A_7C15, word: 0, bytes: 0 };
    state.hash(&mut hasher);
    hasher.finish()
}

/// Gathers the small values of a state eight to a word and folds 128-bit products.
struct Folded {
    hash: u64,
    word: u64,
    bytes: u8,
}

impl Folded {
    fn push(&mut self, byte: u8) {
        self.word = self.word << 8 | u64::from(byte);
        self.bytes += 1;
        if self.bytes == 8 {
            self.hash = fold(self.hash, self.word);
            self.word = 0;
            self.bytes = 0;
        }
    }
}

fn fold(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word) * 0x8BB8_4B93_962E_ACC9_u128;
    (product as u64) ^ ((product >> 64) as u64) ^ word.rotate_left(32)
}

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        fold(fold(self.hash, self.word), u64::from(self.bytes) ^ 0xA076_1D64_78BD_642F)
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.push(*byte));
    }
    fn write_isize(&mut self, discriminant: isize) {
        self.push(discriminant as u8);
    }
    fn write_usize(&mut self, length: usize) {
        self.push(length as u8);
    }
    fn write_u64(&mut self, discriminant: u64) {
        self.push(discriminant as u8);
    }
}

//! Decides, by a seed, what happens next: every named statement, every reply and every gate
//! waits until it is chosen.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    time::{Duration, Instant},
};

use pim_authz::failpoints::gates;
use tokio::sync::oneshot;

use crate::postgres_proxy::{Proxy, Turn, Turns};

/// Time without an event after which everything waits that can.
const SILENCE: Duration = Duration::from_micros(700);

/// Maximum length of a schedule; then nothing waits any more.
const LONGEST: Duration = Duration::from_millis(1_200);

/// Weight of waiting for what comes by itself, if no step waits.
const PATIENCE: u32 = 100;

/// A choice that is not about a waiting step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Move {
    /// The next operation begins.
    Begin(usize),
    /// A tenth to a half of the lease passes for all servers.
    TimePasses,
    /// A server is cut off from PostgreSQL.
    CutOff(usize),
    /// It is connected again.
    Connect(usize),
}

/// A step that waits: its name, and how it is permitted.
struct Waiting {
    name: String,
    permit: Permit,
}

enum Permit {
    Message(oneshot::Sender<Turn>),
    Gate(mpsc::Sender<()>),
}

/// One schedule: the choices are a function of the seed, and of what waits.
pub(crate) struct Scheduler {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    seed: u64,
    /// Steps that never wait, whatever the seed.
    passing: BTreeSet<String>,
    waiting: Vec<Waiting>,
    /// When something last happened.
    last: Instant,
    is_over: bool,
    /// Steps that waited at all.
    controlled: BTreeSet<String>,
    trace: Vec<String>,
}

impl Scheduler {
    /// Creates the scheduler of a seed; the steps of these names never wait.
    pub(crate) fn new(seed: u64, passing: BTreeSet<String>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                seed,
                passing,
                waiting: Vec::new(),
                last: Instant::now(),
                is_over: false,
                controlled: BTreeSet::new(),
                trace: Vec::new(),
            }),
            changed: Condvar::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets all steps wait: those of the servers behind these proxies, and at gates.
    pub(crate) fn control<'p>(self: &Arc<Self>, proxies: impl IntoIterator<Item = &'p Proxy>) {
        for (server, proxy) in proxies.into_iter().enumerate() {
            let scheduler = Arc::clone(self);
            let turns: Turns = Arc::new(move |name| {
                let (permit, turn) = oneshot::channel();
                let name = format!("{server} {name}");
                scheduler
                    .arrive(name, Permit::Message(permit))
                    .then_some(turn)
            });
            proxy.take_turns(Some(turns));
        }
        let scheduler = Arc::clone(self);
        gates::take_turns(Some(Arc::new(move |gate| {
            let (permit, turn) = mpsc::channel();
            if scheduler.arrive(format!("gate {gate:?}"), Permit::Gate(permit)) {
                let _either_way = turn.recv();
            }
        })));
    }

    /// True if a step waits.
    fn arrive(&self, name: String, permit: Permit) -> bool {
        let mut state = self.state();
        state.last = Instant::now();
        if state.is_over || state.weight(&name) == 0 || state.passing.contains(&name) {
            return false;
        }
        state.controlled.insert(name.clone());
        state.waiting.push(Waiting { name, permit });
        self.changed.notify_all();
        true
    }

    /// Records that something happened that is not a step, such as the end of an operation.
    pub(crate) fn note_event(&self) {
        self.state().last = Instant::now();
    }

    /// Makes choices until `moves` returns `None`, or for a bounded time; then nothing
    /// waits. Each choice is between the waiting steps and the moves that are possible.
    pub(crate) fn run(
        &self,
        mut moves: impl FnMut() -> Option<Vec<Move>>,
        mut take: impl FnMut(Move, &mut fastrand::Rng),
    ) {
        let mut random = fastrand::Rng::with_seed(self.state().seed);
        let begun = Instant::now();
        while begun.elapsed() < LONGEST {
            self.wait_for_silence();
            let Some(moves) = moves() else {
                break;
            };
            let choice = {
                let mut state = self.state();
                state.choose(&moves, &mut random)
            };
            match choice {
                Some(Choice::Move(chosen)) => take(chosen, &mut random),
                Some(Choice::Step) => {}
                // Something must come by itself.
                None => std::thread::sleep(SILENCE),
            }
        }
        let mut state = self.state();
        state.is_over = true;
        for waiting in state.waiting.drain(..) {
            waiting.permit.give(Turn::Pass);
        }
    }

    fn wait_for_silence(&self) {
        let mut state = self.state();
        loop {
            let since = state.last.elapsed();
            let Some(left) = SILENCE.checked_sub(since).filter(|left| !left.is_zero()) else {
                return;
            };
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Returns the steps that waited at all, and the choices.
    pub(crate) fn ended(&self) -> (BTreeSet<String>, Vec<String>) {
        let state = self.state();
        (state.controlled.clone(), state.trace.clone())
    }
}

enum Choice {
    Step,
    Move(Move),
}

impl Permit {
    fn give(self, turn: Turn) {
        match self {
            // The receiver is gone if the connection was closed meanwhile.
            Self::Message(permit) => drop(permit.send(turn)),
            Self::Gate(permit) => drop(permit.send(())),
        }
    }
}

impl State {
    /// Returns how likely steps of a name are chosen in this schedule: in some they pass at
    /// once, in others they are held for long. 0: they never wait.
    fn weight(&self, name: &str) -> u32 {
        // One, three or seven of 16 wait.
        let waiting = [1, 3, 7][usize::try_from(self.drawn("waiting") % 3).unwrap()];
        let drawn = self.drawn(name);
        if drawn % 16 >= waiting {
            return 0;
        }
        match drawn / 16 % 4 {
            0 => 243,
            1 => 27,
            2 => 3,
            _ => 1,
        }
    }

    /// Returns how likely a move is chosen in this schedule.
    fn weight_of(&self, chosen: Move) -> u32 {
        let (name, weights) = match chosen {
            Move::Begin(_) => ("begin", [2, 12, 12, 100]),
            Move::TimePasses => ("time", [0, 2, 8, 40]),
            Move::CutOff(_) => ("cut", [0, 0, 1, 8]),
            Move::Connect(_) => ("connect", [0, 1, 2, 8]),
        };
        let drawn = usize::try_from(self.drawn(name) % 4).unwrap();
        weights[drawn]
    }

    /// Returns what the seed draws for a name.
    fn drawn(&self, name: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.seed, name).hash(&mut hasher);
        hasher.finish()
    }

    fn choose(&mut self, moves: &[Move], random: &mut fastrand::Rng) -> Option<Choice> {
        // The order of arrival is not that of the seed.
        self.waiting.sort_by(|one, other| one.name.cmp(&other.name));
        let steps = self.waiting.iter().map(|step| self.weight(&step.name));
        let of_moves = moves.iter().map(|chosen| self.weight_of(*chosen));
        let weights: Vec<u32> = steps.chain(of_moves).collect();
        let sum: u32 = weights.iter().sum();
        let patience = if self.waiting.is_empty() { PATIENCE } else { 1 };
        let mut at = random.u32(0..sum + patience);
        let chosen = weights.iter().position(|weight| {
            let is_here = at < *weight;
            at = at.saturating_sub(*weight);
            is_here
        })?;
        self.last = Instant::now();
        if let Some(chosen) = chosen.checked_sub(self.waiting.len()) {
            let chosen = moves[chosen];
            self.trace.push(format!("{chosen:?}"));
            return Some(Choice::Move(chosen));
        }
        let step = self.waiting.remove(chosen);
        let is_cut = random.u32(0..64) == 0 && matches!(step.permit, Permit::Message(_));
        let turn = if is_cut { Turn::Cut } else { Turn::Pass };
        let cut = if is_cut { "cut at " } else { "" };
        self.trace.push(format!("{cut}{}", step.name));
        step.permit.give(turn);
        Some(Choice::Step)
    }
}

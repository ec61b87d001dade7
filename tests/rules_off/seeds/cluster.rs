//! Three servers in this process, each with a clock of its own, and their operations.

use std::{
    cell::Cell,
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use pim_authz::{cache::Clock, failpoints::gates};
use tokio::task::JoinHandle;

use super::scheduler::{Move, Scheduler};
use crate::{
    harness::{Database, Server, World, within},
    history::{History, REGISTERS, Read, Span, Write},
    postgres_proxy::Traffic,
    registers::{self, Values},
};

pub(crate) const SERVERS: usize = 3;

/// Lease of the servers: renewed during some schedules. It ends only where a schedule lets
/// time pass, since the clocks stand still.
const LEASE: Duration = Duration::from_millis(2_500);

/// Maximum time until all operations of a schedule have ended, once nothing waits, and all
/// servers answer.
const LONGEST: Duration = Duration::from_secs(40);

/// An operation of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Writes the next value of a register on a server.
    Write { register: usize, server: usize },
    /// Makes the write of a register again on a server, with its idempotency key.
    Retry { register: usize, server: usize },
    /// Reads registers on a server by a batch of Checks.
    Check {
        registers: [bool; REGISTERS],
        server: usize,
    },
    /// Reads registers on a server by a page of a list.
    List { of_first: bool, server: usize },
}

/// What a schedule is about.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) operations: Vec<Operation>,
    pub(crate) may_be_cut_off: Vec<usize>,
    /// The caches of the servers lack what the operations read.
    pub(crate) begins_cold: bool,
}

/// Three servers that have been used by earlier schedules.
pub(crate) struct Cluster {
    servers: Vec<Server>,
    clocks: [Clock; SERVERS],
    /// Last written value of each register.
    values: [u32; REGISTERS],
}

/// Outcome of a schedule.
pub(crate) struct Outcome {
    /// Why no order explains what the callers observed.
    pub(crate) wrong: Option<String>,
    /// Steps that waited at all, and the choices.
    pub(crate) controlled: BTreeSet<String>,
    pub(crate) trace: Vec<String>,
}

/// What the operations of one schedule share.
struct Shared {
    begun: Instant,
    history: Mutex<History>,
    ended: AtomicUsize,
    scheduler: Arc<Scheduler>,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let database = Database::create().await;
        let clocks = [(); SERVERS].map(|()| Clock::settable());
        let mut servers = Vec::new();
        for clock in clocks {
            let server = World::serve(&database, LEASE, clock, |config| {
                config.cache.poll = Duration::from_millis(20);
            });
            servers.push(server.await);
            clock.set(Duration::ZERO, 0);
        }
        registers::set_up(servers[0].channel.clone()).await;
        Self {
            servers,
            clocks,
            values: [0; REGISTERS],
        }
    }

    /// True if the registers have hardly any value left.
    pub(crate) fn is_used_up(&self) -> bool {
        self.values
            .iter()
            .any(|value| value + 8 > 1 << registers::BITS)
    }

    /// Runs the schedule of a seed, in which steps of these names never wait.
    pub(crate) async fn run(
        &mut self,
        seed: u64,
        plan: &Plan,
        passing: BTreeSet<String>,
    ) -> Outcome {
        // Every server has everything in its cache, or nothing after a write.
        within(LONGEST, self.all_answer()).await;
        if plan.begins_cold {
            within(LONGEST, self.write_all()).await;
        }
        let scheduler = Scheduler::new(seed, passing);
        let shared = Arc::new(Shared {
            begun: Instant::now(),
            history: Mutex::new(self.history()),
            ended: AtomicUsize::new(0),
            scheduler: Arc::clone(&scheduler),
        });
        scheduler.control(self.servers.iter().map(|server| &server.proxy));
        let tasks = tokio::task::block_in_place(|| self.make_moves(&shared, plan));
        gates::take_turns(None);
        for server in &self.servers {
            server.proxy.take_turns(None);
            server.proxy.set(Traffic::Passes);
        }
        let ends = within(LONGEST, self.end(&shared, tasks));
        ends.await;
        let (controlled, trace) = scheduler.ended();
        let history = shared.history.lock().unwrap().clone();
        Outcome {
            wrong: history.explained().err(),
            controlled,
            trace,
        }
    }

    /// Returns the history of all values that the registers have had.
    fn history(&self) -> History {
        let all = self.values.iter().enumerate();
        let all = all.flat_map(|(register, last)| (1..=*last).map(move |value| (register, value)));
        let writes = all.map(|(register, value)| Write {
            register,
            value,
            begun: Duration::ZERO,
            ended: Some(Duration::ZERO),
        });
        History {
            writes: writes.collect(),
            reads: Vec::new(),
        }
    }

    /// Waits until each server answers a Check of everything.
    async fn all_answer(&self) {
        for server in &self.servers {
            while registers::check(server.channel.clone(), [true; REGISTERS])
                .await
                .is_none()
            {}
        }
    }

    /// Writes all registers.
    async fn write_all(&mut self) {
        for (register, value) in self.values.iter_mut().enumerate() {
            *value += 1;
            let channel = self.servers[register].channel.clone();
            let key = format!("{register}-{value}");
            registers::send(channel, register, *value, &key)
                .await
                .unwrap();
        }
    }

    /// Makes the choices of the schedule; returns the operations that have begun.
    fn make_moves(&mut self, shared: &Arc<Shared>, plan: &Plan) -> Vec<JoinHandle<()>> {
        let operations = &plan.operations;
        let mut tasks = Vec::new();
        let (begun, passed, cuts) = (Cell::new(0), Cell::new(0), Cell::new(0));
        let cut_off = Cell::new(None);
        let moves = || {
            let next = begun.get();
            let ended = shared.ended.load(Ordering::SeqCst);
            if ended == operations.len() {
                return None;
            }
            let mut moves = Vec::new();
            if next < operations.len() {
                moves.push(Move::Begin(next));
            }
            if passed.get() < 20 {
                moves.push(Move::TimePasses);
            }
            match cut_off.get() {
                None if cuts.get() < 2 => {
                    moves.extend(plan.may_be_cut_off.iter().copied().map(Move::CutOff));
                }
                None => {}
                Some(server) => moves.push(Move::Connect(server)),
            }
            Some(moves)
        };
        let take = |chosen: Move, random: &mut fastrand::Rng| match chosen {
            Move::Begin(number) => {
                begun.update(|count| count + 1);
                tasks.push(self.begin(shared, operations[number]));
            }
            Move::TimePasses => {
                passed.update(|count| count + 1);
                let tenths = random.u32(1..=5);
                for clock in self.clocks {
                    clock.set(LEASE / 10 * tenths, 0);
                }
            }
            Move::CutOff(server) => {
                cuts.update(|count| count + 1);
                cut_off.set(Some(server));
                self.servers[server].proxy.set(Traffic::IsRefused);
            }
            Move::Connect(server) => {
                cut_off.set(None);
                self.servers[server].proxy.set(Traffic::Passes);
            }
        };
        shared.scheduler.run(moves, take);
        tasks
    }

    /// Begins an operation.
    fn begin(&mut self, shared: &Arc<Shared>, operation: Operation) -> JoinHandle<()> {
        let shared = Arc::clone(shared);
        let now = shared.begun.elapsed();
        match operation {
            Operation::Write { register, server } => {
                self.values[register] += 1;
                shared.history.lock().unwrap().writes.push(Write {
                    register,
                    value: self.values[register],
                    begun: now,
                    ended: None,
                });
                self.write(shared, register, server)
            }
            Operation::Retry { register, server } => self.write(shared, register, server),
            Operation::Check {
                registers: wanted,
                server,
            } => {
                let channel = self.servers[server].channel.clone();
                tokio::spawn(async move {
                    let values = registers::check(channel, wanted).await;
                    shared.note(format!("check on {server}"), now, values);
                })
            }
            Operation::List { of_first, server } => {
                let channel = self.servers[server].channel.clone();
                tokio::spawn(async move {
                    let user = if of_first { "u" } else { "w" };
                    let values = registers::page(channel, user).await;
                    shared.note(format!("list on {server}"), now, values);
                })
            }
        }
    }

    /// Sends the last write of a register.
    fn write(&self, shared: Arc<Shared>, register: usize, server: usize) -> JoinHandle<()> {
        let channel = self.servers[server].channel.clone();
        let value = self.values[register];
        tokio::spawn(async move {
            let key = format!("{register}-{value}");
            if registers::send(channel, register, value, &key)
                .await
                .is_ok()
            {
                shared.written(register, value);
            }
            shared.end_of_one();
        })
    }

    /// Waits until all operations have ended, makes each write that failed again, and reads
    /// everything on each server.
    async fn end(&mut self, shared: &Arc<Shared>, tasks: Vec<JoinHandle<()>>) {
        for clock in self.clocks {
            clock.set(Duration::ZERO, 1_000);
        }
        for task in tasks {
            task.await.unwrap();
        }
        let open = |write: &&Write| write.ended.is_none();
        let open: Vec<Write> = {
            let history = shared.history.lock().unwrap();
            history.writes.iter().filter(open).copied().collect()
        };
        for write in open {
            let key = format!("{}-{}", write.register, write.value);
            let mut server = 0;
            loop {
                let channel = self.servers[server].channel.clone();
                let sent = registers::send(channel, write.register, write.value, &key).await;
                if sent.is_ok() {
                    break;
                }
                server = (server + 1) % SERVERS;
            }
            shared.written(write.register, write.value);
        }
        for (number, server) in self.servers.iter().enumerate() {
            loop {
                let now = shared.begun.elapsed();
                let values = registers::check(server.channel.clone(), [true; REGISTERS]).await;
                if values.is_some() {
                    shared.note(format!("last check on {number}"), now, values);
                    break;
                }
            }
        }
        for clock in self.clocks {
            clock.set(Duration::ZERO, 0);
        }
    }
}

impl Shared {
    fn end_of_one(&self) {
        self.ended.fetch_add(1, Ordering::SeqCst);
        self.scheduler.note_event();
    }

    /// Records that a write returned; of several attempts, the first one counts.
    fn written(&self, register: usize, value: u32) {
        let now = self.begun.elapsed();
        let mut history = self.history.lock().unwrap();
        for write in &mut history.writes {
            if (write.register, write.value) == (register, value) && write.ended.is_none() {
                write.ended = Some(now);
            }
        }
    }

    /// Records what a read showed, if it was answered.
    fn note(&self, who: String, begun: Duration, values: Option<Values>) {
        if let Some(values) = values {
            let ended = self.begun.elapsed();
            let span = Span { begun, ended };
            let read = Read { who, span, values };
            self.history.lock().unwrap().reads.push(read);
        }
        self.end_of_one();
    }
}

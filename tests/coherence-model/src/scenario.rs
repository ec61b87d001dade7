//! The bounded worlds that are explored.

use crate::rules::Rules;
use crate::state::{
    BOTH, Database, Entry, Keys, Lease, Load, MAX_SEQ, Phase, Poll, Renewal, Replica, SharedCommit, State, Writer,
    WriterStep,
};

/// What a writer is asked to do. Values start at 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// The writer is not part of this world.
    None,
    /// Clear these keys.
    Clear(Keys),
    /// Clear k1; if it is clear already, clear k2: what it touches depends on the data.
    Cascade,
    /// The request of writer 0 again, with its idempotency key.
    Retry,
    /// Read, then clear these keys if nothing changed since (`expected_revision`).
    ClearIfUnchanged(Keys),
}

/// Which answers are right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Property {
    /// What clients can see: G1, G2 and one instant.
    Observed,
    /// Stronger, and without regard to clients: the answer was the data's value at an
    /// instant between call and reply. A replica that has it needs no other
    /// replica in the model: the others can only make a writer wait longer.
    Strict,
}

/// One world.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// The rules in force.
    pub rules: Rules,
    /// Which answers are right.
    pub property: Property,
    /// How the replicas begin: with a lease and warm caches, or away.
    pub replicas: [Begin; 2],
    /// What each writer is asked to do.
    pub requests: [Request; 2],
    /// How often a writer runs W0 to W4 before it fails.
    pub attempts: u8,
    /// What a Check reads.
    pub check_keys: Keys,
    /// L in ticks; W is as long (rho and delta are 0).
    pub lease_ticks: u8,
    /// Joins, each after a leave or a lost lease, or by one that begins away.
    pub joins: u8,
    /// Replicas may leave (A5).
    pub leaves: bool,
    /// The keys whose facts other calls load into the caches.
    pub loads: Keys,
    /// Intents may be deleted at any moment.
    pub reaper: bool,
    /// Writers may give up in W3 and W4.
    pub give_up: bool,
    /// Rows of the log may be deleted at any moment.
    pub clean_up: bool,
    /// Writers may announce together (group commit).
    pub group: bool,
    /// W4s that wait for each other may share one transaction.
    pub shared: bool,
    /// In a shared transaction, a write that changes nothing stores its answer under its
    /// idempotency key; false: it has none, and stores nothing.
    pub keyed: bool,
    /// How often a new epoch may begin.
    pub epochs: u8,
    /// Treats the two replicas as interchangeable (off where traces are printed).
    pub symmetric: bool,
    /// False: too large to be explored whole; rules switched off are explored in it.
    pub whole: bool,
    /// Part of the quick check.
    pub quick: bool,
}

/// How a replica begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begin {
    /// Not part of this world.
    Unused,
    /// With a lease and all facts in its cache.
    Warm,
    /// Without a lease row.
    Away,
}

const BASE: Scenario = Scenario {
    name: "one-write",
    rules: Rules::ALL,
    property: Property::Observed,
    replicas: [Begin::Warm, Begin::Unused],
    requests: [Request::Clear(BOTH), Request::None],
    attempts: 1,
    check_keys: BOTH,
    lease_ticks: 2,
    joins: 0,
    leaves: false,
    loads: BOTH,
    reaper: false,
    give_up: false,
    clean_up: false,
    group: false,
    shared: false,
    keyed: false,
    epochs: 0,
    symmetric: false,
    whole: true,
    quick: false,
};

const K1: Request = Request::Clear(0b01);
const K2: Request = Request::Clear(0b10);

/// Two writers, each with one key.
const PAIR: Scenario = Scenario { requests: [K1, K2], lease_ticks: 1, reaper: true, ..BASE };

/// Two writers that may share the transaction of W4.
const SHARED: Scenario = Scenario { name: "shared-commit", shared: true, loads: 0, ..PAIR };

/// Small worlds: together they reach every rule.
pub const SCENARIOS: &[Scenario] = &[
    BASE,
    Scenario { name: "join", joins: 1, leaves: true, ..BASE },
    Scenario { name: "rejoin", joins: 1, reaper: false, ..PAIR },
    Scenario { name: "reaper", reaper: true, ..BASE },
    Scenario { name: "rejoin-one-key", joins: 1, reaper: false, check_keys: 0b10, ..PAIR },
    Scenario { name: "clean-up", clean_up: true, joins: 1, ..BASE },
    Scenario { name: "two-keys", whole: false, ..PAIR },
    Scenario { name: "same-key", requests: [Request::Clear(BOTH), K1], whole: false, ..PAIR },
    Scenario { name: "cascade", requests: [K1, Request::Cascade], attempts: 2, loads: 0, check_keys: 0b10, ..PAIR },
    Scenario { name: "group", group: true, whole: false, ..PAIR },
    Scenario { name: "group-one-key", group: true, check_keys: 0b10, ..PAIR },
    Scenario { name: "retry", requests: [K1, Request::Retry], give_up: true, loads: 0, ..PAIR },
    Scenario { name: "conditional", requests: [K1, Request::ClearIfUnchanged(0b10)], loads: 0, ..PAIR },
    Scenario { name: "epoch", epochs: 1, joins: 1, loads: 0, whole: false, ..PAIR },
    Scenario { name: "epoch-one-key", epochs: 1, joins: 1, loads: 0, check_keys: 0b10, ..PAIR },
    Scenario { name: "strict", property: Property::Strict, clean_up: true, reaper: true, joins: 1, ..BASE },
    Scenario { name: "strict-two-keys", property: Property::Strict, whole: false, ..PAIR },
    Scenario { name: "two-replicas", lease_ticks: 1, loads: 0, replicas: [Begin::Warm; 2], symmetric: true, ..BASE },
    Scenario { name: "join-pending", lease_ticks: 1, replicas: [Begin::Warm, Begin::Away], joins: 1, loads: 0, ..BASE },
    SHARED,
    Scenario {
        name: "shared-retry",
        requests: [K1, Request::Retry],
        give_up: true,
        keyed: true,
        quick: true,
        ..SHARED
    },
    Scenario { name: "shared-no-op", requests: [K1, K1], ..SHARED },
    Scenario { name: "shared-stored-no-op", requests: [K1, K1], keyed: true, ..SHARED },
    Scenario { name: "shared-conditional", requests: [K1, Request::ClearIfUnchanged(0b10)], quick: true, ..SHARED },
    Scenario { name: "shared-cascade", requests: [K1, Request::Cascade], attempts: 2, check_keys: 0b10, ..SHARED },
    Scenario { name: "shared-group", group: true, ..SHARED },
    Scenario { name: "shared-again", attempts: 2, reaper: false, ..SHARED },
    Scenario { name: "shared-loads", loads: 0b10, check_keys: 0b10, ..SHARED },
    Scenario { name: "shared-epoch", epochs: 1, joins: 1, check_keys: 0b10, ..SHARED },
];

impl Scenario {
    /// Whether a rule is in force.
    pub fn has(&self, rule: crate::rules::Rule) -> bool {
        self.rules.has(rule)
    }

    /// The keys that a request would clear, were the data `value`.
    pub fn touches(&self, writer: usize, value: Keys) -> Keys {
        match self.requests[writer] {
            Request::None => 0,
            Request::Clear(keys) | Request::ClearIfUnchanged(keys) => keys & value,
            Request::Cascade if value & 0b01 != 0 => 0b01,
            Request::Cascade => 0b10 & value,
            Request::Retry => self.touches(0, value),
        }
    }

    /// Which request a writer works on: a retry shares that of writer 0.
    pub fn request_of(&self, writer: usize) -> usize {
        if self.requests[writer] == Request::Retry { 0 } else { writer }
    }

    /// The state in which the world begins.
    pub fn initial(&self) -> State {
        State {
            database: Database {
                history: [BOTH, 0, 0],
                now: 0,
                seq: 0,
                log: [0; MAX_SEQ],
                log_floor: 0,
                epoch: 0,
                armed: true,
                intents: [None; 2],
                leases: self.replicas.map(|begin| (begin == Begin::Warm).then_some(Lease { acked: 0 })),
                applied: [0; 2],
                last_write: 0,
                commits: [0; 2],
            },
            replicas: self.replicas.map(|begin| self.replica(begin)),
            writers: self.requests.map(|request| self.writer(request)),
            shared: SharedCommit::CLOSED,
            known: 0,
        }
    }

    fn replica(&self, begin: Begin) -> Replica {
        let warm = Entry { value: true, as_of: 0, epoch: 0 };
        let (phase, cache, lease) = match begin {
            Begin::Unused => (Phase::Unused, [None; 2], 0),
            Begin::Away => (Phase::Away, [None; 2], 0),
            Begin::Warm => (Phase::Member, [Some(warm); 2], self.lease_ticks),
        };
        Replica {
            phase,
            epoch: 0,
            cache,
            floor: [0; 2],
            applied: 0,
            may_ack: 0,
            lease,
            renewal: Renewal::Idle,
            poll: Poll::Idle,
            load: Load::Idle,
            check: None,
            joins_left: self.joins,
        }
    }

    fn writer(&self, request: Request) -> Writer {
        let step = if request == Request::None { WriterStep::Unused } else { WriterStep::Idle };
        Writer {
            step,
            keys: 0,
            seq: 0,
            epoch: 0,
            waits_for: 0,
            renewed: 0,
            age: 0,
            attempts_left: self.attempts,
            effect: 0,
            stray_commit: false,
            expected: None,
        }
    }
}

//! The state that is explored: one database, two replicas, two writers.
//!
//! Time is relative (ticks left, ticks since), so there is no horizon: what is
//! reachable is finite because the writers make a bounded number of attempts.

/// A set of the keys k1 (bit 0) and k2 (bit 1).
pub type Keys = u8;
/// Both keys.
pub const BOTH: Keys = 0b11;
/// Most log rows that a run may write.
pub const MAX_SEQ: usize = 6;

/// Everything, at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct State {
    /// The primary.
    pub database: Database,
    /// The servers that answer.
    pub replicas: [Replica; 2],
    /// The writes.
    pub writers: [Writer; 2],
    /// The transaction that the writers share for W4.
    pub shared: SharedCommit,
    /// Latest entry of `database.history` that some client has learnt of.
    pub known: u8,
}

/// The primary. Every action on it is one committed transaction or one snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Database {
    /// Values the data has had, oldest first; a value is the set of keys still 1.
    /// Writes only clear keys, so a value names its instant.
    pub history: [Keys; 3],
    /// Position in `history` of the value now.
    pub now: u8,
    /// The last n: the last row of the log.
    pub seq: u8,
    /// `log[n - 1]`: the keys of row n.
    pub log: [Keys; MAX_SEQ],
    /// Rows up to this one are deleted.
    pub log_floor: u8,
    /// The number of the term of this primary.
    pub epoch: u8,
    /// Whether the full wait of this epoch has passed.
    pub armed: bool,
    /// One intent row for each writer: member = writer.
    pub intents: [Option<Intent>; 2],
    /// The lease row of each replica.
    pub leases: [Option<Lease>; 2],
    /// How often each request took effect (its idempotency key is stored).
    pub applied: [u8; 2],
    /// Greatest n of a committed write: what `expected_revision` is compared with.
    pub last_write: u8,
    /// The row of the commit log of each writer: its member is the writer, this its n; 0: none.
    pub commits: [u8; 2],
}

/// The tenant's rows as one transaction sees them.
#[derive(Clone, Copy)]
pub struct View {
    /// The keys that are still 1.
    pub value: Keys,
    /// Position in the history that the value has, or will have once it is committed.
    pub position: u8,
    /// How often each request took effect.
    pub applied: [u8; 2],
    /// Greatest n of a write.
    pub last_write: u8,
}

/// An announced write that has not ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Intent {
    /// The n of its announcement.
    pub seq: u8,
    /// The announced keys of its write.
    pub keys: Keys,
}

/// The right of a replica to answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Lease {
    /// The last n that its replica acknowledged.
    pub acked: u8,
}

impl Database {
    /// The keys that are 1 now.
    pub fn value(&self) -> Keys {
        self.history[self.now as usize]
    }

    /// What a transaction sees that changed nothing itself.
    pub fn view(&self) -> View {
        View { value: self.value(), position: self.now, applied: self.applied, last_write: self.last_write }
    }

    /// The value at a position in the history, for people.
    pub fn show(&self, position: u8) -> String {
        if position > self.now {
            "a value that is not committed".to_string()
        } else {
            format!("{:02b}", self.history[position as usize])
        }
    }

    /// Clears `keys`; true if that changed anything.
    pub fn clear(&mut self, keys: Keys) -> bool {
        let value = self.value() & !keys;
        if value == self.value() {
            return false;
        }
        self.now += 1;
        self.history[self.now as usize] = value;
        true
    }

    /// Whether an intent on one of these keys is there.
    pub fn is_pending(&self, keys: Keys) -> bool {
        self.intents.iter().flatten().any(|intent| intent.keys & keys != 0)
    }

    /// Appends a row to the log, and returns its n.
    pub fn append_log(&mut self, keys: Keys) -> u8 {
        self.log[self.seq as usize] = keys;
        self.seq += 1;
        self.seq
    }
}

/// One server that answers Checks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Replica {
    /// Whether it has a lease row.
    pub phase: Phase,
    /// The epoch of its lease.
    pub epoch: u8,
    /// The cached fact of each key.
    pub cache: [Option<Entry>; 2],
    /// Effective floor of each key (the wide floors raise both).
    pub floor: [u8; 2],
    /// The last n whose row it applied.
    pub applied: u8,
    /// What it may acknowledge; differs from `applied` only with a rule off.
    pub may_ack: u8,
    /// Ticks left until `until`; 0 is expired or none.
    pub lease: u8,
    /// A2.
    pub renewal: Renewal,
    /// A3.
    pub poll: Poll,
    /// A load by another call.
    pub load: Load,
    /// A4; one at a time.
    pub check: Option<Check>,
    /// How often it may still join.
    pub joins_left: u8,
}

/// How far the membership of a replica is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phase {
    /// Not part of this run.
    Unused,
    /// No lease row; may join (A1).
    Away,
    /// With the rule off: read the head before its row was there.
    HeadRead { seq: u8 },
    /// A1: its row is committed, the head not yet read.
    Inserted,
    /// With a lease row; it answers while its lease is valid.
    Member,
    /// A5: `until` is none, the row still there.
    Leaving,
}

/// A cached fact.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Entry {
    /// The value of its key.
    pub value: bool,
    /// The log position of the snapshot it was read in.
    pub as_of: u8,
    /// The epoch it was read in.
    pub epoch: u8,
}

/// A2 under way; `age`: ticks since it was sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Renewal {
    /// None is under way.
    Idle,
    /// Sent; the row is not yet renewed.
    Sent { age: u8 },
    /// With the rule off: the log was read before the row was renewed.
    ReadFirst { age: u8, seq: u8 },
    /// The row is renewed; the log is not yet read.
    RowRenewed { age: u8 },
    /// Rows up to `seq` were read; those up to `floor` were deleted.
    LogRead { age: u8, seq: u8, floor: u8 },
}

/// A3 with a rule off: the log floor was found in order, the rows not yet read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Poll {
    /// None is under way.
    Idle,
    /// The log floor was read.
    FloorRead,
}

/// A load that will be put into the cache, begun by some other call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Load {
    /// None is under way.
    Idle,
    /// With the rule off: the data is read, its log position not yet.
    DataOnly { key: u8, value: bool, pending: bool, epoch: u8, begun: Begun },
    /// Read; not yet put into the cache.
    Read { key: u8, fact: Fact, begun: Begun },
}

/// When a load's snapshot was taken, seen from the Check under way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Begun {
    /// After the Check began and after it collected what it has.
    Late,
    /// Before it collected its latest fact.
    BeforeFact,
    /// Before it began.
    BeforeCheck,
}

/// One fact in a Check's hands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fact {
    /// How it is validated.
    pub kind: FactKind,
    /// Its value, and where that is from.
    pub entry: Entry,
}

/// How a fact is validated.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FactKind {
    /// From the cache, or a load that may be cached: validated by its floor.
    Cacheable,
    /// Read while an intent was pending, and not by the last statement.
    Pending,
    /// Read by the last statement.
    Last,
}

/// A4 under way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Check {
    /// Position in the steps of `check::steps`.
    pub position: u8,
    /// Earliest entry of the history that may explain its answer.
    pub must_see: u8,
    /// What it has collected of each key.
    pub facts: [Option<Fact>; 2],
    /// Ticks left of the `until` that it read.
    pub until: u8,
}

/// One attempt at a write. A crash is a writer that takes no further step.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Writer {
    /// How far it is.
    pub step: WriterStep,
    /// The announced keys.
    pub keys: Keys,
    /// The n of its announcement; 0: not announced.
    pub seq: u8,
    /// The epoch of its announcement.
    pub epoch: u8,
    /// W2: the leases to wait for, and those of them renewed since.
    pub waits_for: u8,
    /// See `waits_for`.
    pub renewed: u8,
    /// Ticks since t0, at most W.
    pub age: u8,
    /// How often it may still begin W1.
    pub attempts_left: u8,
    /// Position in the history at which the write took effect.
    pub effect: u8,
    /// A W4 that its writer gave up on and that may still reach the database.
    pub stray_commit: bool,
    /// `expected_revision`, and the position in the history that was read with it.
    pub expected: Option<(u8, u8)>,
}

/// How far a write is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum WriterStep {
    /// Not part of this world.
    Unused,
    /// Before W0.
    Idle,
    /// W0 done.
    Planned,
    /// With a rule off: W2 came before W1, or t0 before the read of W2.
    EarlyRegistry,
    /// See `EarlyRegistry`.
    EarlyClock,
    /// W1 done.
    Announced,
    /// W2 done.
    Waiting,
    /// W4 sent.
    Sent,
    /// A member of the shared transaction.
    Shared,
    /// The reply to the COMMIT of the shared transaction is lost.
    InDoubt,
    /// In doubt, and its intent row is gone: its commit row tells what happened.
    LookingUp,
    /// With a rule off: looked up its commit row before it deleted its intent, and found none.
    FoundNothing,
    /// W4 committed, or nothing to do; the answer is not yet sent.
    Done,
    /// W4 refused: the row is gone, or the plan no longer fits.
    Refused,
    /// The caller has OK.
    AnsweredOk,
    /// The caller has FAILED.
    AnsweredFailed,
}

/// A transaction in which the W4s of both writers run. Others see nothing of it before its COMMIT.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SharedCommit {
    /// How far it is.
    pub step: SharedStep,
    /// The writer that leads; its W4 runs first.
    pub first: u8,
    /// What became of each member.
    pub verdicts: [Verdict; 2],
}

/// How far a shared transaction is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SharedStep {
    /// There is none.
    Closed,
    /// It holds the lock on the tenant's row. COMMIT is sent once every member has its verdict.
    Open,
    /// The reply to COMMIT is lost; the database may still commit.
    InFlight,
}

/// What became of a member, in its savepoint.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verdict {
    /// Its turn has not come.
    Waits,
    /// It takes effect with the COMMIT, and clears these keys.
    Effect(Keys),
    /// Rolled back, since there is nothing to change; answers OK.
    Unchanged,
    /// Rolled back, since its idempotency key is there; answers OK.
    Stored,
    /// Rolled back, since its precondition does not hold; answers FAILED.
    Refused(Keys),
    /// Rolled back, since it is not the announced write any more; goes back to W0.
    Stale(Keys),
}

impl Verdict {
    /// The keys that the transaction clears for this member, if anything of its W4 stays in the
    /// transaction. Of a member that is rolled back something stays only with a rule off.
    pub fn kept(self) -> Option<Keys> {
        match self {
            Self::Effect(keys) => Some(keys),
            Self::Refused(keys) | Self::Stale(keys) if keys != 0 => Some(keys),
            Self::Waits | Self::Unchanged | Self::Stored | Self::Refused(_) | Self::Stale(_) => None,
        }
    }
}

impl SharedCommit {
    /// No transaction.
    pub const CLOSED: Self = Self { step: SharedStep::Closed, first: 0, verdicts: [Verdict::Waits; 2] };

    /// Whether the database still holds the locks of a shared transaction.
    pub fn is_alive(&self) -> bool {
        self.step != SharedStep::Closed
    }

    /// Whether every member has its verdict, so that COMMIT may be sent.
    pub fn is_complete(&self) -> bool {
        !self.verdicts.contains(&Verdict::Waits)
    }
}

impl State {
    /// Whether the commit row of this attempt of `w` is there.
    pub fn is_committed(&self, w: usize) -> bool {
        self.database.commits[w] != 0 && self.database.commits[w] == self.writers[w].seq
    }

    /// Names the lesser replica r0: which of two equals is which does not matter.
    pub fn sort_replicas(&mut self) {
        let of = |i: usize| {
            let bits = self.writers.map(|writer| (writer.waits_for >> i & 1, writer.renewed >> i & 1));
            (self.replicas[i], self.database.leases[i], bits)
        };
        if of(0) <= of(1) {
            return;
        }
        self.replicas.swap(0, 1);
        self.database.leases.swap(0, 1);
        for writer in &mut self.writers {
            writer.waits_for = swap_bits(writer.waits_for);
            writer.renewed = swap_bits(writer.renewed);
        }
    }
}

fn swap_bits(bits: u8) -> u8 {
    (bits & 1) << 1 | bits >> 1
}

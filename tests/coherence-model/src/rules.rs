//! The rules of the protocol, each of which can be switched off.

/// Defines `Rule` and its table in one place.
macro_rules! rules {
    ($($name:ident, $section:literal, $scenario:literal, $text:literal;)*) => {
        /// One rule of the protocol.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Rule { $(#[doc = $text] $name,)* }

        /// Every rule: where it is said, the scenario that needs it, its text.
        pub const TABLE: &[(Rule, &str, &str, &str, &str)] =
            &[$((Rule::$name, stringify!($name), $section, $scenario, $text),)*];
    };
}

rules! {
    JoinRowFirst, "A1", "join", "the lease row is committed before head.seq is read";
    JoinRaisesFloors, "A1", "rejoin-one-key", "a join raises the floor of everything to head.seq";
    JoinGivesNoLease, "A1", "join", "a join leaves `until` = none; only A2 sets it";
    RenewalHitsRow, "A2", "rejoin-one-key", "a renewal that hits no row loses the lease";
    LogReadAfterRow, "A2", "one-write", "the log is read after the renewal of the row is committed";
    LogAppliedBeforeLease, "A2", "one-write", "the log is applied before `until` moves";
    LeaseFromSend, "A2", "one-write", "`until` counts from before the renewal was sent";
    ApplyBeforeAck, "A3", "one-write", "floors are raised before the acknowledgement";
    LogFloorDropsAll, "A2/A3", "clean-up", "applied < log_floor: everything is dropped";
    LogFloorWithRows, "A2/A3", "clean-up", "log_floor and the rows are read in one snapshot";
    LeaveStopsFirst, "A5", "join", "`until` = none before the lease row is deleted";
    FinalFloorCheck, "A4", "one-write", "floors are compared again, last";
    LeaseChecked, "A4", "one-write", "an answer needs `clock < until`";
    LeaseCheckedLast, "A4", "one-write", "the lease is checked after the facts were collected";
    UntilBeforeFloors, "A4", "one-write", "`until` is loaded before the floors are compared";
    UncachedLast, "A4", "one-write", "facts with a pending intent are read after all others";
    UncachedTogether, "A4", "one-write", "facts with a pending intent are read in one statement";
    ValidateAfterLast, "A4", "one-write", "floors are compared after that last statement";
    EpochTag, "A4", "epoch-one-key", "facts and lease are of one epoch";
    Floors, "cache", "one-write", "an entry counts only if as_of >= floor (else: drop on apply)";
    PendingNotCached, "cache", "one-write", "a load that saw a pending intent is not cached";
    AsOfInDataSnapshot, "cache", "one-write", "seq is read in the snapshot of the data";
    ShareYoungLoadsOnly, "cache", "one-write", "a load that saw a pending intent is shared only if it began after the caller arrived";
    ShareAfterOtherFacts, "cache", "one-write", "and, as its last statement, only if it began after the other facts were collected";
    CommitAfterWait, "W", "one-write", "the data is committed after the wait, not before";
    RegistryAfterIntent, "W2", "join", "leases are read after W1";
    ClockAfterRegistry, "W2", "rejoin-one-key", "t0 is taken after the leases were read";
    WaitForAcks, "W3", "one-write", "W3 waits";
    WaitFullLease, "W3", "one-write", "W3 waits W, not less";
    DeleteUnmovedLease, "W3", "rejoin-one-key", "only a lease with renew_no = seen is deleted";
    FullWaitUnlessArmed, "W3", "epoch", "not armed: always the full W";
    ArmOwnEpoch, "W3", "epoch-one-key", "only a writer of this epoch arms it";
    IntentIsCondition, "W4", "reaper", "W4 needs its intent row";
    EpochIsCondition, "W4", "epoch-one-key", "W4 needs the epoch of W1";
    AnnouncedKeysOnly, "W4", "cascade", "W4 touches announced keys only";
    IdempotencyInCommit, "W4", "retry", "W4 stores and checks the idempotency key";
    GiveUpDeletesIntent, "W5", "retry", "a writer that reports failure deleted its intent first";
    OwnMemberRow, "group", "group-one-key", "each member of a group has its own intent row";
    GroupAnnouncesAll, "group", "group-one-key", "the group's log row names the keys of all members";
    MembersBeforeCommit, "group", "group-one-key", "no member joins after W1 was committed";
    RevisionBelowPending, "revision", "conditional", "an administrative read reports a revision below every pending intent";
    SharedMembersWaited, "shared W4", "shared-commit", "a shared transaction takes only writes that finished W3";
    SharedOwnIntent, "shared W4", "shared-commit", "each member deletes its own intent row, not the leader alone";
    SharedSavepoint, "shared W4", "shared-cascade", "a member that fails is rolled back to its savepoint";
    SharedSeesEarlierKeys, "shared W4", "shared-retry", "a member finds the idempotency key of an earlier member";
    SharedSeesEarlierRevision, "shared W4", "shared-conditional", "a member compares with the revision that earlier members left";
    SharedRefusalHeld, "shared W4", "shared-conditional", "a refusal is answered after COMMIT";
    SharedNoOpHeld, "shared W4", "shared-no-op", "a write that finds nothing to change is answered after COMMIT";
    SharedRetryHeld, "shared W4", "shared-retry", "the answer of an earlier member's key is given after COMMIT";
    SharedFailureDropsAnswers, "shared W4", "shared-no-op", "held answers are dropped if COMMIT fails or its outcome is unknown";
    SharedUnknownIsNotFailure, "shared W5", "shared-commit", "members run alone only if COMMIT is known to have failed";
    SharedUnknownDeletesIntent, "shared W5", "shared-commit", "a member in doubt deletes its intent before it looks up its commit row";
    SharedLookUpAfterDelete, "shared W5", "shared-commit", "it looks up its commit row in a statement after the DELETE";
    SharedOutcomeByOwnIntent, "shared W5", "shared-commit", "an unknown outcome is found out for each member, not for all by one";
    SharedGiveUpFindsOut, "shared W5", "shared-retry", "a member that stops waiting finds out by its own intent, too";
    SharedCommitRowOfMember, "shared W5", "shared-group", "a commit row is found by n and member, not by n alone";
}

/// Rules that show no counterexample in their world: README.md says why they are kept.
pub const WITHOUT_COUNTEREXAMPLE: &[Rule] =
    &[Rule::JoinRowFirst, Rule::JoinGivesNoLease, Rule::LogReadAfterRow, Rule::EpochTag, Rule::EpochIsCondition];

/// The rules in force.
#[derive(Clone, Copy)]
pub struct Rules(u64);

impl Rules {
    /// Every rule.
    pub const ALL: Self = Self(u64::MAX);

    /// These rules except one.
    pub fn without(self, rule: Rule) -> Self {
        Self(self.0 & !(1 << rule as u64))
    }

    /// Whether a rule is in force.
    pub fn has(self, rule: Rule) -> bool {
        self.0 & (1 << rule as u64) != 0
    }
}

//! The rules that can be switched off.

/// One rule of `docs/coherence.md`, by its name in `tests/coherence-model`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::EnumIter, strum::Display)]
pub enum Rule {
    /// A1: the lease row is committed before the position of the log is read.
    JoinRowFirst,
    /// A1: joining raises the watermark of everything.
    JoinRaisesFloors,
    /// A1: joining gives no lease; only a renewal does.
    JoinGivesNoLease,
    /// A2: a renewal that matches no row loses the lease.
    RenewalHitsRow,
    /// A2: the log is read after the row of the lease is renewed, and never inserted.
    LogReadAfterRow,
    /// A2: the log is applied before the lease is extended.
    LogAppliedBeforeLease,
    /// A2: the lease runs from before the renewal was sent.
    LeaseFromSend,
    /// A3: watermarks are raised before the acknowledgement.
    ApplyBeforeAck,
    /// A2, A3: a server that is behind the oldest announcement drops everything.
    LogFloorDropsAll,
    /// A2, A3: the oldest announcement is read in the snapshot of the announcements.
    LogFloorWithRows,
    /// A5: the lease is ended before its row is deleted.
    LeaveStopsFirst,
    /// A4: watermarks are compared once more, last.
    FinalFloorCheck,
    /// A4: an answer requires a running lease.
    LeaseChecked,
    /// A4: the lease is checked after the facts were collected.
    LeaseCheckedLast,
    /// A4: facts and lease are of one epoch.
    EpochTag,
    /// Memory: a fact is valid only if it is not older than its watermark.
    Floors,
    /// A4: the end of the lease is loaded before the watermarks are compared.
    UntilBeforeFloors,
    /// Memory: an announced product is not read from the index.
    ProductsMarked,
    /// A4: a list reads pending products.
    MarkedReadLast,
    /// A4: a list reads pending products after all other facts.
    UncachedLast,
    /// A4: a list reads pending products by one statement.
    UncachedTogether,
    /// A4: a list compares watermarks after it read pending products.
    ValidateAfterLast,
    /// Memory: facts with a pending write are not cached.
    PendingNotCached,
    /// Memory: `as_of` is read in the snapshot of the fact itself.
    AsOfInDataSnapshot,
    /// Memory: a shared statement begins after all callers that share it arrived.
    ShareYoungLoadsOnly,
    /// W: a write commits after its wait.
    CommitAfterWait,
    /// W2: the leases are read after the announcement.
    RegistryAfterIntent,
    /// W2: the wait counts from after the leases were read.
    ClockAfterRegistry,
    /// W3: a write waits for acknowledgements.
    WaitForAcks,
    /// W3: a write waits as long as a lease may run.
    WaitFullLease,
    /// W3: a lease that was renewed during the wait is not ended.
    DeleteUnmovedLease,
    /// W3: the first write of an epoch always waits.
    FullWaitUnlessArmed,
    /// W3: a wait arms the epoch of its write, and no later one.
    ArmOwnEpoch,
    /// W4: a write requires its announcement.
    IntentIsCondition,
    /// W4: a write requires the epoch of its announcement.
    EpochIsCondition,
    /// W4: a commit changes announced keys only.
    AnnouncedKeysOnly,
    /// W4: a commit looks for a response under its idempotency key, and stores one.
    IdempotencyInCommit,
    /// W5: a write that is reported as failed can no longer commit.
    GiveUpDeletesIntent,
    /// Groups: no write joins a group that was announced.
    MembersBeforeCommit,
    /// Groups: each write of a group has an intent of its own.
    OwnMemberRow,
    /// Groups: the keys of all writes of a group are announced.
    GroupAnnouncesAll,
}

#[cfg(not(feature = "failpoints"))]
mod switches {
    use super::Rule;

    /// Returns false: no rule can be switched off in this build.
    #[must_use]
    #[inline]
    pub const fn is_disabled(_: Rule) -> bool {
        false
    }
}

#[cfg(feature = "failpoints")]
mod switches {
    use std::{
        env::var,
        sync::{
            LazyLock,
            atomic::{AtomicU64, Ordering},
        },
    };

    use super::Rule;

    /// The rules that are switched off, a bit each: at first the one that the environment
    /// names.
    static DISABLED: LazyLock<AtomicU64> = LazyLock::new(|| {
        let Ok(rule) = var("PIM_AUTHZ_FAILPOINT_WITHOUT") else {
            return AtomicU64::new(0);
        };
        // An unknown rule would look like one that no test detects, so the
        // process exits.
        let rule: Rule = rule.parse().unwrap_or_else(|_| std::process::exit(86));
        AtomicU64::new(bit(rule))
    });

    const fn bit(rule: Rule) -> u64 {
        1 << rule as u64
    }

    /// True if a rule is switched off.
    #[must_use]
    pub fn is_disabled(rule: Rule) -> bool {
        DISABLED.load(Ordering::SeqCst) & bit(rule) != 0
    }

    /// Rules that are switched off in this process until this value is dropped.
    #[derive(Debug)]
    pub struct SwitchedOff(u64);

    /// Switches rules off, in all servers of this process.
    #[must_use]
    pub fn switch_off(rules: &[Rule]) -> SwitchedOff {
        let bits = rules.iter().fold(0, |bits, rule| bits | bit(*rule));
        DISABLED.fetch_or(bits, Ordering::SeqCst);
        SwitchedOff(bits)
    }

    impl Drop for SwitchedOff {
        fn drop(&mut self) {
            DISABLED.fetch_and(!self.0, Ordering::SeqCst);
        }
    }
}

pub use self::switches::is_disabled;
#[cfg(feature = "failpoints")]
pub use self::switches::{SwitchedOff, switch_off};

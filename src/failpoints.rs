//! Rules of the coherence protocol that a test build can switch off, one at a
//! time, to show that the checker of `tests/coherence` notices.
//!
//! Only with the feature `failpoints`, which no release has; without it every rule
//! holds and the questions below cost nothing.

/// One rule of `docs/coherence.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::EnumIter, strum::Display)]
pub enum Rule {
    /// A1: joining raises the floor of everything.
    JoinRaisesFloors,
    /// A2: a renewal that hits no row loses the lease.
    RenewalHitsRow,
    /// A2: the log is applied before the lease is extended.
    LogAppliedBeforeLease,
    /// A2: the lease runs from before the renewal was sent.
    LeaseFromSend,
    /// A3: floors are raised before the acknowledgement.
    ApplyBeforeAck,
    /// A4: floors are compared once more, last.
    FinalFloorCheck,
    /// A4: an answer needs a lease that runs.
    LeaseChecked,
    /// Memory: a fact counts only if it is not older than its floor.
    Floors,
    /// A4: until when the lease runs is loaded before the floors are compared.
    UntilBeforeFloors,
    /// Memory: an announced product is not told from the index.
    ProductsMarked,
    /// A4: a list reads products with writes under way last.
    MarkedReadLast,
    /// Memory: what met a write under way is not kept.
    PendingNotCached,
    /// Memory: as of when is told by the snapshot of the fact itself.
    AsOfInDataSnapshot,
    /// Memory: a shared statement began after all who share it asked.
    ShareYoungLoadsOnly,
    /// W3: a write waits for acknowledgements.
    WaitForAcks,
    /// W3: it waits as long as a lease may run.
    WaitFullLease,
    /// W3: the first write of an epoch waits in any case.
    FullWaitUnlessArmed,
    /// W4: a write needs its announcement.
    IntentIsCondition,
    /// Groups: all keys of all writes of a group are announced.
    GroupAnnouncesAll,
}

#[cfg(not(feature = "failpoints"))]
mod holds {
    use super::Rule;

    /// Whether a rule is switched off.
    #[must_use]
    #[inline]
    pub const fn is_disabled(_: Rule) -> bool {
        false
    }

    /// Stands still between two steps, if so told.
    #[inline]
    pub const fn pause() {}

    /// The same for longer than a write takes.
    #[inline]
    pub const fn pause_long() {}

    /// The clock as it is to run.
    #[must_use]
    #[inline]
    pub const fn clock(nanoseconds: u64) -> u64 {
        nanoseconds
    }
}

#[cfg(feature = "failpoints")]
mod holds {
    use std::{
        env::var,
        sync::{
            LazyLock,
            atomic::{AtomicU64, Ordering},
        },
        time::Duration,
    };

    use super::Rule;

    static LACKING: LazyLock<Option<Rule>> = LazyLock::new(|| {
        let rule = var("PIM_AUTHZ_FAILPOINT_WITHOUT").ok()?;
        // A rule that is not known would pass for one that nobody misses.
        Some(rule.parse().unwrap_or_else(|_| std::process::exit(86)))
    });

    static STRETCH_MS: LazyLock<u64> = LazyLock::new(|| {
        var("PIM_AUTHZ_FAILPOINT_STRETCH_MS").map_or(0, |ms| ms.parse().unwrap_or(0))
    });

    static CLOCK_PERCENT: LazyLock<u64> = LazyLock::new(|| {
        var("PIM_AUTHZ_FAILPOINT_CLOCK_PERCENT")
            .map_or(100, |percent| percent.parse().unwrap_or(100))
    });

    static STRETCHES: AtomicU64 = AtomicU64::new(0);

    /// Whether a rule is switched off.
    #[must_use]
    pub fn is_disabled(rule: Rule) -> bool {
        *LACKING == Some(rule)
    }

    /// The same for longer than a write takes.
    pub fn pause_long() {
        stand_still(*STRETCH_MS * 12);
    }

    /// Stands still between two steps, every seventh time, if so told.
    pub fn pause() {
        stand_still(*STRETCH_MS);
    }

    fn stand_still(ms: u64) {
        let is_told = STRETCHES.fetch_add(1, Ordering::Relaxed).is_multiple_of(7);
        if ms > 0 && is_told {
            std::thread::sleep(Duration::from_millis(ms));
        }
    }

    /// The clock as it is to run.
    #[must_use]
    pub fn clock(nanoseconds: u64) -> u64 {
        nanoseconds / 100 * *CLOCK_PERCENT
    }
}

pub use self::holds::{clock, is_disabled, pause, pause_long};

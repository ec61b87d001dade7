//! Failpoints: rules of the coherence protocol that a test build can switch off,
//! one at a time. This shows that the checker of `tests/coherence` detects a
//! missing rule.
//!
//! Active only with the feature `failpoints`, which no release has. Without it
//! every rule applies and the checks below cost nothing. Most rules are a check that
//! is skipped; what a server does wrong without one of the others is in
//! [`mistakes`].

pub mod mistakes;

/// One rule of `docs/coherence.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::EnumIter, strum::Display)]
pub enum Rule {
    /// A1: joining raises the watermark of everything.
    JoinRaisesFloors,
    /// A2: a renewal that matches no row loses the lease.
    RenewalHitsRow,
    /// A2: the log is applied before the lease is extended.
    LogAppliedBeforeLease,
    /// A2: the lease runs from before the renewal was sent.
    LeaseFromSend,
    /// A3: watermarks are raised before the acknowledgement.
    ApplyBeforeAck,
    /// A4: watermarks are compared once more, last.
    FinalFloorCheck,
    /// A4: an answer requires a running lease.
    LeaseChecked,
    /// Memory: a fact is valid only if it is not older than its watermark.
    Floors,
    /// A4: the end of the lease is loaded before the watermarks are compared.
    UntilBeforeFloors,
    /// Memory: an announced product is not read from the index.
    ProductsMarked,
    /// A4: a list reads pending products last.
    MarkedReadLast,
    /// Memory: facts with a pending write are not cached.
    PendingNotCached,
    /// Memory: `as_of` is read in the snapshot of the fact itself.
    AsOfInDataSnapshot,
    /// Memory: a shared statement begins after all callers that share it arrived.
    ShareYoungLoadsOnly,
    /// W3: a write waits for acknowledgements.
    WaitForAcks,
    /// W3: a write waits as long as a lease may run.
    WaitFullLease,
    /// W3: the first write of an epoch always waits.
    FullWaitUnlessArmed,
    /// W4: a write requires its announcement.
    IntentIsCondition,
    /// Groups: the keys of all writes of a group are announced.
    GroupAnnouncesAll,
}

#[cfg(not(feature = "failpoints"))]
mod holds {
    use super::Rule;

    /// Returns false: no rule can be switched off in this build.
    #[must_use]
    #[inline]
    pub const fn is_disabled(_: Rule) -> bool {
        false
    }

    /// Does nothing in this build.
    #[inline]
    pub const fn pause() {}

    /// Does nothing in this build.
    #[inline]
    pub const fn pause_long() {}

    /// Returns the clock unchanged in this build.
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

    /// The rule that is switched off, if any.
    static DISABLED_RULE: LazyLock<Option<Rule>> = LazyLock::new(|| {
        let rule = var("PIM_AUTHZ_FAILPOINT_WITHOUT").ok()?;
        // An unknown rule would look like one that no test detects, so the
        // process exits.
        Some(rule.parse().unwrap_or_else(|_| std::process::exit(86)))
    });

    /// Length of a pause, in milliseconds; 0: no pauses.
    static PAUSE_MS: LazyLock<u64> = LazyLock::new(|| {
        var("PIM_AUTHZ_FAILPOINT_STRETCH_MS").map_or(0, |ms| ms.parse().unwrap_or(0))
    });

    /// Rate of the clock, in percent of the real one.
    static CLOCK_PERCENT: LazyLock<u64> = LazyLock::new(|| {
        var("PIM_AUTHZ_FAILPOINT_CLOCK_PERCENT")
            .map_or(100, |percent| percent.parse().unwrap_or(100))
    });

    /// Number of points passed at which a pause is possible.
    static PAUSE_POINTS: AtomicU64 = AtomicU64::new(0);

    /// True if a rule is switched off.
    #[must_use]
    pub fn is_disabled(rule: Rule) -> bool {
        *DISABLED_RULE == Some(rule)
    }

    /// Pauses like [`pause`] but twelve times as long: longer than a write takes.
    pub fn pause_long() {
        sleep_at_every_seventh_call(*PAUSE_MS * 12);
    }

    /// Blocks the thread between two steps, at every seventh call, if a pause is
    /// set.
    pub fn pause() {
        sleep_at_every_seventh_call(*PAUSE_MS);
    }

    fn sleep_at_every_seventh_call(ms: u64) {
        let is_seventh = PAUSE_POINTS
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(7);
        if ms > 0 && is_seventh {
            std::thread::sleep(Duration::from_millis(ms));
        }
    }

    /// Returns the clock scaled by the configured rate.
    #[must_use]
    pub fn clock(nanoseconds: u64) -> u64 {
        nanoseconds / 100 * *CLOCK_PERCENT
    }
}

pub use self::holds::{clock, is_disabled, pause, pause_long};

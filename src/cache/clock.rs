use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::failpoints::Skew;

/// The clock by which a server's leases run: its host's monotonic clock, which counts
/// suspended time and is never set. A test build can set it ([`Skew`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    skew: Skew,
}

impl Clock {
    /// Reads the clock.
    pub(super) fn now(self) -> Moment {
        Moment {
            nanoseconds: self.skew.shown(host_nanoseconds()),
        }
    }
}

#[cfg(feature = "failpoints")]
impl Clock {
    /// Creates a clock that a test sets; it shows what the host's shows until then.
    #[must_use]
    pub fn settable() -> Self {
        let skew = Skew::settable();
        Self { skew }
    }

    /// Puts the clock forward, and sets its rate from now on, in thousandths of the host's.
    pub fn set(self, forward: Duration, permille: u64) {
        self.skew.set(host_nanoseconds(), forward, permille);
    }
}

/// Returns the time since the host was started, in nanoseconds.
fn host_nanoseconds() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let part = u64::try_from(time.tv_nsec).unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(part)
}

/// A moment of a server's [`Clock`]. It has no meaning on another server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    nanoseconds: u64,
}

impl Moment {
    /// The earliest moment, before every other.
    pub(super) const NEVER: Self = Self { nanoseconds: 0 };

    /// Returns the whole seconds since the clock started.
    pub(super) fn seconds(self) -> u64 {
        self.nanoseconds / 1_000_000_000
    }

    /// Returns the moment that is `later` after this one.
    pub(super) fn plus(self, later: Duration) -> Self {
        let later = u64::try_from(later.as_nanos()).unwrap_or(u64::MAX);
        Self {
            nanoseconds: self.nanoseconds.saturating_add(later),
        }
    }

    /// Returns the time since `earlier`; zero if `earlier` is later.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanoseconds.saturating_sub(earlier.nanoseconds))
    }
}

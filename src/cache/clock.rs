use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::failpoints;

/// A moment of this host's monotonic clock, which counts suspended time and is
/// never set. It has no meaning on another host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    nanoseconds: u64,
}

impl Moment {
    /// The earliest moment, before every other.
    pub(super) const NEVER: Self = Self { nanoseconds: 0 };

    /// Reads the clock.
    pub(super) fn now() -> Self {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let part = u64::try_from(time.tv_nsec).unwrap_or_default();
        let nanoseconds = seconds.saturating_mul(1_000_000_000).saturating_add(part);
        Self {
            nanoseconds: failpoints::clock(nanoseconds),
        }
    }

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

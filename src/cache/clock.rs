use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::failpoints;

/// A moment of this host's clock since it was started, time asleep included. It
/// means nothing on another host, and is never set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    nanoseconds: u64,
}

impl Moment {
    /// Before every other.
    pub(super) const NEVER: Self = Self { nanoseconds: 0 };

    /// Now.
    pub(super) fn now() -> Self {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let part = u64::try_from(time.tv_nsec).unwrap_or_default();
        let nanoseconds = seconds.saturating_mul(1_000_000_000).saturating_add(part);
        Self {
            nanoseconds: failpoints::clock(nanoseconds),
        }
    }

    /// In whole seconds.
    pub(super) fn seconds(self) -> u64 {
        self.nanoseconds / 1_000_000_000
    }

    /// So much later.
    pub(super) fn plus(self, later: Duration) -> Self {
        let later = u64::try_from(later.as_nanos()).unwrap_or(u64::MAX);
        Self {
            nanoseconds: self.nanoseconds.saturating_add(later),
        }
    }

    /// How long after `earlier` it is; nothing if it is not.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanoseconds.saturating_sub(earlier.nanoseconds))
    }
}

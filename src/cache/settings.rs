use std::time::Duration;

use super::clock::Clock;

/// The bound on the difference of clock rates between hosts: 1 %.
const CLOCK_RATE: f64 = 1.01;

/// Maximum time that a server may be suspended between reading the clock and
/// sending its answer.
const SCHEDULING_GUARD: Duration = Duration::from_millis(50);

/// Whether facts are cached in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheMode {
    /// Facts are cached.
    #[default]
    On,
    /// Each question reads them from the database.
    Off,
}

/// Size of the cache and timing of its lease.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CacheSettings {
    /// Whether facts are cached at all.
    pub mode: CacheMode,
    /// Maximum size of the cache, in estimated bytes.
    pub bytes: u64,
    /// How long a server may answer from memory after it sent the renewal of its
    /// lease. Shorter: a dead server blocks a write for less time. Longer: callers
    /// notice an outage of the database later.
    pub lease: Duration,
    /// Interval at which the log of announcements is read without a notification.
    pub poll: Duration,
    /// The clock by which leases run.
    pub clock: Clock,
}

impl CacheSettings {
    /// Returns the longest time that a writer waits for a server with the same
    /// lease.
    #[must_use]
    pub fn longest_wait(&self) -> Duration {
        until_over(self.lease)
    }

    /// Returns the interval at which the lease is renewed.
    #[must_use]
    pub fn renewal(&self) -> Duration {
        self.lease / 5
    }

    /// Returns the time-out of a statement on the lease's connection.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.lease / 2
    }
}

/// Returns the time after which a lease without a further renewal has certainly
/// expired by any clock. From then on its server can no longer answer.
#[must_use]
pub(super) fn until_over(lease: Duration) -> Duration {
    lease.mul_f64(CLOCK_RATE) + SCHEDULING_GUARD
}

impl Default for CacheSettings {
    /// 256 MiB, a lease of 5 s, the log read every 150 ms.
    fn default() -> Self {
        Self {
            mode: CacheMode::On,
            bytes: 256 << 20,
            lease: Duration::from_secs(5),
            poll: Duration::from_millis(150),
            clock: Clock::default(),
        }
    }
}

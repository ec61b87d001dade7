use std::time::Duration;

/// The bound on the difference of clock rates between hosts: 1 %.
const CLOCK_RATE: f64 = 1.01;

/// The longest that a server may stand still between its last look at the clock
/// and its answer.
const SCHEDULING_GUARD: Duration = Duration::from_millis(50);

/// Whether facts are kept in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheMode {
    /// They are.
    #[default]
    On,
    /// Each question reads them from the database.
    Off,
}

/// How the memory is kept, and how it stays true.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CacheSettings {
    /// Whether facts are kept at all.
    pub mode: CacheMode,
    /// The most that is kept, in bytes, as far as they can be counted.
    pub bytes: u64,
    /// How long a server may answer from memory after it asked to renew its
    /// lease. Shorter: a dead server holds a write up for less. Longer: an
    /// outage of the database is noticed by callers later.
    pub lease: Duration,
    /// How often the log of announcements is read even if nothing hints at one.
    pub poll: Duration,
}

impl CacheSettings {
    /// The shortest lease.
    pub const SHORTEST_LEASE: Duration = Duration::from_millis(500);

    /// The longest lease.
    pub const LONGEST_LEASE: Duration = Duration::from_mins(1);

    /// How long a writer waits at most for a server with a lease like its own.
    #[must_use]
    pub fn longest_wait(&self) -> Duration {
        until_over(self.lease)
    }

    /// How often the lease is renewed.
    #[must_use]
    pub fn renewal(&self) -> Duration {
        self.lease / 5
    }

    /// How long one call of the lease's connection may take.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.lease / 2
    }
}

/// How long after a moment a lease that was last renewed before it has certainly
/// run out, by any clock: when its server can answer nothing any more.
#[must_use]
pub(super) fn until_over(lease: Duration) -> Duration {
    lease.mul_f64(CLOCK_RATE) + SCHEDULING_GUARD
}

impl Default for CacheSettings {
    /// 256 MiB, a lease of 5 s, a look at the log every 150 ms.
    fn default() -> Self {
        Self {
            mode: CacheMode::On,
            bytes: 256 << 20,
            lease: Duration::from_secs(5),
            poll: Duration::from_millis(150),
        }
    }
}

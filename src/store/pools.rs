use std::sync::{Arc, Mutex, PoisonError};

use deadpool_postgres::Pool;

/// Purpose of the connections of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum PoolName {
    /// Writes, and all work without a pool of its own.
    Writes,
    /// Announcements, acknowledgements and maintenance.
    Coherence,
    /// Questions that miss the cache.
    Questions,
    /// Background loads beside the questions.
    Background,
    /// Pages, lists and administrative reads.
    Reads,
    /// Reads of all of a tenant's data.
    WholeTenants,
    /// Look-ups of whether a write was committed.
    Outcomes,
}

/// Use of a pool at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// Name of the pool.
    pub name: PoolName,
    /// Number of open connections that are not in use.
    pub idle: usize,
    /// Number of connections in use.
    pub busy: usize,
    /// Maximum number of open connections.
    pub limit: usize,
    /// Number of tasks waiting for a connection.
    pub waiting: usize,
}

/// All pools of one database, in the order of their creation.
#[derive(Clone, Debug, Default)]
pub(super) struct Pools(Arc<Mutex<Vec<(PoolName, Pool)>>>);

impl Pools {
    pub(super) fn add(&self, name: PoolName, pool: &Pool) {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pools.push((name, pool.clone()));
    }

    pub(super) fn uses(&self) -> Vec<PoolUse> {
        let pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let uses = pools.iter().map(|(name, pool)| {
            let status = pool.status();
            PoolUse {
                name: *name,
                idle: status.available,
                busy: status.size.saturating_sub(status.available),
                limit: status.max_size,
                waiting: status.waiting,
            }
        });
        uses.collect()
    }
}

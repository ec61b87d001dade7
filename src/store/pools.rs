use std::sync::{Arc, Mutex, PoisonError};

use deadpool_postgres::Pool;

/// What the connections of a pool are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum PoolName {
    /// Writes, and whatever has none of its own.
    Writes,
    /// Announcements, acknowledgements and upkeep.
    Coherence,
    /// Questions that memory cannot answer.
    Questions,
    /// What is read beside the questions.
    Background,
    /// Pages, lists and reads of the administration.
    Reads,
    /// What reads everything of a tenant.
    WholeTenants,
    /// Finding out whether a write was committed.
    Outcomes,
}

/// How a pool is used at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// Which pool.
    pub name: PoolName,
    /// Connections that are open and not in use.
    pub idle: usize,
    /// Connections in use.
    pub busy: usize,
    /// The most that may be open.
    pub limit: usize,
    /// Tasks that wait for one.
    pub waiting: usize,
}

/// The pools of a database, as they were opened.
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

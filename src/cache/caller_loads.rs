use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;

use crate::domain::CallerDirectory;

use super::watermarks::ReadPosition;

/// The callers as last read. Every call needs this one fact, so it has a cache of
/// its own; its position decides whether it is stale.
#[derive(Debug, Default)]
pub(super) struct CallerCache(pub(super) ArcSwapOption<CachedCallers>);

#[derive(Debug)]
pub(super) struct CachedCallers {
    pub(super) position: ReadPosition,
    pub(super) callers: Arc<CallerDirectory>,
}

/// Coalesces reads of the callers: one at a time, shared by all calls that
/// arrived before it began.
#[derive(Debug, Default)]
pub(super) struct CallerLoads {
    /// Number of reads that have begun.
    begun: AtomicU64,
    pub(super) last: Mutex<Option<CallerLoad>>,
}

/// The result of one read.
#[derive(Clone, Debug)]
pub(super) struct CallerLoad {
    /// Number of the read, counted from 1.
    pub(super) number: u64,
    pub(super) epoch: u64,
    pub(super) callers: Arc<CallerDirectory>,
}

impl CallerLoads {
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    pub(super) fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::SeqCst) + 1
    }
}

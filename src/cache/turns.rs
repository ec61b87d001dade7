use std::{
    future::Future,
    pin::pin,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use tokio::{sync::Semaphore, time::timeout};

/// Time without progress after which work releases its turn.
pub(super) const STALL: Duration = Duration::from_millis(500);

/// Progress of some work, counted in replies of the database.
#[derive(Debug, Default)]
pub(super) struct Progress {
    steps: AtomicU64,
    computes: AtomicBool,
}

impl Progress {
    /// Counts a reply of the database.
    pub(super) fn advance(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// Marks the rest as computation, which sends no more statements.
    pub(super) fn compute(&self) {
        self.computes.store(true, Ordering::Relaxed);
    }

    fn has_moved(&self, seen: &mut u64) -> bool {
        let now = self.steps.load(Ordering::Relaxed);
        let before = std::mem::replace(seen, now);
        now != before || self.computes.load(Ordering::Relaxed)
    }
}

/// Runs `work` once it has acquired one of `turns`.
///
/// Work that makes no progress for [`STALL`] releases its turn and continues
/// without one: a database that hangs for one tenant blocks no other.
pub(super) async fn in_turn<T>(
    turns: &Semaphore,
    progress: &Progress,
    work: impl Future<Output = T>,
) -> T {
    // The semaphore is never closed.
    let mut turn = turns.acquire().await.ok();
    let mut work = pin!(work);
    let mut seen = 0;
    loop {
        if let Ok(done) = timeout(STALL, &mut work).await {
            return done;
        }
        if !progress.has_moved(&mut seen) {
            drop(turn.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn work_that_stalls_returns_its_turn() {
        let turns = Semaphore::new(1);
        let progress = Progress::default();
        let stalled = in_turn(&turns, &progress, pending::<()>());
        let next = in_turn(&turns, &progress, async { "done" });
        tokio::select! {
            biased;
            () = stalled => unreachable!("it never ends"),
            done = next => assert_eq!(done, "done"),
        }
    }

    #[test]
    fn replies_and_computation_are_progress() {
        let progress = Progress::default();
        let mut seen = 0;
        assert!(!progress.has_moved(&mut seen));
        progress.advance();
        assert!(progress.has_moved(&mut seen));
        assert!(!progress.has_moved(&mut seen));
        progress.compute();
        assert!(progress.has_moved(&mut seen));
    }
}

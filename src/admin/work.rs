use std::sync::{Arc, Weak};

use tokio::{runtime, task, time::Instant};

use super::error::AdminError;

/// Number of steps between two checks of the caller: about a millisecond.
const STEPS_BETWEEN_CHECKS: u64 = 50_000;

/// How long the caller of a dry run waits for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Patience {
    deadline: Option<Instant>,
    /// Dead once the caller has left; `None`: no caller is watched.
    caller: Option<Weak<()>>,
}

impl Patience {
    /// Returns the patience of a caller who waits until `deadline`, and no longer
    /// than `caller` is alive.
    pub(super) fn of(deadline: Option<Instant>, caller: &Arc<()>) -> Self {
        Self {
            deadline,
            caller: Some(Arc::downgrade(caller)),
        }
    }

    /// Returns true if the caller no longer waits.
    fn is_over(&self) -> bool {
        let is_late = self.deadline.is_some_and(|until| until <= Instant::now());
        let is_gone = |caller: &Weak<()>| caller.strong_count() == 0;
        is_late || self.caller.as_ref().is_some_and(is_gone)
    }
}

/// A counter of CPU-bound work, in steps of about 20 ns: a level looked up, a
/// right read.
#[derive(Debug, Default)]
pub(super) struct Work {
    patience: Patience,
    done: u64,
    next_check: u64,
}

impl Work {
    /// Returns a counter at zero.
    pub(super) fn new(patience: Patience) -> Self {
        Self {
            patience,
            ..Self::default()
        }
    }

    /// Counts `steps`, and checks about every millisecond whether the caller
    /// still waits.
    ///
    /// # Errors
    ///
    /// [`AdminError::DeadlinePassed`] when the caller no longer waits.
    pub(super) fn step(&mut self, steps: usize) -> Result<(), AdminError> {
        self.done = self
            .done
            .saturating_add(u64::try_from(steps).unwrap_or(u64::MAX));
        if self.done < self.next_check {
            return Ok(());
        }
        self.next_check = self.done.saturating_add(STEPS_BETWEEN_CHECKS);
        if self.patience.is_over() {
            return Err(AdminError::DeadlinePassed);
        }
        Ok(())
    }

    /// Returns the number of steps counted so far.
    #[cfg(test)]
    pub(super) fn done(&self) -> u64 {
        self.done
    }
}

/// Runs CPU-bound work without blocking other tasks of the runtime; on a
/// single-threaded runtime it blocks them.
pub(super) fn run_blocking<T>(work: impl FnOnce() -> T) -> T {
    let flavor = runtime::Handle::try_current().map(|runtime| runtime.runtime_flavor());
    match flavor {
        Ok(runtime::RuntimeFlavor::MultiThread) => task::block_in_place(work),
        Ok(_) | Err(_) => work(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const CHECK: usize = 60_000;

    #[tokio::test(start_paused = true)]
    async fn work_stops_after_the_deadline() {
        let caller = Arc::new(());
        let deadline = Instant::now() + Duration::from_secs(1);
        let mut work = Work::new(Patience::of(Some(deadline), &caller));
        assert!(work.step(CHECK).is_ok());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(matches!(work.step(CHECK), Err(AdminError::DeadlinePassed)));
    }

    #[test]
    fn work_stops_after_the_caller_left() {
        let caller = Arc::new(());
        let mut work = Work::new(Patience::of(None, &caller));
        assert!(work.step(CHECK).is_ok());
        drop(caller);
        assert!(work.step(1).is_ok(), "a look is not taken at every step");
        assert!(matches!(work.step(CHECK), Err(AdminError::DeadlinePassed)));
    }

    #[test]
    fn work_without_a_caller_never_stops() {
        let mut work = Work::default();
        for _ in 0..10 {
            work.step(CHECK).unwrap();
        }
        assert_eq!(work.done(), 600_000);
    }
}

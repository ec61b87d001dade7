use std::sync::{Arc, Weak};

use tokio::{runtime, task, time::Instant};

use super::error::AdminError;

/// How many steps pass between two looks at the caller: about a millisecond.
const STEPS_BETWEEN_LOOKS: u64 = 50_000;

/// How long the caller of a dry run waits for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Patience {
    deadline: Option<Instant>,
    /// Gone once the caller is; `None`: nobody is watched.
    caller: Option<Weak<()>>,
}

impl Patience {
    /// Of a caller who waits until `deadline` and as long as `caller` is held.
    pub(super) fn of(deadline: Option<Instant>, caller: &Arc<()>) -> Self {
        Self {
            deadline,
            caller: Some(Arc::downgrade(caller)),
        }
    }

    /// Returns whether nobody waits any more.
    fn is_over(&self) -> bool {
        let is_late = self.deadline.is_some_and(|until| until <= Instant::now());
        let is_gone = |caller: &Weak<()>| caller.strong_count() == 0;
        is_late || self.caller.as_ref().is_some_and(is_gone)
    }
}

/// A meter of work that takes the CPU, counted in steps of about 20 ns: a level
/// looked up, a right read.
#[derive(Debug, Default)]
pub(super) struct Work {
    patience: Patience,
    done: u64,
    look_at: u64,
}

impl Work {
    /// A meter that has counted nothing.
    pub(super) fn new(patience: Patience) -> Self {
        Self {
            patience,
            ..Self::default()
        }
    }

    /// Counts `steps`, and looks every millisecond or so whether the caller
    /// still waits.
    ///
    /// # Errors
    ///
    /// [`AdminError::DeadlinePassed`] when nobody waits any more.
    pub(super) fn step(&mut self, steps: usize) -> Result<(), AdminError> {
        self.done = self
            .done
            .saturating_add(u64::try_from(steps).unwrap_or(u64::MAX));
        if self.done < self.look_at {
            return Ok(());
        }
        self.look_at = self.done.saturating_add(STEPS_BETWEEN_LOOKS);
        if self.patience.is_over() {
            return Err(AdminError::DeadlinePassed);
        }
        Ok(())
    }

    /// The steps counted so far.
    #[cfg(test)]
    pub(super) fn done(&self) -> u64 {
        self.done
    }
}

/// Runs what takes the CPU for long, while other tasks of the runtime go on; on
/// a runtime of a single thread they wait.
pub(super) fn off_the_runtime<T>(work: impl FnOnce() -> T) -> T {
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

    const LOOK: usize = 60_000;

    #[tokio::test(start_paused = true)]
    async fn work_ends_once_the_deadline_has_passed() {
        let caller = Arc::new(());
        let deadline = Instant::now() + Duration::from_secs(1);
        let mut work = Work::new(Patience::of(Some(deadline), &caller));
        assert!(work.step(LOOK).is_ok());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(matches!(work.step(LOOK), Err(AdminError::DeadlinePassed)));
    }

    #[test]
    fn work_ends_once_the_caller_has_left() {
        let caller = Arc::new(());
        let mut work = Work::new(Patience::of(None, &caller));
        assert!(work.step(LOOK).is_ok());
        drop(caller);
        assert!(work.step(1).is_ok(), "a look is not taken at every step");
        assert!(matches!(work.step(LOOK), Err(AdminError::DeadlinePassed)));
    }

    #[test]
    fn work_without_a_caller_is_never_ended() {
        let mut work = Work::default();
        for _ in 0..10 {
            work.step(LOOK).unwrap();
        }
        assert_eq!(work.done(), 600_000);
    }
}

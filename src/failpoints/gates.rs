//! Places between two steps of the protocol. At random load, calls pause there, which
//! provokes races that are otherwise rare; in a schedule, a test holds a call there
//! while others proceed.

/// A place that calls pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// A Check that is answered from memory has found its subject, and no products yet.
    SubjectLent,
    /// The same for other calls: their subjects, and no products yet.
    SubjectsFound,
    /// The end of the lease was loaded, and no watermark compared.
    LeaseLoaded,
    /// The watermarks were compared, and the clock not read.
    WatermarksCompared,
    /// A fact was read, and is not cached yet.
    FactRead,
    /// A question waits for the statement that reads its facts.
    LoadQueued,
    /// The statement was executed and its facts are cached; no caller has them yet.
    LoadEnded,
    /// The log was read, and not applied.
    LogRead,
    /// A write waits to be announced.
    AnnouncementQueued,
}

#[cfg(not(feature = "failpoints"))]
mod holds {
    use super::Gate;

    /// Does nothing in this build.
    #[inline]
    pub const fn reach(_: Gate) {}
}

#[cfg(feature = "failpoints")]
mod holds {
    use std::{
        env::var,
        sync::{
            Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError,
            atomic::{AtomicU64, Ordering},
        },
        thread,
        time::Duration,
    };

    use tokio::{
        runtime::{Handle, RuntimeFlavor},
        sync::watch,
        task::block_in_place,
    };

    use super::Gate;
    use crate::failpoints::{Rule, is_disabled};

    /// Longest time that a call is held: a test that forgets it fails, but ends.
    const LONGEST: Duration = Duration::from_mins(1);

    /// Length of a short pause, in milliseconds; 0: no pauses.
    static PAUSE_MS: LazyLock<u64> = LazyLock::new(|| {
        var("PIM_AUTHZ_FAILPOINT_STRETCH_MS").map_or(0, |ms| ms.parse().unwrap_or(0))
    });

    /// Blocks a call at a gate until it may proceed.
    type Turns = Arc<dyn Fn(Gate) + Send + Sync>;

    /// Decides when each call proceeds, if set.
    static TURNS: Mutex<Option<Turns>> = Mutex::new(None);

    /// Number of gates passed at which a pause is possible.
    static PASSED: AtomicU64 = AtomicU64::new(0);

    /// The gates at which the next call is held or counted.
    static CLOSED: Mutex<Vec<Arc<State>>> = Mutex::new(Vec::new());

    #[derive(Debug)]
    struct State {
        gate: Gate,
        /// True if only the next call is affected, and held; else calls are counted.
        holds: bool,
        arrived: watch::Sender<usize>,
        is_open: Mutex<bool>,
        opened: Condvar,
    }

    impl State {
        fn is_open(&self) -> MutexGuard<'_, bool> {
            self.is_open.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// Blocks the thread until the test releases the call.
        fn wait(&self) {
            let wait = self
                .opened
                .wait_timeout_while(self.is_open(), LONGEST, |is_open| !*is_open);
            drop(wait);
        }
    }

    /// The next call at a gate, or all calls that pass it; nothing is held or counted once
    /// this is dropped.
    #[derive(Debug)]
    pub struct Closed(Arc<State>);

    fn closed() -> MutexGuard<'static, Vec<Arc<State>>> {
        CLOSED.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(gate: Gate, holds: bool) -> Closed {
        let state = Arc::new(State {
            gate,
            holds,
            arrived: watch::Sender::new(0),
            is_open: Mutex::new(false),
            opened: Condvar::new(),
        });
        closed().push(Arc::clone(&state));
        Closed(state)
    }

    /// Holds the next call that reaches a gate, on any server of this process.
    #[must_use]
    pub fn hold(gate: Gate) -> Closed {
        close(gate, true)
    }

    /// Calls `turns` for each call at each gate from now on, until it is `None`: the call
    /// proceeds when `turns` returns.
    pub fn take_turns(turns: Option<Turns>) {
        *TURNS.lock().unwrap_or_else(PoisonError::into_inner) = turns;
    }

    /// Counts the calls that pass a gate.
    #[must_use]
    pub fn count(gate: Gate) -> Closed {
        close(gate, false)
    }

    impl Closed {
        /// Waits until a call has reached the gate.
        pub async fn arrived(&self) {
            self.arrived_times(1).await;
        }

        /// Waits until so many calls have reached the gate.
        pub async fn arrived_times(&self, times: usize) {
            let mut arrived = self.0.arrived.subscribe();
            let _never_closed = arrived.wait_for(|count| *count >= times).await;
        }

        /// Lets the held call proceed.
        pub fn release(&self) {
            closed().retain(|state| !Arc::ptr_eq(state, &self.0));
            *self.0.is_open() = true;
            self.0.opened.notify_all();
        }
    }

    impl Drop for Closed {
        fn drop(&mut self) {
            self.release();
        }
    }

    /// Pauses at every seventh call, if pauses are set, and while a test holds the gate.
    ///
    /// A held call blocks its thread. On a runtime with several threads its other tasks
    /// continue; on the thread of the lease, they wait.
    pub fn reach(gate: Gate) {
        let pauses = pauses(gate);
        if pauses > 0 && PASSED.fetch_add(1, Ordering::Relaxed).is_multiple_of(7) && *PAUSE_MS > 0 {
            thread::sleep(Duration::from_millis(*PAUSE_MS * pauses));
        }
        if let Some(state) = arrive(gate) {
            block(|| state.wait());
        }
        let turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(turns) = turns {
            block(|| turns(gate));
        }
    }

    fn block(wait: impl FnOnce()) {
        let has_other_threads = Handle::try_current()
            .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
        if has_other_threads {
            block_in_place(wait);
        } else {
            wait();
        }
    }

    /// Returns the length of the pause at a gate, in short pauses: a long one takes longer
    /// than a write.
    fn pauses(gate: Gate) -> u64 {
        match gate {
            Gate::WatermarksCompared if is_disabled(Rule::UntilBeforeFloors) => 12,
            Gate::LoadQueued | Gate::AnnouncementQueued | Gate::WatermarksCompared => 0,
            Gate::LeaseLoaded | Gate::FactRead => 1,
            Gate::SubjectLent | Gate::SubjectsFound | Gate::LoadEnded | Gate::LogRead => 12,
        }
    }

    /// Counts a call, and returns the state that it is held at, if any.
    fn arrive(gate: Gate) -> Option<Arc<State>> {
        let mut held = None;
        closed().retain(|state| {
            let is_held = state.holds && state.gate == gate && held.is_none();
            if is_held {
                held = Some(Arc::clone(state));
            }
            if is_held || (!state.holds && state.gate == gate) {
                state.arrived.send_modify(|count| *count += 1);
            }
            !is_held
        });
        held
    }
}

pub use self::holds::reach;
#[cfg(feature = "failpoints")]
pub use self::holds::{Closed, count, hold, take_turns};

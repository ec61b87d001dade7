mod loading;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hashbrown::HashMap;
use tokio::sync::Semaphore;

use crate::domain::{FactKey, GroupId};

use super::clock::Moment;

pub(super) use self::loading::start;

/// Number of background loads that run at once, not counting stalled ones.
const LOADS_AT_ONCE: usize = 2;

/// Pause before the retry of a load that failed, or during which a write was
/// pending.
const PAUSE: Duration = Duration::from_millis(50);

/// Loads facts in the background that are read as a whole: vocabularies and the
/// rights of user groups. Each is loaded once at a time, however many questions
/// miss it.
#[derive(Debug)]
pub(super) struct BackgroundLoads {
    states: Mutex<HashMap<FactKey, State>>,
    turns: Semaphore,
}

#[derive(Clone, Copy, Debug)]
enum State {
    UnderWay,
    NotBefore(Moment),
}

/// Facts of a tenant that are not cached and need a background load.
#[derive(Clone, Debug, Default)]
pub(super) struct Misses {
    pub(super) vocabulary: bool,
    pub(super) groups: Vec<GroupId>,
}

impl Misses {
    /// True if a statement for the question itself loads all that is missing.
    pub(super) fn is_empty(&self) -> bool {
        !self.vocabulary && self.groups.is_empty()
    }
}

impl Default for BackgroundLoads {
    fn default() -> Self {
        Self {
            states: Mutex::default(),
            turns: Semaphore::new(LOADS_AT_ONCE),
        }
    }
}

impl BackgroundLoads {
    fn states(&self) -> MutexGuard<'_, HashMap<FactKey, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks a load of `key` as under way. False: one is under way, or was just
    /// tried.
    fn begin(&self, key: FactKey) -> bool {
        let mut states = self.states();
        let waits = match states.get(&key) {
            Some(State::UnderWay) => true,
            Some(State::NotBefore(moment)) => Moment::now() < *moment,
            None => false,
        };
        if !waits {
            states.insert(key, State::UnderWay);
        }
        !waits
    }

    /// Records the end of a load. If its fact was not cached, `key` is loaded
    /// again after a pause.
    fn end(&self, key: &FactKey, kept: bool) {
        let mut states = self.states();
        if kept {
            states.remove(key);
        } else {
            let moment = Moment::now().plus(PAUSE);
            states.insert(key.clone(), State::NotBefore(moment));
        }
        if states.len() > 10_000 {
            let now = Moment::now();
            states.retain(|_, state| match state {
                State::UnderWay => true,
                State::NotBefore(moment) => now < *moment,
            });
        }
    }
}

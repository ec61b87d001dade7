mod loading;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hashbrown::HashMap;
use tokio::sync::Semaphore;

use crate::domain::{FactKey, GroupId};

use super::clock::{Clock, Moment};

pub(super) use self::loading::start;

/// Number of background loads that run at once, not counting stalled ones.
const LOADS_AT_ONCE: usize = 2;

/// Pause before the first retry of a load that failed, or during which a write was
/// pending: a small write commits within some milliseconds. Each next one is twice as
/// long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(4);

const LONGEST_PAUSE: Duration = Duration::from_millis(64);

/// Loads facts in the background that are read as a whole: vocabularies and the
/// rights of user groups. Each is loaded once at a time, however many questions
/// miss it.
#[derive(Debug)]
pub(super) struct BackgroundLoads {
    loads: Mutex<HashMap<FactKey, Load>>,
    turns: Semaphore,
}

/// The load of a fact that is not cached.
#[derive(Clone, Copy, Debug)]
struct Load {
    state: State,
    /// The pause after this attempt, if its fact is not cached.
    pause: Duration,
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
            loads: Mutex::default(),
            turns: Semaphore::new(LOADS_AT_ONCE),
        }
    }
}

impl BackgroundLoads {
    fn loads(&self) -> MutexGuard<'_, HashMap<FactKey, Load>> {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks a load of `key` as under way. False: one is under way, or was just
    /// tried.
    fn begin(&self, key: FactKey) -> bool {
        let mut loads = self.loads();
        let load = loads.entry(key).or_insert(Load {
            state: State::NotBefore(Moment::NEVER),
            pause: FIRST_PAUSE,
        });
        let begins = match load.state {
            State::UnderWay => false,
            State::NotBefore(moment) => moment <= Clock::default().now(),
        };
        if begins {
            load.state = State::UnderWay;
        }
        begins
    }

    /// Records the end of a load. If its fact was not cached, `key` is loaded
    /// again after a pause.
    fn end(&self, key: &FactKey, kept: bool) {
        let mut loads = self.loads();
        if kept {
            loads.remove(key);
        } else if let Some(load) = loads.get_mut(key) {
            load.state = State::NotBefore(Clock::default().now().plus(load.pause));
            load.pause = (load.pause * 2).min(LONGEST_PAUSE);
        }
        if loads.len() > 10_000 {
            let now = Clock::default().now();
            loads.retain(|_, load| match load.state {
                State::UnderWay => true,
                State::NotBefore(moment) => now < moment,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_before_a_retry_grows_until_the_fact_is_cached() {
        let loads = BackgroundLoads::default();
        let key = FactKey::Rights("acme".parse().unwrap(), GroupId(1));
        let pause = || loads.loads().get(&key).map(|load| load.pause);
        let mut expected = FIRST_PAUSE;
        for _ in 0..10 {
            loads.loads().entry(key.clone()).and_modify(|load| {
                load.state = State::NotBefore(Moment::NEVER);
            });
            assert!(loads.begin(key.clone()));
            assert!(!loads.begin(key.clone()), "it is under way");
            assert_eq!(pause(), Some(expected));
            loads.end(&key, false);
            expected = (expected * 2).min(LONGEST_PAUSE);
        }
        assert_eq!(pause(), Some(LONGEST_PAUSE));
        loads.end(&key, true);
        assert_eq!(pause(), None);
    }
}

//! One log line for each state of the database, whoever met it: at once, then
//! with growing pauses and a count of what was left out; and one when it is over.
//!
//! A state is over when one of the statements that met it succeeds. A database
//! that is read-only answers questions all the while: that one of them succeeds
//! does not mean that it can be written again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{Condition, StoreError, condition::Persistence};

/// How long a line is not repeated at first; twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// How long a line is not repeated at most. A state that was not met for so long
/// is new when it is met again.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

static LOG: Mutex<OutageLog> = Mutex::new(OutageLog::new());

/// Whether any state is under way: what succeeds costs one look.
static IS_ANY_OPEN: AtomicBool = AtomicBool::new(false);

/// Notes that `statement` failed.
pub(super) fn failed(statement: &'static str, error: &StoreError) {
    let Some(condition) = error.condition() else {
        return;
    };
    let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    let line = log.note_failure(statement, condition, Instant::now());
    IS_ANY_OPEN.store(true, Ordering::Relaxed);
    drop(log);
    if let Some(line) = line {
        write_failure(condition, line, statement, error);
    }
}

/// Notes that `statement` succeeded.
pub(super) fn succeeded(statement: &'static str) {
    if !IS_ANY_OPEN.load(Ordering::Relaxed) {
        return;
    }
    let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    let over = log.note_success(statement, Instant::now());
    IS_ANY_OPEN.store(log.is_any_open(), Ordering::Relaxed);
    drop(log);
    for (condition, line) in over {
        tracing::info!(
            store.condition = <&str>::from(condition),
            store.failures = line.failures,
            store.lasted_ms = line.lasted.as_millis(),
            "over: {condition}"
        );
    }
}

fn write_failure(
    condition: Condition,
    line: FailureLine,
    statement: &'static str,
    error: &StoreError,
) {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    let causes = causes.join(": ");
    let advice = condition.advice();
    match condition.persistence() {
        Persistence::Lasting => tracing::error!(
            store.condition = <&str>::from(condition),
            store.statement = statement,
            store.suppressed = line.suppressed,
            error = causes,
            "{condition}; {advice}"
        ),
        Persistence::Momentary => tracing::warn!(
            store.condition = <&str>::from(condition),
            store.statement = statement,
            store.suppressed = line.suppressed,
            error = causes,
            "{condition}; {advice}"
        ),
    }
}

/// A line about a state that was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FailureLine {
    /// How many failures since the line before have none.
    suppressed: u64,
}

/// A line about a state that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OverLine {
    failures: u64,
    lasted: Duration,
}

/// What was met of one state, and what was logged of it.
#[derive(Debug)]
struct Episode {
    /// The statements that met it; none: it is over.
    statements: BTreeSet<&'static str>,
    begun: Instant,
    met: Instant,
    failures: u64,
    logged: Instant,
    pause: Duration,
    suppressed: u64,
    /// Whether its beginning was logged, so that its end is.
    is_announced: bool,
}

#[derive(Debug)]
struct OutageLog {
    episodes: BTreeMap<Condition, Episode>,
}

impl OutageLog {
    const fn new() -> Self {
        Self {
            episodes: BTreeMap::new(),
        }
    }

    fn note_failure(
        &mut self,
        statement: &'static str,
        condition: Condition,
        now: Instant,
    ) -> Option<FailureLine> {
        let known = self.episodes.get_mut(&condition);
        let Some(episode) = known.filter(|known| now - known.met < LONGEST_PAUSE) else {
            self.episodes
                .insert(condition, Episode::new(statement, now));
            return Some(FailureLine { suppressed: 0 });
        };
        if episode.statements.is_empty() {
            episode.begun = now;
            episode.failures = 0;
        }
        episode.statements.insert(statement);
        episode.met = now;
        episode.failures += 1;
        if now - episode.logged < episode.pause {
            episode.suppressed += 1;
            return None;
        }
        episode.logged = now;
        episode.pause = (episode.pause * 2).min(LONGEST_PAUSE);
        episode.is_announced = true;
        Some(FailureLine {
            suppressed: std::mem::take(&mut episode.suppressed),
        })
    }

    /// The states that are over now and whose end is worth a line.
    fn note_success(
        &mut self,
        statement: &'static str,
        now: Instant,
    ) -> Vec<(Condition, OverLine)> {
        let ended = self.episodes.iter_mut().filter_map(|(condition, episode)| {
            if !episode.statements.contains(statement) {
                return None;
            }
            episode.statements.clear();
            let is_announced = std::mem::take(&mut episode.is_announced);
            let line = OverLine {
                failures: episode.failures,
                lasted: now - episode.begun,
            };
            (is_announced && condition.persistence() == Persistence::Lasting)
                .then_some((*condition, line))
        });
        ended.collect()
    }

    fn is_any_open(&self) -> bool {
        let mut episodes = self.episodes.values();
        episodes.any(|episode| !episode.statements.is_empty())
    }
}

impl Episode {
    /// One that is met and logged for the first time.
    fn new(statement: &'static str, now: Instant) -> Self {
        Self {
            statements: BTreeSet::from([statement]),
            begun: now,
            met: now,
            failures: 1,
            logged: now,
            pause: FIRST_PAUSE,
            suppressed: 0,
            is_announced: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ_ONLY: Condition = Condition::ReadOnly;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_state_is_logged_once_then_with_growing_pauses_and_a_count() {
        let mut log = OutageLog::new();
        let start = Instant::now();
        // Eighteen failures a second for two minutes.
        let lines: Vec<(u64, u64)> = (0..120 * 18)
            .filter_map(|number| {
                let at = Duration::from_millis(number * 1000 / 18);
                let line = log.note_failure("announce", READ_ONLY, start + at)?;
                Some((at.as_secs(), line.suppressed))
            })
            .collect();
        assert_eq!(lines, [(0, 0), (10, 179), (30, 359), (70, 719)]);
    }

    #[test]
    fn only_a_statement_that_met_a_state_ends_it() {
        let mut log = OutageLog::new();
        let start = Instant::now();
        log.note_failure("announce", READ_ONLY, start);
        log.note_failure("beat", READ_ONLY, start + seconds(1));
        assert_eq!(log.note_success("find_facts", start + seconds(2)), []);
        assert!(log.is_any_open());
        let over = OverLine {
            failures: 2,
            lasted: seconds(3),
        };
        let ended = log.note_success("beat", start + seconds(3));
        assert_eq!(ended, [(READ_ONLY, over)]);
        assert!(!log.is_any_open());
        assert_eq!(log.note_success("beat", start + seconds(4)), []);
    }

    #[test]
    fn a_state_that_comes_and_goes_is_not_logged_each_time() {
        let mut log = OutageLog::new();
        let start = Instant::now();
        let mut lines = 0;
        for number in 0..1000 {
            let now = start + Duration::from_millis(number * 10);
            lines += usize::from(log.note_failure("connect", READ_ONLY, now).is_some());
            lines += log.note_success("connect", now).len();
        }
        assert_eq!(lines, 2);
    }

    #[test]
    fn a_state_that_was_gone_for_long_is_new() {
        let mut log = OutageLog::new();
        let start = Instant::now();
        log.note_failure("announce", READ_ONLY, start);
        log.note_failure("announce", READ_ONLY, start + seconds(1));
        let later = start + LONGEST_PAUSE * 2;
        let line = log.note_failure("announce", READ_ONLY, later);
        assert_eq!(line, Some(FailureLine { suppressed: 0 }));
    }

    #[test]
    fn the_end_of_a_momentary_state_is_no_news() {
        let mut log = OutageLog::new();
        let now = Instant::now();
        log.note_failure("announce", Condition::LockTimeout, now);
        assert_eq!(log.note_success("announce", now), []);
    }
}

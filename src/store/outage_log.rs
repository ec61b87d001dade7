//! Rate-limited log of database conditions, shared by all statements.
//!
//! The first failure is logged at once, later ones with growing pauses and the
//! number of suppressed lines, and the end of a lasting condition once.
//!
//! A condition ends when a statement that failed with it succeeds. Success of
//! another statement does not end it: a read-only database still serves reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{Condition, StoreError, condition::Persistence};

/// Minimum time between the first and the second line; doubles with each line.
const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// Upper bound of the pause between lines. A condition without a failure for this
/// long is treated as new when it recurs.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

static LOG: Mutex<OutageLog> = Mutex::new(OutageLog::new());

/// True if any condition is open. Lets a successful statement skip the mutex.
static IS_ANY_OPEN: AtomicBool = AtomicBool::new(false);

/// Records a failure of `statement` and logs it unless a line was logged recently.
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

/// Records a success of `statement` and logs the conditions that it ends.
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

/// Log line about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FailureLine {
    /// Number of failures since the previous line that were not logged.
    suppressed: u64,
}

/// Log line about the end of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct EndLine {
    failures: u64,
    lasted: Duration,
}

/// Failures of one condition, and what was logged about them.
#[derive(Debug)]
struct Episode {
    /// Statements that failed with the condition; empty once it has ended.
    statements: BTreeSet<&'static str>,
    begun: Instant,
    last_failure: Instant,
    failures: u64,
    logged: Instant,
    pause: Duration,
    suppressed: u64,
    /// True if a failure was logged since the last end; only then is the end logged.
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
        let Some(episode) = known.filter(|known| now - known.last_failure < LONGEST_PAUSE) else {
            self.episodes
                .insert(condition, Episode::new(statement, now));
            return Some(FailureLine { suppressed: 0 });
        };
        if episode.statements.is_empty() {
            episode.begun = now;
            episode.failures = 0;
        }
        episode.statements.insert(statement);
        episode.last_failure = now;
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

    /// Ends the conditions that `statement` failed with; returns those to be logged.
    fn note_success(&mut self, statement: &'static str, now: Instant) -> Vec<(Condition, EndLine)> {
        let ended = self.episodes.iter_mut().filter_map(|(condition, episode)| {
            if !episode.statements.contains(statement) {
                return None;
            }
            episode.statements.clear();
            let is_announced = std::mem::take(&mut episode.is_announced);
            let line = EndLine {
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
    /// Creates an episode whose first failure is logged at once.
    fn new(statement: &'static str, now: Instant) -> Self {
        Self {
            statements: BTreeSet::from([statement]),
            begun: now,
            last_failure: now,
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
    fn repeated_failures_are_logged_with_growing_pauses_and_a_count() {
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
    fn only_a_statement_that_failed_ends_the_condition() {
        let mut log = OutageLog::new();
        let start = Instant::now();
        log.note_failure("announce", READ_ONLY, start);
        log.note_failure("beat", READ_ONLY, start + seconds(1));
        assert_eq!(log.note_success("find_facts", start + seconds(2)), []);
        assert!(log.is_any_open());
        let over = EndLine {
            failures: 2,
            lasted: seconds(3),
        };
        let ended = log.note_success("beat", start + seconds(3));
        assert_eq!(ended, [(READ_ONLY, over)]);
        assert!(!log.is_any_open());
        assert_eq!(log.note_success("beat", start + seconds(4)), []);
    }

    #[test]
    fn an_intermittent_condition_is_not_logged_each_time() {
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
    fn a_condition_is_new_after_the_longest_pause() {
        let mut log = OutageLog::new();
        let start = Instant::now();
        log.note_failure("announce", READ_ONLY, start);
        log.note_failure("announce", READ_ONLY, start + seconds(1));
        let later = start + LONGEST_PAUSE * 2;
        let line = log.note_failure("announce", READ_ONLY, later);
        assert_eq!(line, Some(FailureLine { suppressed: 0 }));
    }

    #[test]
    fn the_end_of_a_momentary_condition_is_not_logged() {
        let mut log = OutageLog::new();
        let now = Instant::now();
        log.note_failure("announce", Condition::LockTimeout, now);
        assert_eq!(log.note_success("announce", now), []);
    }
}

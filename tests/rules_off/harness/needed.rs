use std::time::Duration;

use pim_authz::failpoints::{Rule, rules::switch_off};
use tokio::sync::{Mutex, MutexGuard};
use tonic::{Code, Status};

use super::{Database, within};

/// Maximum duration of a schedule.
const LONGEST: Duration = Duration::from_mins(1);

/// Locked while a schedule runs: rules and gates are those of the whole process.
static TURN: Mutex<()> = Mutex::const_new(());

/// Waits until no schedule runs; none begins until the result is dropped.
pub(crate) async fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().await
}

/// Whether what the callers of a schedule observed agrees with one order of the calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Right,
    /// Why no order explains it.
    Wrong(String),
}

impl Verdict {
    /// Judges a Check that began after the last write had returned: `current` is what
    /// that write decides. A server may withhold an answer.
    pub(crate) fn of(answer: Result<bool, Status>, current: bool) -> Self {
        match answer {
            Ok(allowed) if allowed == current => Self::Right,
            Ok(allowed) => Self::Wrong(format!("allowed: {allowed}")),
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                Self::Right
            }
        }
    }
}

/// Runs a schedule with all rules, which must end right, and then without `rules`, which
/// must end wrong.
pub(crate) async fn needs(rules: &[Rule], schedule: impl AsyncFn(Database) -> Verdict) {
    // Created before the turn, so that PostgreSQL runs as long as a schedule waits.
    let (with, without) = (Database::create().await, Database::create().await);
    let _turn = turn().await;
    let verdict = within(LONGEST, schedule(with)).await;
    assert_eq!(verdict, Verdict::Right, "with all rules");
    let _off = switch_off(rules);
    let verdict = within(LONGEST, schedule(without)).await;
    assert_ne!(verdict, Verdict::Right, "without {rules:?}");
}

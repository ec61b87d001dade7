use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the wall-clock time of this server, in microseconds since 1970. Used
/// only for what expires at a time that was set before.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads it: a credential names the time at which it ends"
)]
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // With a clock before 1970 nothing expires, as if there were no clock.
    let since = since.unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

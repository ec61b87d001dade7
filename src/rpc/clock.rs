use std::time::{SystemTime, UNIX_EPOCH};

/// The time by the clock of this server, in microseconds since 1970: for what
/// expires at a time that was set before, and for nothing else.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads it: a credential names the time at which it ends"
)]
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock before 1970 lets nothing expire: as good as none.
    let since = since.unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

//! Every metric: its name, unit and meaning.
//!
//! Values go through the `metrics` facade; without a recorder they cost
//! nothing.

use std::time::Duration;

/// Counter, by `statement`: round trips to PostgreSQL.
pub const STORE_ROUND_TRIPS: &str = "authz_store_round_trips_total";

/// Histogram in seconds, by `statement`: from sending it to its last row.
pub const STORE_DURATION: &str = "authz_store_statement_duration_seconds";

/// Counter, by `statement`: statements that failed.
pub const STORE_FAILURES: &str = "authz_store_statement_failures_total";

/// Counter, by `statement`: transactions that were tried again.
pub const STORE_RETRIES: &str = "authz_store_transaction_retries_total";

/// Counter: log lines that the reader of standard error did not take.
pub const LOG_LINES_DROPPED: &str = "authz_log_lines_dropped_total";

/// Says what each metric is, once, after the recorder is set.
pub fn describe() {
    metrics::describe_counter!(STORE_ROUND_TRIPS, "round trips to PostgreSQL, by statement");
    metrics::describe_histogram!(
        STORE_DURATION,
        metrics::Unit::Seconds,
        "time from sending a statement to its last row, by statement"
    );
    metrics::describe_counter!(STORE_FAILURES, "statements that failed, by statement");
    metrics::describe_counter!(STORE_RETRIES, "transactions tried again, by statement");
    metrics::describe_counter!(
        LOG_LINES_DROPPED,
        "log lines that the reader of standard error did not take"
    );
}

/// Counts one round trip of `statement` that took `elapsed`.
pub fn count_round_trip(statement: &'static str, elapsed: Duration) {
    metrics::counter!(STORE_ROUND_TRIPS, "statement" => statement).increment(1);
    metrics::histogram!(STORE_DURATION, "statement" => statement).record(elapsed.as_secs_f64());
}

/// Counts one failure of `statement`.
pub fn count_failure(statement: &'static str) {
    metrics::counter!(STORE_FAILURES, "statement" => statement).increment(1);
}

/// Counts one more try of the transaction `statement`.
pub fn count_retry(statement: &'static str) {
    metrics::counter!(STORE_RETRIES, "statement" => statement).increment(1);
}

/// Counts one log line that was dropped.
pub fn count_dropped_log_line() {
    metrics::counter!(LOG_LINES_DROPPED).increment(1);
}

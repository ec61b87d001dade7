//! All metrics: name, labels, unit and meaning.
//!
//! Values go through the `metrics` facade; without a recorder they cost nothing.
//! No label contains a tenant, a subject, an item or a caller: their number is
//! unbounded.

use std::time::Duration;

use super::traces;

/// Kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    /// Number of events since the start.
    Counter,
    /// Current value.
    Gauge,
    /// Durations, counted in buckets.
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Name, including the unit.
    pub name: &'static str,
    /// Kind of the metric.
    pub kind: Kind,
    /// Names of the labels.
    pub labels: &'static [&'static str],
    /// Help text: one sentence without its full stop.
    pub meaning: &'static str,
}

impl Metric {
    /// Sets a gauge without labels.
    pub fn set(&self, value: f64) {
        metrics::gauge!(self.name).set(value);
    }

    /// Adds `more` to a counter without labels.
    pub fn add(&self, more: u64) {
        metrics::counter!(self.name).increment(more);
    }

    /// Sets a counter without labels to its total since the start.
    pub fn total(&self, value: u64) {
        metrics::counter!(self.name).absolute(value);
    }
}

macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $constant:ident: $kind:ident $name:literal [$($label:literal),*] $meaning:literal;)+) => {
        $($(#[doc = $doc])+ pub const $constant: Metric = Metric {
            name: $name,
            kind: Kind::$kind,
            labels: &[$($label),*],
            meaning: $meaning,
        };)+

        /// All metrics, in the order of the manual.
        pub const ALL: &[Metric] = &[$($constant),+];
    };
}

metrics! {
    /// Release of the running server.
    BUILD_INFO: Gauge "authz_build_info" ["version"]
        "always 1; the label names the release";
    /// 1 if `/readyz` returns 200, else 0.
    READY: Gauge "authz_ready" []
        "whether the server answers: 1 while its lease runs, else 0";
    /// Open connections of callers.
    CONNECTIONS: Gauge "authz_connections" []
        "open connections of callers";
    /// Maximum number of open connections of callers.
    CONNECTION_LIMIT: Gauge "authz_connection_limit" []
        "the most connections of callers that may be open";
    /// Completed calls.
    REQUESTS: Counter "authz_requests_total" ["rpc", "code"]
        "calls that have ended, a stream with its last message; the code is that of gRPC, CANCELLED where the caller left";
    /// Duration of calls.
    REQUEST_DURATION: Histogram "authz_request_duration_seconds" ["rpc"]
        "from the head of a request to its answer, of a stream to its last message";
    /// Calls in flight.
    REQUESTS_IN_FLIGHT: Gauge "authz_requests_in_flight" []
        "calls under way, streams included";
    /// Estimated memory of the calls in flight.
    REQUEST_MEMORY: Gauge "authz_request_memory_bytes" []
        "memory that the calls under way are reckoned to take";
    /// Maximum memory of the calls in flight.
    REQUEST_MEMORY_LIMIT: Gauge "authz_request_memory_limit_bytes" []
        "the most that they may take: --call-mib";
    /// Calls that were rejected or failed.
    FAILURES: Counter "authz_failures_total" ["reason"]
        "calls, and items of batches, that were refused or failed, by the reason of their ErrorInfo";
    /// Decisions returned.
    DECISIONS: Counter "authz_decisions_total" ["outcome", "reason"]
        "decisions given by Check and BatchCheck: allowed, or denied with the first reason";
    /// Calls answered from the cache.
    CACHE_HITS: Counter "authz_cache_hits_total" []
        "calls answered from memory";
    /// Calls that needed the database.
    CACHE_MISSES: Counter "authz_cache_misses_total" []
        "calls that needed the database";
    /// Statements that loaded facts into the cache.
    CACHE_LOADS: Counter "authz_cache_loads_total" []
        "statements that loaded facts into the cache";
    /// Facts in the cache.
    CACHE_ENTRIES: Gauge "authz_cache_entries" []
        "facts in memory";
    /// Bytes of the facts in the cache.
    CACHE_BYTES: Gauge "authz_cache_bytes" []
        "bytes of the facts in memory, as far as they can be counted";
    /// Maximum bytes of the cached facts and indexes.
    CACHE_LIMIT: Gauge "authz_cache_limit_bytes" []
        "the most that facts and indexes may take: --cache-mib";
    /// Products and models in product indexes.
    INDEXED_PRODUCTS: Gauge "authz_cache_indexed_products" []
        "products and models in indexes of whole tenants";
    /// Bytes of the product indexes.
    INDEX_BYTES: Gauge "authz_cache_index_bytes" []
        "bytes of these indexes, about";
    /// Loads of product indexes.
    INDEX_LOADS: Counter "authz_cache_index_loads_total" []
        "loads of an index";
    /// Products of an index that were reloaded after a write.
    PRODUCTS_PATCHED: Counter "authz_cache_products_patched_total" []
        "products of an index that were read again after a write";
    /// Pages of lists served from memory.
    PAGES: Counter "authz_cache_pages_total" []
        "pages of lists that were made from memory";
    /// Remaining time of the lease.
    LEASE_REMAINING: Gauge "authz_lease_remaining_seconds" []
        "how much longer the server may answer without renewing its lease; 0: not at all";
    /// Leases that this server lost.
    LEASES_LOST: Counter "authz_leases_lost_total" []
        "how often this server lost its lease";
    /// Leases of other servers that this server ended.
    LEASES_ENDED: Counter "authz_leases_ended_total" []
        "leases of other servers that this one ended because they did not acknowledge in time";
    /// Answers discarded because a fact was invalidated or the lease expired.
    ANSWERS_WITHHELD: Counter "authz_answers_withheld_total" []
        "answers made and not given, because something they used had just been announced or the lease had run out";
    /// Groups of writes that this server announced.
    ANNOUNCEMENTS: Counter "authz_announcements_total" []
        "groups of writes that this server announced";
    /// Announcements that are not applied yet.
    ANNOUNCEMENTS_BEHIND: Gauge "authz_announcements_behind" []
        "announcements that this server had not applied when it last looked";
    /// Time that groups of writes waited for acknowledgements.
    ANNOUNCEMENT_WAIT: Histogram "authz_announcement_wait_seconds" []
        "how long a group of writes waited until every server had acknowledged";
    /// Pending writes.
    WRITES_PENDING: Gauge "authz_writes_pending" []
        "writes under way on all servers, as this one knows";
    /// Pending writes of lost servers that this server gave up.
    WRITES_GIVEN_UP: Counter "authz_writes_given_up_total" []
        "writes of servers that were gone, which this one gave up";
    /// Writes that shared a commit.
    WRITES_TOGETHER: Counter "authz_writes_committed_together_total" []
        "writes that were committed with others of their tenant, in one transaction";
    /// Open connections of a pool.
    POOL_CONNECTIONS: Gauge "authz_pool_connections" ["pool", "state"]
        "open connections to PostgreSQL, `idle` or `busy`";
    /// Maximum number of connections of a pool.
    POOL_LIMIT: Gauge "authz_pool_limit" ["pool"]
        "the most connections of the pool";
    /// Tasks that wait for a connection of a pool.
    POOL_WAITING: Gauge "authz_pool_waiting" ["pool"]
        "tasks that wait for a connection of the pool";
    /// Round trips to PostgreSQL.
    STORE_ROUND_TRIPS: Counter "authz_store_round_trips_total" ["statement"]
        "round trips to PostgreSQL";
    /// Duration of statements.
    STORE_DURATION: Histogram "authz_store_statement_duration_seconds" ["statement"]
        "from sending a statement to its last row";
    /// Statements that failed.
    STORE_FAILURES: Counter "authz_store_statement_failures_total" ["statement"]
        "statements that failed";
    /// Transactions that were retried.
    STORE_RETRIES: Counter "authz_store_transaction_retries_total" ["statement"]
        "transactions that were tried again";
    /// Expiry of the listener's certificate.
    CERTIFICATE_EXPIRY: Gauge "authz_certificate_expiry_timestamp_seconds" []
        "when the certificate of the listener expires, in seconds since 1970; absent without TLS";
    /// Log lines dropped.
    LOG_LINES_DROPPED: Counter "authz_log_lines_dropped_total" []
        "log lines that the reader of standard error did not take";
    /// Lines of the decision log dropped.
    DECISION_LOG_DROPPED: Counter "authz_decision_log_dropped_total" []
        "lines of the decision log that could not be written";
}

/// Counts one round trip of `statement` that took `elapsed`, and adds a span to
/// the trace of its call, if any.
pub fn count_round_trip(statement: &'static str, elapsed: Duration) {
    metrics::counter!(STORE_ROUND_TRIPS.name, "statement" => statement).increment(1);
    metrics::histogram!(STORE_DURATION.name, "statement" => statement)
        .record(elapsed.as_secs_f64());
    traces::note_statement(statement, elapsed);
}

/// Counts one failure of `statement`.
pub fn count_failure(statement: &'static str) {
    metrics::counter!(STORE_FAILURES.name, "statement" => statement).increment(1);
}

/// Counts one retry of the transaction `statement`.
pub fn count_retry(statement: &'static str) {
    metrics::counter!(STORE_RETRIES.name, "statement" => statement).increment(1);
}

/// Counts the writes that one transaction committed.
pub fn count_shared_commit(writes: u64) {
    metrics::counter!(WRITES_TOGETHER.name).increment(writes);
}

/// Counts one call that was rejected or failed, by the reason of its `ErrorInfo`.
pub fn count_refusal(reason: &'static str) {
    metrics::counter!(FAILURES.name, "reason" => reason).increment(1);
}

/// Records how long a group of writes waited for the acknowledgements of all
/// servers.
pub fn count_announcement_wait(waited: Duration) {
    metrics::histogram!(ANNOUNCEMENT_WAIT.name).record(waited.as_secs_f64());
}

/// Sets the gauges of a connection pool.
pub fn show_pool(pool: &'static str, idle: usize, busy: usize, limit: usize, waiting: usize) {
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let show = |name: &'static str, labels: Vec<(&'static str, &'static str)>, value: usize| {
        metrics::gauge!(name, &labels).set(value as f64);
    };
    let of = |state| vec![("pool", pool), ("state", state)];
    show(POOL_CONNECTIONS.name, of("idle"), idle);
    show(POOL_CONNECTIONS.name, of("busy"), busy);
    show(POOL_LIMIT.name, vec![("pool", pool)], limit);
    show(POOL_WAITING.name, vec![("pool", pool)], waiting);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_names_and_labels_follow_the_conventions() {
        for metric in ALL {
            let name = metric.name;
            assert!(name.starts_with("authz_"), "{name}");
            let is_total = name.ends_with("_total");
            assert_eq!(is_total, metric.kind == Kind::Counter, "{name}");
            if metric.kind == Kind::Histogram {
                assert!(name.ends_with("_seconds"), "{name}");
            }
            for label in metric.labels {
                assert!(
                    !["tenant", "subject", "item", "caller"].contains(label),
                    "{name}"
                );
            }
        }
    }
}

//! The mistakes that rules of the coherence protocol prevent: what a server without
//! the rule would do. Each is made only while its rule is switched off, which is
//! impossible in a release; then each function returns what it is given.

use std::time::Duration;

use super::{Rule, is_disabled, pause_long};

/// Loads the end of the lease again after the watermarks were compared
/// ([`Rule::UntilBeforeFloors`]).
#[must_use]
pub fn reloaded_end<T>(end: T, load: impl FnOnce() -> T) -> T {
    if !is_disabled(Rule::UntilBeforeFloors) {
        return end;
    }
    pause_long();
    load()
}

/// Takes the log position at which a fact is cached for that at which it was read
/// ([`Rule::AsOfInDataSnapshot`]).
#[must_use]
pub fn position_of_load(as_of: u64, applied: impl FnOnce() -> u64) -> u64 {
    if is_disabled(Rule::AsOfInDataSnapshot) {
        applied()
    } else {
        as_of
    }
}

/// Extends the lease before the log is read ([`Rule::LogAppliedBeforeLease`]).
pub fn extend_first(extend: impl FnOnce()) {
    if is_disabled(Rule::LogAppliedBeforeLease) {
        extend();
    }
}

/// Lets the lease run from when its renewal was answered
/// ([`Rule::LeaseFromSend`]).
#[must_use]
pub fn start_of_lease<T>(sent: T, now: impl FnOnce() -> T) -> T {
    if is_disabled(Rule::LeaseFromSend) {
        now()
    } else {
        sent
    }
}

/// Acknowledges announcements before their watermarks are raised
/// ([`Rule::ApplyBeforeAck`]).
///
/// # Errors
///
/// That of `acknowledge`.
pub async fn acknowledge_first<E>(
    acknowledge: impl Future<Output = Result<(), E>>,
) -> Result<(), E> {
    if is_disabled(Rule::ApplyBeforeAck) {
        acknowledge.await?;
    }
    Ok(())
}

/// Announces the keys of the first write of a group for all of them
/// ([`Rule::GroupAnnouncesAll`]).
pub fn announce_only_first<K: Clone>(keys: &mut [Vec<K>]) {
    if is_disabled(Rule::GroupAnnouncesAll) {
        let first = keys.first().cloned().unwrap_or_default();
        keys.fill(first);
    }
}

/// Waits for a fifth of the time that a lease may run ([`Rule::WaitFullLease`]).
#[must_use]
pub fn shortened_wait(whole: Duration) -> Duration {
    if is_disabled(Rule::WaitFullLease) {
        whole / 5
    } else {
        whole
    }
}

/// Runs one statement at a time, so that questions wait that could share it
/// ([`Rule::ShareYoungLoadsOnly`]).
#[must_use]
pub fn fewer_statements(most: usize) -> usize {
    if is_disabled(Rule::ShareYoungLoadsOnly) {
        1
    } else {
        most
    }
}

/// Shares a statement with the questions that arrived after it had begun
/// ([`Rule::ShareYoungLoadsOnly`]).
#[must_use]
pub fn latecomers<T>(take: impl FnOnce() -> Vec<T>) -> Vec<T> {
    if is_disabled(Rule::ShareYoungLoadsOnly) {
        take()
    } else {
        Vec::new()
    }
}

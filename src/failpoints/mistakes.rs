//! The mistakes that rules of the coherence protocol prevent: what a server without
//! the rule would do. Each is made only while its rule is switched off, which is
//! impossible in a release; then each function returns what it is given.
//!
//! Callers box the futures of mistakes, so that these take no place in their own.

use std::{hash::Hash, time::Duration};

use hashbrown::HashMap;

use super::{Rule, is_disabled};

/// Loads the end of the lease again after the watermarks were compared
/// ([`Rule::UntilBeforeFloors`]).
#[must_use]
pub fn reloaded_end<T>(end: T, load: impl FnOnce() -> T) -> T {
    if is_disabled(Rule::UntilBeforeFloors) {
        load()
    } else {
        end
    }
}

/// Checks the lease before the facts are collected ([`Rule::LeaseCheckedLast`]).
#[must_use]
pub fn lease_at_first(is_running: impl FnOnce() -> bool) -> bool {
    !is_disabled(Rule::LeaseCheckedLast) || is_running()
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

/// Drops the positions of the facts of a page before its pending products are read, so
/// that they are not compared again ([`Rule::ValidateAfterLast`]).
pub fn compare_no_more<T: Default>(positions: &mut T) {
    if is_disabled(Rule::ValidateAfterLast) {
        *positions = T::default();
    }
}

/// Finds the facts of a page after its pending products were read
/// ([`Rule::UncachedLast`]).
#[must_use]
pub fn found_last<T>(found: T, again: impl FnOnce() -> Option<T>) -> T {
    if is_disabled(Rule::UncachedLast) {
        again().unwrap_or(found)
    } else {
        found
    }
}

/// Returns the pending products that each statement reads: one each
/// ([`Rule::UncachedTogether`]).
#[must_use]
pub fn statements<T>(products: impl Iterator<Item = T>) -> Vec<Vec<T>> {
    if is_disabled(Rule::UncachedTogether) {
        products.map(|product| vec![product]).collect()
    } else {
        vec![products.collect()]
    }
}

/// Takes the position of the log from before the row of the lease was inserted
/// ([`Rule::JoinRowFirst`]).
#[must_use]
pub fn head_before_join<T: Clone>(before: &T) -> Option<T> {
    is_disabled(Rule::JoinRowFirst).then(|| before.clone())
}

/// Extends the lease by joining ([`Rule::JoinGivesNoLease`]).
pub fn lease_by_joining(extend: impl FnOnce()) {
    if is_disabled(Rule::JoinGivesNoLease) {
        extend();
    }
}

/// Reads the log before the row of the lease is renewed ([`Rule::LogReadAfterRow`]).
///
/// # Errors
///
/// That of `read`.
pub async fn log_before_row<T, E, R>(read: impl FnOnce() -> R) -> Result<Option<T>, E>
where
    R: Future<Output = Result<T, E>>,
{
    if is_disabled(Rule::LogReadAfterRow) {
        return read().await.map(Some);
    }
    Ok(None)
}

/// Inserts the row of a lease that a renewal did not find ([`Rule::LogReadAfterRow`]).
///
/// # Errors
///
/// That of `insert`.
pub async fn row_by_renewal<E, R>(insert: impl FnOnce() -> R) -> Result<bool, E>
where
    R: Future<Output = Result<(), E>>,
{
    if is_disabled(Rule::LogReadAfterRow) {
        insert().await?;
        return Ok(true);
    }
    Ok(false)
}

/// Extends the lease before the log is read ([`Rule::LogAppliedBeforeLease`]).
pub fn extend_first(extend: impl FnOnce()) {
    if is_disabled(Rule::LogAppliedBeforeLease) {
        extend();
    }
}

/// Reads the position of the oldest announcement before the announcements
/// ([`Rule::LogFloorWithRows`]).
///
/// # Errors
///
/// That of `read`.
pub async fn log_floor_first<E, R>(read: impl FnOnce() -> R) -> Result<Option<u64>, E>
where
    R: Future<Output = Result<u64, E>>,
{
    if is_disabled(Rule::LogFloorWithRows) {
        return read().await.map(Some);
    }
    Ok(None)
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

/// Announces the writes of a group with one intent for all of them
/// ([`Rule::OwnMemberRow`]).
pub fn announce_as_one<K>(keys: &mut Vec<Vec<K>>) {
    if is_disabled(Rule::OwnMemberRow) {
        let all = keys.drain(..).flatten().collect();
        keys.push(all);
    }
}

/// Adds writes that arrived after the announcement to its group: their keys are not
/// announced, and they have no intent ([`Rule::MembersBeforeCommit`]).
pub fn admit_late<T>(members: &mut Vec<T>, next: impl FnMut() -> Option<T>) {
    if is_disabled(Rule::MembersBeforeCommit) {
        members.extend(std::iter::from_fn(next));
    }
}

/// Commits writes without an intent ([`Rule::IntentIsCondition`]); those that share one
/// with another, or joined its group late, have none.
#[must_use]
pub fn needs_no_intent() -> bool {
    let rules = [
        Rule::IntentIsCondition,
        Rule::OwnMemberRow,
        Rule::MembersBeforeCommit,
    ];
    rules.into_iter().any(is_disabled)
}

/// Returns the intent that the commit of a write of a group deletes: that of its first
/// write ([`Rule::OwnMemberRow`]).
#[must_use]
pub fn row_of_member(member: i32) -> i32 {
    if is_disabled(Rule::OwnMemberRow) {
        0
    } else {
        member
    }
}

/// Reads the leases before the announcement ([`Rule::RegistryAfterIntent`]).
pub async fn early_leases<R: Future>(read: impl FnOnce() -> R) -> Option<R::Output> {
    if is_disabled(Rule::RegistryAfterIntent) {
        Some(read().await)
    } else {
        None
    }
}

/// Reads the clock before the leases ([`Rule::ClockAfterRegistry`]).
#[must_use]
pub fn early_clock<T>(now: impl FnOnce() -> T) -> Option<T> {
    is_disabled(Rule::ClockAfterRegistry).then(now)
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

/// Takes the leases as they are for those that were seen when the wait began
/// ([`Rule::DeleteUnmovedLease`]).
pub async fn latest<K: Eq + Hash, V, E, R>(
    seen: HashMap<K, V>,
    read: impl FnOnce() -> R,
) -> HashMap<K, V>
where
    R: Future<Output = Result<HashMap<K, V>, E>>,
{
    if !is_disabled(Rule::DeleteUnmovedLease) {
        return seen;
    }
    let Ok(mut now) = read().await else {
        return seen;
    };
    now.retain(|id, _| seen.contains_key(id));
    now
}

/// Arms the epoch of the server instead of that of the write ([`Rule::ArmOwnEpoch`]).
#[must_use]
pub fn epoch_to_arm(of_write: u64, of_server: impl FnOnce() -> u64) -> u64 {
    if is_disabled(Rule::ArmOwnEpoch) {
        of_server()
    } else {
        of_write
    }
}

/// Waits for the acknowledgements after the commit ([`Rule::CommitAfterWait`]).
pub async fn wait_after_commit<R: Future>(wait: impl FnOnce() -> R) {
    if is_disabled(Rule::CommitAfterWait) {
        let _either_way = wait().await;
    }
}

/// Permits a commit in another epoch than that of its announcement
/// ([`Rule::EpochIsCondition`]).
///
/// # Errors
///
/// That of `permit`.
pub async fn any_epoch<E, R>(permit: impl FnOnce() -> R) -> Result<bool, E>
where
    R: Future<Output = Result<(), E>>,
{
    if is_disabled(Rule::EpochIsCondition) {
        permit().await?;
        return Ok(true);
    }
    Ok(false)
}

/// Overlooks the response that is stored under an idempotency key
/// ([`Rule::IdempotencyInCommit`]).
#[must_use]
pub fn overlooked<T>(response: Option<T>) -> Option<T> {
    response.filter(|_| !is_disabled(Rule::IdempotencyInCommit))
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

use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use hashbrown::HashMap;
use tokio::{
    sync::{futures::Notified, mpsc, oneshot},
    time::timeout,
};

use crate::{
    domain::FactKey,
    failpoints::{Gate, Rule, is_disabled, mistakes, reach},
    store::{AnnouncedGroup, Announcement, LeaseId, LeaseRow, Store, StoreError},
    telemetry::metrics as meter,
};

use super::{
    core::{Cache, Core},
    error::CacheError,
    live_writes::{Announced, Wanted},
    settings::until_over,
};

/// Maximum number of writes that are announced together.
const MAX_GROUP: usize = 64;

/// Capacity of the queue of writes to be announced, after which writers wait.
pub(super) const QUEUE: usize = 256;

/// Interval at which the acknowledgements are read without a notification.
const ACK_READ_INTERVAL: Duration = Duration::from_millis(25);

impl Cache {
    /// Announces that `keys` are going to change, and waits for the
    /// acknowledgements (`docs/coherence.md`, W1 to W3). Every server that holds
    /// a lease must have acknowledged or be unable to answer. Concurrent writes
    /// are announced together.
    ///
    /// # Errors
    ///
    /// [`CacheError::LeaseLost`] if this server has no lease, and
    /// [`CacheError::Store`] if the database does not answer: what was announced,
    /// if anything, can never commit.
    pub async fn announce(&self, keys: Vec<FactKey>) -> Result<Announced, CacheError> {
        let (answer, answered) = oneshot::channel();
        let wanted = Wanted { keys, answer };
        let sent = self.core.announcements.send(wanted).await;
        sent.map_err(|_| CacheError::LeaseLost)?;
        reach(Gate::AnnouncementQueued);
        answered.await.map_err(|_| CacheError::LeaseLost)?
    }

    /// Waits for the acknowledgements of an announcement, as [`Cache::announce`] does.
    ///
    /// # Errors
    ///
    /// [`CacheError::Store`] if the database does not answer.
    pub(crate) async fn acknowledged(&self, announcement: Announcement) -> Result<(), CacheError> {
        let announced = AnnouncedGroup {
            seq: announcement.seq,
            epoch: announcement.epoch,
            armed: true,
            longest_lease: self.core.settings.lease,
        };
        acknowledged(&self.core, &self.core.store, announced, None).await
    }
}

/// Announces writes, group after group, as long as the server runs. A group waits
/// for its acknowledgements while the next one is announced.
pub(super) async fn announce_all(
    core: Arc<Core>,
    store: Store,
    mut wanted: mpsc::Receiver<Wanted>,
) {
    let mut group = Vec::with_capacity(MAX_GROUP);
    while wanted.recv_many(&mut group, MAX_GROUP).await > 0 {
        let mut members = std::mem::take(&mut group);
        let early = mistakes::early_leases(|| Box::pin(store.leases())).await;
        match announce(&core, &store, &members).await {
            Ok(announced) => {
                mistakes::admit_late(&mut members, || wanted.try_recv().ok());
                let (core, store) = (Arc::clone(&core), store.clone());
                tokio::spawn(async move {
                    let hint = store.hint(announced.seq);
                    // A server may acknowledge it before the hint.
                    tokio::join!(
                        hint,
                        wait_for_all(core, store.clone(), announced, (members, early))
                    );
                });
            }
            Err(error) => fail(members, &error),
        }
    }
}

fn fail(members: Vec<Wanted>, error: &CacheError) {
    for member in members {
        let _gone = member.answer.send(Err(error.clone()));
    }
}

/// Announces a group of writes (W1) under the lease of this server.
async fn announce(
    core: &Core,
    store: &Store,
    members: &[Wanted],
) -> Result<AnnouncedGroup, CacheError> {
    let mut keys: Vec<Vec<FactKey>> = members.iter().map(|member| member.keys.clone()).collect();
    mistakes::announce_only_first(&mut keys);
    mistakes::announce_as_one(&mut keys);
    let mut failure = CacheError::LeaseLost;
    // The first attempt may find that the lease was just lost, or get no reply.
    for _ in 0..2 {
        if !core.lease.wait(core.settings.longest_wait()).await {
            break;
        }
        let Some(writer) = core.lease.id() else {
            continue;
        };
        let _announcing = core.announcing.lock().await;
        let announced = match store.announce(&keys, writer).await {
            Ok(announced) => announced,
            Err(error) => {
                // It may have been announced nevertheless.
                core.live_writes.expect_leftovers();
                let live: Vec<Announcement> = core.live_writes.live().iter().copied().collect();
                store.withdraw_unanswered(writer, &live).await?;
                failure = error.into();
                continue;
            }
        };
        if let Some(announced) = announced {
            let mut live = core.live_writes.live();
            live.extend((0..).zip(members).map(|(member, _)| Announcement {
                seq: announced.seq,
                member,
                epoch: announced.epoch,
            }));
            core.counters.announcements.add(1);
            core.notifications.announce(Some(announced.seq));
            return Ok(announced);
        }
        core.notifications.announce(None);
    }
    Err(failure)
}

/// Waits for the acknowledgements (W2, W3), then releases each write of the
/// group.
async fn wait_for_all(
    core: Arc<Core>,
    store: Store,
    announced: AnnouncedGroup,
    (members, early): (Vec<Wanted>, EarlyLeases),
) {
    let begun = Instant::now();
    let waited = if is_disabled(Rule::CommitAfterWait) {
        Ok(())
    } else {
        acknowledged(&core, &store, announced, early).await
    };
    let took = begun.elapsed();
    meter::count_announcement_wait(took);
    let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    core.counters.last_wait_us.set(took);
    core.counters.longest_wait_us.at_least(took);
    let announcements: Vec<Announcement> = (0..)
        .zip(&members)
        .map(|(member, _)| Announcement {
            seq: announced.seq,
            member,
            epoch: announced.epoch,
        })
        .collect();
    // Without an answer the writes can never commit, since no caller has them. If the
    // withdrawal fails, the upkeep removes the intents.
    if waited.is_err() && store.withdraw(&announcements).await.is_err() {
        core.live_writes.expect_leftovers();
    }
    for (announcement, member) in announcements.into_iter().zip(members) {
        let announced = core.live_writes.announced(announcement);
        let answer = waited.clone().map(|()| announced);
        let _gone = member.answer.send(answer);
    }
}

/// The leases as they were before the announcement: always `None`, except for a
/// mistake.
type EarlyLeases = Option<Result<HashMap<LeaseId, LeaseRow>, StoreError>>;

/// Waits until each server that held a lease after the announcement has
/// acknowledged it, has left, or can no longer answer from memory.
async fn acknowledged(
    core: &Core,
    store: &Store,
    announced: AnnouncedGroup,
    early: EarlyLeases,
) -> Result<(), CacheError> {
    let clock = core.settings.clock;
    let mut hint = armed_hint(core);
    let early_clock = mistakes::early_clock(|| clock.now());
    let mut waited_for = match early {
        Some(leases) => leases?,
        None => store.leases().await?,
    };
    // The clock is read after the reply has arrived: from here on, a lease that
    // is not renewed expires in time.
    let begun = early_clock.unwrap_or_else(|| clock.now());
    let over = |lease: &LeaseRow| begun.plus(mistakes::shortened_wait(until_over(lease.length)));
    if is_disabled(Rule::WaitForAcks) && announced.armed {
        return Ok(());
    }
    let armed_from = if announced.armed || is_disabled(Rule::FullWaitUnlessArmed) {
        begun
    } else {
        begun.plus(until_over(announced.longest_lease))
    };
    let mut found = waited_for.clone();
    let mut dead = HashMap::new();
    loop {
        let now = clock.now();
        let is_applied_here = core.notifications.applied() >= announced.seq;
        let here = core.lease.id().filter(|_| is_applied_here);
        waited_for.retain(|id, lease| {
            // This server acknowledges in memory what it has applied.
            let waits = Some(*id) != here
                && found
                    .get(id)
                    .is_some_and(|found| found.acked < announced.seq);
            if waits && over(lease) <= now {
                dead.insert(*id, *lease);
                return false;
            }
            waits
        });
        if waited_for.is_empty() && armed_from <= now {
            break;
        }
        let ends = waited_for.values().map(over).chain([armed_from]);
        let next = ends.filter(|end| *end > now).min().unwrap_or(now);
        let _or_later = timeout(next.since(now).min(ACK_READ_INTERVAL), hint).await;
        hint = armed_hint(core);
        let waits_for_others = waited_for.keys().any(|id| Some(*id) != core.lease.id());
        if waits_for_others || armed_from > clock.now() {
            found = store.leases().await?;
        }
    }
    let dead = mistakes::latest(dead, || Box::pin(store.leases())).await;
    end_leases(core, store, &dead).await?;
    if !announced.armed {
        let epoch = mistakes::epoch_to_arm(announced.epoch, || core.lease.hold().epoch);
        store.arm(epoch).await?;
    }
    Ok(())
}

/// Registers before awaiting, so that no notification is missed.
fn armed_hint(core: &Core) -> Pin<Box<Notified<'_>>> {
    let mut hint = Box::pin(core.notifications.acknowledged.notified());
    hint.as_mut().enable();
    hint
}

/// Ends the leases that were not renewed for the whole wait, so that the next
/// write does not wait for them.
async fn end_leases(
    core: &Core,
    store: &Store,
    dead: &HashMap<LeaseId, LeaseRow>,
) -> Result<(), CacheError> {
    for (lease, seen) in dead {
        if store.end_lease(*lease, seen.renew_no).await? {
            core.counters.leases_reaped.add(1);
            tracing::warn!(
                lease.id = %lease.0,
                waited_ms = until_over(seen.length).as_millis(),
                "a server did not acknowledge a write and did not renew its lease: it was given \
                 up; if it lives it will join again by itself"
            );
        }
    }
    Ok(())
}

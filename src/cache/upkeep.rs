use std::{sync::Arc, time::Duration};

use hashbrown::HashMap;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

use crate::store::{Announcement, IntentRow, Store, StoreError};

use super::{clock::Moment, core::Core, settings::until_over};

/// Interval at which rows that are no longer needed are deleted.
const CLEAN_UP: Duration = Duration::from_mins(1);

/// Renews the beats of this server's writes, removes the intents of dead servers,
/// and deletes old rows. Ends only if the deletion of old rows panics.
pub(super) async fn keep_up(core: Arc<Core>, store: Store) {
    let mut ticks = interval(core.settings.renewal());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reaper = Reaper::default();
    let mut cleaned = Instant::now();
    let mut cleaning = AbortOnDropHandle::new(tokio::spawn(async {}));
    loop {
        ticks.tick().await;
        if core.lease.id().is_none() {
            continue;
        }
        core.forget_ended_maintenances();
        let mut done = beat(&core, &store).await;
        if done.is_ok() {
            done = withdraw_leftovers(&core, &store).await;
        }
        if done.is_ok() {
            done = reaper.remove_dead(&core, &store).await;
        }
        if done.is_ok() && cleaned.elapsed() > CLEAN_UP && cleaning.is_finished() {
            if (&mut cleaning).await.is_err() {
                // It panicked and would do so again; ending lets the supervisor
                // report it.
                return;
            }
            cleaned = Instant::now();
            // In a task of its own, so that the beats continue meanwhile.
            cleaning = AbortOnDropHandle::new(tokio::spawn(clean_up(store.clone())));
        }
        // The lease reports that the database is unreachable.
        if let Err(error) = done {
            tracing::debug!(%error, "no upkeep this time");
        }
    }
}

/// Shows in the database that the announced writes of this server are under way.
async fn beat(core: &Core, store: &Store) -> Result<(), StoreError> {
    let live: Vec<Announcement> = core.live_writes.live().iter().copied().collect();
    if live.is_empty() {
        return Ok(());
    }
    store.beat(&live).await
}

/// Removes intents of this server that are not in use, because the reply to their
/// announcement or withdrawal was lost.
async fn withdraw_leftovers(core: &Core, store: &Store) -> Result<(), StoreError> {
    let Some(writer) = core
        .lease
        .id()
        .filter(|_| core.live_writes.expects_leftovers())
    else {
        return Ok(());
    };
    let _announcing = core.announcing.lock().await;
    let live: Vec<Announcement> = core.live_writes.live().iter().copied().collect();
    store.withdraw_unanswered(writer, &live).await.map(|_| ())
}

/// Watches the announced writes of all servers for missing beats.
#[derive(Debug, Default)]
struct Reaper {
    /// The last beat of each, and when it was first seen.
    beats: HashMap<(u64, u32), (u64, Moment)>,
}

impl Reaper {
    /// Removes the intents of dead writers: their server has no lease any more,
    /// or they had no new beat for twice the wait for their own server. Such
    /// writes can never commit, whatever state their writer is in.
    async fn remove_dead(&mut self, core: &Core, store: &Store) -> Result<(), StoreError> {
        let now = core.settings.clock.now();
        let mut beats = HashMap::new();
        let mut dead = Vec::new();
        for intent in store.intents().await? {
            let IntentRow {
                announcement,
                beat,
                writer_lease,
            } = intent;
            let place = (announcement.seq, announcement.member);
            let Some(writer_lease) = writer_lease else {
                dead.push(announcement);
                continue;
            };
            // The beat interval of a writer follows from its own lease.
            let patience = until_over(writer_lease) * 2;
            let before = self
                .beats
                .get(&place)
                .filter(|(last_beat, _)| *last_beat == beat);
            let (_, since) = before.copied().unwrap_or((beat, now));
            if now.since(since) > patience {
                dead.push(announcement);
            }
            beats.insert(place, (beat, since));
        }
        self.beats = beats;
        for announcement in dead {
            if store.reap(announcement).await? {
                core.counters.intents_reaped.add(1);
                tracing::warn!(
                    seq = announcement.seq,
                    member = announcement.member,
                    "a write was given up: the server that announced it is gone"
                );
            }
        }
        Ok(())
    }
}

async fn clean_up(store: Store) {
    let removed = async { store.pooled_connection().await?.clean_up().await };
    match removed.await {
        Ok(rows) => tracing::debug!(rows, "removed old rows"),
        Err(error) => tracing::debug!(%error, "no clean-up this time"),
    }
}

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

use crate::store::{Announcement, IntentRow, Store, StoreError};

use super::{clock::Moment, core::Core, settings::until_over};

/// How often what nobody needs any more is removed.
const CLEAN_UP: Duration = Duration::from_mins(1);

/// Shows that the writes of this server are under way, removes those of servers
/// that are gone, and old rows. Ends only if the removal of old rows panics.
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
            done = reaper.look(&core, &store).await;
        }
        if done.is_ok() && cleaned.elapsed() > CLEAN_UP && cleaning.is_finished() {
            if (&mut cleaning).await.is_err() {
                // It panicked, and would again: this task is supervised.
                return;
            }
            cleaned = Instant::now();
            // By itself: the beats go on meanwhile.
            cleaning = AbortOnDropHandle::new(tokio::spawn(clean_up(store.clone())));
        }
        // The lease tells of the database being away.
        if let Err(error) = done {
            tracing::debug!(%error, "no upkeep this time");
        }
    }
}

async fn beat(core: &Core, store: &Store) -> Result<(), StoreError> {
    let live: Vec<Announcement> = core.live().iter().copied().collect();
    if live.is_empty() {
        return Ok(());
    }
    store.beat(&live).await
}

/// Removes intents of this server that nobody uses: the answer to their
/// announcement or to their withdrawal never came.
async fn withdraw_leftovers(core: &Core, store: &Store) -> Result<(), StoreError> {
    let Some(writer) = core.lease.id().filter(|_| core.expects_leftovers()) else {
        return Ok(());
    };
    let _announcing = core.announcing.lock().await;
    let live: Vec<Announcement> = core.live().iter().copied().collect();
    store.withdraw_unanswered(writer, &live).await.map(|_| ())
}

/// Watches the announced writes of all servers.
#[derive(Debug, Default)]
struct Reaper {
    /// The last sign of each, and when it was new.
    signs: HashMap<(u64, u32), (u64, Moment)>,
}

impl Reaper {
    /// Removes the announced writes whose server has no lease any more, or which
    /// gave no sign for twice the wait for their own server. They can never commit, whatever
    /// became of their writer.
    async fn look(&mut self, core: &Core, store: &Store) -> Result<(), StoreError> {
        let now = Moment::now();
        let mut signs = HashMap::new();
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
            // A writer beats as often as its own lease demands.
            let patience = until_over(writer_lease) * 2;
            let before = self.signs.get(&place).filter(|(sign, _)| *sign == beat);
            let (_, since) = before.copied().unwrap_or((beat, now));
            if now.since(since) > patience {
                dead.push(announcement);
            }
            signs.insert(place, (beat, since));
        }
        self.signs = signs;
        for announcement in dead {
            if store.reap(announcement).await? {
                core.figures.intents_reaped.add(1);
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
    let removed = async { store.lent_connection().await?.clean_up().await };
    match removed.await {
        Ok(rows) => tracing::debug!(rows, "removed old rows"),
        Err(error) => tracing::debug!(%error, "no clean-up this time"),
    }
}

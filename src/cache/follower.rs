use std::{sync::Arc, time::Duration};

use tokio::{
    sync::oneshot,
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    failpoints::{Gate, Rule, is_disabled, mistakes, reach},
    store::{LeaseConnection, LeaseId, LogRead, Store, StoreError},
};

use super::{
    clock::{Clock, Moment},
    core::Core,
    lease::Hold,
};

/// Pause before connecting again.
const PAUSE: Duration = Duration::from_millis(100);

/// Renews the lease, and reads the log of announcements (A1 to A3, A5).
#[derive(Debug)]
pub(super) struct Follower {
    core: Arc<Core>,
    store: Store,
    lease: Option<LeaseId>,
    epoch: u64,
    /// The last announcement for which watermarks were raised.
    applied: u64,
    /// The last announcement that was acknowledged.
    acked: u64,
    /// All announcements below this number are committed or withdrawn.
    unsettled: u64,
}

/// How the work on a connection ended.
enum Ended {
    /// The server shuts down, and the lease was released.
    Left,
    /// The connection is broken.
    Broken(StoreError),
}

impl Drop for Follower {
    /// Ends the lease: without the follower it is not renewed, so nothing may be
    /// answered any more.
    fn drop(&mut self) {
        self.core.lease.end();
    }
}

impl Follower {
    pub(super) fn new(core: Arc<Core>, store: Store) -> Self {
        Self {
            core,
            store,
            lease: None,
            epoch: 0,
            applied: 0,
            acked: 0,
            unsettled: 0,
        }
    }

    /// Runs until `stop` is canceled; `first` is notified of the first lease.
    pub(super) async fn run(mut self, stop: CancellationToken, first: oneshot::Sender<()>) {
        let mut first = Some(first);
        let mut is_away = false;
        while !stop.is_cancelled() {
            let connecting = self.store.lease_connection(
                self.core.notifications.clone(),
                self.core.settings.patience(),
            );
            let ended = tokio::select! {
                () = stop.cancelled() => break,
                connected = connecting => match connected {
                    Ok(connection) => {
                        if std::mem::take(&mut is_away) {
                            tracing::info!("the database answers the lease again");
                        }
                        self.follow(&connection, &stop, &mut first).await
                    }
                    Err(error) => Ended::Broken(error),
                },
            };
            let Ended::Broken(error) = ended else {
                return;
            };
            if !std::mem::replace(&mut is_away, true) {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    lease.remaining_ms = self.core.lease.remaining().as_millis(),
                    "the lease cannot be renewed: answers go on for what is left of it"
                );
            }
            sleep(PAUSE).await;
        }
    }

    /// Renews and reads the log on one connection until it breaks or the server
    /// stops.
    async fn follow(
        &mut self,
        connection: &LeaseConnection,
        stop: &CancellationToken,
        first: &mut Option<oneshot::Sender<()>>,
    ) -> Ended {
        let settings = self.core.settings;
        let mut renewals = interval(settings.renewal());
        let mut polls = interval(settings.poll);
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let notifications = self.core.notifications.clone();
        loop {
            let done = tokio::select! {
                biased;
                () = stop.cancelled() => return self.leave(connection).await,
                _ = renewals.tick() => self.renew(connection).await,
                () = notifications.announced.notified() => {
                    if !notifications.is_behind() {
                        // It was applied with another.
                        continue;
                    }
                    self.catch_up(connection).await
                }
                _ = polls.tick() => self.catch_up(connection).await,
            };
            if let Err(error) = done {
                return Ended::Broken(error);
            }
            if self.core.lease.is_running()
                && let Some(first) = first.take()
            {
                let _unheard = first.send(());
            }
        }
    }

    /// Joins with an empty cache (A1). Only a renewal gives the right to answer.
    async fn join(&mut self, connection: &LeaseConnection) -> Result<LeaseId, StoreError> {
        let lease = LeaseId(Uuid::now_v7());
        let mut before = connection.read_log(u64::MAX, u64::MAX).await?;
        if !before.is_current {
            connection.begin_epoch(self.epoch).await?;
            before = connection.read_log(u64::MAX, u64::MAX).await?;
        }
        let length = self.core.settings.lease;
        let sent = self.clock().now();
        connection.join(lease, length, self.applied).await?;
        let head = match mistakes::head_before_join(&before) {
            Some(head) => head,
            None => connection.read_log(u64::MAX, u64::MAX).await?,
        };
        if !is_disabled(Rule::JoinRaisesFloors) {
            self.core.watermarks.raise_everything(head.seq);
            self.core.products.void(head.seq);
            self.core.memory.free_everything();
        }
        if head.epoch != self.epoch {
            // A restored database may be behind the revisions that were seen.
            self.core.revisions.clear();
        }
        self.epoch = head.epoch;
        self.applied = head.seq;
        self.core.notifications.set_applied(head.seq);
        self.acked = 0;
        self.unsettled = before.settled;
        self.lease = Some(lease);
        self.core.lease.set_joined(lease);
        mistakes::lease_by_joining(|| self.core.lease.extend(self.hold_from(sent)));
        tracing::info!(
            lease.id = %lease.0,
            epoch = head.epoch,
            seq = head.seq,
            "joined the servers that answer from memory"
        );
        Ok(lease)
    }

    /// Renews the lease, then reads and applies the log, and only then extends
    /// the lease (A2). It is extended by its full length from before the renewal
    /// was sent.
    async fn renew(&mut self, connection: &LeaseConnection) -> Result<(), StoreError> {
        let lease = match self.lease {
            Some(lease) => lease,
            None => self.join(connection).await?,
        };
        let sent = self.clock().now();
        let early = mistakes::log_before_row(|| Box::pin(self.read(connection))).await?;
        let length = self.core.settings.lease;
        let is_renewed = connection.renew(lease).await?
            || mistakes::row_by_renewal(|| Box::pin(connection.join(lease, length, 0))).await?;
        if !is_renewed && !is_disabled(Rule::RenewalHitsRow) {
            self.lose("another server gave it up");
            return Ok(());
        }
        mistakes::extend_first(|| self.core.lease.extend(self.hold_from(sent)));
        let read = match early {
            Some(read) => read,
            None => self.read(connection).await?,
        };
        let hold = self.hold_from(mistakes::start_of_lease(sent, || self.clock().now()));
        if !self.apply(connection, &read).await? {
            return Ok(());
        }
        if self.core.lease.has_run_out() {
            self.core.counters.leases_lost.add(1);
            tracing::warn!("the lease had run out before it was renewed: answers go on now");
        }
        self.core.lease.extend(hold);
        self.acknowledge(connection, lease).await
    }

    fn clock(&self) -> Clock {
        self.core.settings.clock
    }

    /// Returns the lease that begins at a moment.
    fn hold_from(&self, start: Moment) -> Hold {
        Hold {
            until: start.plus(self.core.settings.lease),
            epoch: self.epoch,
        }
    }

    /// Reads the log, raises the watermarks, and acknowledges (A3).
    async fn catch_up(&mut self, connection: &LeaseConnection) -> Result<(), StoreError> {
        let Some(lease) = self.lease else {
            return self.renew(connection).await;
        };
        let read = self.read(connection).await?;
        mistakes::acknowledge_first(connection.acknowledge(lease, read.seq)).await?;
        reach(Gate::LogRead);
        if self.apply(connection, &read).await? {
            self.acknowledge(connection, lease).await?;
        }
        Ok(())
    }

    async fn read(&self, connection: &LeaseConnection) -> Result<LogRead, StoreError> {
        let earlier = mistakes::log_floor_first(|| Box::pin(connection.log_floor())).await?;
        let read = connection.read_log(self.applied, self.unsettled).await?;
        Ok(LogRead {
            log_floor: earlier.unwrap_or(read.log_floor),
            ..read
        })
    }

    /// Raises the watermarks of the announced keys. False: the primary changed or
    /// was restarted, and the lease is lost.
    async fn apply(
        &mut self,
        connection: &LeaseConnection,
        read: &LogRead,
    ) -> Result<bool, StoreError> {
        if !read.is_current {
            connection.begin_epoch(self.epoch).await?;
        }
        if !read.is_current || read.epoch != self.epoch {
            self.lose("the primary is another, or was started again");
            return Ok(false);
        }
        let core = &self.core;
        core.counters.seq.set(read.seq);
        if self.applied < read.log_floor && !is_disabled(Rule::LogFloorDropsAll) {
            core.watermarks.raise_everything(read.seq);
            core.products.void(read.seq);
            core.memory.free_everything();
        } else {
            for (seq, keys) in &read.announcements {
                for key in keys {
                    core.watermarks.raise(key, *seq);
                    core.products.announce(key, *seq);
                    core.memory.free(key);
                    core.counters.floors_raised.add(1);
                }
            }
        }
        self.applied = self.applied.max(read.seq);
        core.counters.applied.set(self.applied);
        core.notifications.set_applied(self.applied);
        core.counters.pending.set(read.pending);
        for (tenant, revision) in &read.revisions {
            core.revisions.record(*tenant, *revision);
        }
        self.unsettled = read.settled;
        core.products.settle(read.settled);
        Ok(true)
    }

    async fn acknowledge(
        &mut self,
        connection: &LeaseConnection,
        lease: LeaseId,
    ) -> Result<(), StoreError> {
        if self.applied > self.acked {
            connection.acknowledge(lease, self.applied).await?;
            self.acked = self.applied;
        }
        Ok(())
    }

    /// Gives the lease up: nothing is answered until this server has joined
    /// again, which evicts everything.
    fn lose(&mut self, why: &'static str) {
        self.core.lease.end();
        self.lease = None;
        self.core.counters.leases_lost.add(1);
        tracing::warn!(why, "the lease is gone; joining again");
        if !is_disabled(Rule::JoinRaisesFloors) {
            self.core.memory.free_everything();
        }
    }

    /// Ends the lease and releases it in the database (A5).
    async fn leave(&mut self, connection: &LeaseConnection) -> Ended {
        if !is_disabled(Rule::LeaveStopsFirst) {
            self.core.lease.end();
        }
        if let Some(lease) = self.lease.take()
            && let Err(error) = connection.leave(lease).await
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the lease could not be given back: the next write waits until it has run out"
            );
        }
        Ended::Left
    }
}

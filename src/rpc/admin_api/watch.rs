use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::{
    domain::Code,
    pb::{self, watch_changes_response::Event},
    rpc::{allowed_stream::StreamLimits, failure::Failure},
    store::{
        Bounds, ChangeFilter, ChangePlace, ChangeRow, Permit, TenantId, TenantLimiter, read_tenant,
    },
};

use super::{
    AdminApi, LogOf,
    changes::{change, place},
    revisions::Seen,
};

/// Number of rows read at once.
const ROWS_AT_ONCE: usize = 500;

/// Number of events buffered for a caller that does not read them.
const EVENTS_AHEAD: usize = 64;

/// Interval of heartbeats while there are no new changes.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Interval at which a watch checks whether the server is shutting down.
const GATE_PERIOD: Duration = Duration::from_millis(500);

/// Largest number of concurrent watchers.
const MOST_WATCHERS: usize = 1_000;

/// Largest number of concurrent watchers of one tenant.
const MOST_WATCHERS_OF_ONE_TENANT: usize = 200;

type Message = Result<pb::WatchChangesResponse, Status>;

/// One watch: a task that reads the audit log and sends its rows, so that a
/// caller that does not read them is detected.
struct Watch {
    api: AdminApi,
    tenant: Code,
    /// A tenant created anew with the same code is not the watched one.
    id: TenantId,
    at: ChangePlace,
    limits: StreamLimits,
    events: mpsc::Sender<Message>,
    revisions: watch::Receiver<Seen>,
    _turn: Permit,
}

impl AdminApi {
    /// Starts a watch; its stream always ends with an error.
    pub(super) async fn watch(
        &self,
        request: pb::WatchChangesRequest,
        limits: StreamLimits,
    ) -> Result<impl Stream<Item = Message> + Send + use<>, Failure> {
        let pb::WatchChangesRequest {
            tenant,
            after_revision,
            after_part,
            callers,
        } = request;
        let tenant = self.tenant_or_callers(&tenant, LogOf::requested(callers))?;
        let id = self.tenant_row(&tenant).await?.id;
        let turn = self.watchers.try_next(&tenant);
        let turn = turn.ok_or(Failure::TooManyWatchers {
            most: MOST_WATCHERS,
            of_tenant: MOST_WATCHERS_OF_ONE_TENANT,
        })?;
        let (events, receiver) = mpsc::channel(EVENTS_AHEAD);
        let (end, ended) = oneshot::channel();
        let watch = Watch {
            revisions: self.revisions.follow(&tenant),
            api: self.clone(),
            tenant,
            id,
            at: place(after_revision, after_part),
            limits,
            events,
            _turn: turn,
        };
        tokio::spawn(async move {
            if let Err(failure) = watch.run().await {
                // Fails if the caller has disconnected.
                let _disconnected = end.send(failure);
            }
        });
        // The buffered events come first, then the reason of the end.
        let end = stream::once(ended).filter_map(|end| async {
            let failure = end.ok()?;
            Some(Err(Status::from(failure)))
        });
        Ok(ReceiverStream::new(receiver).chain(end))
    }
}

impl Watch {
    /// Runs until a condition ends the watch; returns `Ok` if the caller
    /// disconnects.
    async fn run(mut self) -> Result<(), Failure> {
        let mut beat = Instant::now();
        let mut is_new = true;
        loop {
            self.check_not_stopping()?;
            let rows = if is_new {
                self.rows().await?
            } else {
                Vec::new()
            };
            // Checked after the rows were read, so that they hold nothing
            // committed after the caller was revoked.
            self.api.calling.recheck(&self.tenant).await?;
            if let Some(last) = rows.last().map(|row| row.place) {
                for row in rows {
                    if !self.send(Event::Change(change(row))).await? {
                        return Ok(());
                    }
                }
                self.at = last;
                continue;
            }
            if beat <= Instant::now() {
                let revision = self.at.revision.0;
                let heartbeat = Event::Heartbeat(pb::Heartbeat { revision });
                if !self.send(heartbeat).await? {
                    return Ok(());
                }
                beat = Instant::now() + HEARTBEAT;
            }
            match self.something_new(beat).await {
                None => return Ok(()),
                Some(found) => is_new = found,
            }
        }
    }

    fn check_not_stopping(&self) -> Result<(), Failure> {
        if self.limits.gate.is_closed() {
            return Err(Failure::ShuttingDown);
        }
        match self.limits.deadline {
            Some(deadline) if deadline <= Instant::now() => Err(Failure::DeadlinePassed),
            Some(_) | None => Ok(()),
        }
    }

    /// Reads the next rows, up to the revision of one snapshot; if there are
    /// none, everything up to it has been sent.
    async fn rows(&mut self) -> Result<Vec<ChangeRow>, Failure> {
        // Marked before reading: later commits count as changes.
        self.revisions.mark_unchanged();
        let read = read_tenant!(self.api.store, &self.tenant, Bounds::READ, |snapshot| {
            let every = ChangeFilter::default();
            let rows = snapshot.changes_after(&every, self.at, ROWS_AT_ONCE);
            Ok::<_, Failure>((rows.await?, snapshot.version()))
        })?;
        let (rows, (tenant, revision)) = self.api.confirmed(&self.tenant, read).await?;
        if tenant != self.id {
            return Err(Failure::TenantNotFound(self.tenant.clone()));
        }
        if rows.is_empty() {
            let reached = ChangePlace::after_all_of(revision);
            self.at = self.at.max(reached);
        }
        Ok(rows)
    }

    /// Sends an event; `false`: the caller has disconnected.
    async fn send(&mut self, event: Event) -> Result<bool, Failure> {
        let sent = match &event {
            Event::Change(change) => Some((change.revision, change.part)),
            Event::Heartbeat(_) => None,
        };
        let message = pb::WatchChangesResponse { event: Some(event) };
        let patience = match self.limits.deadline {
            None => self.api.watch_patience,
            Some(deadline) => self
                .api
                .watch_patience
                .min(deadline.saturating_duration_since(Instant::now())),
        };
        match timeout(patience, self.events.send(Ok(message))).await {
            Ok(Ok(())) => {
                if let Some((revision, part)) = sent {
                    self.at = place(revision, part);
                }
                Ok(true)
            }
            Ok(Err(_)) => Ok(false),
            Err(_) => {
                self.check_not_stopping()?;
                Err(Failure::WatchTooSlow { after: self.at })
            }
        }
    }

    /// Waits until there may be new rows (`true`) or a check is due (`false`);
    /// `None`: the caller has disconnected.
    async fn something_new(&mut self, beat: Instant) -> Option<bool> {
        let look = (Instant::now() + GATE_PERIOD).min(beat);
        let look = self.limits.deadline.map_or(look, |end| look.min(end));
        tokio::select! {
            () = self.events.closed() => None,
            // The sender lives as long as the server, so this is always a change.
            _ = self.revisions.changed() => Some(true),
            () = sleep_until(look) => Some(false),
        }
    }
}

/// Returns the permits for concurrent watchers.
pub(super) fn watchers() -> TenantLimiter {
    TenantLimiter::new(MOST_WATCHERS, MOST_WATCHERS_OF_ONE_TENANT)
}

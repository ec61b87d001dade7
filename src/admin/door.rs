mod calls;
mod commit;
mod finding_out;
mod rehearsal;

use std::sync::Arc;

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::{
    cache::Cache,
    domain::{Code, Revision},
    store::{Announcement, Connection, Store, StoreError},
    telemetry::metrics as meter,
};

use self::{
    commit::Committed,
    rehearsal::{Found, Rehearsed, rehearse},
};
use super::{change::Change, error::AdminError, outcome::Answered};

/// How often a change is begun again because other writes came first.
const TRIES: u32 = 6;

/// How many writes run at once; more wait for their turn. Each holds a
/// connection and at times needs a second one: with all connections held by
/// writes, none could go on.
const WRITES_AT_ONCE: usize = 6;

/// How many dry runs and deletions of tenants run at once, beside the writes:
/// they take long where there is much, and must not hold up others.
const LONG_WRITES_AT_ONCE: usize = 2;

/// The one door for writes (`ARCHITECTURE.md`).
#[derive(Clone, Debug)]
pub struct Door {
    store: Store,
    cache: Cache,
    turns: Arc<Semaphore>,
    long_turns: Arc<Semaphore>,
    deadline: Option<Instant>,
}

/// Who writes, and how.
#[derive(Clone, Debug)]
pub struct WriteContext {
    /// The tenant.
    pub tenant: Code,
    /// Who asks, as `user:julia`, for the audit log.
    pub actor: String,
    /// The request, for the audit log.
    pub request_id: String,
    /// Names the write for a retry; empty: no name.
    pub idempotency_key: String,
    /// sha256 of the request, to tell a retry from another request.
    pub request_hash: Vec<u8>,
    /// Do everything but commit.
    pub dry_run: bool,
    /// The revision that the tenant must have; `None`: any.
    pub expected_revision: Option<Revision>,
}

impl WriteContext {
    /// The key under which the answer is kept for a retry, if there is one.
    fn kept_key(&self) -> Option<&str> {
        let key = self.idempotency_key.as_str();
        (!self.dry_run && !key.is_empty()).then_some(key)
    }

    fn check_revision(&self, found: Revision) -> Result<(), AdminError> {
        match self.expected_revision {
            Some(expected) if expected != found => {
                Err(AdminError::RevisionChanged { expected, found })
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// What one try of a change came to.
enum Tried {
    /// It is done, or there was nothing to do, at this revision.
    Done(Revision),
    /// It was done before, under the same idempotency key, and so answered.
    Before(Vec<u8>),
    /// It is not what was rehearsed any more: begin again.
    Again,
    /// The database did not answer, and nothing has changed or will change.
    NoAnswer(AdminError),
}

impl Tried {
    /// What a failure before the commit means.
    fn failed(error: AdminError) -> Result<Self, AdminError> {
        if matches!(error, AdminError::Store(StoreError::Unavailable(_))) {
            return Ok(Self::NoAnswer(error));
        }
        Err(error)
    }
}

impl Door {
    /// Makes a door to a database; writes are announced to all servers through
    /// `cache`.
    #[must_use]
    pub fn new(store: Store, cache: Cache) -> Self {
        Self {
            store,
            cache,
            turns: Arc::new(Semaphore::new(WRITES_AT_ONCE)),
            long_turns: Arc::new(Semaphore::new(LONG_WRITES_AT_ONCE)),
            deadline: None,
        }
    }

    /// Returns the same door for a caller who waits until `deadline`; its writes
    /// wait no longer for the row of their tenant. `None`: there is no deadline.
    #[must_use]
    pub fn until(&self, deadline: Option<Instant>) -> Self {
        Self {
            deadline,
            ..self.clone()
        }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Makes a change on a connection of its own, in a task of its own; the
    /// turn is over when the task is, whoever waits for it.
    pub(super) async fn write<C: Change>(
        &self,
        mut connection: Connection,
        mut change: C,
        context: WriteContext,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Result<Answered<C::Answer>, AdminError> {
        let door = self.clone();
        let task = tokio::spawn(async move {
            let _turn = turn;
            let mut may_reconnect = true;
            for _ in 0..TRIES {
                match door.attempt(&mut connection, &mut change, &context).await {
                    Ok(Tried::Done(revision)) => {
                        return Ok(Answered::Now(change.answer(revision)));
                    }
                    Ok(Tried::Before(answer)) => return Ok(Answered::Before(answer)),
                    Ok(Tried::Again) | Err(AdminError::Conflict) => meter::count_retry("write"),
                    Ok(Tried::NoAnswer(error)) => {
                        let retries = std::mem::take(&mut may_reconnect)
                            && connection.replace_if_lost(&door.store).await?;
                        if !retries {
                            return Err(error);
                        }
                        meter::count_retry("write");
                    }
                    Err(error) => return Err(error),
                }
            }
            Err(AdminError::Conflict)
        });
        task.await.map_err(AdminError::Interrupted)?
    }

    async fn attempt<C: Change>(
        &self,
        connection: &mut Connection,
        change: &mut C,
        context: &WriteContext,
    ) -> Result<Tried, AdminError> {
        let rehearsed = match rehearse(connection, change, context).await {
            Ok(rehearsed) => rehearsed,
            Err(error) => return Tried::failed(error),
        };
        let Rehearsed {
            epoch,
            version,
            found,
        } = rehearsed;
        let ran = match found {
            Found::Ran(ran) if !context.dry_run && !ran.is_nothing() => ran,
            // The rehearsal is the answer, or decides it.
            Found::Ran(ran) => {
                self.cache.confirm_snapshot(epoch).await?;
                if context.dry_run || ran.refused {
                    return Ok(Tried::Done(version.revision));
                }
                let kept = self.keep_unchanged(connection, change, context, version);
                return kept.await.or_else(Tried::failed);
            }
            Found::Before(answer) => {
                self.cache.confirm_snapshot(epoch).await?;
                return Ok(Tried::Before(answer));
            }
            Found::Refused(error) => {
                self.cache.confirm_snapshot(epoch).await?;
                return Err(error);
            }
        };
        // While it is held, other servers see that the write is under way.
        let announced = self.cache.announce(ran.keys.clone()).await?;
        let announcement = announced.announcement();
        let committed = self
            .commit(
                connection,
                change,
                context,
                announcement,
                (&ran.keys, version),
            )
            .await;
        let tried = self.after_commit(committed, announcement).await;
        announced.end();
        tried
    }

    /// What a commit came to; an intent that it did not use is withdrawn.
    async fn after_commit(
        &self,
        committed: Result<Committed, AdminError>,
        announcement: Announcement,
    ) -> Result<Tried, AdminError> {
        match committed {
            Ok(Committed::At(tenant, revision)) => {
                self.cache.saw_commit(tenant, revision);
                Ok(Tried::Done(revision))
            }
            Ok(Committed::Before(answer)) => {
                self.withdraw(announcement).await;
                Ok(Tried::Before(answer))
            }
            Ok(Committed::Stale) => {
                self.withdraw(announcement).await;
                Ok(Tried::Again)
            }
            Err(AdminError::OutcomeUnknown) => self.find_out(announcement).await,
            Err(error) => {
                self.withdraw(announcement).await;
                Tried::failed(error)
            }
        }
    }
}

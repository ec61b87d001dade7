mod commit;
mod commit_queue;
mod rehearsal;
mod shared_commit;
pub(super) mod slot;
mod unknown_outcome;

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    cache::Cache,
    domain::Revision,
    failpoints::mistakes,
    store::{Announcement, PoolName, Store, StoreError, TenantLimiter},
    telemetry::metrics as meter,
};

use self::{
    commit::Committed,
    commit_queue::{CommitQueues, Entered, Queued, SharedRun},
    rehearsal::{Found, Rehearsed, rehearse},
    slot::{LentSlot, TurnLength, WriteSlot},
};
use super::{
    change::Change,
    compared::Verdict,
    error::AdminError,
    outcome::{Answered, Encode},
    run::Run,
    work::Patience,
    write_context::WriteContext,
};

/// Maximum number of tries of a change, when other writes are committed first.
const TRIES: u32 = 6;

/// Maximum number of concurrent writes; more wait for their turn. Each holds a
/// connection and at times needs a second one: with all connections held by
/// writes, none could proceed.
const WRITES_AT_ONCE: usize = 6;

/// Maximum number of concurrent writes of one tenant: while one commits, others
/// rehearse.
const WRITES_OF_ONE_TENANT: usize = 3;

/// Maximum number of concurrent dry runs and deletions of tenants, in addition to
/// the writes: they are slow on large tenants, and must not block others.
const LONG_WRITES_AT_ONCE: usize = 2;

/// Maximum number of these of one tenant.
const LONG_WRITES_OF_ONE_TENANT: usize = 1;

/// Maximum number of concurrent imports, from their first bytes on; each has a
/// dedicated connection. More wait for their turn.
const IMPORTS_AT_ONCE: usize = 4;

/// Maximum number of concurrent imports of one tenant.
const IMPORTS_OF_ONE_TENANT: usize = 2;

/// Maximum number of concurrent commits of several writes, in addition to the writes.
const SHARED_COMMITS_AT_ONCE: usize = 2;

/// Size of the connection pool that determines unknown commit outcomes. It is
/// separate, so that the outcome of a write can be determined however busy the
/// other connections are.
const OUTCOME_CONNECTIONS: usize = 2;

/// Timeout of a statement that determines an outcome.
const OUTCOME_TIMEOUT: Duration = Duration::from_secs(5);

/// The coordinator of all writes (`ARCHITECTURE.md`).
#[derive(Clone, Debug)]
pub struct WriteCoordinator {
    store: Store,
    /// The same database, with connections that are never exhausted by other
    /// work.
    finding: Store,
    cache: Cache,
    turns: TenantLimiter,
    long_turns: TenantLimiter,
    import_turns: TenantLimiter,
    commit_turns: TenantLimiter,
    commits: CommitQueues,
    deadline: Option<Instant>,
}

/// A write that is being made.
struct Write<C: Change> {
    run: SharedRun<C>,
    context: Arc<WriteContext>,
    patience: Patience,
    /// It was to be committed with others, and that has failed.
    is_alone: bool,
}

/// The result of one try of a change.
enum Tried {
    /// It is committed, as this revision.
    Committed(Revision),
    /// Nothing was to change, or the change was rehearsed or refused, at this revision.
    Unchanged(Revision),
    /// It was committed before under the same idempotency key, with this answer.
    Before(Vec<u8>),
    /// It is rehearsed, and waits to be committed with other writes.
    Queued(Queued),
    /// It is not the rehearsed change any more: try again.
    Again,
    /// The database did not answer; nothing has changed or will change.
    NoAnswer(AdminError),
    /// Another write holds the lock on the tenant's row.
    TenantBusy,
}

impl Tried {
    /// Classifies a failure before the commit.
    fn failed(error: AdminError) -> Result<Self, AdminError> {
        if matches!(error, AdminError::Store(StoreError::Unavailable(_))) {
            return Ok(Self::NoAnswer(error));
        }
        if matches!(error, AdminError::Store(StoreError::TenantLocked { .. })) {
            return Ok(Self::TenantBusy);
        }
        Err(error)
    }
}

impl WriteCoordinator {
    /// Creates a coordinator for a database; writes are announced to all servers
    /// through `cache`.
    ///
    /// # Errors
    ///
    /// Fails only if a connection pool cannot be built.
    pub fn new(store: Store, cache: Cache) -> Result<Self, StoreError> {
        Ok(Self {
            finding: store
                .separate_pool(PoolName::Outcomes, OUTCOME_CONNECTIONS, OUTCOME_TIMEOUT)?
                .on_current_runtime(),
            commits: CommitQueues::new(cache.settings().lease),
            store,
            cache,
            turns: TenantLimiter::new(WRITES_AT_ONCE, WRITES_OF_ONE_TENANT),
            long_turns: TenantLimiter::new(LONG_WRITES_AT_ONCE, LONG_WRITES_OF_ONE_TENANT),
            import_turns: TenantLimiter::new(IMPORTS_AT_ONCE, IMPORTS_OF_ONE_TENANT),
            commit_turns: TenantLimiter::new(SHARED_COMMITS_AT_ONCE, 1),
            deadline: None,
        })
    }

    /// Returns the same coordinator for a caller who waits until `deadline`; its
    /// writes wait no longer than that for other writes. `None`: no deadline.
    #[must_use]
    pub fn until(&self, deadline: Option<Instant>) -> Self {
        Self {
            deadline,
            ..self.clone()
        }
    }

    /// Makes a change.
    ///
    /// It runs in a task of its own: dropping the future does not interrupt it.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: except for [`AdminError::OutcomeUnknown`], nothing
    /// changed.
    pub(crate) async fn change<C: Change>(
        &self,
        change: C,
        context: WriteContext,
        encode: Encode<C::Details>,
    ) -> Result<Answered<C::Details>, AdminError> {
        let length = TurnLength::of(&context, change.size());
        let slot = self.slot(length, &context.tenant).await?;
        self.write(slot, Run::new(change, encode), context).await
    }

    /// Makes a change in a task of its own, which continues until it ends, even if the
    /// caller has left. A dry run ends with its caller.
    pub(super) async fn write<C: Change>(
        &self,
        slot: WriteSlot,
        run: Run<C>,
        context: WriteContext,
    ) -> Result<Answered<C::Details>, AdminError> {
        let coordinator = self.clone();
        // Dropped with this future when the caller leaves.
        let caller = Arc::new(());
        let patience = Patience::of(self.deadline, &caller);
        let dry_run = context.dry_run;
        let write = Write {
            run: Arc::new(tokio::sync::Mutex::new(run)),
            context: Arc::new(context),
            patience,
            is_alone: false,
        };
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            coordinator.try_repeatedly(slot, write).await
        }));
        let done = if dry_run {
            task.await
        } else {
            task.detach().await
        };
        drop(caller);
        done.map_err(AdminError::Interrupted)?
    }

    async fn try_repeatedly<C: Change>(
        &self,
        slot: WriteSlot,
        mut write: Write<C>,
    ) -> Result<Answered<C::Details>, AdminError> {
        let mut lent = LentSlot::Held(slot);
        let mut may_reconnect = true;
        let mut attempts = 0;
        while attempts < TRIES {
            let mut slot = self.held(lent, &write.context.tenant).await?;
            let tried = self.attempt(&mut slot, &write).await;
            let tried = match tried {
                Ok(Tried::Queued(queued)) => {
                    // A write that waits for others holds no connection.
                    lent = slot.give_back()?;
                    self.ended(queued, &mut lent, &mut write).await
                }
                tried => {
                    lent = LentSlot::Held(slot);
                    tried
                }
            };
            match tried {
                Ok(Tried::Committed(revision) | Tried::Unchanged(revision)) => {
                    return Ok(Answered::Fresh(write.run.lock().await.answer(revision)));
                }
                Ok(Tried::Before(answer)) => return Ok(Answered::Replayed(answer)),
                Ok(Tried::Again | Tried::Queued(_)) | Err(AdminError::Conflict) => attempts += 1,
                Ok(Tried::TenantBusy) => lent = lent.given_back()?,
                Ok(Tried::NoAnswer(error)) => {
                    let may_retry = std::mem::take(&mut may_reconnect);
                    if !may_retry || !lent.replace_if_lost(&self.store).await? {
                        return Err(error);
                    }
                    attempts += 1;
                }
                Err(error) => return Err(error),
            }
            meter::count_retry("write");
        }
        Err(AdminError::Conflict)
    }

    async fn attempt<C: Change>(
        &self,
        slot: &mut WriteSlot,
        write: &Write<C>,
    ) -> Result<Tried, AdminError> {
        let (context, patience) = (&*write.context, &write.patience);
        let mut run = write.run.lock().await;
        let rehearsed = match rehearse(&mut slot.connection, &mut run, context, patience).await {
            Ok(rehearsed) => rehearsed,
            Err(error) => return Tried::failed(error),
        };
        let epoch = rehearsed.epoch;
        let tried = self.carry_out(slot, (write, &mut run), rehearsed).await;
        self.confirmed(epoch, tried).await
    }

    /// Commits a rehearsed change, unless its rehearsal is the answer.
    async fn carry_out<C: Change>(
        &self,
        slot: &mut WriteSlot,
        (write, run): (&Write<C>, &mut Run<C>),
        Rehearsed { version, found, .. }: Rehearsed,
    ) -> Result<Tried, AdminError> {
        let context = &*write.context;
        match found {
            Found::Completed(Verdict::Changed) if !context.dry_run => {}
            Found::Completed(Verdict::Unchanged) if !context.dry_run => {
                let kept = self.keep_unchanged(slot, run, context, version).await;
                return kept.or_else(Tried::failed);
            }
            Found::Completed(_) => return Ok(Tried::Unchanged(version.revision)),
            Found::Before(answer) => return Ok(Tried::Before(answer)),
            Found::Refused(error) => return Err(error),
        }
        let _committing = match self.enter(slot, write, run, version) {
            Entered::Queued(queued) => return Ok(Tried::Queued(queued)),
            Entered::First(committing) => Some(committing),
            Entered::Alone => None,
        };
        let keys = run.keys().to_vec();
        // While this is held, other servers see that the write is pending.
        let announced = self.cache.announce(keys.clone()).await?;
        let announcement = announced.announcement();
        let committed = self
            .commit(slot, run, context, announcement, (&keys, version))
            .await;
        let wait = || Box::pin(self.cache.acknowledged(announcement));
        mistakes::wait_after_commit(wait).await;
        let tried = self.after_commit(committed, announcement).await;
        announced.end();
        tried
    }

    /// Returns the result of a try, once the snapshots that it stands on are confirmed: a
    /// commit stands on none, and what is tried again returns nothing.
    async fn confirmed(
        &self,
        epoch: u64,
        tried: Result<Tried, AdminError>,
    ) -> Result<Tried, AdminError> {
        let stands_on_snapshot = match &tried {
            Ok(Tried::Unchanged(_) | Tried::Before(_)) => true,
            Ok(
                Tried::Committed(_)
                | Tried::Queued(_)
                | Tried::Again
                | Tried::NoAnswer(_)
                | Tried::TenantBusy,
            ) => false,
            Err(error) => error.is_refusal(),
        };
        if stands_on_snapshot {
            self.cache.confirm_snapshot(epoch).await?;
        }
        tried
    }

    /// Turns the result of a commit into that of the try; withdraws the intent if
    /// the commit did not use it.
    async fn after_commit(
        &self,
        committed: Result<Committed, AdminError>,
        announcement: Announcement,
    ) -> Result<Tried, AdminError> {
        match committed {
            Ok(Committed::At(tenant, revision)) => {
                self.cache.record_commit(tenant, revision);
                Ok(Tried::Committed(revision))
            }
            Ok(Committed::Before(answer)) => {
                self.withdraw(&[announcement]).await;
                Ok(Tried::Before(answer))
            }
            Ok(Committed::Stale) => {
                self.withdraw(&[announcement]).await;
                Ok(Tried::Again)
            }
            Err(AdminError::OutcomeUnknown) => {
                Ok(self.find_out(&[announcement]).await?.of(announcement))
            }
            Err(error) => {
                self.withdraw(&[announcement]).await;
                Tried::failed(error)
            }
        }
    }
}

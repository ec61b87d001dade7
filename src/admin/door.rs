mod calls;

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    cache::Cache,
    domain::{Code, FactKey, Revision},
    store::{
        Announcement, Connection, Finished, KeptAnswer, Store, StoreError, TenantId, Transaction,
    },
    telemetry::metrics as meter,
};

use super::{
    change::{Change, Pass, Ran, Rehearsal, TenantState},
    error::AdminError,
    outcome::Answered,
};

/// How often a change is begun again because other writes came first.
const TRIES: u32 = 6;

/// How many writes run at once; more wait for their turn. Each holds a
/// connection and at times needs a second one: with all connections held by
/// writes, none could go on.
const WRITES_AT_ONCE: usize = 6;

/// How often an announcement is taken back while the database is away.
const WITHDRAWALS: u32 = 5;

/// The one door for writes (`ARCHITECTURE.md`).
#[derive(Clone, Debug)]
pub struct Door {
    store: Store,
    cache: Cache,
    turns: Arc<Semaphore>,
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
}

/// What a rehearsal found.
enum Rehearsed {
    /// What the change does, and the revision at which that is so.
    Ran(Ran, Revision),
    /// The answer of the same request that came before.
    Before(Vec<u8>),
}

/// What a commit came to.
enum Committed {
    /// The tenant, and the revision that it made.
    At(TenantId, Revision),
    /// The answer of the same request, which came first.
    Before(Vec<u8>),
    /// It is not what was rehearsed any more.
    Stale,
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
            for _ in 0..TRIES {
                match door.attempt(&mut connection, &mut change, &context).await {
                    Ok(Tried::Done(revision)) => {
                        return Ok(Answered::Now(change.answer(revision)));
                    }
                    Ok(Tried::Before(answer)) => return Ok(Answered::Before(answer)),
                    Ok(Tried::Again) | Err(AdminError::Conflict) => meter::count_retry("write"),
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
        let (ran, revision) = match rehearse(connection, change, context).await? {
            Rehearsed::Ran(ran, revision) => (ran, revision),
            Rehearsed::Before(answer) => return Ok(Tried::Before(answer)),
        };
        if context.dry_run || ran.refused {
            return Ok(Tried::Done(revision));
        }
        if ran.is_nothing() {
            self.cache.require_lease().await?;
            let answer = change.encode(&change.answer(revision));
            return keep_nothing(connection, answer, context, revision).await;
        }
        // While it is held, other servers see that the write is under way.
        let announced = self.cache.announce(ran.keys.clone()).await?;
        let announcement = announced.announcement();
        let committed = commit(
            connection,
            change,
            context,
            announcement,
            &ran.keys,
            revision,
        )
        .await;
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
                Err(error)
            }
        }
    }

    /// Finds out what became of a commit that got no answer.
    async fn find_out(&self, announcement: Announcement) -> Result<Tried, AdminError> {
        let unknown = |_| AdminError::OutcomeUnknown;
        let never = || {
            let cause = "the connection was lost before the commit";
            AdminError::Store(StoreError::Unavailable(cause.into()))
        };
        if self.store.withdraw(announcement).await.map_err(unknown)? {
            return Err(never());
        }
        let found = self.store.find_commit(announcement).await;
        let revision = found.map_err(unknown)?.ok_or_else(never)?;
        Ok(Tried::Done(revision))
    }

    /// Takes an announcement back after a failure. If the database stays away,
    /// it lies there until someone reaps it; it cannot commit any more.
    async fn withdraw(&self, announcement: Announcement) {
        for waits in 1..=WITHDRAWALS {
            match self.store.withdraw(announcement).await {
                Ok(_) => return,
                Err(error) if waits == WITHDRAWALS => {
                    tracing::warn!(error = %error, "an announcement could not be taken back");
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100) * waits).await,
            }
        }
    }
}

/// W0: what the change would do, and the revision at which that is so.
async fn rehearse<C: Change>(
    connection: &mut Connection,
    change: &mut C,
    context: &WriteContext,
) -> Result<Rehearsed, AdminError> {
    let transaction = connection.begin().await?;
    transaction.read_one_snapshot().await?;
    if let Some(answer) = find_answer(&transaction, context).await? {
        return Ok(Rehearsed::Before(answer));
    }
    let found = transaction.read_tenant(&context.tenant).await?;
    let tenant = match found {
        Some(found) => TenantState::of(&found),
        None => TenantState::new(context.tenant.clone(), edition_of_new(change, context)?),
    };
    let revision = tenant.revision;
    context.check_revision(revision)?;
    match C::REHEARSAL {
        Rehearsal::Compares => {
            let mut pass = Pass::new(&transaction, tenant, context, None, false);
            let ran = change.run(&mut pass).await?;
            transaction.commit().await?;
            Ok(Rehearsed::Ran(ran, revision))
        }
        Rehearsal::Writes => {
            transaction.open_rehearsal().await?;
            let tenant = made(&transaction, tenant).await?;
            let mut pass = Pass::new(&transaction, tenant, context, None, true);
            let ran = change.run(&mut pass).await?;
            transaction.rollback().await?;
            Ok(Rehearsed::Ran(ran, revision))
        }
    }
}

/// The answer that was kept under the key of this write, if it is one of the
/// same request.
async fn find_answer(
    transaction: &Transaction<'_>,
    context: &WriteContext,
) -> Result<Option<Vec<u8>>, AdminError> {
    let Some(key) = context.kept_key() else {
        return Ok(None);
    };
    let Some(kept) = transaction.find_answer(&context.tenant, key).await? else {
        return Ok(None);
    };
    if kept.request_hash == context.request_hash {
        return Ok(Some(kept.answer));
    }
    Err(AdminError::IdempotencyKeyReused {
        key: key.to_owned(),
    })
}

/// W4: the change itself. It is stale when it is not what was rehearsed any
/// more, in what it touches or in whether there is anything to do.
async fn commit<C: Change>(
    connection: &mut Connection,
    change: &mut C,
    context: &WriteContext,
    announcement: Announcement,
    announced: &[FactKey],
    rehearsed: Revision,
) -> Result<Committed, AdminError> {
    let transaction = connection.begin().await?;
    if !transaction.open_door(announcement).await? {
        return Ok(Committed::Stale);
    }
    let locked = transaction.lock_tenant(&context.tenant).await?;
    if let Some(answer) = find_answer(&transaction, context).await? {
        return Ok(Committed::Before(answer));
    }
    let tenant = match locked {
        Some(locked) => TenantState::of(&locked),
        None => TenantState::new(context.tenant.clone(), edition_of_new(change, context)?),
    };
    context.check_revision(tenant.revision)?;
    let tenant = made(&transaction, tenant).await?;
    let mut pass = Pass::new(&transaction, tenant, context, Some(rehearsed), true);
    let ran = change.run(&mut pass).await?;
    if ran.is_nothing() || !are_covered(&ran.keys, announced) {
        return Ok(Committed::Stale);
    }
    pass.end_audit().await?;
    let (revision, head) = (pass.revision, pass.audit_head());
    let written = head.tenant;
    let answer = change.encode(&change.answer(revision));
    let end = Finished {
        announcement,
        last_id: pass.tenant.last_id,
        last_product_id: pass.tenant.last_product_id,
        request_hash: &context.request_hash,
        answer: &answer,
    };
    transaction.finish_write(&head, &end).await?;
    transaction.commit().await?;
    Ok(Committed::At(written, revision))
}

/// Keeps the answer of a write that had nothing to change, so that a retry which
/// comes when there would be something changes nothing either.
async fn keep_nothing(
    connection: &mut Connection,
    answer: Vec<u8>,
    context: &WriteContext,
    revision: Revision,
) -> Result<Tried, AdminError> {
    let Some(key) = context.kept_key() else {
        return Ok(Tried::Done(revision));
    };
    let kept = KeptAnswer {
        request_hash: context.request_hash.clone(),
        answer,
    };
    let transaction = connection.begin().await?;
    let tenant = &context.tenant;
    if transaction
        .keep_answer(tenant, key, &kept, revision)
        .await?
    {
        transaction.commit().await?;
        return Ok(Tried::Done(revision));
    }
    // Someone else has just used the key, or deleted the tenant.
    Ok(Tried::Again)
}

/// Stores a tenant that is not there yet. If someone else has just done so, the
/// change begins again.
async fn made(
    transaction: &Transaction<'_>,
    tenant: TenantState,
) -> Result<TenantState, AdminError> {
    if tenant.id.is_some() {
        return Ok(tenant);
    }
    transaction
        .create_tenant(&tenant.code, tenant.edition)
        .await?;
    let stored = transaction.lock_tenant(&tenant.code).await?;
    match stored {
        Some(stored) if stored.tenant.revision == Revision(0) => Ok(TenantState::of(&stored)),
        Some(_) | None => Err(AdminError::Conflict),
    }
}

fn edition_of_new<C: Change>(
    change: &C,
    context: &WriteContext,
) -> Result<crate::domain::Edition, AdminError> {
    change
        .new_tenant_edition()
        .ok_or_else(|| AdminError::TenantNotFound {
            tenant: context.tenant.clone(),
        })
}

/// Whether each key, or one above it, was announced.
fn are_covered(keys: &[FactKey], announced: &[FactKey]) -> bool {
    let is_covered = |key| announced.iter().any(|above| above.covers(key));
    keys.iter().all(is_covered)
}

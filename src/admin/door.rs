mod calls;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep},
};

use crate::{
    cache::Cache,
    domain::{Code, FactKey, Revision},
    store::{
        Announcement, AnswersOf, Bounds, Connection, Finished, Isolation, KeptAnswer, LockedTenant,
        Store, StoreError, TenantId, Transaction,
    },
    telemetry::metrics as meter,
};

use super::{
    change::{Change, Mode, Pass, Ran, Rehearsal, Size, TenantState},
    error::AdminError,
    outcome::Answered,
};

/// How often a change is begun again because other writes came first.
const TRIES: u32 = 6;

/// How many writes run at once; more wait for their turn. Each holds a
/// connection and at times needs a second one: with all connections held by
/// writes, none could go on.
const WRITES_AT_ONCE: usize = 6;

/// How many dry runs and deletions of tenants run at once, beside the writes:
/// they take long where there is much, and must not hold up others.
const LONG_WRITES_AT_ONCE: usize = 2;

/// How often an announcement is taken back while the database is away.
const WITHDRAWALS: u32 = 5;

/// How long the outcome of a commit without an answer is looked for.
const FINDING_OUT: Duration = Duration::from_secs(5);

/// How long a write waits at most for the row of its tenant.
const LONGEST_ROW_WAIT: Duration = Duration::from_secs(30);

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

/// Which state of which tenant a change was compared with. A tenant that was
/// deleted and created again is another one, whatever its revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TenantVersion {
    /// `None`: it was not stored.
    id: Option<TenantId>,
    revision: Revision,
}

impl TenantVersion {
    fn of(found: Option<&LockedTenant>) -> Self {
        Self {
            id: found.map(|found| found.tenant.id),
            revision: found.map_or(Revision(0), |found| found.tenant.revision),
        }
    }

    /// Whether what was found out at `self` is still true at `now`.
    fn compared_with(self, now: Self) -> Rehearsal {
        if self == now {
            Rehearsal::Holds
        } else {
            Rehearsal::Outdated
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

/// A rehearsal, which is one snapshot.
struct Rehearsed {
    /// The epoch of the primary that was asked.
    epoch: u64,
    /// What it was compared with.
    version: TenantVersion,
    found: Found,
}

/// What a rehearsal found.
enum Found {
    /// What the change does.
    Ran(Ran),
    /// The answer of the same request that came before.
    Before(Vec<u8>),
    /// The change is refused.
    Refused(AdminError),
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

    /// Finds out what became of a commit that got no answer.
    async fn find_out(&self, announcement: Announcement) -> Result<Tried, AdminError> {
        let begun = Instant::now();
        loop {
            match self.look_up(announcement).await {
                Ok(Some(revision)) => return Ok(Tried::Done(revision)),
                Ok(None) => {
                    let cause = "the connection was lost before the commit";
                    let error = StoreError::Unavailable(cause.into());
                    return Ok(Tried::NoAnswer(AdminError::Store(error)));
                }
                Err(error) if begun.elapsed() > FINDING_OUT => {
                    tracing::warn!(%error, "the outcome of a commit could not be looked up");
                    self.cache.withdraw_later();
                    return Err(AdminError::OutcomeUnknown);
                }
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// The revision that a commit made; `None`: it never happened, and never
    /// will, since its intent is gone.
    async fn look_up(&self, announcement: Announcement) -> Result<Option<Revision>, StoreError> {
        if self.store.withdraw(announcement).await? {
            return Ok(None);
        }
        self.store.find_commit(announcement).await
    }

    /// Takes an announcement back after a failure. If the database stays away,
    /// it is left to the upkeep; it cannot commit any more.
    async fn withdraw(&self, announcement: Announcement) {
        for waits in 1..=WITHDRAWALS {
            match self.store.withdraw(announcement).await {
                Ok(_) => return,
                Err(error) if waits == WITHDRAWALS => {
                    tracing::warn!(error = %error, "an announcement could not be taken back");
                    self.cache.withdraw_later();
                }
                Err(_) => sleep(Duration::from_millis(100) * waits).await,
            }
        }
    }

    /// How long this write may wait for the row of its tenant.
    fn row_wait(&self) -> Result<Duration, AdminError> {
        let Some(deadline) = self.deadline else {
            return Ok(LONGEST_ROW_WAIT);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(AdminError::DeadlinePassed);
        }
        Ok(left.min(LONGEST_ROW_WAIT))
    }

    /// Begins a transaction that locks the row of its tenant: a client that
    /// stands still holds it for no longer than a lease.
    async fn begin_locking<'c>(
        &self,
        connection: &'c mut Connection,
    ) -> Result<Transaction<'c>, AdminError> {
        let bounds = Bounds {
            statement: self.row_wait()?,
            idle: self.cache.settings().lease,
        };
        Ok(connection.begin(Isolation::EachStatement, bounds).await?)
    }

    /// Locks the row of the tenant; each later statement may take as long as
    /// such a change demands.
    async fn lock_tenant(
        &self,
        transaction: &mut Transaction<'_>,
        tenant: &Code,
        size: Size,
    ) -> Result<Option<LockedTenant>, AdminError> {
        let locked = transaction.lock_tenant(tenant, size.statement()).await;
        locked.map_err(|error| {
            if matches!(error, StoreError::TenantLocked { .. }) && self.row_wait().is_err() {
                return AdminError::DeadlinePassed;
            }
            error.into()
        })
    }

    /// W4: the change itself. It is stale when it is not what was rehearsed any
    /// more, in what it touches or in whether there is anything to do.
    async fn commit<C: Change>(
        &self,
        connection: &mut Connection,
        change: &mut C,
        context: &WriteContext,
        announcement: Announcement,
        (announced, rehearsed): (&[FactKey], TenantVersion),
    ) -> Result<Committed, AdminError> {
        let size = change.size();
        let mut transaction = self.begin_locking(connection).await?;
        if !transaction.open_door(announcement).await? {
            return Ok(Committed::Stale);
        }
        let locked = self
            .lock_tenant(&mut transaction, &context.tenant, size)
            .await?;
        if let Some(answer) = find_answer(&transaction, context, change.answers_of()).await? {
            return Ok(Committed::Before(answer));
        }
        let rehearsal = rehearsed.compared_with(TenantVersion::of(locked.as_ref()));
        let tenant = tenant_state(locked, change, context)?;
        context.check_revision(tenant.revision)?;
        let tenant = self.made(&mut transaction, tenant, size).await?;
        let mut pass = Pass::new(&transaction, tenant, context, Mode::Write, rehearsal);
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
        if !transaction.finish_write(&head, &end).await? {
            // Begun again it finds the answer, or another request's.
            return Ok(Committed::Stale);
        }
        transaction.commit().await?;
        Ok(Committed::At(written, revision))
    }

    /// Keeps the answer of a write that has nothing to change, so that a retry
    /// which comes when there would be something changes nothing either.
    ///
    /// The answer takes its place in the order of the tenant's writes: it is
    /// found out again, and kept, while the tenant's row is locked. So no write
    /// of the same key is on its way to be committed after it.
    async fn keep_unchanged<C: Change>(
        &self,
        connection: &mut Connection,
        change: &mut C,
        context: &WriteContext,
        rehearsed: TenantVersion,
    ) -> Result<Tried, AdminError> {
        let Some(key) = context.kept_key() else {
            return Ok(Tried::Done(rehearsed.revision));
        };
        let mut transaction = self.begin_locking(connection).await?;
        let locked = self
            .lock_tenant(&mut transaction, &context.tenant, change.size())
            .await?;
        let Some(locked) = locked else {
            return Ok(Tried::Again);
        };
        if let Some(answer) = find_answer(&transaction, context, change.answers_of()).await? {
            return Ok(Tried::Before(answer));
        }
        let rehearsal = rehearsed.compared_with(TenantVersion::of(Some(&locked)));
        let tenant = TenantState::of(&locked);
        let (id, revision) = (tenant.number(), tenant.revision);
        context.check_revision(revision)?;
        let mut pass = Pass::new(&transaction, tenant, context, Mode::Compare, rehearsal);
        if !change.run(&mut pass).await?.is_nothing() {
            return Ok(Tried::Again);
        }
        let kept = KeptAnswer {
            request_hash: context.request_hash.clone(),
            answer: change.encode(&change.answer(revision)),
        };
        if !transaction.keep_answer(id, key, &kept, revision).await? {
            return Ok(Tried::Again);
        }
        transaction.end_unchanged().await?;
        Ok(Tried::Done(revision))
    }

    /// Stores a tenant that is not there yet. If someone else has just done so,
    /// the change begins again.
    async fn made(
        &self,
        transaction: &mut Transaction<'_>,
        tenant: TenantState,
        size: Size,
    ) -> Result<TenantState, AdminError> {
        if tenant.id.is_some() {
            return Ok(tenant);
        }
        transaction
            .create_tenant(&tenant.code, tenant.edition)
            .await?;
        let stored = self.lock_tenant(transaction, &tenant.code, size).await?;
        match stored {
            Some(stored) if stored.tenant.revision == Revision(0) => Ok(TenantState::of(&stored)),
            Some(_) | None => Err(AdminError::Conflict),
        }
    }
}

/// W0: what the change would do, compared with one snapshot.
async fn rehearse<C: Change>(
    connection: &mut Connection,
    change: &mut C,
    context: &WriteContext,
) -> Result<Rehearsed, AdminError> {
    let bounds = Bounds {
        statement: if context.dry_run {
            change.size().statement().max(Bounds::READ.statement)
        } else {
            change.size().statement()
        },
        ..Bounds::READ
    };
    let transaction = connection.begin(Isolation::OneSnapshot, bounds).await?;
    let seen = transaction.read_tenant(&context.tenant).await?;
    let (epoch, version) = (seen.epoch, TenantVersion::of(seen.tenant.as_ref()));
    let found = match compare(&transaction, change, context, seen.tenant).await {
        Ok(found) => {
            // What it keeps in tables of its session lasts.
            transaction.end_unchanged().await?;
            found
        }
        Err(error) if error.is_refusal() => Found::Refused(error),
        Err(error) => return Err(error),
    };
    Ok(Rehearsed {
        epoch,
        version,
        found,
    })
}

async fn compare<C: Change>(
    transaction: &Transaction<'_>,
    change: &mut C,
    context: &WriteContext,
    seen: Option<LockedTenant>,
) -> Result<Found, AdminError> {
    if let Some(answer) = find_answer(transaction, context, change.answers_of()).await? {
        return Ok(Found::Before(answer));
    }
    let tenant = tenant_state(seen, change, context)?;
    context.check_revision(tenant.revision)?;
    let mut pass = Pass::new(
        transaction,
        tenant,
        context,
        Mode::Compare,
        Rehearsal::Outdated,
    );
    Ok(Found::Ran(change.run(&mut pass).await?))
}

/// The answer that was kept under the key of this write, if it is one of the
/// same request.
async fn find_answer(
    transaction: &Transaction<'_>,
    context: &WriteContext,
    of: AnswersOf,
) -> Result<Option<Vec<u8>>, AdminError> {
    let Some(key) = context.kept_key() else {
        return Ok(None);
    };
    let Some(kept) = transaction.find_answer(&context.tenant, key, of).await? else {
        return Ok(None);
    };
    if kept.request_hash == context.request_hash {
        return Ok(Some(kept.answer));
    }
    Err(AdminError::IdempotencyKeyReused {
        key: key.to_owned(),
    })
}

/// The tenant that was found, or the one that the change creates.
fn tenant_state<C: Change>(
    found: Option<LockedTenant>,
    change: &C,
    context: &WriteContext,
) -> Result<TenantState, AdminError> {
    if let Some(found) = found {
        return Ok(TenantState::of(&found));
    }
    let tenant = context.tenant.clone();
    match change.new_tenant_edition() {
        Some(edition) => Ok(TenantState::new(tenant, edition)),
        None => Err(AdminError::TenantNotFound { tenant }),
    }
}

/// Whether each key, or one above it, was announced.
fn are_covered(keys: &[FactKey], announced: &[FactKey]) -> bool {
    let is_covered = |key| announced.iter().any(|above| above.covers(key));
    keys.iter().all(is_covered)
}

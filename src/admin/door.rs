use std::time::Duration;

use uuid::Uuid;

use crate::{
    domain::{Code, Revision},
    store::{Announcement, Connection, Finished, Store, StoreError, Transaction},
    telemetry::metrics as meter,
};

use super::{
    change::{Change, Pass, Ran, Rehearsal, TenantState},
    entry::ImportFile,
    error::AdminError,
    import::Import,
    outcome::{ImportOptions, ImportOutcome},
    staging::Staging,
};

/// How often a change is begun again because other writes came first.
const TRIES: u32 = 6;

/// How often an announcement is taken back while the database is away.
const WITHDRAWALS: u32 = 5;

/// The one door for writes (`ARCHITECTURE.md`).
#[derive(Clone, Debug)]
pub struct Door {
    store: Store,
    writer: Uuid,
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
}

/// What one try of a change came to.
enum Tried {
    /// It is done, or there was nothing to do, at this revision.
    Done(Revision),
    /// It is not what was rehearsed any more: begin again.
    Again,
}

impl Door {
    /// Makes a door to a database.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self {
            store,
            writer: Uuid::now_v7(),
        }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Applies an import that was taken in, whole or not at all.
    ///
    /// It goes on in a task of its own: dropping the future does not tear it.
    ///
    /// # Errors
    ///
    /// [`AdminError::TenantNotFound`], [`AdminError::EditionMismatch`],
    /// [`AdminError::LockOutGuard`], [`AdminError::AppLimit`]: nothing changed.
    /// [`AdminError::Conflict`], [`AdminError::Store`]: nothing changed, and a
    /// retry may succeed. [`AdminError::OutcomeUnknown`].
    pub async fn import(
        &self,
        staging: Staging,
        context: &WriteContext,
        options: &ImportOptions,
        progress: impl Fn(ImportFile, u64) + Send + Sync + 'static,
    ) -> Result<ImportOutcome, AdminError> {
        let mut context = context.clone();
        // What was staged was staged for this tenant.
        context.tenant = staging.tenant.clone();
        let (connection, import) = Import::new(staging, options.clone(), Box::new(progress));
        self.write(connection, import, context).await
    }

    /// Makes a change on a connection of its own, in a task of its own.
    pub(super) async fn write<C: Change>(
        &self,
        mut connection: Connection,
        mut change: C,
        context: WriteContext,
    ) -> Result<C::Answer, AdminError> {
        let door = self.clone();
        let task = tokio::spawn(async move {
            for _ in 0..TRIES {
                match door.attempt(&mut connection, &mut change, &context).await {
                    Ok(Tried::Done(revision)) => return Ok(change.answer(revision)),
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
        let (ran, revision) = rehearse(connection, change, context).await?;
        if context.dry_run || ran.refused || ran.effect.is_empty() {
            return Ok(Tried::Done(revision));
        }
        let announcement = self.store.announce(&ran.keys, self.writer).await?;
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
            Ok(Some(revision)) => Ok(Tried::Done(revision)),
            Ok(None) => {
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
) -> Result<(Ran, Revision), AdminError> {
    let transaction = connection.begin().await?;
    transaction.read_one_snapshot().await?;
    let found = transaction.read_tenant(&context.tenant).await?;
    let tenant = match found {
        Some(found) => TenantState::of(&found),
        None => TenantState::new(context.tenant.clone(), edition_of_new(change, context)?),
    };
    let revision = tenant.revision;
    match C::REHEARSAL {
        Rehearsal::Compares => {
            let mut pass = Pass::new(&transaction, tenant, context, None, false);
            let ran = change.run(&mut pass).await?;
            transaction.commit().await?;
            Ok((ran, revision))
        }
        Rehearsal::Writes => {
            transaction.open_rehearsal().await?;
            let tenant = made(&transaction, tenant).await?;
            let mut pass = Pass::new(&transaction, tenant, context, None, true);
            let ran = change.run(&mut pass).await?;
            transaction.rollback().await?;
            Ok((ran, revision))
        }
    }
}

/// W4: the change itself. `None`: it is not what was rehearsed any more, in
/// what it touches or in whether there is anything to do.
async fn commit<C: Change>(
    connection: &mut Connection,
    change: &mut C,
    context: &WriteContext,
    announcement: Announcement,
    announced: &[String],
    rehearsed: Revision,
) -> Result<Option<Revision>, AdminError> {
    let transaction = connection.begin().await?;
    if !transaction.open_door(announcement).await? {
        return Ok(None);
    }
    let tenant = match transaction.lock_tenant(&context.tenant).await? {
        Some(locked) => TenantState::of(&locked),
        None => TenantState::new(context.tenant.clone(), edition_of_new(change, context)?),
    };
    let unstored_key = tenant.key();
    let tenant = made(&transaction, tenant).await?;
    let key = tenant.key();
    let mut pass = Pass::new(&transaction, tenant, context, Some(rehearsed), true);
    let ran = change.run(&mut pass).await?;
    // Whoever waits for a tenant to come waits for its code.
    let touched = ran.keys.iter().map(|touched| {
        let below = touched.strip_prefix(&key).unwrap_or(touched);
        if below.len() == touched.len() {
            touched.clone()
        } else {
            format!("{unstored_key}{below}")
        }
    });
    let touched: Vec<String> = touched.collect();
    if ran.refused || ran.effect.is_empty() || !is_covered(&touched, announced) {
        return Ok(None);
    }
    pass.end_audit().await?;
    let (revision, head) = (pass.revision, pass.audit_head());
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
    Ok(Some(revision))
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
fn is_covered(keys: &[String], announced: &[String]) -> bool {
    keys.iter().all(|key| {
        announced.iter().any(|above| {
            let below = key.strip_prefix(above.as_str());
            below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    })
}

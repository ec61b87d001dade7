use crate::{
    domain::{FactKey, Revision},
    failpoints::{Rule, is_disabled, mistakes},
    store::{Announcement, Bounds, Finished, Planning, StoredResponse, TenantId, Transaction},
};

use super::{
    super::{
        change::{Change, Pass, Rehearsal, TenantState},
        compared::Verdict,
        error::AdminError,
        run::Run,
        write_context::WriteContext,
    },
    Tried, WriteCoordinator,
    rehearsal::{TenantVersion, answer_before, stored_under, tenant_state},
    slot::WriteSlot,
};

/// The result of a commit.
pub(super) enum Committed {
    /// Committed: the tenant, and its new revision.
    At(TenantId, Revision),
    /// The answer of the same request, which was committed first.
    Before(Vec<u8>),
    /// The change is not the rehearsed one any more.
    Stale,
}

impl WriteCoordinator {
    /// Returns how statements are planned and bounded in a transaction that locks the row
    /// of its tenant: a stalled client holds the lock no longer than a lease.
    fn locking<C: Change>(
        &self,
        slot: &WriteSlot,
        change: &C,
    ) -> Result<(Planning, Bounds), AdminError> {
        let bounds = Bounds {
            statement: change.size().statement(),
            idle: self.cache.settings().lease,
            lock: Some(slot.row_wait()?),
        };
        Ok((change.planning(), bounds))
    }

    /// Commits the change (W4). It is stale if it is not the rehearsed change any
    /// more, in the keys it invalidates or in whether it has an effect.
    pub(super) async fn commit<C: Change>(
        &self,
        slot: &mut WriteSlot,
        run: &mut Run<C>,
        context: &WriteContext,
        announcement: Announcement,
        (announced, rehearsed): (&[FactKey], TenantVersion),
    ) -> Result<Committed, AdminError> {
        let bounds = self.locking(slot, run.change())?;
        let (connection, wait) = (&mut slot.connection, &mut slot.wait);
        let stored = stored_under(run.change(), context);
        let beginning = connection.begin_commit(bounds, announcement, &context.tenant, stored);
        let Some(begun) = wait.counting(beginning).await? else {
            return Ok(Committed::Stale);
        };
        let (transaction, locked) = (begun.transaction, begun.tenant);
        let response = mistakes::overlooked(begun.response);
        if let Some(answer) = answer_before(response, context)? {
            return Ok(Committed::Before(answer));
        }
        let rehearsal = rehearsed.compared_with(TenantVersion::of(locked.as_ref()));
        let tenant = tenant_state(locked, run.change(), context)?;
        context.check_revision(tenant.revision)?;
        let tenant = wait
            .counting(create_if_missing(&transaction, tenant))
            .await?;
        let pass = Pass::new(&transaction, tenant, context);
        let made = make(run, pass, rehearsal, (announcement, announced)).await?;
        if matches!(made, Committed::At(..)) {
            transaction.commit().await?;
        }
        Ok(made)
    }

    /// Stores the answer of a write without effect, so that a later retry changes
    /// nothing either, even if it would have an effect by then.
    ///
    /// The answer takes its place in the order of the tenant's writes: the change
    /// is compared again, and its answer stored, while the tenant's row is
    /// locked. So no write with the same key can be committed after it.
    pub(super) async fn keep_unchanged<C: Change>(
        &self,
        slot: &mut WriteSlot,
        run: &mut Run<C>,
        context: &WriteContext,
        rehearsed: TenantVersion,
    ) -> Result<Tried, AdminError> {
        let Some(key) = context.kept_key() else {
            return Ok(Tried::Unchanged(rehearsed.revision));
        };
        let bounds = self.locking(slot, run.change())?;
        let (connection, wait) = (&mut slot.connection, &mut slot.wait);
        let stored = stored_under(run.change(), context);
        let beginning = connection.begin_unchanged(bounds, &context.tenant, stored);
        let begun = wait.counting(beginning).await?;
        let transaction = begun.transaction;
        let Some(locked) = begun.tenant else {
            return Ok(Tried::Again);
        };
        if let Some(answer) = answer_before(begun.response, context)? {
            return Ok(Tried::Before(answer));
        }
        let rehearsal = rehearsed.compared_with(TenantVersion::of(Some(&locked)));
        let tenant = TenantState::of(&locked);
        let (id, revision) = (tenant.number(), tenant.revision);
        context.check_revision(revision)?;
        let pass = Pass::new(&transaction, tenant, context);
        if run.compare(&pass, rehearsal).await? != Verdict::Unchanged {
            return Ok(Tried::Again);
        }
        let kept = StoredResponse {
            request_hash: context.request_hash.clone(),
            answer: run.encoded_answer(revision),
        };
        if !transaction.store_response(id, key, &kept, revision).await? {
            return Ok(Tried::Again);
        }
        transaction.end_unchanged().await?;
        Ok(Tried::Unchanged(revision))
    }
}

/// Makes the change in a transaction that has used its announcement and holds the lock on
/// the row of its tenant. It is [`Committed::At`] a revision once the transaction is
/// committed; if it is stale, nothing was written.
///
/// # Errors
///
/// After any error that is not a refusal ([`AdminError::is_refusal`]) the transaction must
/// be rolled back. [`AdminError::Conflict`] if the idempotency key is used by now.
pub(super) async fn make<C: Change>(
    run: &mut Run<C>,
    mut pass: Pass<'_>,
    rehearsal: Rehearsal,
    (announcement, announced): (Announcement, &[FactKey]),
) -> Result<Committed, AdminError> {
    let verdict = run.compare(&pass, rehearsal).await?;
    let are_announced = are_covered(run.keys(), announced) || is_disabled(Rule::AnnouncedKeysOnly);
    if verdict != Verdict::Changed || !are_announced {
        return Ok(Committed::Stale);
    }
    run.write(&mut pass).await?;
    let (revision, written) = (pass.revision, pass.tenant.number());
    let (answer, context) = (run.encoded_answer(revision), pass.context);
    let end = Finished {
        announcement,
        last_id: pass.tenant.last_id,
        last_product_id: pass.tenant.last_product_id,
        request_hash: &context.request_hash,
        answer: &answer,
    };
    if !pass.end(&end).await? && !is_disabled(Rule::IdempotencyInCommit) {
        // On the next try it finds the answer, possibly one of another request.
        return Err(AdminError::Conflict);
    }
    Ok(Committed::At(written, revision))
}

/// Stores a tenant that does not exist yet. If another write has just created it,
/// the change is tried again.
async fn create_if_missing(
    transaction: &Transaction<'_>,
    tenant: TenantState,
) -> Result<TenantState, AdminError> {
    if tenant.id.is_some() {
        return Ok(tenant);
    }
    transaction
        .create_tenant(&tenant.code, tenant.edition)
        .await?;
    match transaction.lock_tenant(&tenant.code).await? {
        Some(stored) if stored.tenant.revision == Revision(0) => Ok(TenantState::of(&stored)),
        Some(_) | None => Err(AdminError::Conflict),
    }
}

/// True if each key, or one that covers it, was announced.
fn are_covered(keys: &[FactKey], announced: &[FactKey]) -> bool {
    let is_covered = |key| announced.iter().any(|above| above.covers(key));
    keys.iter().all(is_covered)
}

use crate::{
    domain::Revision,
    store::{Bounds, Connection, Isolation, LockedTenant, ResponseScope, TenantId, Transaction},
};

use super::super::{
    change::{Change, Pass, Rehearsal, TenantState},
    compared::Verdict,
    error::AdminError,
    run::Run,
    work::Patience,
    write_context::WriteContext,
};

/// The tenant, and its state, that a change was compared with. A tenant that was
/// deleted and created again is another one, whatever its revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TenantVersion {
    /// `None`: it was not stored.
    id: Option<TenantId>,
    pub(super) revision: Revision,
}

impl TenantVersion {
    pub(super) fn of(found: Option<&LockedTenant>) -> Self {
        Self {
            id: found.map(|found| found.tenant.id),
            revision: found.map_or(Revision(0), |found| found.tenant.revision),
        }
    }

    /// Returns whether a result found at `self` is still valid at `now`.
    pub(super) fn compared_with(self, now: Self) -> Rehearsal {
        if self == now {
            Rehearsal::Holds
        } else {
            Rehearsal::Outdated
        }
    }
}

/// The result of a rehearsal, read from one snapshot.
pub(super) struct Rehearsed {
    /// The epoch of the primary that the snapshot was read from.
    pub(super) epoch: u64,
    /// The tenant state that the change was compared with.
    pub(super) version: TenantVersion,
    pub(super) found: Found,
}

/// The result of a rehearsed change.
pub(super) enum Found {
    /// What the change would do.
    Completed(Verdict),
    /// The answer of the same request, committed before.
    Before(Vec<u8>),
    /// The change is rejected.
    Refused(AdminError),
}

/// Compares the change with one snapshot, without writing (W0).
pub(super) async fn rehearse<C: Change>(
    connection: &mut Connection,
    run: &mut Run<C>,
    context: &WriteContext,
    patience: &Patience,
) -> Result<Rehearsed, AdminError> {
    let bounds = Bounds {
        statement: if context.dry_run {
            run.change().size().statement().max(Bounds::READ.statement)
        } else {
            run.change().size().statement()
        },
        ..Bounds::READ
    };
    let transaction = connection.begin(Isolation::OneSnapshot, bounds).await?;
    let seen = transaction.read_tenant(&context.tenant).await?;
    let (epoch, version) = (seen.epoch, TenantVersion::of(seen.tenant.as_ref()));
    let found = match compare(&transaction, run, context, (seen.tenant, patience)).await {
        Ok(found) => {
            // Temporary tables of the session survive the end of the transaction.
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
    run: &mut Run<C>,
    context: &WriteContext,
    (seen, patience): (Option<LockedTenant>, &Patience),
) -> Result<Found, AdminError> {
    let scope = answers_of(run.change(), context);
    if let Some(answer) = find_response(transaction, context, scope).await? {
        return Ok(Found::Before(answer));
    }
    let tenant = tenant_state(seen, run.change(), context)?;
    context.check_revision(tenant.revision)?;
    let mut pass = Pass::new(transaction, tenant, context);
    if context.dry_run {
        // A write continues: its caller may have left, and get the result by a
        // retry.
        pass = pass.with_patience(patience.clone());
    }
    let verdict = run.compare(&pass, Rehearsal::Outdated).await?;
    Ok(Found::Completed(verdict))
}

/// Returns the answer stored under the key of this write, if it is of the same
/// request.
///
/// # Errors
///
/// [`AdminError::IdempotencyKeyReused`] if it is of another request.
pub(super) async fn find_response(
    transaction: &Transaction<'_>,
    context: &WriteContext,
    of: ResponseScope<'_>,
) -> Result<Option<Vec<u8>>, AdminError> {
    let Some(key) = context.kept_key() else {
        return Ok(None);
    };
    let Some(kept) = transaction.find_response(&context.tenant, key, of).await? else {
        return Ok(None);
    };
    if kept.request_hash == context.request_hash {
        return Ok(Some(kept.answer));
    }
    Err(AdminError::IdempotencyKeyReused {
        key: key.to_owned(),
    })
}

/// Returns whose stored answers a retry of the change may get: a deleted tenant
/// keeps the answer of its own deletion.
pub(super) fn answers_of<'a, C: Change>(
    change: &C,
    context: &'a WriteContext,
) -> ResponseScope<'a> {
    if !change.deletes_tenant() {
        return ResponseScope::Tenant;
    }
    ResponseScope::DeletedTenants {
        request_hash: &context.request_hash,
    }
}

/// Returns the tenant that was found, or the one that the change creates.
pub(super) fn tenant_state<C: Change>(
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

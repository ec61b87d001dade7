use crate::{
    domain::Revision,
    store::{
        BegunWrite, Bounds, Connection, LockedTenant, Planning, ResponseScope, StoredResponse,
        StoredUnder, TenantId,
    },
};

use super::super::{
    change::{Change, Pass, Rehearsal, Size, TenantState},
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
    pub(super) id: Option<TenantId>,
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
    let planning = if context.dry_run {
        // It reads all of the tenant.
        Planning::EachTime
    } else {
        run.change().planning()
    };
    let stored = stored_under(run.change(), context);
    let beginning = connection.begin_rehearsal((planning, bounds), &context.tenant, stored);
    let begun = beginning.await?;
    let (epoch, begun) = (begun.epoch, begun.write);
    let version = TenantVersion::of(begun.tenant.as_ref());
    let found = match compare(&begun, run, context, patience).await {
        Ok(found) => found,
        Err(error) if error.is_refusal() => Found::Refused(error),
        Err(error) => return Err(error),
    };
    let keeps_rows = run.change().size() != Size::Small || context.dry_run;
    if keeps_rows && !matches!(found, Found::Refused(_)) {
        // Temporary tables of the session survive the end of the transaction.
        begun.transaction.end_unchanged().await?;
    }
    Ok(Rehearsed {
        epoch,
        version,
        found,
    })
}

async fn compare<C: Change>(
    begun: &BegunWrite<'_>,
    run: &mut Run<C>,
    context: &WriteContext,
    patience: &Patience,
) -> Result<Found, AdminError> {
    if let Some(answer) = answer_before(begun.response.clone(), context)? {
        return Ok(Found::Before(answer));
    }
    let tenant = tenant_state(begun.tenant.clone(), run.change(), context)?;
    context.check_revision(tenant.revision)?;
    let mut pass = Pass::new(&begun.transaction, tenant, context);
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
pub(super) fn answer_before(
    stored: Option<StoredResponse>,
    context: &WriteContext,
) -> Result<Option<Vec<u8>>, AdminError> {
    let (Some(key), Some(stored)) = (context.kept_key(), stored) else {
        return Ok(None);
    };
    if stored.request_hash == context.request_hash {
        return Ok(Some(stored.answer));
    }
    Err(AdminError::IdempotencyKeyReused {
        key: key.to_owned(),
    })
}

/// Returns under which key a response of the change may be stored, and whose responses
/// a retry may get: a deleted tenant keeps the response of its own deletion.
pub(super) fn stored_under<'a, C: Change>(
    change: &C,
    context: &'a WriteContext,
) -> Option<StoredUnder<'a>> {
    let scope = if change.deletes_tenant() {
        ResponseScope::DeletedTenants {
            request_hash: &context.request_hash,
        }
    } else {
        ResponseScope::Tenant
    };
    context.kept_key().map(|key| (key, scope))
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

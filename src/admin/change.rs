use std::time::Duration;

use crate::{
    domain::{Code, Edition, FactKey, Revision},
    store::{
        AuditBatch, AuditHead, AuditRow, Bounds, Finished, LockedTenant, Planning, TenantId,
        Transaction,
    },
};

use super::{
    compared::Compared,
    error::AdminError,
    work::{Patience, Work},
    write_context::WriteContext,
};

/// One kind of change: compared with what is stored as a rehearsal and, if that has
/// an effect, once more to be written ([`WriteCoordinator`](super::WriteCoordinator)).
pub(crate) trait Change: Send + Sync + 'static {
    /// What it is to write.
    type Plan: Send;

    /// What its answer has besides revision and effect.
    type Details: Clone + Default + Send + 'static;

    /// Returns how much it may change, which bounds the duration of its
    /// statements.
    fn size(&self) -> Size {
        Size::Small
    }

    /// Returns how its statements are planned.
    fn planning(&self) -> Planning {
        match self.size() {
            Size::Small => Planning::ByIndex,
            Size::Large | Size::Bulk => Planning::EachTime,
        }
    }

    /// True if it deletes its tenant: the answer is then stored for the deleted
    /// tenant.
    fn deletes_tenant(&self) -> bool {
        false
    }

    /// Returns the edition to create a missing tenant with; `None`: a missing
    /// tenant is [`AdminError::TenantNotFound`].
    fn new_tenant_edition(&self) -> Option<Edition> {
        None
    }

    /// True if a comparison may become outdated by the clock alone.
    fn depends_on_time(&self) -> bool {
        false
    }

    /// Checks the rules and compares the change with what is stored. It writes no
    /// entities, since no intent was used; the temporary tables of its session are
    /// kept.
    fn compare(
        &self,
        pass: &Pass<'_>,
    ) -> impl Future<Output = Result<Compared<Self::Plan, Self::Details>, AdminError>> + Send;

    /// Writes the difference, and adds an audit entry for each change.
    fn write(
        &self,
        pass: &mut Pass<'_>,
        compared: &mut Compared<Self::Plan, Self::Details>,
    ) -> impl Future<Output = Result<(), AdminError>> + Send;
}

/// The comparison of a change.
pub(super) type ComparedWith<C> = Compared<<C as Change>::Plan, <C as Change>::Details>;

/// Minimum number of entries for which a scan of all products of a tenant pays
/// off.
pub(super) const BULK_ENTRIES: u64 = 100;

/// Number of stored products whose scan costs about as much as one look-up.
const BULK_SHARE: u64 = 20;

/// How much a change may affect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// Entities other than products.
    Small,
    /// The products of one request.
    Large,
    /// All of a tenant.
    Bulk,
}

impl Size {
    /// Returns how long one statement of such a change may take.
    pub(super) fn statement(self) -> Duration {
        match self {
            Self::Small => Duration::from_secs(5),
            Self::Large => Duration::from_secs(30),
            Self::Bulk => Bounds::BULK.statement,
        }
    }
}

/// Whether an earlier comparison is still valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rehearsal {
    /// The tenant is the same one, at the same revision.
    Holds,
    /// Another write was committed since, or there was no earlier comparison.
    Outdated,
}

/// The tenant that a change applies to.
#[derive(Clone, Debug)]
pub(crate) struct TenantState {
    /// Its number; `None` while it is not stored.
    pub(super) id: Option<TenantId>,
    /// Its code.
    pub(super) code: Code,
    /// Its edition.
    pub(super) edition: Edition,
    /// Its revision.
    pub(super) revision: Revision,
    /// The last number assigned to anything but products and models. A run that
    /// assigns numbers increments it.
    pub(super) last_id: i32,
    /// The last number assigned to a product or model; likewise.
    pub(super) last_product_id: i32,
}

impl TenantState {
    pub(super) fn of(locked: &LockedTenant) -> Self {
        Self {
            id: Some(locked.tenant.id),
            code: locked.tenant.code.clone(),
            edition: locked.tenant.edition,
            revision: locked.tenant.revision,
            last_id: locked.last_id,
            last_product_id: locked.last_product_id,
        }
    }

    /// Returns a tenant yet to be created, with its group `All` as number 1.
    pub(super) fn new(code: Code, edition: Edition) -> Self {
        Self {
            id: None,
            code,
            edition,
            revision: Revision(0),
            last_id: 1,
            last_product_id: 0,
        }
    }

    /// Returns its number for statements: 0, which no tenant has, while it is not
    /// stored.
    pub(super) fn number(&self) -> TenantId {
        self.id.unwrap_or(TenantId(0))
    }

    /// True if no write of it has been committed yet.
    pub(super) fn is_new(&self) -> bool {
        self.revision == Revision(0)
    }

    /// Returns the key that covers all its facts, including whether it exists.
    pub(super) fn key(&self) -> FactKey {
        FactKey::Tenant(self.code.clone())
    }
}

/// Maximum number of audit entries buffered before they are written.
const AUDIT_BATCH: usize = 2_000;

/// One audit entry: the entity, before and after the change.
pub(super) type AuditEntry = AuditRow;

/// One run of a change in a transaction.
#[derive(Debug)]
pub(crate) struct Pass<'t> {
    /// The transaction.
    pub(super) transaction: &'t Transaction<'t>,
    /// The tenant; its row is locked in the pass that commits.
    pub(super) tenant: TenantState,
    /// The revision that this write creates.
    pub(super) revision: Revision,
    pub(super) context: &'t WriteContext,
    patience: Patience,
    parts: i32,
    waiting: Vec<AuditEntry>,
}

impl<'t> Pass<'t> {
    pub(super) fn new(
        transaction: &'t Transaction<'t>,
        tenant: TenantState,
        context: &'t WriteContext,
    ) -> Self {
        Self {
            transaction,
            revision: Revision(tenant.revision.0 + 1),
            tenant,
            context,
            patience: Patience::default(),
            parts: 0,
            waiting: Vec::new(),
        }
    }

    /// Sets how long the caller of this pass waits.
    pub(super) fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Returns a work counter that fails once the caller no longer waits for the
    /// answer.
    pub(super) fn work(&self) -> Work {
        Work::new(self.patience.clone())
    }

    /// Returns the columns that all audit rows of this write share.
    pub(super) fn audit_head(&self) -> AuditHead<'t> {
        AuditHead {
            tenant: self.tenant.number(),
            revision: self.revision,
            actor: &self.context.actor,
            request_id: &self.context.request_id,
            idempotency_key: &self.context.idempotency_key,
            caller: self.context.caller.as_ref().map_or("", Code::as_str),
        }
    }

    /// Adds an audit entry; entries are numbered in the order of the calls.
    ///
    /// # Errors
    ///
    /// [`AdminError::Store`] when the database does not answer.
    pub(super) async fn audit(&mut self, entry: AuditEntry) -> Result<(), AdminError> {
        self.waiting.push(entry);
        if self.waiting.len() <= AUDIT_BATCH {
            return Ok(());
        }
        // The last entry stays buffered: the final batch needs at least one.
        let last = self.waiting.pop();
        self.write_audit().await?;
        self.waiting.extend(last);
        Ok(())
    }

    /// Makes the statements of this pass scan all products of the tenant once, if
    /// `affected` is so large that a look-up for each costs more.
    pub(super) async fn join_products(&self, affected: u64) -> Result<(), AdminError> {
        let stored = u64::try_from(self.tenant.last_product_id).unwrap_or_default();
        if affected >= BULK_ENTRIES && affected.saturating_mul(BULK_SHARE) >= stored {
            self.transaction.join_in_bulk().await?;
        }
        Ok(())
    }

    /// Records that `created` products and models were assigned numbers.
    pub(super) fn number_products(&mut self, created: u64) {
        self.tenant.last_product_id += i32::try_from(created).unwrap_or(i32::MAX);
    }

    /// Applies the staged difference of products, and writes its audit rows. To
    /// be called only before the first [`Pass::audit`].
    pub(super) async fn apply_products(&mut self) -> Result<(), AdminError> {
        let tenant = self.tenant.number();
        self.transaction.apply_products(tenant).await?;
        let head = self.audit_head();
        self.parts += self.transaction.audit_products(&head, self.parts).await?;
        Ok(())
    }

    /// Deletes the nominated products, and writes their audit rows. To be called
    /// only before the first [`Pass::audit`].
    pub(super) async fn delete_products(&mut self) -> Result<(), AdminError> {
        let tenant = self.tenant.number();
        let head = self.audit_head();
        self.parts += self.transaction.audit_removals(&head, self.parts).await?;
        Ok(self.transaction.delete_products(tenant).await?)
    }

    /// Ends the write with the buffered audit entries. Returns false if its
    /// idempotency key is already used.
    ///
    /// # Errors
    ///
    /// [`AdminError::Store`] when the database does not answer.
    pub(super) async fn end(&mut self, end: &Finished<'_>) -> Result<bool, AdminError> {
        let rows = std::mem::take(&mut self.waiting);
        let (head, first_part) = (self.audit_head(), self.parts + 1);
        let ending = self.transaction.end_write(&head, (first_part, &rows), end);
        Ok(ending.await?)
    }

    /// Writes the buffered entries; more follow.
    async fn write_audit(&mut self) -> Result<(), AdminError> {
        let rows = std::mem::take(&mut self.waiting);
        let head = self.audit_head();
        self.transaction
            .write_audit(&head, self.parts + 1, &rows, AuditBatch::Middle)
            .await?;
        self.parts = self
            .parts
            .saturating_add(i32::try_from(rows.len()).unwrap_or(i32::MAX));
        Ok(())
    }
}

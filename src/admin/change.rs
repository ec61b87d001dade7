use std::time::Duration;

use crate::{
    domain::{Code, Edition, FactKey, Revision},
    store::{AuditBatch, AuditHead, AuditRow, Bounds, LockedTenant, TenantId, Transaction},
};

use super::{
    error::AdminError,
    outcome::Effect,
    work::{Patience, Work},
    write_context::WriteContext,
};

/// One kind of change, run by the [`WriteCoordinator`](super::WriteCoordinator)
/// as a rehearsal and, if that has an effect, once more to be committed.
pub trait Change: Send + 'static {
    /// The answer returned to the caller.
    type Answer: Send + 'static;

    /// Returns how much it may change, which bounds the duration of its
    /// statements.
    fn size(&self) -> Size {
        Size::Small
    }

    /// True if it deletes its tenant: the answer is then stored for the deleted
    /// tenant.
    fn deletes_tenant(&self) -> bool {
        false
    }

    /// Returns the edition to create a missing tenant with; `None`: a missing
    /// tenant is [`AdminError::TenantNotFound`].
    fn new_tenant_edition(&self) -> Option<Edition>;

    /// Checks the rules and, if [`Pass::may_write`] is true, writes the entities
    /// and adds an audit entry for each change.
    fn run(
        &mut self,
        pass: &mut Pass<'_>,
    ) -> impl Future<Output = Result<RunResult, AdminError>> + Send;

    /// Returns the answer after the last run, at the revision that it created or
    /// read.
    fn answer(&self, revision: Revision) -> Self::Answer;

    /// Encodes the answer to be stored for retries.
    fn encode(&self, answer: &Self::Answer) -> Vec<u8>;
}

/// Minimum number of entries for which a scan of all products of a tenant pays
/// off.
const BULK_ENTRIES: usize = 100;

/// Number of stored products whose scan costs about as much as one look-up.
const BULK_SHARE: usize = 20;

/// How much a change may affect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Entities other than products.
    Small,
    /// The products of one request.
    Large,
    /// All of a tenant.
    Bulk,
}

impl Size {
    /// Returns how long one statement of such a change may take.
    #[must_use]
    pub fn statement(self) -> Duration {
        match self {
            Self::Small => Duration::from_secs(5),
            Self::Large => Duration::from_secs(30),
            Self::Bulk => Bounds::BULK.statement,
        }
    }
}

/// What a run may do to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Only compares the request with what is stored; the temporary tables of its
    /// session are kept. It must not write entities, since no intent was used.
    Compare,
    /// Writes the entities.
    Write,
}

/// Whether the result of an earlier run is still valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rehearsal {
    /// The tenant is the same one, at the same revision.
    Holds,
    /// Another write was committed since, or there was no earlier run.
    Outdated,
}

/// The result of a run.
#[derive(Clone, Debug, Default)]
pub struct RunResult {
    /// What it changed, or would change.
    pub effect: Effect,
    /// The keys whose cached facts it invalidates.
    pub keys: Vec<FactKey>,
    /// True if it was rejected: nothing is committed, and the answer gives the
    /// reasons.
    pub refused: bool,
    /// True if there is something to commit that the effect does not count: the
    /// steps of connecting an app.
    pub uncounted: bool,
}

impl RunResult {
    /// True if there is nothing to commit.
    pub(super) fn is_nothing(&self) -> bool {
        self.refused || (self.effect.is_empty() && !self.uncounted)
    }
}

/// The tenant that a change applies to.
#[derive(Clone, Debug)]
pub struct TenantState {
    /// Its number; `None` while it is not stored.
    pub id: Option<TenantId>,
    /// Its code.
    pub code: Code,
    /// Its edition.
    pub edition: Edition,
    /// Its revision.
    pub revision: Revision,
    /// The last number assigned to anything but products and models. A run that
    /// assigns numbers increments it.
    pub last_id: i32,
    /// The last number assigned to a product or model; likewise.
    pub last_product_id: i32,
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
    #[must_use]
    pub fn number(&self) -> TenantId {
        self.id.unwrap_or(TenantId(0))
    }

    /// Returns the key that covers all its facts, including whether it exists.
    #[must_use]
    pub fn key(&self) -> FactKey {
        FactKey::Tenant(self.code.clone())
    }
}

/// Maximum number of audit entries buffered before they are written.
const AUDIT_BATCH: usize = 2_000;

/// One audit entry: the entity, before and after the change.
pub type AuditEntry = AuditRow;

/// One run of a change in a transaction.
#[derive(Debug)]
pub struct Pass<'t> {
    /// The transaction.
    pub transaction: &'t Transaction<'t>,
    /// The tenant; its row is locked in the pass that commits.
    pub tenant: TenantState,
    /// The revision that this write creates.
    pub revision: Revision,
    mode: Mode,
    rehearsal: Rehearsal,
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
        mode: Mode,
        rehearsal: Rehearsal,
    ) -> Self {
        Self {
            transaction,
            revision: Revision(tenant.revision.0 + 1),
            tenant,
            mode,
            rehearsal,
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

    /// True if entities may be written.
    #[must_use]
    pub fn may_write(&self) -> bool {
        self.mode == Mode::Write
    }

    /// Returns the columns that all audit rows of this write share.
    #[must_use]
    pub fn audit_head(&self) -> AuditHead<'t> {
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
    pub async fn audit(&mut self, entry: AuditEntry) -> Result<(), AdminError> {
        self.waiting.push(entry);
        if self.waiting.len() <= AUDIT_BATCH {
            return Ok(());
        }
        // The last entry stays buffered: the final batch needs at least one.
        let last = self.waiting.pop();
        self.write_audit(AuditBatch::Middle).await?;
        self.waiting.extend(last);
        Ok(())
    }

    /// Makes the statements of this pass scan all products of the tenant once, if
    /// `affected` is so large that a look-up for each costs more.
    pub(super) async fn join_products(&self, affected: usize) -> Result<(), AdminError> {
        let stored = usize::try_from(self.tenant.last_product_id).unwrap_or_default();
        if affected >= BULK_ENTRIES && affected.saturating_mul(BULK_SHARE) >= stored {
            self.transaction.join_in_bulk().await?;
        }
        Ok(())
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

    /// Returns the result of the previous run if it is still valid.
    pub(super) fn reuse<T>(&self, found: Option<T>) -> Option<T> {
        found.filter(|_| self.rehearsal == Rehearsal::Holds)
    }

    /// Writes the buffered entries; the last one ends the write.
    pub(super) async fn end_audit(&mut self) -> Result<(), AdminError> {
        self.write_audit(AuditBatch::Last).await
    }

    async fn write_audit(&mut self, batch: AuditBatch) -> Result<(), AdminError> {
        let rows = std::mem::take(&mut self.waiting);
        let head = self.audit_head();
        self.transaction
            .write_audit(&head, self.parts + 1, &rows, batch)
            .await?;
        self.parts = self
            .parts
            .saturating_add(i32::try_from(rows.len()).unwrap_or(i32::MAX));
        Ok(())
    }
}

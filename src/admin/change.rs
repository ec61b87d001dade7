use std::time::Duration;

use crate::{
    domain::{Code, Edition, FactKey, Revision},
    store::{AuditBatch, AuditHead, AuditRow, Bounds, LockedTenant, TenantId, Transaction},
};

use super::{
    error::AdminError,
    outcome::Effect,
    work::{Patience, Work},
    write_coordinator::WriteContext,
};

/// One kind of change, run by the [`WriteCoordinator`](super::WriteCoordinator) as a rehearsal and, if
/// that found something to change, once more to be committed.
pub trait Change: Send + 'static {
    /// What the caller is told.
    type Answer: Send + 'static;

    /// How much it may touch, which decides how long its statements may take.
    fn size(&self) -> Size {
        Size::Small
    }

    /// Whether it deletes its tenant: the answer is then kept by a tenant that
    /// is gone.
    fn deletes_tenant(&self) -> bool {
        false
    }

    /// The edition to create the tenant with; `None`: a tenant that is not
    /// there is [`AdminError::TenantNotFound`].
    fn new_tenant_edition(&self) -> Option<Edition>;

    /// Checks the rules and, unless [`Pass::may_write`] says no, changes the
    /// facts and adds an audit entry for each change.
    fn run(&mut self, pass: &mut Pass<'_>) -> impl Future<Output = Result<Ran, AdminError>> + Send;

    /// The answer after the last run, at the revision that it made or found.
    fn answer(&self, revision: Revision) -> Self::Answer;

    /// The answer as it is stored for a retry.
    fn encode(&self, answer: &Self::Answer) -> Vec<u8>;
}

/// The fewest entries for which a pass over all products of a tenant is worth
/// while.
const BULK_ENTRIES: usize = 100;

/// How many look-ups cost about as much as a pass over as many products: one
/// look-up for so many.
const BULK_SHARE: usize = 20;

/// How much a change may touch.
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
    /// How long one statement of such a change may take.
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
    /// It only compares the request with what is stored; the working tables of
    /// its session are kept. Facts cannot be written: no intent was used.
    Compare,
    /// It writes the facts.
    Write,
}

/// Whether what an earlier run found is still true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rehearsal {
    /// The tenant is the same one, at the same revision.
    Holds,
    /// Another write came between, or there was no earlier run.
    Outdated,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// What it changed, or would change.
    pub effect: Effect,
    /// What it touches.
    pub keys: Vec<FactKey>,
    /// Whether it was refused: nothing is to be committed, and the answer says
    /// why.
    pub refused: bool,
    /// Whether there is something to commit that the effect does not count:
    /// the steps of connecting an app.
    pub uncounted: bool,
}

impl Ran {
    /// Whether there is nothing to commit.
    pub(super) fn is_nothing(&self) -> bool {
        self.refused || (self.effect.is_empty() && !self.uncounted)
    }
}

/// The tenant that a change is about.
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
    /// The last number given to anything but products and models. A run that
    /// gives numbers counts it up.
    pub last_id: i32,
    /// The last number given to a product or model; likewise.
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

    /// A tenant to be, with its group `All`.
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

    /// Its number in statements: one that no tenant has while it is not stored.
    #[must_use]
    pub fn number(&self) -> TenantId {
        self.id.unwrap_or(TenantId(0))
    }

    /// The key of everything of it, whether it is there included.
    #[must_use]
    pub fn key(&self) -> FactKey {
        FactKey::Tenant(self.code.clone())
    }
}

/// The most audit entries that are held before they are written.
const AUDIT_BATCH: usize = 2_000;

/// One audit entry: what was changed, before and after.
pub type AuditEntry = AuditRow;

/// One run of a change in a transaction.
#[derive(Debug)]
pub struct Pass<'t> {
    /// The transaction.
    pub transaction: &'t Transaction<'t>,
    /// The tenant, locked in the pass that commits.
    pub tenant: TenantState,
    /// The revision that this write makes.
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

    /// The same pass of a caller who waits only so long.
    pub(super) fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// A meter of what the pass computes, which ends it once nobody waits for
    /// the answer any more.
    pub(super) fn work(&self) -> Work {
        Work::new(self.patience.clone())
    }

    /// Whether facts may be written.
    #[must_use]
    pub fn may_write(&self) -> bool {
        self.mode == Mode::Write
    }

    /// What stands on every audit row of this write.
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

    /// Adds an audit entry; they are numbered in the order of the calls.
    ///
    /// # Errors
    ///
    /// [`AdminError::Store`] when the database does not answer.
    pub async fn audit(&mut self, entry: AuditEntry) -> Result<(), AdminError> {
        self.waiting.push(entry);
        if self.waiting.len() <= AUDIT_BATCH {
            return Ok(());
        }
        // The last entry waits: the end of the write needs one.
        let last = self.waiting.pop();
        self.write_audit(AuditBatch::Middle).await?;
        self.waiting.extend(last);
        Ok(())
    }

    /// Lets the statements of this pass read all products of the tenant once, where
    /// it touches so many that a look-up for each costs more.
    pub(super) async fn join_products(&self, touched: usize) -> Result<(), AdminError> {
        let stored = usize::try_from(self.tenant.last_product_id).unwrap_or_default();
        if touched >= BULK_ENTRIES && touched.saturating_mul(BULK_SHARE) >= stored {
            self.transaction.join_in_bulk().await?;
        }
        Ok(())
    }

    /// Applies the difference of products that was staged, with its audit rows;
    /// only before the first [`Pass::audit`].
    pub(super) async fn apply_products(&mut self) -> Result<(), AdminError> {
        let tenant = self.tenant.number();
        self.transaction.apply_products(tenant).await?;
        let head = self.audit_head();
        self.parts += self.transaction.audit_products(&head, self.parts).await?;
        Ok(())
    }

    /// Deletes the products that were nominated, with their audit rows; only
    /// before the first [`Pass::audit`].
    pub(super) async fn delete_products(&mut self) -> Result<(), AdminError> {
        let tenant = self.tenant.number();
        let head = self.audit_head();
        self.parts += self.transaction.audit_removals(&head, self.parts).await?;
        Ok(self.transaction.delete_products(tenant).await?)
    }

    /// What a run found before, if it is true still.
    pub(super) fn still_true<T>(&self, found: Option<T>) -> Option<T> {
        found.filter(|_| self.rehearsal == Rehearsal::Holds)
    }

    /// Writes the entries that wait; the last one ends the write.
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

use crate::domain::{Code, Edition, Revision};

use super::{Store, StoreError, Transaction};

/// Unique number of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TenantId(pub i32);

/// Stored tenant.
#[derive(Clone, Debug)]
pub struct TenantRow {
    /// Number of the tenant.
    pub id: TenantId,
    /// Code in its original spelling.
    pub code: Code,
    /// Edition of the tenant's PIM.
    pub edition: Edition,
    /// Number of committed writes.
    pub revision: Revision,
}

/// Tenant with the counters that a write needs. Locked by
/// [`Transaction::lock_tenant`], so that no other write of it can commit before; not
/// locked in a [`SeenTenant`].
#[derive(Clone, Debug)]
pub struct LockedTenant {
    /// Row of the tenant.
    pub tenant: TenantRow,
    /// Last number assigned to an entity other than products and models.
    pub last_id: i32,
    /// Last number assigned to a product or model.
    pub last_product_id: i32,
    /// Audit hash of the last write; empty before the first.
    pub audit_hash: Vec<u8>,
}

impl Store {
    /// Looks up a tenant by its code; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn find_tenant(&self, code: &Code) -> Result<Option<TenantRow>, StoreError> {
        const SQL: &str = "-- find_tenant
            SELECT id, code, edition, revision
              FROM tenant
             WHERE key = $1";
        let row = self.first_row(SQL, &[&code.folded()]).await?;
        row.map(|row| tenant("find_tenant", &row)).transpose()
    }
}

/// Tenant read without locking it, with the epoch.
#[derive(Clone, Debug)]
pub struct SeenTenant {
    /// Tenant, not locked; `None` if it does not exist.
    pub tenant: Option<LockedTenant>,
    /// Epoch of the primary (`docs/coherence.md`).
    pub epoch: u64,
}

impl Transaction<'_> {
    /// Looks up a tenant by its code and locks its row until the transaction ends;
    /// `None` if it does not exist. Waits for the lock for at most
    /// [`Bounds::lock`](super::Bounds::lock); later statements have no lock timeout.
    ///
    /// # Errors
    ///
    /// [`StoreError::TenantLocked`] if another write holds the lock for longer;
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn lock_tenant(&self, code: &Code) -> Result<Option<LockedTenant>, StoreError> {
        const SQL: &str = "-- lock_tenant
            SELECT id, code, edition, revision, last_id, last_product_id, audit_hash,
                   set_config('lock_timeout', '0', true)
              FROM tenant
             WHERE key = $1
               FOR NO KEY UPDATE";
        let row = self.first_row(SQL, &[&code.folded()]).await;
        let row = row.map_err(|error| error.of_lock_wait(self.lock_wait()))?;
        row.map(|row| locked("lock_tenant", &row)).transpose()
    }

    /// Reads a tenant like [`Transaction::lock_tenant`], without locking it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable, or is a
    /// standby.
    pub async fn read_tenant(&self, code: &Code) -> Result<SeenTenant, StoreError> {
        const NAME: &str = "read_tenant";
        const SQL: &str = "-- read_tenant
            SELECT tenant.id, tenant.code, tenant.edition, tenant.revision, tenant.last_id, tenant.last_product_id,
                   tenant.audit_hash, head.epoch, pg_is_in_recovery() AS standby
              FROM head LEFT JOIN tenant ON tenant.key = $1";
        let row = self.first_row(SQL, &[&code.folded()]).await?;
        let row = head(NAME, row.as_ref())?;
        let exists = row.get::<_, Option<i32>>("id").is_some();
        Ok(SeenTenant {
            tenant: exists.then(|| locked(NAME, row)).transpose()?,
            epoch: row.get::<_, i64>("epoch").unsigned_abs(),
        })
    }
}

/// Returns the row that has the columns of `head`, the coherence protocol's state, and
/// `standby`.
///
/// # Errors
///
/// [`StoreError::Unavailable`] if it was read from a standby,
/// [`StoreError::CorruptRow`] if there is none.
pub(super) fn head<'r>(
    statement: &'static str,
    row: Option<&'r tokio_postgres::Row>,
) -> Result<&'r tokio_postgres::Row, StoreError> {
    let head = row.ok_or_else(|| StoreError::empty_head(statement))?;
    if head.get("standby") {
        return Err(StoreError::standby());
    }
    Ok(head)
}

pub(super) fn locked(
    statement: &'static str,
    row: &tokio_postgres::Row,
) -> Result<LockedTenant, StoreError> {
    Ok(LockedTenant {
        tenant: tenant(statement, row)?,
        last_id: row.get("last_id"),
        last_product_id: row.get("last_product_id"),
        audit_hash: row.get("audit_hash"),
    })
}

pub(super) fn tenant(
    statement: &'static str,
    row: &tokio_postgres::Row,
) -> Result<TenantRow, StoreError> {
    let corrupt = |message: String| StoreError::CorruptRow { statement, message };
    let code: &str = row.get("code");
    let edition: &str = row.get("edition");
    Ok(TenantRow {
        id: TenantId(row.get("id")),
        code: if code.is_empty() {
            Code::of_installation()
        } else {
            code.parse()
                .map_err(|error| corrupt(format!("code {error}")))?
        },
        edition: edition
            .parse()
            .map_err(|_| corrupt(format!("edition `{edition}`")))?,
        revision: revision(row.get("revision")),
    })
}

/// Converts a stored revision, which is never negative.
pub(super) fn revision(stored: i64) -> Revision {
    Revision(stored.unsigned_abs())
}

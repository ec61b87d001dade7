use std::fmt;

use deadpool_postgres::Object;
use tokio_postgres::{IsolationLevel, Row, types::ToSql};

use crate::domain::Code;

use super::{
    Store, StoreError, TenantRow,
    door::{failed, measured},
    tenants,
};

/// A connection of the pool, lent for reading several things at one instant.
pub struct Reader {
    client: Object,
}

/// A tenant as it was at one instant, whatever is written meanwhile; for
/// statements that are asked one after the other.
pub struct Snapshot<'r> {
    inner: deadpool_postgres::Transaction<'r>,
    tenant: TenantRow,
    last_product_id: i32,
    epoch: u64,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

impl fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot of {:?}", self.tenant)
    }
}

impl Store {
    /// Lends a connection for reading.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn reader(&self) -> Result<Reader, StoreError> {
        let client = self.pooled().await?;
        Ok(Reader { client })
    }
}

impl Reader {
    /// Begins to read a tenant; `None` when there is none with this code.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn snapshot(&mut self, tenant: &Code) -> Result<Option<Snapshot<'_>>, StoreError> {
        const SQL: &str = "-- begin_snapshot
            SELECT tenant.id, tenant.code, tenant.edition, tenant.revision, tenant.last_product_id,
                   head.epoch, pg_is_in_recovery() AS standby
              FROM tenant CROSS JOIN head
             WHERE tenant.key = $1";
        const STATEMENT: &str = "begin_snapshot";
        let beginning = self
            .client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start();
        let inner = measured(STATEMENT, beginning).await?;
        let rows = query(&inner, STATEMENT, SQL, &[&tenant.folded()]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        if row.get("standby") {
            return Err(StoreError::standby());
        }
        let tenant = tenants::tenant(STATEMENT, row)?;
        let epoch = row.get::<_, i64>("epoch").unsigned_abs();
        let last_product_id = row.get("last_product_id");
        Ok(Some(Snapshot {
            inner,
            tenant,
            last_product_id,
            epoch,
        }))
    }
}

impl Snapshot<'_> {
    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &TenantRow {
        &self.tenant
    }

    /// The epoch of the primary (`docs/coherence.md`).
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How many products and models the tenant ever had: at least as many as it
    /// has.
    #[must_use]
    pub fn products_ever(&self) -> usize {
        usize::try_from(self.last_product_id).unwrap_or_default()
    }

    /// Begins a COPY of what a query gives.
    pub(super) async fn copy_out(
        &self,
        sql: &str,
    ) -> Result<tokio_postgres::CopyOutStream, tokio_postgres::Error> {
        self.inner.copy_out(sql).await
    }

    /// Runs a statement, prepared once a connection: one round trip.
    pub(super) async fn query(
        &self,
        name: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        query(&self.inner, name, sql, parameters).await
    }
}

async fn query(
    transaction: &deadpool_postgres::Transaction<'_>,
    name: &'static str,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, StoreError> {
    let statement = transaction
        .prepare_cached(sql)
        .await
        .map_err(|error| failed(name, error))?;
    measured(name, transaction.query(&statement, parameters)).await
}

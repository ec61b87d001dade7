use std::fmt;

use tokio_postgres::{IsolationLevel, Row, types::ToSql};

use crate::domain::Code;

use super::{
    Bounds, Store, StoreError, TenantRow,
    door::{failed, measured},
    loan::{Loan, Owed},
    tenants,
    transaction::MARGIN,
};

/// A connection of the pool, lent for reading several things at one instant.
#[derive(Debug)]
pub struct Reader {
    loan: Loan,
}

/// A tenant as it was at one instant, whatever is written meanwhile; for
/// statements that are asked one after the other.
pub struct Snapshot<'r> {
    inner: deadpool_postgres::Transaction<'r>,
    owed: &'r Owed,
    bounds: Bounds,
    tenant: TenantRow,
    last_product_id: i32,
    epoch: u64,
}

/// What a [`Reader`] found under a tenant's code.
#[derive(Debug)]
pub enum Found<'r> {
    /// The tenant.
    Tenant(Snapshot<'r>),
    /// No tenant has the code.
    NoTenant {
        /// The epoch of the primary (`docs/coherence.md`), as of which that is so.
        epoch: u64,
    },
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
        let loan = self.loan().await?;
        Ok(Reader { loan })
    }
}

impl Reader {
    /// Begins to read a tenant.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer within
    /// `bounds`, or is a standby.
    #[expect(clippy::disallowed_methods, reason = "snapshots are begun here")]
    pub async fn snapshot(
        &mut self,
        tenant: &Code,
        bounds: Bounds,
    ) -> Result<Found<'_>, StoreError> {
        const SQL: &str = "-- begin_snapshot
            SELECT tenant.id, tenant.code, tenant.edition, tenant.revision, tenant.last_product_id,
                   head.epoch, pg_is_in_recovery() AS standby,
                   set_config('statement_timeout', $2, true),
                   set_config('idle_in_transaction_session_timeout', $3, true)
              FROM head LEFT JOIN tenant ON tenant.key = $1";
        const NAME: &str = "begin_snapshot";
        let (client, owed) = self.loan.parts().ok_or_else(StoreError::no_connection)?;
        let beginning = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start();
        let beginning = measured(NAME, beginning);
        let inner = owed.within(NAME, bounds.statement, beginning).await?;
        let [statement, idle] = bounds.settings();
        let code = tenant.folded();
        let parameters: [&(dyn ToSql + Sync); 3] = [&code, &statement, &idle];
        let asking = query(&inner, NAME, SQL, &parameters);
        let rows = owed.within(NAME, bounds.statement, asking).await?;
        let row = rows.first().ok_or_else(|| StoreError::empty_head(NAME))?;
        if row.get("standby") {
            return Err(StoreError::standby());
        }
        let epoch = row.get::<_, i64>("epoch").unsigned_abs();
        if row.get::<_, Option<i32>>("id").is_none() {
            return Ok(Found::NoTenant { epoch });
        }
        Ok(Found::Tenant(Snapshot {
            inner,
            owed,
            bounds,
            tenant: tenants::tenant(NAME, row)?,
            last_product_id: row.get("last_product_id"),
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

    /// Begins a COPY of what a query returns; its rows are awaited
    /// [`Snapshot::within`] bounds.
    pub(super) async fn copy_out(
        &self,
        name: &'static str,
        sql: &str,
    ) -> Result<tokio_postgres::CopyOutStream, StoreError> {
        self.within(name, measured(name, self.inner.copy_out(sql)))
            .await
    }

    /// Notes that the rest of a COPY will not be read: the connection does not
    /// return to the pool.
    pub(super) fn abandon(&self) {
        self.owed.abandon();
    }

    /// Awaits one answer, for at most as long as a statement may take.
    pub(super) async fn within<T>(
        &self,
        name: &'static str,
        round_trip: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let bound = self.bounds.statement + MARGIN;
        self.owed.within(name, bound, round_trip).await
    }

    /// Runs a statement, prepared once a connection: one round trip.
    pub(super) async fn query(
        &self,
        name: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        self.within(name, query(&self.inner, name, sql, parameters))
            .await
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

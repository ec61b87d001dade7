use std::fmt;

use tokio_postgres::{IsolationLevel, Row, types::ToSql};

use crate::{domain::Code, telemetry::metrics as meter};

use super::{
    Bounds, Store, StoreError, TenantRow,
    connection_pool::{TRIES, failed, measured},
    loan::{Loan, Owed},
    tenants,
    transaction::MARGIN,
    turns::Turn,
};

/// A connection of the pool, lent for reading several things at one instant.
#[derive(Debug)]
pub struct Reader {
    /// Before the turn: the connection is returned first.
    loan: Loan,
    _turn: Option<Turn>,
    snapshots: u32,
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
    /// Lends a connection for reading a tenant, when its turn has come: one
    /// tenant has only some of the connections.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn reader(&self, tenant: &Code) -> Result<Reader, StoreError> {
        let turn = match self.turns() {
            Some(turns) => turns.next(tenant).await,
            None => None,
        };
        Ok(Reader {
            loan: self.loan().await?,
            _turn: turn,
            snapshots: 0,
        })
    }
}

/// Reads a tenant at one instant: `$read` has what was found of it, and is run
/// again on another snapshot if the schema changed since its statements were
/// prepared, or if it met another transaction; PostgreSQL aborts the transaction
/// of a snapshot then.
///
/// A function would take an asynchronous closure, whose future the compiler does
/// not know to be `Send` for every lifetime of a snapshot.
macro_rules! read_tenant {
    ($store:expr, $tenant:expr, $bounds:expr, |$found:ident| $read:block) => {{
        let mut reader = $store.reader($tenant).await?;
        loop {
            let read = async {
                let $found = reader.snapshot($tenant, $bounds).await?;
                $read
            };
            let read = read.await;
            if read.is_ok() || !reader.begins_again() {
                break read;
            }
        }
    }};
}
pub(crate) use read_tenant;

impl Reader {
    /// Whether what failed was the snapshot, which another one may not: one was
    /// aborted, and not too many were.
    pub(crate) fn begins_again(&mut self) -> bool {
        self.snapshots += 1;
        let begins_again = self.loan.take_may_run_again() && self.snapshots < TRIES;
        if begins_again {
            meter::count_retry("begin_snapshot");
        }
        begins_again
    }

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
        let asking = query((&inner, owed), NAME, SQL, &parameters);
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
        let asking = query((&self.inner, self.owed), name, sql, parameters);
        self.within(name, asking).await
    }
}

async fn query(
    (transaction, owed): (&deadpool_postgres::Transaction<'_>, &Owed),
    name: &'static str,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, StoreError> {
    let asked = async {
        let prepared = transaction.prepare_cached(sql).await;
        let statement = prepared.map_err(|error| failed(name, error))?;
        measured(name, transaction.query(&statement, parameters)).await
    };
    let asked = asked.await;
    if asked.as_ref().is_err_and(StoreError::may_run_again) {
        // The next try prepares all its statements anew.
        transaction.statement_cache.clear();
        owed.note_may_run_again();
    }
    asked
}

use std::fmt;

use tokio_postgres::{IsolationLevel, Row, types::ToSql};

use crate::{
    domain::{Code, Revision},
    telemetry::metrics as meter,
};

use super::{
    Bounds, Store, StoreError, TenantId, TenantRow,
    connection_pool::TRIES,
    loan::{Loan, Owed},
    round_trip::{failed, measured},
    tenant_limiter::Permit,
    tenants,
    transaction::MARGIN,
    unconfirmed::Unconfirmed,
};

/// Pooled connection for reading a tenant in snapshots.
#[derive(Debug)]
pub struct Reader {
    /// Declared before the turn, so that the connection is returned first.
    loan: Loan,
    _turn: Option<Permit>,
    snapshots: u32,
}

/// Consistent view of a tenant in one read-only REPEATABLE READ transaction.
/// Statements run one after the other.
pub struct Snapshot<'r> {
    inner: deadpool_postgres::Transaction<'r>,
    owed: &'r Owed,
    bounds: Bounds,
    tenant: TenantRow,
    last_product_id: i32,
    epoch: u64,
}

/// Result of looking up a tenant by its code.
#[derive(Debug)]
pub enum Found<'r> {
    /// Snapshot of the tenant.
    Tenant(Snapshot<'r>),
    /// No tenant has the code.
    NoTenant(Unconfirmed<()>),
}

impl fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot of {:?}", self.tenant)
    }
}

impl Store {
    /// Acquires a connection for reading a tenant. If this pool has turns, waits for
    /// one first, since each tenant may use only some of the connections.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
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

/// Runs `$read` on a snapshot of a tenant, bound to `$snapshot`. Evaluates to its
/// value as an [`Unconfirmed`], or to its error; the value is `None` if the tenant
/// does not exist.
///
/// Retries `$read` on a new snapshot if PostgreSQL aborted the transaction, because
/// the schema changed since its statements were prepared or because of a conflict
/// with another transaction.
///
/// A macro, because the compiler cannot prove that the future of an asynchronous
/// closure is `Send` for every lifetime of a snapshot.
macro_rules! read_tenant {
    ($store:expr, $tenant:expr, $bounds:expr, |$snapshot:ident| $read:block) => {{
        let mut reader = $store.reader($tenant).await?;
        loop {
            let read = async {
                let $snapshot = match reader.snapshot($tenant, $bounds).await? {
                    $crate::store::Found::Tenant(snapshot) => snapshot,
                    $crate::store::Found::NoTenant(nothing) => return Ok(nothing.map(|()| None)),
                };
                let read = async { $read }.await;
                read.map(|value| $snapshot.unconfirmed(Some(value)))
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
    /// Returns true if the snapshot was aborted and may be retried, at most [`TRIES`]
    /// times in all. Call once for each failed snapshot.
    pub(crate) fn begins_again(&mut self) -> bool {
        self.snapshots += 1;
        let may_retry = self.loan.take_may_run_again() && self.snapshots < TRIES;
        if may_retry {
            meter::count_retry("begin_snapshot");
        }
        may_retry
    }

    /// Begins a snapshot of a tenant.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database does not respond within `bounds`,
    /// or is a standby.
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
        let querying = query((&inner, owed), NAME, SQL, &parameters);
        let rows = owed.within(NAME, bounds.statement, querying).await?;
        let row = tenants::head(NAME, rows.first())?;
        let epoch = row.get::<_, i64>("epoch").unsigned_abs();
        if row.get::<_, Option<i32>>("id").is_none() {
            return Ok(Found::NoTenant(Unconfirmed::new(epoch, ())));
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
    /// Returns the tenant.
    #[must_use]
    pub fn tenant(&self) -> &TenantRow {
        &self.tenant
    }

    /// Returns the epoch of the primary (`docs/coherence.md`).
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Wraps a value that was read from this snapshot.
    pub(crate) fn unconfirmed<T>(&self, value: T) -> Unconfirmed<T> {
        Unconfirmed::new(self.epoch, value)
    }

    /// Returns the tenant with its revision, of which a list is a page.
    #[must_use]
    pub fn version(&self) -> (TenantId, Revision) {
        (self.tenant.id, self.tenant.revision)
    }

    /// Returns the number of products and models ever created in the tenant: an
    /// upper bound of the current number.
    #[must_use]
    pub fn products_ever(&self) -> usize {
        usize::try_from(self.last_product_id).unwrap_or_default()
    }

    /// Begins a COPY of a query's rows to the client. Await each row
    /// [`within`](Snapshot::within) the bounds.
    pub(super) async fn copy_out(
        &self,
        name: &'static str,
        sql: &str,
    ) -> Result<tokio_postgres::CopyOutStream, StoreError> {
        self.within(name, measured(name, self.inner.copy_out(sql)))
            .await
    }

    /// Abandons an unfinished COPY: the connection is closed instead of returned to
    /// the pool.
    pub(super) fn abandon(&self) {
        self.owed.abandon();
    }

    /// Awaits one response, for at most the statement timeout plus [`MARGIN`].
    pub(super) async fn within<T>(
        &self,
        name: &'static str,
        round_trip: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let bound = self.bounds.statement + MARGIN;
        self.owed.within(name, bound, round_trip).await
    }

    /// Runs a statement in one round trip; it is prepared once per connection.
    pub(super) async fn query(
        &self,
        name: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let querying = query((&self.inner, self.owed), name, sql, parameters);
        self.within(name, querying).await
    }
}

async fn query(
    (transaction, owed): (&deadpool_postgres::Transaction<'_>, &Owed),
    name: &'static str,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, StoreError> {
    let attempt = async {
        let prepared = transaction.prepare_cached(sql).await;
        let statement = prepared.map_err(|error| failed(name, error))?;
        measured(name, transaction.query(&statement, parameters)).await
    };
    let outcome = attempt.await;
    if outcome.as_ref().is_err_and(StoreError::is_retryable) {
        // A prepared statement may be stale: the retry prepares all of them again.
        transaction.statement_cache.clear();
        owed.note_may_run_again();
    }
    outcome
}

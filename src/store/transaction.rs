use std::{
    fmt,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use deadpool_postgres::{ClientWrapper, Object};
use futures_util::{FutureExt as _, TryStreamExt as _, poll};
use tokio::sync::Mutex;
use tokio_postgres::{
    CopyInSink, Row, RowStream, Statement,
    types::{BorrowToSql, ToSql},
};

use super::{
    Store, StoreError,
    loan::{Loan, Owed},
    round_trip::{failed, measured},
};

/// Time that the client waits beyond PostgreSQL's own timeout of a statement. Only a
/// suspended server process, or a network that drops packets, takes longer.
pub(super) const MARGIN: Duration = Duration::from_secs(1);

/// Timeout of COMMIT. PostgreSQL itself does not bound COMMIT, which may wait for a
/// synchronous standby.
const ENDING: Duration = Duration::from_secs(10);

/// Time limits for the steps of a transaction. PostgreSQL enforces them, so that
/// the locks of a stalled client are released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Maximum duration of one statement.
    pub statement: Duration,
    /// Maximum time that the client may be idle between two statements, or may leave
    /// sent data unacknowledged; the session is terminated then.
    pub idle: Duration,
    /// Maximum wait for a lock of another transaction, until the tenant's row is
    /// locked; `None` for no limit besides `statement`.
    pub lock: Option<Duration>,
}

impl Bounds {
    /// For reads and rehearsals: 30 s per statement.
    pub const READ: Self = Self {
        statement: Duration::from_secs(30),
        idle: Duration::from_mins(1),
        lock: None,
    };

    /// For reads of all products, or of the whole audit log, of a tenant: 2 min per
    /// statement.
    pub const READ_WHOLE: Self = Self {
        statement: Duration::from_mins(2),
        idle: Duration::from_mins(1),
        lock: None,
    };

    /// For imports and other statements over millions of rows: 30 min per statement.
    pub const BULK: Self = Self {
        statement: Duration::from_mins(30),
        idle: Duration::from_mins(1),
        lock: None,
    };

    /// Returns the statement and idle timeouts as values of PostgreSQL settings.
    pub(super) fn settings(self) -> [String; 2] {
        [milliseconds(self.statement), milliseconds(self.idle)]
    }
}

/// Formats a bound in milliseconds, at least 1, since 0 would disable the timeout,
/// and at most one day.
fn milliseconds(bound: Duration) -> String {
    bound.as_millis().clamp(1, 86_400_000).to_string()
}

/// Visibility of other transactions' commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Each statement sees all commits before it (READ COMMITTED).
    EachStatement,
    /// All statements see the same snapshot (REPEATABLE READ).
    OneSnapshot,
}

/// How the statements of a transaction are planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planning {
    /// For the parameters of each execution: for statements over many rows, whose best
    /// plan depends on how many there are.
    EachTime,
    /// Once a minute and connection, to look up few rows by an index.
    ByIndex,
}

impl Planning {
    fn settings(self) -> &'static str {
        match self {
            Self::EachTime => "SET LOCAL plan_cache_mode = force_custom_plan",
            Self::ByIndex => include_str!("few_rows.sql"),
        }
    }
}

/// Database connection for consecutive transactions.
#[derive(Debug)]
pub struct Connection {
    ownership: Ownership,
}

/// Ownership of a connection.
#[derive(Debug)]
enum Ownership {
    /// Removed from the pool, for work that keeps state in its session; closed when
    /// dropped.
    Detached(Box<(ClientWrapper, Owed)>),
    /// Returned to the pool when dropped.
    Pooled(Box<Loan>),
}

/// Transaction whose statements are named, measured and limited in time. Rolled
/// back when dropped without [`Transaction::commit`].
///
/// Statements are sent in the order in which they are first polled, and one that is
/// polled while others wait for their responses is sent behind them without waiting.
pub struct Transaction<'c> {
    client: &'c ClientWrapper,
    owed: &'c Owed,
    isolation: Isolation,
    planning: Planning,
    bounds: Bounds,
    /// Held while a statement is prepared and sent.
    order: Mutex<()>,
    /// COMMIT was sent.
    has_ended: bool,
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transaction")
    }
}

impl Store {
    /// Removes a connection from the pool permanently; it is closed when dropped.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn connection(&self) -> Result<Connection, StoreError> {
        let client = Object::take(self.pooled().await?);
        // It cannot be replaced by another one if a statement is stale.
        client.statement_cache.clear();
        Ok(Connection::kept(client))
    }

    /// Acquires a connection, which returns to the pool when dropped.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn pooled_connection(&self) -> Result<Connection, StoreError> {
        self.renew_plans();
        Ok(Connection::lent(self.loan().await?))
    }
}

impl Connection {
    fn kept(client: ClientWrapper) -> Self {
        let ownership = Ownership::Detached(Box::new((client, Owed::default())));
        Self { ownership }
    }

    fn lent(loan: Loan) -> Self {
        let ownership = Ownership::Pooled(Box::new(loan));
        Self { ownership }
    }

    /// Begins a transaction whose statements are planned each time.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn begin(
        &mut self,
        isolation: Isolation,
        bounds: Bounds,
    ) -> Result<Transaction<'_>, StoreError> {
        let transaction = self.transaction(isolation, Planning::EachTime, bounds)?;
        transaction.begin().await?;
        Ok(transaction)
    }

    /// Returns a transaction whose first statement must be
    /// [`begin`](Transaction::begin), which others may follow without waiting for it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the connection was lost.
    pub(super) fn transaction(
        &mut self,
        isolation: Isolation,
        planning: Planning,
        bounds: Bounds,
    ) -> Result<Transaction<'_>, StoreError> {
        let (client, owed) = match &mut self.ownership {
            Ownership::Detached(detached) => {
                let (client, owed) = &**detached;
                (client, owed)
            }
            Ownership::Pooled(loan) => {
                let (client, owed) = loan.parts().ok_or_else(StoreError::no_connection)?;
                (&*client, owed)
            }
        };
        Ok(Transaction {
            client,
            owed,
            isolation,
            planning,
            bounds,
            order: Mutex::new(()),
            has_ended: false,
        })
    }

    /// Replaces a lost pooled connection with another one. Returns false if it is
    /// still usable, or is detached and keeps state that another one lacks.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn replace_if_lost(&mut self, store: &Store) -> Result<bool, StoreError> {
        let is_lost = match &self.ownership {
            Ownership::Detached(_) => false,
            Ownership::Pooled(loan) => !loan.is_usable(),
        };
        if is_lost {
            // If it had a stale statement, so have others of the pool.
            store.forget_statements();
            self.ownership = Ownership::Pooled(Box::new(store.loan().await?));
        }
        Ok(is_lost)
    }
}

impl Transaction<'_> {
    /// Commits the transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError::OutcomeUnknown`] if no response arrived: the transaction may
    /// have committed. [`StoreError::Conflict`] if it conflicted with another write.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.end_unchanged().await.map_err(StoreError::of_commit)
    }

    /// Commits a transaction that changed no permanent data, so that an unknown
    /// outcome does not matter.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn end_unchanged(mut self) -> Result<(), StoreError> {
        self.has_ended = true;
        let committing = measured("commit", self.client.batch_execute("COMMIT"));
        self.owed.within("commit", ENDING, committing).await
    }

    /// Begins the transaction and sets its bounds. If it fails, whatever was sent
    /// behind it ran outside a transaction: before the response only statements may be
    /// sent that do no harm there.
    pub(super) async fn begin(&self) -> Result<(), StoreError> {
        let [statement, idle] = self.bounds.settings();
        let lock = self
            .bounds
            .lock
            .map_or_else(|| "0".to_owned(), milliseconds);
        let level = match self.isolation {
            Isolation::EachStatement => "READ COMMITTED",
            Isolation::OneSnapshot => "REPEATABLE READ",
        };
        let sql = format!(
            "BEGIN ISOLATION LEVEL {level};
             SET LOCAL statement_timeout = {statement};
             SET LOCAL lock_timeout = {lock};
             SET LOCAL idle_in_transaction_session_timeout = {idle};
             SET LOCAL tcp_user_timeout = {idle};
             {}",
            self.planning.settings()
        );
        self.batch("begin", &sql).await
    }

    /// Returns how the statements are planned.
    pub(super) fn planning(&self) -> Planning {
        self.planning
    }

    /// Returns the maximum wait for a lock until the tenant's row is locked.
    pub(super) fn lock_wait(&self) -> Duration {
        self.bounds.lock.unwrap_or(self.bounds.statement)
    }

    /// Awaits one response, for at most the statement timeout plus [`MARGIN`] of it
    /// and of each statement that was sent before and is not answered yet.
    pub(super) async fn within<T>(
        &self,
        name: &'static str,
        round_trip: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let bound = (self.bounds.statement + MARGIN) * (self.owed.in_flight() + 1);
        let answer = self.owed.within(name, bound, round_trip).await;
        if answer.as_ref().is_err_and(StoreError::is_stale_plan) {
            // A new connection has no stale prepared statements or compiled triggers.
            self.owed.abandon();
        }
        answer
    }

    /// Prepares a statement, once per connection.
    async fn prepared(&self, name: &'static str, sql: &str) -> Result<Statement, StoreError> {
        let prepared = self.client.prepare_cached(sql).await;
        prepared.map_err(|error| failed(name, error))
    }

    /// Runs a statement and returns its rows.
    pub(super) async fn query(
        &self,
        name: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let answer = async {
            let order = self.order.lock().await;
            let statement = self.prepared(name, sql).await?;
            let querying = measured(name, self.client.query(&statement, parameters));
            sent_in(order, querying).await
        };
        // Boxed, so that the futures of its callers stay small.
        Box::pin(self.within(name, answer)).await
    }

    /// Runs a statement and returns the number of rows it affected.
    pub(super) async fn execute(
        &self,
        name: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, StoreError> {
        let answer = async {
            let order = self.order.lock().await;
            let statement = self.prepared(name, sql).await?;
            let executing = measured(name, self.client.execute(&statement, parameters));
            sent_in(order, executing).await
        };
        Box::pin(self.within(name, answer)).await
    }

    /// Runs statements without parameters.
    pub(super) async fn batch(&self, name: &'static str, sql: &str) -> Result<(), StoreError> {
        let answer = async {
            let order = self.order.lock().await;
            sent_in(order, measured(name, self.client.batch_execute(sql))).await
        };
        Box::pin(self.within(name, answer)).await
    }

    /// Runs a statement and streams its rows in bounded memory. Read them with
    /// [`Transaction::next_row`].
    pub(super) async fn stream<P, I>(
        &self,
        name: &'static str,
        sql: &str,
        parameters: I,
    ) -> Result<Pin<Box<RowStream>>, StoreError>
    where
        P: BorrowToSql,
        I: IntoIterator<Item = P>,
        I::IntoIter: ExactSizeIterator,
    {
        let rows = async {
            let order = self.order.lock().await;
            let statement = self.prepared(name, sql).await?;
            let querying = measured(name, self.client.query_raw(&statement, parameters));
            sent_in(order, querying).await
        };
        Ok(Box::pin(Box::pin(self.within(name, rows)).await?))
    }

    /// Awaits the next row of a stream; `None` at its end.
    pub(super) async fn next_row(
        &self,
        name: &'static str,
        rows: &mut Pin<Box<RowStream>>,
    ) -> Result<Option<Row>, StoreError> {
        let next = async { rows.try_next().await.map_err(|error| failed(name, error)) };
        self.within(name, next).await
    }

    /// Begins a COPY into a table. Run it, including its end,
    /// [`within`](Transaction::within) the bounds.
    pub(super) async fn copy_in(
        &self,
        name: &'static str,
        sql: &str,
    ) -> Result<CopyInSink<bytes::Bytes>, StoreError> {
        measured(name, self.client.copy_in(sql)).await
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            // Polled once, it is sent; nobody waits for its response. A connection
            // that it cannot be sent on is closed.
            let _response = self.client.batch_execute("ROLLBACK").now_or_never();
        }
    }
}

/// Awaits the response of a statement, and lets the next one be sent as soon as this
/// one is.
async fn sent_in<T>(
    order: tokio::sync::MutexGuard<'_, ()>,
    round_trip: impl Future<Output = T>,
) -> T {
    let mut round_trip = pin!(round_trip);
    let first = poll!(round_trip.as_mut());
    drop(order);
    match first {
        Poll::Ready(answer) => answer,
        Poll::Pending => round_trip.await,
    }
}

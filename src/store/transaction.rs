use std::{fmt, pin::Pin, time::Duration};

use deadpool_postgres::ClientWrapper;
use futures_util::TryStreamExt as _;
use tokio_postgres::{
    CopyInSink, IsolationLevel, Row, RowStream,
    types::{BorrowToSql, ToSql},
};

use super::{
    Store, StoreError,
    connection_pool::{failed, measured},
    loan::{Loan, Owed},
};

/// How much longer than PostgreSQL itself the client waits for a statement to
/// be ended: only a server process that was stopped, or a network that swallows,
/// takes longer.
pub(super) const MARGIN: Duration = Duration::from_secs(1);

/// How long COMMIT and ROLLBACK may take. PostgreSQL does not bound COMMIT: it
/// may wait for a synchronous standby.
const ENDING: Duration = Duration::from_secs(10);

/// How long a transaction may take, step by step. PostgreSQL itself enforces
/// both, so that the locks of a client that stands still become free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The longest that one statement may take.
    pub statement: Duration,
    /// The longest that the client may stand still between two statements, or
    /// while it is sent an answer; its session is ended then.
    pub idle: Duration,
    /// The longest that a statement may wait for what another transaction has
    /// locked, until the row of the tenant is locked; `None`: as long as the
    /// statement may take.
    pub lock: Option<Duration>,
}

impl Bounds {
    /// For reading, and for rehearsals: 30 s a statement.
    pub const READ: Self = Self {
        statement: Duration::from_secs(30),
        idle: Duration::from_mins(1),
        lock: None,
    };

    /// For reading all of a tenant's products, or of its audit log: 2 min a
    /// statement.
    pub const READ_WHOLE: Self = Self {
        statement: Duration::from_mins(2),
        idle: Duration::from_mins(1),
        lock: None,
    };

    /// For an import and what else touches millions of rows: 30 min a
    /// statement.
    pub const BULK: Self = Self {
        statement: Duration::from_mins(30),
        idle: Duration::from_mins(1),
        lock: None,
    };

    /// These bounds as settings of one transaction.
    pub(super) fn settings(self) -> [String; 2] {
        [milliseconds(self.statement), milliseconds(self.idle)]
    }
}

/// A bound as a setting: never 0, which would mean none.
fn milliseconds(bound: Duration) -> String {
    bound.as_millis().clamp(1, 86_400_000).to_string()
}

/// What the statements of a transaction see of other transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Each statement sees what was committed before it (READ COMMITTED).
    EachStatement,
    /// All statements see the same snapshot (REPEATABLE READ).
    OneSnapshot,
}

/// One connection for a transaction after another.
#[derive(Debug)]
pub struct Connection {
    held: Held,
}

/// How a connection is held.
#[derive(Debug)]
enum Held {
    /// Taken out of the pool, for work that keeps state in its session; closed
    /// when dropped.
    Kept(Box<(ClientWrapper, Owed)>),
    /// It returns to the pool.
    Lent(Box<Loan>),
}

/// A transaction whose statements are named, measured and bounded in time.
/// Dropped without [`Transaction::commit`] it is rolled back.
pub struct Transaction<'c> {
    inner: tokio_postgres::Transaction<'c>,
    owed: &'c Owed,
    bound: Duration,
    lock: Option<Duration>,
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transaction")
    }
}

impl Connection {
    pub(super) fn kept(client: ClientWrapper) -> Self {
        let held = Held::Kept(Box::new((client, Owed::default())));
        Self { held }
    }

    pub(super) fn lent(loan: Loan) -> Self {
        let held = Held::Lent(Box::new(loan));
        Self { held }
    }

    /// Begins a transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    #[expect(clippy::disallowed_methods, reason = "transactions are begun here")]
    pub async fn begin(
        &mut self,
        isolation: Isolation,
        bounds: Bounds,
    ) -> Result<Transaction<'_>, StoreError> {
        let (client, owed) = match &mut self.held {
            Held::Kept(kept) => {
                let (client, owed) = &mut **kept;
                (client, &*owed)
            }
            Held::Lent(loan) => loan.parts().ok_or_else(StoreError::no_connection)?,
        };
        let level = match isolation {
            Isolation::EachStatement => IsolationLevel::ReadCommitted,
            Isolation::OneSnapshot => IsolationLevel::RepeatableRead,
        };
        let client: &mut tokio_postgres::Client = client;
        let starting = client.build_transaction().isolation_level(level).start();
        let starting = measured("begin", starting);
        let inner = owed
            .within("begin", bounds.statement + MARGIN, starting)
            .await?;
        let transaction = Transaction {
            inner,
            owed,
            bound: bounds.statement,
            lock: bounds.lock,
        };
        let [statement, idle] = bounds.settings();
        let lock = bounds.lock.map_or_else(|| "0".to_owned(), milliseconds);
        let sql = format!(
            "-- bound_transaction
             SET LOCAL statement_timeout = {statement};
             SET LOCAL lock_timeout = {lock};
             SET LOCAL idle_in_transaction_session_timeout = {idle};
             SET LOCAL tcp_user_timeout = {idle};
             SET LOCAL plan_cache_mode = force_custom_plan"
        );
        transaction.batch("bound_transaction", &sql).await?;
        Ok(transaction)
    }

    /// Replaces a connection of the pool that was lost by another one. `false`:
    /// it is still usable, or it keeps state that another one does not have.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn replace_if_lost(&mut self, store: &Store) -> Result<bool, StoreError> {
        let is_lost = match &self.held {
            Held::Kept(_) => false,
            Held::Lent(loan) => !loan.is_usable(),
        };
        if is_lost {
            self.held = Held::Lent(Box::new(store.loan().await?));
        }
        Ok(is_lost)
    }
}

impl Transaction<'_> {
    /// Makes the changes durable.
    ///
    /// # Errors
    ///
    /// [`StoreError::OutcomeUnknown`] when no answer came: it may have
    /// happened. [`StoreError::Conflict`] when another write came first.
    pub async fn commit(self) -> Result<(), StoreError> {
        let Self { inner, owed, .. } = self;
        let committing = measured("commit", inner.commit());
        let committed = owed.within("commit", ENDING, committing).await;
        committed.map_err(StoreError::of_commit)
    }

    /// Ends a transaction that changed nothing which outlives it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn end_unchanged(self) -> Result<(), StoreError> {
        let Self { inner, owed, .. } = self;
        owed.within("commit", ENDING, measured("commit", inner.commit()))
            .await
    }

    /// The longest that a statement may wait for what another transaction has
    /// locked, before the row of the tenant is locked.
    pub(super) fn lock_wait(&self) -> Duration {
        self.lock.unwrap_or(self.bound)
    }

    /// Awaits one answer, for at most as long as a statement may take.
    pub(super) async fn within<T>(
        &self,
        name: &'static str,
        round_trip: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let bound = self.bound + MARGIN;
        let answer = self.owed.within(name, bound, round_trip).await;
        if answer.as_ref().is_err_and(StoreError::is_stale_plan) {
            // Another connection has nothing prepared or compiled.
            self.owed.abandon();
        }
        answer
    }

    /// Runs a statement and returns its rows.
    pub(super) async fn query(
        &self,
        name: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        self.within(name, measured(name, self.inner.query(sql, parameters)))
            .await
    }

    /// Runs a statement and returns how many rows it changed.
    pub(super) async fn execute(
        &self,
        name: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, StoreError> {
        self.within(name, measured(name, self.inner.execute(sql, parameters)))
            .await
    }

    /// Runs statements that take no parameters.
    pub(super) async fn batch(&self, name: &'static str, sql: &str) -> Result<(), StoreError> {
        self.within(name, measured(name, self.inner.batch_execute(sql)))
            .await
    }

    /// Runs a statement and returns its rows one by one, in bounded memory; each
    /// is awaited by [`Transaction::next_row`].
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
        let rows = measured(name, self.inner.query_raw(sql, parameters));
        Ok(Box::pin(self.within(name, rows).await?))
    }

    /// Awaits the next row of a stream; `None`: there are no more.
    pub(super) async fn next_row(
        &self,
        name: &'static str,
        rows: &mut Pin<Box<RowStream>>,
    ) -> Result<Option<Row>, StoreError> {
        let next = async { rows.try_next().await.map_err(|error| failed(name, error)) };
        self.within(name, next).await
    }

    /// Begins a COPY into a table; to be run [`Transaction::within`] bounds, its
    /// end included.
    pub(super) async fn copy_in(
        &self,
        name: &'static str,
        sql: &str,
    ) -> Result<CopyInSink<bytes::Bytes>, StoreError> {
        measured(name, self.inner.copy_in(sql)).await
    }
}

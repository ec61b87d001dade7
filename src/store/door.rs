use std::{
    fmt,
    time::{Duration, Instant},
};

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Timeouts,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;
use tokio_postgres::{
    CopyInSink, NoTls, Row,
    types::{BorrowToSql, ToSql},
};

use crate::telemetry::metrics as meter;

use super::{StoreError, facts::FACTS_SQL, schema};

/// How long a caller waits for a free connection, or for a new one.
const WAIT: Duration = Duration::from_secs(5);

/// How long one statement outside a transaction may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The database, reached through a pool of connections.
///
/// Each of its statements is named, measured and counted; a statement outside
/// a transaction is one round trip.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
    config: tokio_postgres::Config,
}

/// One connection for a write.
#[derive(Debug)]
pub struct Connection {
    client: Held,
}

/// How a connection is held.
#[derive(Debug)]
enum Held {
    /// Taken out of the pool for good, for work that keeps state in its
    /// session; closed when dropped.
    ForGood(deadpool_postgres::ClientWrapper),
    /// It goes back to the pool.
    Lent(Object),
}

/// A transaction with a name. Dropped without [`Transaction::commit`] it is
/// rolled back.
pub struct Transaction<'c> {
    inner: tokio_postgres::Transaction<'c>,
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transaction")
    }
}

impl Store {
    /// Makes a pool of at most `size` connections to the database that the URL
    /// names; none is opened yet.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidUrl`] when the URL is not one.
    pub fn new(database_url: &SecretString, size: usize) -> Result<Self, StoreError> {
        let mut config: tokio_postgres::Config = database_url
            .expose_secret()
            .parse()
            .map_err(StoreError::InvalidUrl)?;
        config
            .application_name("pim-authz")
            .connect_timeout(WAIT)
            .tcp_user_timeout(Duration::from_secs(30))
            .keepalives_idle(Duration::from_secs(30));
        Self::pool(config, size)
    }

    /// The same database by at most `size` connections of its own, which no
    /// other work keeps busy. They belong to the runtime that first uses them.
    ///
    /// # Errors
    ///
    /// None that a store which was made has not met.
    pub fn apart(&self, size: usize) -> Result<Self, StoreError> {
        Self::pool(self.config.clone(), size)
    }

    fn pool(config: tokio_postgres::Config, size: usize) -> Result<Self, StoreError> {
        let manager = Manager::from_config(
            config.clone(),
            NoTls,
            ManagerConfig {
                recycling_method: RecyclingMethod::Fast,
            },
        );
        let pool = Pool::builder(manager)
            .max_size(size)
            .timeouts(Timeouts {
                wait: Some(WAIT),
                create: Some(WAIT),
                recycle: Some(WAIT),
            })
            .runtime(deadpool_postgres::Runtime::Tokio1)
            .post_create(Hook::async_fn(|client, _| {
                Box::pin(prepare_session(client))
            }))
            .build()
            .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        Ok(Self { pool, config })
    }

    /// Checks that the schema is the one this program knows.
    ///
    /// # Errors
    ///
    /// [`StoreError::UnknownSchema`] when it is not, [`StoreError::Unavailable`]
    /// when the database does not answer.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        const SQL: &str = "-- check_schema
            SELECT max(version)
              FROM refinery_schema_history";
        let known = schema::known_version();
        let unknown = |found, advice| StoreError::UnknownSchema {
            found,
            known,
            advice,
        };
        let row = match self.query("check_schema", SQL, &[]).await {
            Ok(rows) => rows.first().and_then(|row| row.get::<_, Option<i32>>(0)),
            Err(StoreError::Refused { .. }) => None,
            Err(error) => return Err(error),
        };
        let found = row.unwrap_or_default();
        match found.cmp(&known) {
            std::cmp::Ordering::Less => Err(unknown(
                found,
                "run `pim-authz migrate`, or serve with `--migrate`",
            )),
            std::cmp::Ordering::Greater => Err(unknown(found, "run a newer release of pim-authz")),
            std::cmp::Ordering::Equal => Ok(()),
        }
    }

    /// Takes a connection out of the pool for good: it is closed when dropped.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn connection(&self) -> Result<Connection, StoreError> {
        let object = self.pooled().await?;
        let client = Held::ForGood(Object::take(object));
        Ok(Connection { client })
    }

    /// Borrows a connection of the pool.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn lent_connection(&self) -> Result<Connection, StoreError> {
        let client = Held::Lent(self.pooled().await?);
        Ok(Connection { client })
    }

    /// Runs one statement outside a transaction: one round trip.
    pub(super) async fn query(
        &self,
        name: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let client = self.pooled().await?;
        let asking = async {
            let prepared = client.prepare_cached(sql).await;
            let statement = prepared.map_err(|error| failed(name, error))?;
            measured(name, client.query(&statement, parameters)).await
        };
        if let Ok(answer) = timeout(PATIENCE, asking).await {
            return answer;
        }
        // Its answer may come yet: not to the next one who asks.
        drop(Object::take(client));
        meter::count_failure(name);
        Err(StoreError::Unavailable("it did not answer in time".into()))
    }

    /// How to connect.
    pub(super) fn config(&self) -> &tokio_postgres::Config {
        &self.config
    }

    pub(super) async fn pooled(&self) -> Result<Object, StoreError> {
        let got = self.pool.get().await;
        // Whatever the reason why no connection is to be had, the wrong
        // password included: the database is away.
        got.map_err(|error| match error {
            PoolError::Backend(cause) => StoreError::Unavailable(Box::new(cause)),
            PoolError::Timeout(_)
            | PoolError::Closed
            | PoolError::NoRuntimeSpecified
            | PoolError::PostCreateHook(_) => StoreError::Unavailable(Box::new(error)),
        })
    }
}

impl Connection {
    /// Begins a transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub async fn begin(&mut self) -> Result<Transaction<'_>, StoreError> {
        let client: &mut tokio_postgres::Client = match &mut self.client {
            Held::ForGood(client) => client,
            Held::Lent(object) => &mut *object,
        };
        let begun = measured("begin", client.transaction()).await?;
        Ok(Transaction { inner: begun })
    }
}

impl Transaction<'_> {
    /// Makes what was done durable.
    ///
    /// # Errors
    ///
    /// [`StoreError::OutcomeUnknown`] when no answer came: it may have
    /// happened. [`StoreError::Conflict`] when another write came first.
    pub async fn commit(self) -> Result<(), StoreError> {
        let committed = measured("commit", self.inner.commit()).await;
        committed.map_err(|error| {
            let StoreError::Unavailable(source) = error else {
                return error;
            };
            match source.downcast::<tokio_postgres::Error>() {
                Ok(error) => StoreError::OutcomeUnknown(*error),
                Err(source) => StoreError::Unavailable(source),
            }
        })
    }

    /// Undoes what was done.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer; then it
    /// is undone all the same.
    pub async fn rollback(self) -> Result<(), StoreError> {
        measured("rollback", self.inner.rollback()).await
    }

    /// Runs a statement and gives its rows.
    pub(super) async fn query(
        &self,
        name: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        measured(name, self.inner.query(sql, parameters)).await
    }

    /// Runs a statement and tells how many rows it touched.
    pub(super) async fn execute(
        &self,
        name: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, StoreError> {
        measured(name, self.inner.execute(sql, parameters)).await
    }

    /// Runs statements that take no parameters.
    pub(super) async fn batch(&self, name: &'static str, sql: &str) -> Result<(), StoreError> {
        measured(name, self.inner.batch_execute(sql)).await
    }

    /// Runs a statement and gives its rows one by one, in bounded memory.
    pub(super) async fn stream<P, I>(
        &self,
        name: &'static str,
        sql: &str,
        parameters: I,
    ) -> Result<tokio_postgres::RowStream, StoreError>
    where
        P: BorrowToSql,
        I: IntoIterator<Item = P>,
        I::IntoIter: ExactSizeIterator,
    {
        measured(name, self.inner.query_raw(sql, parameters)).await
    }

    /// Begins a COPY into a table.
    pub(super) async fn copy_in(
        &self,
        name: &'static str,
        sql: &str,
    ) -> Result<CopyInSink<bytes::Bytes>, StoreError> {
        measured(name, self.inner.copy_in(sql)).await
    }
}

/// What every connection is told first: the role, the schema, one plan for all.
pub(super) const SESSION: &str = "-- prepare_session
    SET ROLE pim_authz_runtime;
    SET search_path = pim_authz, pg_temp;
    SET plan_cache_mode = force_generic_plan;
    SET idle_in_transaction_session_timeout = '60s';
    SET client_min_messages = warning;
    SET jit = off;
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// Sets up a new connection, so that its first question is one round trip like
/// any other: the role, the schema, one plan for all, the statement prepared.
async fn prepare_session(client: &mut deadpool_postgres::ClientWrapper) -> Result<(), HookError> {
    // A database without our schema is told of by `check_schema`.
    let refused_without_schema = |error: tokio_postgres::Error| -> Result<(), HookError> {
        let error = StoreError::of("prepare_session", error);
        if matches!(error, StoreError::Refused { .. }) {
            return Ok(());
        }
        Err(HookError::message(error.to_string()))
    };
    if let Err(error) = client.batch_execute(SESSION).await {
        return refused_without_schema(error);
    }
    match client.prepare_cached(FACTS_SQL).await {
        Ok(_) => Ok(()),
        Err(error) => refused_without_schema(error),
    }
}

/// Runs what is one round trip, and measures it under a name.
pub(super) async fn measured<T>(
    name: &'static str,
    round_trip: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, StoreError> {
    let begun = Instant::now();
    let outcome = round_trip.await;
    meter::count_round_trip(name, begun.elapsed());
    outcome.map_err(|error| failed(name, error))
}

pub(super) fn failed(name: &'static str, error: tokio_postgres::Error) -> StoreError {
    meter::count_failure(name);
    StoreError::of(name, error)
}

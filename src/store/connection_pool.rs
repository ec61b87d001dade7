use std::{
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use deadpool_postgres::{
    Connect, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod,
    TimeoutType, Timeouts,
};
use secrecy::SecretString;
use tokio::{runtime::Handle, task::JoinHandle, time::timeout};
use tokio_postgres::{Client, Row, types::ToSql};
use tokio_util::task::AbortOnDropHandle;

use crate::telemetry::metrics as meter;

use super::{
    Condition, Outage, StoreError,
    connector::Connector,
    facts::FACTS_SQL,
    loan::Loan,
    outage_log,
    pools::{PoolName, PoolUse, Pools},
    transaction::Connection,
    turns::Turns,
};

/// How long a caller waits for a free connection, or for a new one.
pub(super) const WAIT: Duration = Duration::from_secs(5);

/// How often a statement outside a transaction, or a snapshot, is begun at most.
pub(super) const TRIES: u32 = 3;

/// How long one statement outside a transaction may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The database, reached through a pool of connections.
///
/// Each of its statements is named, measured, counted and bounded in time; a
/// statement outside a transaction is one round trip.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
    connector: Connector,
    /// How long a statement outside a transaction may take.
    patience: Duration,
    home: Home,
    /// Whose turn it is to read; `None`: whoever gets a connection.
    turns: Option<Turns>,
    /// Every pool of the same database.
    pools: Pools,
    schema: SchemaFound,
}

/// Whether [`Store::check_schema`] has succeeded; shared by every pool of the same
/// database.
type SchemaFound = Arc<AtomicBool>;

/// The runtime that the connections of a pool belong to.
type Home = Arc<OnceLock<Handle>>;

/// Connects on the runtime that a pool belongs to, whoever asks for the
/// connection; a pool without one connects on the runtime of who asks first.
struct Connecting {
    connector: Connector,
    home: Home,
}

impl Connect for Connecting {
    fn connect(
        &self,
        _config: &tokio_postgres::Config,
    ) -> Pin<
        Box<
            dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>>
                + Send
                + '_,
        >,
    > {
        let connector = self.connector.clone();
        let home = self.home.get().cloned().unwrap_or_else(Handle::current);
        Box::pin(async move {
            let runtime = home.clone();
            let connecting = home.spawn(async move {
                let (client, connection) = connector.connect().await?;
                let driving = runtime.spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "a connection of the database ended");
                    }
                });
                Ok((client, driving))
            });
            match AbortOnDropHandle::new(connecting).await {
                Ok(connected) => connected,
                // Its runtime ends, and with it everything that asks.
                Err(_) => std::future::pending().await,
            }
        })
    }
}

impl Store {
    /// Makes a pool of at most `size` connections to the database that the URL
    /// names; none is opened yet.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidUrl`] when the URL is not one,
    /// [`StoreError::InvalidTls`] when its settings of TLS are not.
    pub fn new(database_url: &SecretString, size: usize) -> Result<Self, StoreError> {
        let connector = Connector::of_url(database_url)?;
        let shared = (Pools::default(), SchemaFound::default());
        Self::pool(connector, PoolName::Writes, size, PATIENCE, shared)
    }

    /// Opens the same database with at most `size` connections of its own, which
    /// no other work keeps busy; a statement may take `patience`. They belong to
    /// the runtime that first uses them.
    ///
    /// # Errors
    ///
    /// Fails only if the pool cannot be built.
    pub fn apart(
        &self,
        name: PoolName,
        size: usize,
        patience: Duration,
    ) -> Result<Self, StoreError> {
        let shared = (self.pools.clone(), Arc::clone(&self.schema));
        Self::pool(self.connector.clone(), name, size, patience, shared)
    }

    fn pool(
        connector: Connector,
        name: PoolName,
        size: usize,
        patience: Duration,
        (pools, schema): (Pools, SchemaFound),
    ) -> Result<Self, StoreError> {
        let home = Home::default();
        let connecting = Connecting {
            connector: connector.clone(),
            home: Arc::clone(&home),
        };
        let manager = Manager::from_connect(
            connector.config().clone(),
            connecting,
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
            .post_create(Hook::async_fn({
                let schema = Arc::clone(&schema);
                move |client, _| {
                    let expects_schema = schema.load(Ordering::Relaxed);
                    Box::pin(prepare_session(client, expects_schema))
                }
            }))
            .build()
            .map_err(StoreError::no_answer)?;
        pools.add(name, &pool);
        Ok(Self {
            pool,
            connector,
            patience,
            home,
            turns: None,
            pools,
            schema,
        })
    }

    /// Opens the same database for reading tenants whole or in part: `size` reads
    /// at once, `of_one_tenant` of each tenant. More wait for their turn, as long
    /// as somebody waits for them.
    ///
    /// # Errors
    ///
    /// Fails only if the pool cannot be built.
    pub fn for_reads(
        &self,
        name: PoolName,
        size: usize,
        of_one_tenant: usize,
    ) -> Result<Self, StoreError> {
        let store = self.apart(name, size, self.patience)?.at_home();
        Ok(Self {
            turns: Some(Turns::new(size, of_one_tenant)),
            ..store
        })
    }

    /// How every pool of this database is used at the moment, this one's and those
    /// that were opened [apart](Self::apart).
    #[must_use]
    pub fn pools(&self) -> Vec<PoolUse> {
        self.pools.uses()
    }

    /// Whose turn it is to read.
    pub(super) fn turns(&self) -> Option<&Turns> {
        self.turns.as_ref()
    }

    /// Makes the connections belong to the runtime of the caller, whoever uses
    /// them first. Those that are open stay where they are.
    #[must_use]
    pub fn at_home(self) -> Self {
        if let Ok(runtime) = Handle::try_current() {
            let _set_before = self.home.set(runtime);
        }
        self
    }

    /// Takes a connection out of the pool for good: it is closed when dropped.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn connection(&self) -> Result<Connection, StoreError> {
        let object = self.pooled().await?;
        Ok(Connection::kept(Object::take(object)))
    }

    /// Borrows a connection of the pool.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn lent_connection(&self) -> Result<Connection, StoreError> {
        Ok(Connection::lent(self.loan().await?))
    }

    /// Runs one statement outside a transaction: one round trip. One that met
    /// another transaction, or a schema that changed since it was prepared, did
    /// nothing and is run again.
    pub(super) async fn query(
        &self,
        name: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let mut loan = self.loan().await?;
        let (client, owed) = loan.parts().ok_or_else(StoreError::no_connection)?;
        let mut tries = 1;
        loop {
            let asking = async {
                let prepared = client.prepare_cached(sql).await;
                let statement = prepared.map_err(|error| failed(name, error))?;
                measured(name, client.query(&statement, parameters)).await
            };
            match owed.within(name, self.patience, asking).await {
                Err(error) if tries < TRIES && error.may_run_again() => {
                    client.statement_cache.clear();
                    meter::count_retry(name);
                    tries += 1;
                }
                asked => return asked,
            }
        }
    }

    /// From now on a session that cannot be set up, for the schema or the role is
    /// gone, is closed instead of kept.
    pub(super) fn expect_schema(&self) {
        self.schema.store(true, Ordering::Relaxed);
    }

    /// How to connect.
    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Lends a connection of the pool.
    pub(super) async fn loan(&self) -> Result<Loan, StoreError> {
        Ok(Loan::new(self.pooled().await?, self.connector.clone()))
    }

    async fn pooled(&self) -> Result<Object, StoreError> {
        // The pool bounds each step but the set-up of a new connection.
        let got = match timeout(WAIT * 2, self.pool.get()).await {
            Ok(got) => got.map_err(|error| not_connected(&self.connector, error)),
            Err(_) => Err(StoreError::overdue("connect", WAIT * 2)),
        };
        got.inspect_err(|error| outage_log::failed("connect", error))
    }
}

/// Settings of every connection: the role, the schema, one plan for all, and
/// whatever a setting of the database or of the user must not decide;
/// `transaction_timeout` is there from PostgreSQL 17 on.
pub(super) const SESSION: &str = "-- prepare_session
    SELECT set_config('role', runtime_role, false) FROM pim_authz.installation WHERE runtime_role <> '';
    SET search_path = pim_authz, pg_temp;
    SET plan_cache_mode = force_generic_plan;
    SET default_transaction_isolation = 'read committed';
    SET default_transaction_read_only = off;
    SET default_transaction_deferrable = off;
    SET idle_in_transaction_session_timeout = '60s';
    SET idle_session_timeout = 0;
    SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout';
    SET statement_timeout = '10s';
    SET lock_timeout = 0;
    SET client_min_messages = warning;
    SET jit = off;
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// Sets up a new connection, so that its first question is one round trip like
/// any other: the role, the schema, one plan for all, the statement prepared.
async fn prepare_session(
    client: &mut deadpool_postgres::ClientWrapper,
    expects_schema: bool,
) -> Result<(), HookError> {
    // A database without our schema, or a login without the role, is what
    // `check_schema` reports. Later, while a backup is being restored, a session
    // that was kept would lack the role and the bounds for as long as it lives.
    let refused_without_schema = |error: tokio_postgres::Error| -> Result<(), HookError> {
        if StoreError::is_refusal(&error) && !expects_schema {
            return Ok(());
        }
        Err(HookError::Backend(error))
    };
    if let Err(error) = client.batch_execute(SESSION).await {
        return refused_without_schema(error);
    }
    match client.prepare_cached(FACTS_SQL).await {
        Ok(_) => {
            outage_log::succeeded("connect");
            Ok(())
        }
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
    match outcome {
        Ok(answer) => {
            outage_log::succeeded(name);
            Ok(answer)
        }
        Err(error) => Err(failed(name, error)),
    }
}

pub(super) fn failed(name: &'static str, error: tokio_postgres::Error) -> StoreError {
    meter::count_failure(name);
    let error = StoreError::of(name, error);
    outage_log::failed(name, &error);
    error
}

/// Why there is no connection: whatever the reason, the wrong password
/// included, the database cannot serve.
fn not_connected(connector: &Connector, error: PoolError) -> StoreError {
    match error {
        PoolError::Backend(cause) | PoolError::PostCreateHook(HookError::Backend(cause)) => {
            connector.failure(cause)
        }
        PoolError::Timeout(TimeoutType::Wait) => {
            StoreError::Unavailable(Outage::new(Condition::PoolExhausted, error))
        }
        PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => {
            StoreError::Unavailable(Outage::new(Condition::Overdue, error))
        }
        PoolError::Closed
        | PoolError::NoRuntimeSpecified
        | PoolError::PostCreateHook(HookError::Message(_)) => StoreError::no_answer(error),
    }
}

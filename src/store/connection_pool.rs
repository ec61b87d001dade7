use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
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
    connector::{Connector, WAIT},
    loan::Loan,
    outage_log,
    pools::{PoolName, PoolUse, Pools},
    round_trip::{failed, measured},
    tenant_limiter::TenantLimiter,
};

/// Maximum number of attempts for a statement outside a transaction, or for a
/// snapshot.
pub(super) const TRIES: u32 = 3;

/// Default timeout of one statement outside a transaction.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// Access to the database through a connection pool.
///
/// Every statement is named, measured, counted and bounded in time; a statement
/// outside a transaction is one round trip.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
    connector: Connector,
    /// Timeout of a statement outside a transaction.
    patience: Duration,
    runtime: RuntimeCell,
    /// Queue of reads by tenant; `None` if reads are limited only by the pool's size.
    turns: Option<TenantLimiter>,
    /// All pools of the same database.
    pools: Pools,
    schema: SchemaFound,
    planned: Planned,
}

/// When statements were last planned anew; shared by all copies of a pool.
type Planned = Arc<Mutex<Instant>>;

/// Time for which plans are kept. The tables may be much larger by then, without new
/// statistics.
const PLANS_LAST: Duration = Duration::from_mins(1);

/// True once [`Store::check_schema`] has succeeded; shared by all pools of the
/// same database.
type SchemaFound = Arc<AtomicBool>;

/// Runtime on which the connections of a pool run, once set.
type RuntimeCell = Arc<OnceLock<Handle>>;

/// Opens connections on the pool's runtime, whichever task requests them. Without
/// one, each connection runs on the runtime of the task that opens it.
struct Connecting {
    connector: Connector,
    runtime: RuntimeCell,
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
        let runtime = self.runtime.get().cloned().unwrap_or_else(Handle::current);
        Box::pin(async move {
            let driver_runtime = runtime.clone();
            let connecting = runtime.spawn(async move {
                let (client, connection) = connector.connect().await?;
                let driving = driver_runtime.spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "a connection of the database ended");
                    }
                });
                Ok((client, driving))
            });
            match AbortOnDropHandle::new(connecting).await {
                Ok(connected) => connected,
                // The runtime is shutting down, and with it every task that waits
                // here.
                Err(_) => std::future::pending().await,
            }
        })
    }
}

impl Store {
    /// Creates a pool of at most `size` connections to the database of the URL,
    /// without opening any.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidUrl`] if the URL is invalid,
    /// [`StoreError::InvalidTls`] if its TLS settings are invalid.
    pub fn new(database_url: &SecretString, size: usize) -> Result<Self, StoreError> {
        let connector = Connector::of_url(database_url)?;
        let shared = (Pools::default(), SchemaFound::default());
        Self::pool(connector, PoolName::Writes, size, STATEMENT_TIMEOUT, shared)
    }

    /// Creates a separate pool of at most `size` connections to the same database,
    /// so that other work cannot exhaust it. A statement times out after `patience`.
    /// Each connection runs on the runtime of the task that opens it, unless
    /// [`on_current_runtime`](Self::on_current_runtime) sets one.
    ///
    /// # Errors
    ///
    /// Fails only if the pool cannot be built.
    pub fn separate_pool(
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
        let runtime = RuntimeCell::default();
        let connecting = Connecting {
            connector: connector.clone(),
            runtime: Arc::clone(&runtime),
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
            .map_err(StoreError::unreachable)?;
        pools.add(name, &pool);
        Ok(Self {
            pool,
            connector,
            patience,
            runtime,
            turns: None,
            pools,
            schema,
            planned: Arc::new(Mutex::new(Instant::now())),
        })
    }

    /// Creates a separate pool for reading tenants: `size` concurrent reads, at most
    /// `of_one_tenant` of each tenant. Further reads wait in a queue, until their
    /// futures are dropped.
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
        let store = self
            .separate_pool(name, size, self.patience)?
            .on_current_runtime();
        Ok(Self {
            turns: Some(TenantLimiter::new(size, of_one_tenant)),
            ..store
        })
    }

    /// Returns the current use of every pool of this database: this one and those
    /// created [apart](Self::separate_pool).
    #[must_use]
    pub fn pools(&self) -> Vec<PoolUse> {
        self.pools.uses()
    }

    /// Returns the queue of reads by tenant, if this pool has one.
    pub(super) fn turns(&self) -> Option<&TenantLimiter> {
        self.turns.as_ref()
    }

    /// Makes the caller's runtime run all connections opened from now on, whichever
    /// task opens them. Open connections stay on theirs; a runtime set before is
    /// kept.
    #[must_use]
    pub fn on_current_runtime(self) -> Self {
        if let Ok(runtime) = Handle::try_current() {
            let _set_before = self.runtime.set(runtime);
        }
        self
    }

    /// Runs one statement outside a transaction, in one round trip. Retries it after
    /// a conflict with another transaction or a stale prepared statement, since a
    /// failed attempt had no effect.
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
            let attempt = async {
                let prepared = client.prepare_cached(sql).await;
                let statement = prepared.map_err(|error| failed(name, error))?;
                measured(name, client.query(&statement, parameters)).await
            };
            match owed.within(name, self.patience, attempt).await {
                Err(error) if tries < TRIES && error.is_retryable() => {
                    client.statement_cache.clear();
                    meter::count_retry(name);
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Makes the pool close new sessions whose set-up fails because the schema or the
    /// role is missing, instead of keeping them.
    pub(super) fn expect_schema(&self) {
        self.schema.store(true, Ordering::Relaxed);
    }

    /// Makes all connections of the pool prepare their statements anew.
    pub(super) fn forget_statements(&self) {
        self.pool.manager().statement_caches.clear();
    }

    /// Makes all connections of the pool plan their statements anew once a minute.
    pub(super) fn renew_plans(&self) {
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        if planned.elapsed() >= PLANS_LAST {
            *planned = Instant::now();
            self.forget_statements();
        }
    }

    /// Returns the connector of this database.
    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Acquires a connection of the pool.
    pub(super) async fn loan(&self) -> Result<Loan, StoreError> {
        Ok(Loan::new(self.pooled().await?, self.connector.clone()))
    }

    /// Acquires a connection of the pool, which the caller may remove from it.
    pub(super) async fn pooled(&self) -> Result<Object, StoreError> {
        // The pool's timeouts cover each step except the set-up of a new connection.
        let got = match timeout(WAIT * 2, self.pool.get()).await {
            Ok(got) => got.map_err(|error| not_connected(&self.connector, error)),
            Err(_) => Err(StoreError::timed_out("connect", WAIT * 2)),
        };
        got.inspect_err(|error| outage_log::failed("connect", error))
    }
}

/// Selects every fact that a set of questions needs: tagged rows, one per fact. Every
/// session prepares it when it is set up.
pub(super) const FACTS_SQL: &str = include_str!("facts.sql");

/// Settings of every session: the role, the schema, generic plans, and whatever
/// settings of the database or of the user must not override.
/// `transaction_timeout` exists from PostgreSQL 17 on.
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

/// Sets up a new session, including the prepared facts statement, so that its
/// first statement takes one round trip like any other.
async fn prepare_session(
    client: &mut deadpool_postgres::ClientWrapper,
    expects_schema: bool,
) -> Result<(), HookError> {
    // `check_schema` reports a database without our schema, or a login without
    // the role. Later, while a backup is being restored, a session that was
    // pooled would lack the role and the timeouts for as long as it lives.
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

/// Converts a pool error. Every cause, a wrong password included, means that the
/// database cannot serve.
fn not_connected(connector: &Connector, error: PoolError) -> StoreError {
    match error {
        PoolError::Backend(cause) | PoolError::PostCreateHook(HookError::Backend(cause)) => {
            connector.failure(cause)
        }
        PoolError::Timeout(TimeoutType::Wait) => {
            StoreError::Unavailable(Outage::new(Condition::PoolExhausted, error))
        }
        PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => {
            StoreError::Unavailable(Outage::new(Condition::TimedOut, error))
        }
        PoolError::Closed
        | PoolError::NoRuntimeSpecified
        | PoolError::PostCreateHook(HookError::Message(_)) => StoreError::unreachable(error),
    }
}

//! Assembles and runs the server: database, services, health, reflection, and
//! graceful shutdown.

mod accepting;
mod call_kind;
mod call_queue;
mod callers;
mod certificates;
mod connection;
mod deferred;
mod error;
mod handshakes;
mod health;
mod io_timeouts;
mod limits;
mod metrics;
mod places;
mod reflection;
mod request_body;
mod services;
mod starting;
mod transport;
mod without_decisions;
mod work;

use std::{
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use futures_util::{Stream, StreamExt as _, future::Either};
use secrecy::SecretString;
use tokio::{net::TcpListener, sync::oneshot, time::timeout};
use tokio_util::task::AbortOnDropHandle;
use tonic::service::Routes;

use crate::{
    admin::WriteCoordinator,
    cache::{Cache, CacheSettings, CoherenceThread},
    domain::Code,
    http::{BindingSettings, Bindings, Contract, Transcoding},
    oidc::TokenVerifier,
    pb::authorization_service_server::AuthorizationService,
    rpc::{
        AdminApi, Admission, Authentication, AuthorizationApi, Behind, Budget, Gate, ImportApi,
        Observer, PageTokens, RateLimits,
    },
    store::{self, SchemaReport, Store},
    supervision::{Supervisor, Task},
    telemetry::{DecisionLog, DecisionRecorder},
};

use self::{
    accepting::Connections,
    callers::{Access, Encryption},
    certificates::Certificates,
    connection::Connection,
    deferred::Deferred,
    health::Health,
    io_timeouts::IoTimeouts,
    metrics::{Gauges, HttpListener, Sampled},
    services::{Decisions, Implementations},
    work::{OnWorkThreads, WorkThreads},
};
pub use self::{
    callers::{CallerSettings, Plaintext, Reflection, bootstrap_caller},
    certificates::{TlsFiles, TlsFilesError},
    error::ServerError,
    limits::Limits,
    metrics::ObservationSettings,
    transport::runtime,
    without_decisions::serve_without_decisions,
};
pub use crate::{
    http::{CorsOrigins, InvalidOrigin, PublicUrl, PublicUrlInvalid},
    rpc::{CallerRate, Credentials},
    store::{RuntimeRole, SslMode, TlsParameters},
    telemetry::{DecisionLogSettings, LoggedDecisions},
};

/// Configuration of a server.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// The address to listen on; port 0: any free one.
    pub listen: SocketAddr,
    /// The TLS files for callers; `None`: the server does not encrypt.
    pub tls: Option<TlsFiles>,
    /// The database URL of the role that the server runs as.
    pub database_url: SecretString,
    /// The database URL of the owner; if given, the schema is migrated first.
    pub migrate_url: Option<SecretString>,
    /// How the start handles a database that is not available yet.
    pub database_start: DatabaseStart,
    /// The tenant of calls that name none.
    pub default_tenant: Code,
    /// Time within which a watcher of changes must read an event; after that it
    /// is disconnected.
    pub watch_patience: Duration,
    /// Settings of the cache and its coherence.
    pub cache: CacheSettings,
    /// Timeout for pending calls to end during shutdown.
    pub drain: Duration,
    /// Limits on concurrent load.
    pub limits: Limits,
    /// Who may call the server.
    pub callers: CallerSettings,
    /// Settings of metrics, probes and logs.
    pub observation: ObservationSettings,
    /// Settings of calls over HTTP without gRPC.
    pub http: HttpSettings,
}

/// Settings of calls over HTTP without gRPC.
#[derive(Clone, Debug, Default)]
pub struct HttpSettings {
    /// The URL by which callers reach the server; `None`: on loopback the one of its
    /// address, elsewhere it is not known.
    pub public_url: Option<PublicUrl>,
    /// The origins whose pages may call from a browser.
    pub origins: CorsOrigins,
}

/// How the start handles a database that is not available yet: one that refuses
/// connections, starts or stops, has no connection free, or is not migrated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatabaseStart {
    /// The start fails.
    #[default]
    Required,
    /// The server is alive but not ready, and waits.
    Awaited,
}

/// Migrates the schema of a database, as its owner.
///
/// # Errors
///
/// [`ServerError`] if the database is unavailable or rejects it.
pub async fn migrate(
    owner_url: &SecretString,
    role: &RuntimeRole,
) -> Result<SchemaReport, ServerError> {
    let owner = Store::new(owner_url, 1)?;
    owner.check_sessions().await?;
    Ok(store::migrate(owner_url, role).await?)
}

/// Serves until `shutdown` completes and the pending calls have ended. `ready`
/// receives the address once calls are answered.
///
/// It listens from the start, so that health can be checked; other calls are
/// UNAVAILABLE until the database is available.
///
/// # Errors
///
/// [`ServerError`] if the server cannot start, its listener fails, or an
/// essential task ends.
pub async fn serve(
    config: ServeConfig,
    shutdown: impl Future<Output = ()> + Send + 'static,
    ready: oneshot::Sender<SocketAddr>,
) -> Result<(), ServerError> {
    let drain = config.drain;
    let (starting, listener, http) = Starting::prepare(&config).await?;
    let address = starting.address;
    let serving_http = http.map(|http| http.serve(starting.gauges.clone()));
    let _serving_http = serving_http.map(|serving| starting.keep(Task::HttpListener, serving));
    let (stopping, stopped) = oneshot::channel();
    let _following = starting.follow();
    let server = starting.answer(listener, &config, async {
        // A dropped sender means the same as a sent message.
        let _either_way = stopped.await;
    });
    let (mut server, mut shutdown) = (pin!(server), pin!(shutdown));
    tracing::info!(server.address = %address, "listening on {address}");
    let outcome = tokio::select! {
        () = &mut server => return Err(ServerError::Listener),
        () = &mut shutdown => Ok(None),
        running = starting.start(config) => running.map(Some),
    };
    let outcome = match outcome {
        Ok(Some(_following)) => {
            tracing::info!(server.address = %address, "serving on {address}");
            // The receiver may have been dropped.
            let _receiver_dropped = ready.send(address);
            tokio::select! {
                () = &mut server => return Err(ServerError::Listener),
                () = &mut shutdown => Ok(()),
                task = starting.supervisor.first_ended() => Err(ServerError::TaskEnded(task)),
            }
        }
        Ok(None) => Ok(()),
        // No call has been answered yet, so there is none to wait for.
        Err(error) => {
            starting.leave().await;
            return Err(error);
        }
    };
    if let Err(error) = &outcome {
        tracing::error!(%error, "stopping: {error}");
    }
    tracing::info!("stopping: waiting for the calls under way");
    starting.stop();
    let _already_ended = stopping.send(());
    drained(server, drain).await;
    // Last, since the coherence thread announces the pending writes.
    starting.leave().await;
    outcome
}

/// Waits until the pending calls have ended, or `limit` has passed.
async fn drained(server: Pin<&mut impl Future<Output = ()>>, limit: Duration) {
    if timeout(limit, server).await.is_err() {
        tracing::warn!(
            limit_s = limit.as_secs(),
            "stopped before all calls and connections had ended"
        );
    }
}

/// State of a server that starts, before and after its database is available. `A` makes
/// the decisions.
struct Starting<A> {
    gate: Gate,
    authentication: Authentication,
    access: Access,
    address: SocketAddr,
    open: Connections,
    budget: Budget,
    certificates: Option<Certificates>,
    tokens: Option<Arc<TokenVerifier>>,
    work: WorkThreads,
    supervisor: Supervisor,
    health: Health,
    services: Deferred<A>,
    /// The services registered so far.
    routes: Routes,
    given: DecisionRecorder,
    gauges: Gauges,
    /// Set once the server has a lease, or is about to acquire one.
    coherence: Mutex<Option<CoherenceThread>>,
}

impl<A: AuthorizationService> Starting<A> {
    /// Reads the configured files and binds the ports. What fails here fails
    /// before the database is contacted.
    async fn prepare(
        config: &ServeConfig,
    ) -> Result<(Self, TcpListener, Option<HttpListener>), ServerError> {
        let limits = config.limits;
        let encryption = Encryption::by(config.tls.as_ref());
        let access = config.callers.on(config.listen, encryption)?;
        let certificates = config.tls.as_ref().map(Certificates::load).transpose()?;
        let tokens = config.callers.tokens().await?;
        let decisions = open_decision_log(&config.observation)?;
        let (listener, address) = bind(config.listen).await?;
        let http = HttpListener::bind(config.observation.http).await?;
        let (health, health_service) = Health::start();
        let open = Connections::up_to(limits.connections);
        let budget = Budget::new(limits.call_bytes);
        let gauges = Gauges::of(Sampled {
            readiness: health.readiness(),
            connections: open.clone(),
            budget: budget.clone(),
            call_bytes: limits.call_bytes,
            certificates: certificates.clone(),
            memory: OnceLock::new(),
        });
        let routes = Routes::new(health_service);
        let starting = Self {
            gate: Gate::new(Observer::new(config.observation.slow)),
            authentication: Authentication::new(access.credentials, tokens.clone()),
            access,
            address,
            open,
            budget,
            certificates,
            tokens,
            work: WorkThreads::start().map_err(ServerError::Thread)?,
            supervisor: Supervisor::default(),
            health,
            services: Deferred::new(routes.clone()),
            routes,
            given: DecisionRecorder::new(decisions),
            gauges,
            coherence: Mutex::default(),
        };
        Ok((starting, listener, http))
    }

    /// Returns the connections of a listener, with TLS if there is a certificate.
    fn connections(
        &self,
        listener: TcpListener,
        limits: Limits,
    ) -> impl Stream<Item = Connection> + Send + use<A> {
        let accepted = accepting::connections(listener, self.open.clone());
        let timeouts = IoTimeouts {
            beginning: limits.beginning,
            stalled: limits.ping_after + limits.ping_answer,
        };
        match self.certificates.clone() {
            Some(certificates) => {
                let most = self.open.most;
                Either::Left(handshakes::secured(accepted, certificates, most, timeouts))
            }
            None => {
                Either::Right(accepted.map(move |accepted| Connection::plain(accepted, timeouts)))
            }
        }
    }

    /// Returns the bindings for calls over HTTP without gRPC.
    fn bindings(&self, config: &ServeConfig) -> Bindings {
        let HttpSettings {
            public_url,
            origins,
        } = config.http.clone();
        let is_loopback = self.address.ip().is_loopback();
        let own = PublicUrl::of(self.address, self.certificates.is_some());
        Bindings::new(BindingSettings {
            public_url: public_url.or(is_loopback.then_some(own)),
            origins,
            contract: match self.access.reflection {
                Reflection::Served => Contract::Served,
                Reflection::Hidden => Contract::Hidden,
            },
            credentials: self.access.credentials,
        })
    }

    /// Serves the connections of a listener until `stopped` completes, and their calls
    /// have ended.
    fn answer<'a, F: Future<Output = ()>>(
        &'a self,
        listener: TcpListener,
        config: &ServeConfig,
        stopped: F,
    ) -> impl Future<Output = ()> + use<'a, A, F> {
        let limits = config.limits;
        // From the innermost to the one that a call meets first.
        let service = Transcoding::new(self.services.clone());
        let service = Behind::new(Admission::new(self.budget.clone()), service);
        let service = Behind::new(OnWorkThreads::new(&self.work), Arc::new(service));
        let service = Behind::new(RateLimits::new(limits.caller_rate), service);
        let service = Behind::new(self.authentication.clone(), service);
        let service = Behind::new(self.gate.clone(), service);
        let service = (service, self.bindings(config));
        let connections = self.connections(listener, limits);
        transport::serve(service, connections, &self.work, limits, stopped)
    }

    /// Reloads the TLS files and the keys of the OIDC issuer until the results
    /// are dropped.
    fn follow(&self) -> [Option<AbortOnDropHandle<()>>; 2] {
        let certificates = self.certificates.clone();
        let certificates = certificates.map(|files| self.keep(Task::Certificates, files.follow()));
        let keys = self.tokens.clone();
        let keys = keys.map(|tokens| self.keep(Task::IssuerKeys, tokens.follow()));
        [certificates, keys]
    }

    /// Spawns a supervised task, which is aborted when the result is dropped.
    fn keep(
        &self,
        task: Task,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(tokio::spawn(self.supervisor.supervise(task, work)))
    }
}

impl Starting<AuthorizationApi> {
    /// Opens the database and starts answering calls; updates its health until
    /// the result is dropped.
    async fn start(&self, config: ServeConfig) -> Result<AbortOnDropHandle<()>, ServerError> {
        let store = starting::open_store(&config).await?;
        let starting = Cache::start(
            store.clone(),
            config.cache,
            self.work.handle().clone(),
            &self.supervisor,
        );
        let (cache, coherence) = starting.await.map_err(ServerError::Thread)?;
        *self.coherence() = Some(coherence);
        self.gauges.show(cache.clone(), store.clone());
        starting::log_durability(&store).await?;
        let coordinator = WriteCoordinator::new(store.clone(), cache.clone())?;
        callers::bootstrap(&config.callers, &coordinator).await?;
        callers::announce(self.access, self.address, &cache).await;
        let routes = match self.access.reflection {
            Reflection::Served => reflection::add_reflection(self.routes.clone())?,
            Reflection::Hidden => self.routes.clone(),
        };
        let stores = starting::read_stores(&store)?;
        let tokens = PageTokens::read(&store).await?;
        let implementations = Implementations {
            authorization: AuthorizationApi::new(
                cache.clone(),
                stores.reads.clone(),
                tokens.clone(),
                config.default_tenant.clone(),
                self.given.clone(),
            ),
            import: ImportApi::new(coordinator.clone()),
            admin: AdminApi::new(
                coordinator,
                cache.clone(),
                stores,
                tokens,
                config.default_tenant,
                config.watch_patience,
                self.supervisor.clone(),
            ),
        };
        let decisions = Decisions::new(implementations.authorization.clone());
        self.services
            .install(implementations.add_to(routes), decisions);
        self.authentication.begin(cache.clone());
        self.gate.open();
        // Last, so that calls sent to a ready server are answered.
        Ok(self.health.follow(cache, &self.supervisor))
    }

    fn coherence(&self) -> MutexGuard<'_, Option<CoherenceThread>> {
        self.coherence
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases the lease, also if the start failed after acquiring it, so that
    /// no write waits for this server.
    async fn leave(&self) {
        let coherence = self.coherence().take();
        if let Some(coherence) = coherence {
            coherence.leave().await;
        }
    }

    /// Makes the server not ready, and lets streams and tasks end.
    fn stop(&self) {
        self.supervisor.release();
        self.health.stop();
        self.gate.close();
    }
}

/// Opens the decision log, if one is configured.
fn open_decision_log(settings: &ObservationSettings) -> Result<Option<DecisionLog>, ServerError> {
    let opened = settings.decisions.as_ref().map(|settings| {
        DecisionLog::open(settings).map_err(|source| ServerError::DecisionLog {
            file: settings.file.display().to_string(),
            source,
        })
    });
    opened.transpose()
}

async fn bind(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let refused = |source| ServerError::Listen { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}

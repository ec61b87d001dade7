//! Wires everything, once: the database, the services, health, reflection, and
//! an orderly end.

mod error;
mod health;

use std::{net::SocketAddr, time::Duration};

use secrecy::SecretString;
use tokio::{net::TcpListener, sync::oneshot, time::timeout};
use tonic::{
    codec::CompressionEncoding,
    service::Routes,
    transport::{Server, server::TcpIncoming},
};

use crate::{
    admin::Door,
    cache::{Cache, CacheSettings},
    domain::Code,
    pb::{
        self, access_rights_service_server::AccessRightsServiceServer,
        app_service_server::AppServiceServer, audit_service_server::AuditServiceServer,
        authorization_service_server::AuthorizationServiceServer,
        catalog_service_server::CatalogServiceServer,
        directory_service_server::DirectoryServiceServer,
        import_service_server::ImportServiceServer,
        operations_service_server::OperationsServiceServer,
        tenant_service_server::TenantServiceServer,
    },
    rpc::{AdminApi, AuthorizationApi, Gate, ImportApi},
    store::{self, Durability, SchemaReport, Store},
};

pub use self::error::ServerError;
use self::health::Health;
pub use crate::store::RuntimeRole;

/// The most connections to the database.
const POOL_SIZE: usize = 16;

/// The largest message that is read, in bytes: a batch of 100,000 items.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// The largest message of an import, in bytes: a piece of 4 MiB and its name.
const MAX_PIECE_BYTES: usize = (4 << 20) + (64 << 10);

/// How long calls under way may take to end once the server stops.
const DRAIN: Duration = Duration::from_secs(30);

/// What a server is told before it starts.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Where to listen; port 0: any free one.
    pub listen: SocketAddr,
    /// The database, as the role the server works as may reach it.
    pub database_url: SecretString,
    /// The database as its owner reaches it: given, the schema is brought up to
    /// date first.
    pub migrate_url: Option<SecretString>,
    /// The tenant that calls mean which name none.
    pub default_tenant: Code,
    /// How long a watcher of changes may take for one event before it is cut
    /// off.
    pub watch_patience: Duration,
    /// How facts are kept in memory, and how that stays true.
    pub cache: CacheSettings,
}

/// Brings the schema of a database up to date, working as its owner.
///
/// # Errors
///
/// [`ServerError`] when the database is away or refuses.
pub async fn migrate(
    owner_url: &SecretString,
    role: &RuntimeRole,
) -> Result<SchemaReport, ServerError> {
    let migrated = store::migrate(owner_url, role).await;
    migrated.map_err(ServerError::of_migration)
}

/// Serves until `shutdown` completes and the calls under way have ended.
/// `ready` learns the address once calls are answered.
///
/// # Errors
///
/// [`ServerError`] when the server cannot start, or its listener fails.
pub async fn serve(
    config: ServeConfig,
    shutdown: impl Future<Output = ()> + Send + 'static,
    ready: oneshot::Sender<SocketAddr>,
) -> Result<(), ServerError> {
    let store = open_store(&config).await?;
    let ServeConfig {
        listen,
        default_tenant,
        watch_patience,
        cache,
        ..
    } = config;
    let (cache, coherence) = Cache::start(store.clone(), cache)
        .await
        .map_err(ServerError::Thread)?;
    tell_durability(&store).await?;
    let (listener, address) = bind(listen).await?;
    let gate = Gate::default();
    let (health, health_service) = Health::watch(cache.clone()).await;
    let routes = add_reflection(Routes::new(health_service))?;
    let door = Door::new(store.clone(), cache.clone()).map_err(ServerError::of_start)?;
    let routes = add_services(
        routes,
        door,
        &cache,
        &store,
        &default_tenant,
        watch_patience,
    );
    let (stopping, stopped) = oneshot::channel();
    let server = transport(gate.clone())
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming(listener), async {
            // A sender that is gone means the same as one that spoke.
            let _either_way = stopped.await;
        });
    tracing::info!(server.address = %address, "serving on {address}");
    // Nobody may be waiting for the address.
    let _unheard = ready.send(address);
    let mut server = std::pin::pin!(server);
    tokio::select! {
        ended = &mut server => return ended.map_err(ServerError::Transport),
        () = shutdown => {}
    }
    tracing::info!("stopping: waiting for the calls under way");
    health.stop_serving().await;
    gate.close();
    let _already_ended = stopping.send(());
    health.end().await;
    let ended = timeout(DRAIN, server).await;
    // Last: the writes under way are announced by its thread.
    coherence.leave().await;
    let Ok(ended) = ended else {
        tracing::warn!(
            limit_s = DRAIN.as_secs(),
            "stopped before all calls had ended"
        );
        return Ok(());
    };
    ended.map_err(ServerError::Transport)
}

async fn open_store(config: &ServeConfig) -> Result<Store, ServerError> {
    if let Some(owner_url) = &config.migrate_url {
        let report = migrate(owner_url, &RuntimeRole::Stored).await?;
        tracing::info!(schema.version = report.version, "{report}");
    }
    let store = Store::new(&config.database_url, POOL_SIZE).map_err(ServerError::of_start)?;
    store.check_schema().await.map_err(ServerError::of_start)?;
    Ok(store)
}

/// Says what an acknowledged write is worth, which coherence stands on.
async fn tell_durability(store: &Store) -> Result<(), ServerError> {
    match store.durability().await.map_err(ServerError::of_start)? {
        Durability::None => tracing::warn!(
            "fsync or full_page_writes is off: after a crash of PostgreSQL acknowledged writes may \
             be gone; for tests only"
        ),
        Durability::SingleNode => tracing::info!(
            "an acknowledged write survives a crash of PostgreSQL; no standby is synchronous, so \
             after a failover it may be gone"
        ),
        Durability::SynchronousStandby { names } => tracing::info!(
            standbys = names,
            "an acknowledged write survives a crash, and a failover to a synchronous standby; \
             promote no other"
        ),
    }
    Ok(())
}

async fn bind(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let refused = |source| ServerError::Listen { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    warn_of_open_address(address);
    Ok((listener, address))
}

/// tonic with limits for what it leaves open.
fn transport(gate: Gate) -> Server<tower::layer::util::Stack<Gate, tower::layer::util::Identity>> {
    Server::builder()
        .max_concurrent_streams(1024)
        .http2_max_pending_accept_reset_streams(Some(64))
        .http2_max_local_error_reset_streams(Some(1024))
        .http2_max_header_list_size(16 << 10)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .layer(gate)
}

fn incoming(listener: TcpListener) -> TcpIncoming {
    TcpIncoming::from(listener)
        .with_nodelay(Some(true))
        .with_keepalive(Some(Duration::from_mins(1)))
}

fn add_services(
    routes: Routes,
    door: Door,
    cache: &Cache,
    store: &Store,
    default_tenant: &Code,
    watch_patience: Duration,
) -> Routes {
    let authorization = AuthorizationApi::new(cache.clone(), store.clone(), default_tenant.clone());
    let import = ImportApi::new(door.clone());
    let admin = AdminApi::new(
        door,
        cache.clone(),
        store.clone(),
        default_tenant.clone(),
        watch_patience,
    );
    let routes = routes
        .add_service(
            AuthorizationServiceServer::new(authorization)
                .accept_compressed(CompressionEncoding::Gzip)
                .max_decoding_message_size(MAX_MESSAGE_BYTES),
        )
        .add_service(
            ImportServiceServer::new(import)
                .accept_compressed(CompressionEncoding::Gzip)
                .max_decoding_message_size(MAX_PIECE_BYTES),
        );
    add_administration(routes, &admin)
}

/// Adds each service of the administration.
fn add_administration(routes: Routes, admin: &AdminApi) -> Routes {
    macro_rules! add {
        ($routes:expr, $($server:ident),+) => {
            $routes$(.add_service(
                $server::new(admin.clone())
                    .accept_compressed(CompressionEncoding::Gzip)
                    .max_decoding_message_size(MAX_MESSAGE_BYTES),
            ))+
        };
    }
    add!(
        routes,
        TenantServiceServer,
        DirectoryServiceServer,
        CatalogServiceServer,
        AccessRightsServiceServer,
        AppServiceServer,
        AuditServiceServer,
        OperationsServiceServer
    )
}

fn add_reflection(routes: Routes) -> Result<Routes, ServerError> {
    let descriptors = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    // Each version serves the other's descriptors too.
    let v1 = descriptors()
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(ServerError::Reflection)?;
    let v1alpha = descriptors()
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
        .build_v1alpha()
        .map_err(ServerError::Reflection)?;
    Ok(routes.add_service(v1).add_service(v1alpha))
}

fn warn_of_open_address(address: SocketAddr) {
    if address.ip().is_loopback() {
        return;
    }
    tracing::warn!(
        server.address = %address,
        "listening on {address}, which is not loopback: this release asks callers for no \
         credentials, so whoever reaches the port may ask and change everything"
    );
}

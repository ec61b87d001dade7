use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Mutex,
    time::{MissedTickBehavior, interval},
};
use tokio_util::task::AbortOnDropHandle;
use tonic::server::NamedService;
use tonic_health::{
    ServingStatus,
    pb::health_server::{Health as HealthApi, HealthServer},
    server::{HealthReporter, health_reporter},
};

use crate::{
    cache::Cache,
    pb::{
        access_rights_service_server::AccessRightsServiceServer,
        app_service_server::AppServiceServer, audit_service_server::AuditServiceServer,
        authorization_service_server::AuthorizationServiceServer,
        catalog_service_server::CatalogServiceServer,
        directory_service_server::DirectoryServiceServer,
        import_service_server::ImportServiceServer,
        operations_service_server::OperationsServiceServer,
        tenant_service_server::TenantServiceServer,
    },
    rpc::{AdminApi, AuthorizationApi, ImportApi},
};

/// How often the lease is looked at.
const PERIOD: Duration = Duration::from_millis(500);

/// The services whose health is told; empty: the server's as a whole.
const SERVICES: [&str; 10] = [
    "",
    <AuthorizationServiceServer<AuthorizationApi> as NamedService>::NAME,
    <ImportServiceServer<ImportApi> as NamedService>::NAME,
    <TenantServiceServer<AdminApi> as NamedService>::NAME,
    <DirectoryServiceServer<AdminApi> as NamedService>::NAME,
    <CatalogServiceServer<AdminApi> as NamedService>::NAME,
    <AccessRightsServiceServer<AdminApi> as NamedService>::NAME,
    <AppServiceServer<AdminApi> as NamedService>::NAME,
    <AuditServiceServer<AdminApi> as NamedService>::NAME,
    <OperationsServiceServer<AdminApi> as NamedService>::NAME,
];

/// Tells callers and load balancers whether the server can answer: while its
/// lease runs, which the database has to renew, and until it stops.
#[derive(Debug)]
pub(super) struct Health {
    reporter: Reporter,
    _watch: AbortOnDropHandle<()>,
}

#[derive(Clone, Debug)]
struct Reporter {
    inner: HealthReporter,
    /// Whether the server stops: then nothing serves, whatever the lease says.
    stopping: Arc<Mutex<bool>>,
}

impl Health {
    /// Begins to watch the lease, with the first status set.
    pub(super) async fn watch(cache: Cache) -> (Self, HealthServer<impl HealthApi>) {
        let (inner, service) = health_reporter();
        let reporter = Reporter {
            inner,
            stopping: Arc::default(),
        };
        let first = cache.has_lease();
        reporter.set(first).await;
        let watch = tokio::spawn(watch(reporter.clone(), first, cache));
        let health = Self {
            reporter,
            _watch: AbortOnDropHandle::new(watch),
        };
        (health, service)
    }

    /// Says that nothing serves any more, so that callers go elsewhere.
    pub(super) async fn stop_serving(&self) {
        *self.reporter.stopping.lock().await = true;
        self.reporter.tell(ServingStatus::NotServing).await;
    }

    /// Ends the streams of those who watch; they would hold the server up.
    pub(super) async fn end(&self) {
        let mut reporter = self.reporter.inner.clone();
        for service in SERVICES {
            reporter.clear_service_status(service).await;
        }
    }
}

impl Reporter {
    async fn set(&self, answers: bool) {
        let stopping = self.stopping.lock().await;
        if *stopping {
            return;
        }
        let status = if answers {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        self.tell(status).await;
    }

    async fn tell(&self, status: ServingStatus) {
        for service in SERVICES {
            self.inner.set_service_status(service, status).await;
        }
    }
}

async fn watch(reporter: Reporter, first: bool, cache: Cache) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut before = first;
    loop {
        ticks.tick().await;
        let now = cache.has_lease();
        match (before, now) {
            (true, false) => {
                tracing::error!("the lease has run out: no call can be answered; health says so");
            }
            (false, true) => tracing::info!("there is a lease again: calls are answered"),
            (true, true) | (false, false) => {}
        }
        if now != before {
            reporter.set(now).await;
        }
        before = now;
    }
}

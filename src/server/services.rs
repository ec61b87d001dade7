use std::time::Duration;

use tonic::{codec::CompressionEncoding, service::Routes};

use crate::{
    admin::WriteCoordinator,
    cache::Cache,
    domain::Code,
    pb::{
        access_rights_service_server::AccessRightsServiceServer,
        app_service_server::AppServiceServer, audit_service_server::AuditServiceServer,
        authorization_service_server::AuthorizationServiceServer,
        caller_service_server::CallerServiceServer, catalog_service_server::CatalogServiceServer,
        directory_service_server::DirectoryServiceServer,
        import_service_server::ImportServiceServer,
        operations_service_server::OperationsServiceServer,
        tenant_service_server::TenantServiceServer,
    },
    rpc::{AdminApi, AuthorizationApi, ImportApi, PageTokens, ReadStores},
    store::Store,
    supervision::Supervisor,
    telemetry::DecisionRecorder,
};

/// Largest message that is accepted, in bytes: a batch of 100,000 items.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Largest message of an import, in bytes: a piece of 4 MiB and its name.
const MAX_PIECE_BYTES: usize = (4 << 20) + (64 << 10);

/// Dependencies of the services.
#[derive(Debug)]
pub(super) struct Wiring {
    pub(super) coordinator: WriteCoordinator,
    pub(super) cache: Cache,
    /// For pages, lists and reads by the administration.
    pub(super) reads: Store,
    /// For reads of everything in a tenant.
    pub(super) whole: Store,
    pub(super) tokens: PageTokens,
    pub(super) default_tenant: Code,
    pub(super) watch_patience: Duration,
    /// Records the returned decisions.
    pub(super) given: DecisionRecorder,
    pub(super) supervisor: Supervisor,
}

/// Adds every service of the contract.
pub(super) fn add_services(routes: Routes, wiring: Wiring) -> Routes {
    let Wiring {
        coordinator,
        cache,
        reads,
        whole,
        tokens,
        default_tenant,
        watch_patience,
        given,
        supervisor,
    } = wiring;
    let authorization = AuthorizationApi::new(
        cache.clone(),
        reads.clone(),
        tokens.clone(),
        default_tenant.clone(),
        given,
    );
    let import = ImportApi::new(coordinator.clone());
    let admin = AdminApi::new(
        coordinator,
        cache,
        ReadStores { reads, whole },
        tokens,
        default_tenant,
        watch_patience,
        supervisor,
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
        OperationsServiceServer,
        CallerServiceServer
    )
}

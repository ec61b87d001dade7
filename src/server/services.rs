use std::convert::Infallible;

use tonic::{
    body::Body,
    codec::CompressionEncoding,
    codegen::{BoxFuture, Service as _, http},
    server::NamedService,
    service::Routes,
};

use crate::{
    pb::{
        access_rights_service_server::AccessRightsServiceServer,
        app_service_server::AppServiceServer,
        audit_service_server::AuditServiceServer,
        authorization_service_server::{AuthorizationService, AuthorizationServiceServer},
        caller_service_server::CallerServiceServer,
        catalog_service_server::CatalogServiceServer,
        directory_service_server::DirectoryServiceServer,
        import_service_server::ImportServiceServer,
        operations_service_server::OperationsServiceServer,
        tenant_service_server::TenantServiceServer,
    },
    rpc::{AdminApi, AuthorizationApi, ImportApi, MAX_MESSAGE_BYTES, MAX_PIECE_BYTES},
};

/// The types that implement the services.
pub(super) struct Implementations {
    pub(super) authorization: AuthorizationApi,
    pub(super) import: ImportApi,
    pub(super) admin: AdminApi,
}

/// Creates a service with its implementation and its largest message.
macro_rules! limited {
    ($server:ident, $implementation:expr, $most:expr) => {
        $server::new($implementation)
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size($most)
    };
}

/// Lists the services: each with its implementation and its largest message.
macro_rules! services {
    ($($server:ident<$api:ident> of $implementation:ident up to $most:ident;)+) => {
        /// The names of the services.
        pub(super) const SERVICES: &[&str] = &[$(<$server<$api> as NamedService>::NAME),+];

        impl Implementations {
            /// Adds every service of the contract.
            pub(super) fn add_to(&self, routes: Routes) -> Routes {
                routes$(.add_service(limited!($server, self.$implementation.clone(), $most)))+
            }
        }
    };
}

/// The service of decisions and lists, called directly.
#[derive(Debug)]
pub(super) struct Decisions<A> {
    server: AuthorizationServiceServer<A>,
}

impl<A> Clone for Decisions<A> {
    fn clone(&self) -> Self {
        Self {
            server: self.server.clone(),
        }
    }
}

impl<A: AuthorizationService> Decisions<A> {
    /// Returns the service, with the same limits as among all services.
    pub(super) fn new(implementation: A) -> Self {
        Self {
            server: limited!(
                AuthorizationServiceServer,
                implementation,
                MAX_MESSAGE_BYTES
            ),
        }
    }

    /// True if the service answers the RPC of this path, known or not.
    pub(super) fn answers(path: &str) -> bool {
        let service = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        service.is_some_and(|(name, _)| name == AuthorizationServiceServer::<A>::NAME)
    }

    /// Answers a call.
    pub(super) fn call(
        mut self,
        request: http::Request<Body>,
    ) -> BoxFuture<http::Response<Body>, Infallible> {
        self.server.call(request)
    }
}

services! {
    AuthorizationServiceServer<AuthorizationApi> of authorization up to MAX_MESSAGE_BYTES;
    ImportServiceServer<ImportApi> of import up to MAX_PIECE_BYTES;
    TenantServiceServer<AdminApi> of admin up to MAX_MESSAGE_BYTES;
    DirectoryServiceServer<AdminApi> of admin up to MAX_MESSAGE_BYTES;
    CatalogServiceServer<AdminApi> of admin up to MAX_MESSAGE_BYTES;
    AccessRightsServiceServer<AdminApi> of admin up to MAX_MESSAGE_BYTES;
    AppServiceServer<AdminApi> of admin up to MAX_MESSAGE_BYTES;
    AuditServiceServer<AdminApi> of admin up to MAX_MESSAGE_BYTES;
    OperationsServiceServer<AdminApi> of admin up to MAX_MESSAGE_BYTES;
    CallerServiceServer<AdminApi> of admin up to MAX_MESSAGE_BYTES;
}

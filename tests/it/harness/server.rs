use std::{net::SocketAddr, time::Duration};

use pim_authz::{
    cache::{CacheMode, CacheSettings},
    pb::{
        self, authorization_service_client::AuthorizationServiceClient,
        operations_service_client::OperationsServiceClient,
    },
    server::{
        self, CallerSettings, DatabaseStart, HttpSettings, Limits, ObservationSettings,
        ServeConfig, ServerError,
    },
};
use secrecy::SecretString;
use tokio::{sync::oneshot, task::JoinHandle};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;

use super::Database;

/// The server of one test, on a free loopback port and a separate database.
pub(crate) struct TestServer {
    pub(crate) database: Database,
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Result<(), ServerError>>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::start_on(Database::create().await).await
    }

    pub(crate) async fn start_on(database: Database) -> Self {
        let config = Self::config(&database);
        Self::start_with(config, database).await
    }

    /// Starts a server with custom settings.
    pub(crate) async fn start_with(config: ServeConfig, database: Database) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, address) = oneshot::channel();
        let shutdown = async {
            let _either_way = stopped.await;
        };
        let serving = tokio::spawn(server::serve(config, shutdown, ready));
        Self {
            address: address.await.unwrap(),
            database,
            stop: Some(stop),
            serving,
        }
    }

    /// Starts a second server on the database of another.
    pub(crate) async fn start_beside(other: &Self) -> Self {
        Self::start_on(other.database.clone()).await
    }

    /// Starts a server without a cache.
    pub(crate) async fn start_without_memory(database: Database) -> Self {
        let mut config = Self::config(&database);
        config.cache.mode = CacheMode::Off;
        Self::start_with(config, database).await
    }

    pub(crate) fn config(database: &Database) -> ServeConfig {
        Self::config_on(database.url().clone())
    }

    pub(crate) fn config_on(database_url: SecretString) -> ServeConfig {
        ServeConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            tls: None,
            database_url,
            migrate_url: None,
            database_start: DatabaseStart::Required,
            default_tenant: "default".parse().unwrap(),
            watch_patience: Duration::from_secs(30),
            cache: CacheSettings::default(),
            drain: Duration::from_secs(20),
            limits: Limits::default(),
            callers: CallerSettings::default(),
            observation: ObservationSettings::default(),
            http: HttpSettings::default(),
        }
    }

    /// Signals the server to stop; it finishes its calls first.
    pub(crate) fn begin_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until the server has ended.
    pub(crate) async fn ended(self) -> Result<(), ServerError> {
        self.serving.await.unwrap()
    }

    /// As [`TestServer::ended`], and returns the database for another server.
    pub(crate) async fn ended_with_its_database(self) -> Database {
        self.serving.await.unwrap().unwrap();
        self.database
    }

    pub(crate) async fn channel(&self) -> Channel {
        let endpoint = Channel::from_shared(format!("http://{}", self.address)).unwrap();
        endpoint.connect().await.unwrap()
    }

    pub(crate) async fn client(&self) -> AuthorizationServiceClient<Channel> {
        AuthorizationServiceClient::new(self.channel().await)
            .max_decoding_message_size(64 << 20)
            .max_encoding_message_size(128 << 20)
    }

    /// Returns the status of the server, without that of a tenant.
    pub(crate) async fn status(&self) -> pb::GetStatusResponse {
        let mut operations = OperationsServiceClient::new(self.channel().await);
        let request = pb::GetStatusRequest::default();
        operations.get_status(request).await.unwrap().into_inner()
    }
}

/// The message of the subject `user:CODE`.
pub(crate) fn user(code: &str) -> Option<pb::Subject> {
    Some(pb::Subject {
        r#type: "user".into(),
        id: code.into(),
    })
}

/// The message of a resource.
pub(crate) fn resource(kind: &str, code: &str) -> Option<pb::Resource> {
    Some(pb::Resource {
        r#type: kind.into(),
        id: code.into(),
        ..Default::default()
    })
}

/// The message of a product.
pub(crate) fn product(code: &str) -> Option<pb::Resource> {
    resource("product", code)
}

/// The message of a context whose fields are set by `name`.
pub(crate) fn context(name: impl FnOnce(&mut pb::Context)) -> Option<pb::Context> {
    let mut context = pb::Context::default();
    name(&mut context);
    Some(context)
}

/// The code of an error, its reason, and the path of the invalid field.
pub(crate) fn refusal(status: &Status) -> (Code, String, Option<String>) {
    let info = status.get_details_error_info();
    let info = info.unwrap_or_else(|| panic!("a status without a reason: {status:?}"));
    assert_eq!(info.domain, "pim.authz");
    let fields = status.get_details_bad_request();
    let field = fields.map(|fields| fields.field_violations[0].field.clone());
    (status.code(), info.reason, field)
}

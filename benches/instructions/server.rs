//! A server in this process, with its own database and without connections.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use pim_authz::{
    admin::WriteCoordinator,
    cache::{Cache, CacheSettings},
    domain::Code,
    embedded::{Durability, EmbeddedOptions, EmbeddedPostgres},
    pb::{
        self, access_rights_service_server::AccessRightsServiceServer,
        authorization_service_server::AuthorizationServiceServer,
        catalog_service_server::CatalogServiceServer,
        directory_service_server::DirectoryServiceServer,
        tenant_service_server::TenantServiceServer,
    },
    rpc::{
        AdminApi, Admission, Authentication, AuthorizationApi, Behind, Budget, Credentials, Gate,
        Handler, Observer, PageTokens, ReadStores,
    },
    store::{PoolName, RuntimeRole, Store},
    supervision::Supervisor,
    telemetry::DecisionRecorder,
};
use prost::Message as _;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tonic::{body::Body, codegen::http, service::Routes};
use tower::Service as _;

use super::facts::{CATEGORIES, assigned, code, viewed};

/// The path of a Check.
pub(crate) const CHECK: &str = "/pim.authz.v1.AuthorizationService/Check";

/// The path of a batch.
pub(crate) const BATCH_CHECK: &str = "/pim.authz.v1.AuthorizationService/BatchCheck";

/// Number of products, one for each question of a batch, and of users.
const PRODUCTS: usize = 1_000;
const USERS: usize = 100;

/// The tenant of the warm Checks.
const TENANT: &str = "measured";

/// Number of Checks before the one that is measured: the facts are cached then, and the
/// look-ups that are made only now and then are not among it.
const BEFORE: usize = 36;

/// The services of a server, which have no connections.
struct Services {
    decisions: AuthorizationServiceServer<AuthorizationApi>,
    others: Routes,
}

impl Handler for Services {
    async fn handle(&self, request: http::Request<Body>) -> http::Response<Body> {
        let is_decision = [CHECK, BATCH_CHECK].contains(&request.uri().path());
        let Ok(response) = if is_decision {
            self.decisions.clone().call(request).await
        } else {
            self.others.clone().call(request).await
        };
        response
    }
}

type Layers = Behind<Gate, Behind<Authentication, Behind<Admission, Services>>>;

/// A server in this process, with its own database.
pub(crate) struct Server {
    runtime: Runtime,
    layers: Layers,
    cache: Cache,
    _postgres: EmbeddedPostgres,
    _directory: TempDir,
}

impl Server {
    fn start() -> Self {
        let directory = TempDir::new().unwrap();
        // PostgreSQL does not run as root.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(directory.path(), open).unwrap();
        let runtime = pim_authz::server::runtime().unwrap();
        let (postgres, (layers, cache)) = runtime.block_on(async {
            let options = EmbeddedOptions {
                data_dir: Some(directory.path().join("data")),
                durability: Durability::Forgetful,
                settings: Vec::new(),
            };
            let postgres = EmbeddedPostgres::start(options).await.unwrap();
            let started = layers(&postgres).await;
            (postgres, started)
        });
        Self {
            runtime,
            layers,
            cache,
            _postgres: postgres,
            _directory: directory,
        }
    }

    /// Calls an RPC with a message, and returns the body of its response, which is OK.
    pub(crate) fn call(&self, path: &'static str, message: &Bytes) -> Bytes {
        self.runtime.block_on(async {
            let body = Body::new(Full::new(message.clone()));
            let mut request = http::Request::new(body);
            *request.method_mut() = http::Method::POST;
            *request.uri_mut() = http::Uri::from_static(path);
            let content_type = http::HeaderValue::from_static("application/grpc");
            request.headers_mut().insert("content-type", content_type);
            let (head, body) = self.layers.handle(request).await.into_parts();
            let body = body.collect().await.unwrap();
            let status = body.trailers().unwrap_or(&head.headers).get("grpc-status");
            assert!(
                status.is_some_and(|status| status == "0"),
                "{head:?} {body:?}"
            );
            body.to_bytes()
        })
    }

    /// Stores a tenant with users in `groups` groups, and products.
    fn fill(&self, groups: usize) {
        let put = |path, message: &dyn Encoded| self.call(path, &framed(message));
        put(
            "/pim.authz.v1.TenantService/CreateTenant",
            &pb::CreateTenantRequest {
                tenant: TENANT.into(),
                edition: pb::Edition::Enterprise.into(),
                ..Default::default()
            },
        );
        put(
            "/pim.authz.v1.DirectoryService/PutUserGroups",
            &put_user_groups(groups),
        );
        put(
            "/pim.authz.v1.DirectoryService/PutUsers",
            &put_users(groups),
        );
        put(
            "/pim.authz.v1.CatalogService/PutCategories",
            &put_categories(),
        );
        put(
            "/pim.authz.v1.AccessRightsService/ReplaceAccess",
            &pb::ReplaceAccessRequest {
                tenant: TENANT.into(),
                items: rights(groups),
                ..Default::default()
            },
        );
        put("/pim.authz.v1.CatalogService/PutProducts", &put_products());
    }
}

fn put_user_groups(groups: usize) -> pb::PutUserGroupsRequest {
    let user_groups = (0..groups).map(|number| pb::UserGroup {
        code: code("group", number).to_string(),
        ..Default::default()
    });
    pb::PutUserGroupsRequest {
        tenant: TENANT.into(),
        user_groups: user_groups.collect(),
        ..Default::default()
    }
}

fn put_users(groups: usize) -> pb::PutUsersRequest {
    let users = (0..USERS).map(|number| pb::User {
        code: code("user", number).to_string(),
        groups: Some(codes("group", 0..groups)),
        ..Default::default()
    });
    pb::PutUsersRequest {
        tenant: TENANT.into(),
        users: users.collect(),
        ..Default::default()
    }
}

fn put_categories() -> pb::PutCategoriesRequest {
    let categories = (0..CATEGORIES).map(|number| pb::Category {
        code: code("category", number).to_string(),
        parent: None,
    });
    pb::PutCategoriesRequest {
        tenant: TENANT.into(),
        categories: categories.collect(),
        ..Default::default()
    }
}

fn put_products() -> pb::PutProductsRequest {
    let products = (0..PRODUCTS).map(|number| pb::Product {
        code: code("product", number).to_string(),
        categories: Some(codes("category", assigned(number))),
        ..Default::default()
    });
    pb::PutProductsRequest {
        tenant: TENANT.into(),
        products: products.collect(),
        ..Default::default()
    }
}

fn codes(text: &str, numbers: impl Iterator<Item = usize>) -> pb::CodeList {
    pb::CodeList {
        codes: numbers
            .map(|number| code(text, number).to_string())
            .collect(),
    }
}

/// Returns the rights of the groups on categories.
fn rights(groups: usize) -> Vec<pb::ItemRights> {
    (0..CATEGORIES)
        .map(|category| pb::ItemRights {
            item: Some(pb::Item {
                r#type: "category".into(),
                id: code("category", category).to_string(),
            }),
            rights: (0..groups)
                .filter(|group| viewed(*group).any(|viewed| viewed == category))
                .map(|group| pb::GroupLevel {
                    group: code("group", group).to_string(),
                    level: pb::Level::View.into(),
                })
                .collect(),
            apply_to_children: None,
        })
        .collect()
}

/// A message that can be encoded.
trait Encoded {
    fn encoded(&self) -> Vec<u8>;
}

impl<M: prost::Message> Encoded for M {
    fn encoded(&self) -> Vec<u8> {
        self.encode_to_vec()
    }
}

/// Returns a message of gRPC with its prefix.
fn framed(message: &dyn Encoded) -> Bytes {
    let message = message.encoded();
    let mut framed = BytesMut::with_capacity(message.len() + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap());
    framed.put_slice(&message);
    framed.freeze()
}

/// Returns the layers and services on a new database, and their cache.
async fn layers(postgres: &EmbeddedPostgres) -> (Layers, Cache) {
    pim_authz::server::migrate(&postgres.url(), &RuntimeRole::Stored)
        .await
        .unwrap();
    let store = Store::new(&postgres.url(), 4).unwrap();
    let store = store.on_current_runtime();
    let supervisor = Supervisor::default();
    let work = tokio::runtime::Handle::current();
    let settings = CacheSettings {
        lease: Duration::from_mins(1),
        ..CacheSettings::default()
    };
    let started = Cache::start(store.clone(), settings, work, &supervisor).await;
    let (cache, coherence) = started.unwrap();
    // It keeps the lease as long as the process lives.
    std::mem::forget(coherence);
    let tokens = PageTokens::read(&store).await.unwrap();
    let default_tenant: Code = TENANT.parse().unwrap();
    let coordinator = WriteCoordinator::new(store.clone(), cache.clone()).unwrap();
    let stores = ReadStores {
        reads: store.for_reads(PoolName::Reads, 2, 2).unwrap(),
        whole: store.for_reads(PoolName::WholeTenants, 1, 1).unwrap(),
    };
    let authorization = AuthorizationApi::new(
        cache.clone(),
        stores.reads.clone(),
        tokens.clone(),
        default_tenant.clone(),
        DecisionRecorder::new(None),
    );
    let admin = AdminApi::new(
        coordinator,
        cache.clone(),
        stores,
        tokens,
        default_tenant,
        Duration::from_secs(30),
        supervisor,
    );
    let others = Routes::new(TenantServiceServer::new(admin.clone()))
        .add_service(DirectoryServiceServer::new(admin.clone()))
        .add_service(CatalogServiceServer::new(admin.clone()))
        .add_service(AccessRightsServiceServer::new(admin));
    let services = Services {
        decisions: AuthorizationServiceServer::new(authorization),
        others: others.prepare(),
    };
    let authentication = Authentication::new(Credentials::Optional, None);
    authentication.begin(cache.clone());
    let gate = Gate::new(Observer::new(None));
    gate.open();
    let services = Behind::new(Admission::new(Budget::new(512 << 20)), services);
    let layers = Behind::new(gate, Behind::new(authentication, services));
    (layers, cache)
}

fn user(number: usize) -> pb::Subject {
    pb::Subject {
        r#type: "user".into(),
        id: code("user", number % USERS).to_string(),
    }
}

fn product(number: usize) -> pb::Resource {
    pb::Resource {
        r#type: "product".into(),
        id: code("product", number).to_string(),
        ..Default::default()
    }
}

/// Returns a server whose facts are cached, and a Check that is allowed by them.
pub(crate) fn warm(groups: usize) -> (&'static Server, Bytes) {
    let question = framed(&pb::CheckRequest {
        subject: Some(user(1)),
        action: "view".into(),
        resource: Some(product(0)),
        ..Default::default()
    });
    let server = warm_for(groups, CHECK, &question);
    let answer = pb::CheckResponse::decode(server.call(CHECK, &question).slice(5..)).unwrap();
    assert!(answer.allowed);
    (server, question)
}

/// Returns a server whose facts are cached, and a batch about each product: the action, and
/// with `is_of_one_user` the user, are those of the whole batch.
pub(crate) fn warm_batch(is_of_one_user: bool) -> (&'static Server, Bytes) {
    let items = (0..PRODUCTS).map(|number| pb::CheckItem {
        subject: (!is_of_one_user).then(|| user(number)),
        resource: Some(product(number)),
        ..Default::default()
    });
    let question = framed(&pb::BatchCheckRequest {
        subject: is_of_one_user.then(|| user(1)),
        action: "view".into(),
        items: items.collect(),
        ..Default::default()
    });
    let server = warm_for(3, BATCH_CHECK, &question);
    let answer = server.call(BATCH_CHECK, &question).slice(5..);
    let answer = pb::BatchCheckResponse::decode(answer).unwrap();
    assert_eq!(answer.results.len(), PRODUCTS);
    (server, question)
}

/// Returns a server that answers a call from cached facts.
fn warm_for(groups: usize, path: &'static str, question: &Bytes) -> &'static Server {
    let server: &Server = Box::leak(Box::new(Server::start()));
    server.fill(groups);
    // Facts are cached by reads in the background.
    let mut from_memory = 0;
    while from_memory < BEFORE {
        let before = server.cache.status();
        server.call(path, question);
        let now = server.cache.status();
        let is_warm = now.hits > before.hits && now.index_loads > 0;
        from_memory = if is_warm { from_memory + 1 } else { 0 };
    }
    server
}

use std::time::Duration;

use pim_authz::pb::{
    self, Edition, authorization_service_client::AuthorizationServiceClient,
    directory_service_client::DirectoryServiceClient, tenant_service_client::TenantServiceClient,
};
use pim_authz::server::ServeConfig;
use secrecy::SecretString;
use tokio::{task::JoinHandle, time::timeout};
use tonic::{Code, Status, transport::Channel};

use super::{Database, File, TestServer, file, header, product, refusal, user};
use crate::postgres_proxy::Proxy;

/// The tenant of all tests.
pub(crate) const TENANT: &str = "acme";

/// A lease that is long compared with the steps of a test, and short enough to wait
/// for its end.
pub(crate) const LEASE: Duration = Duration::from_secs(2);

/// An in-process server, its proxy, and a channel to it.
pub(crate) struct Server {
    pub(crate) proxy: Proxy,
    pub(crate) channel: Channel,
    pub(crate) served: TestServer,
}

impl Server {
    pub(crate) async fn start(database: &Database) -> Self {
        Self::start_with_lease(database, LEASE).await
    }

    pub(crate) async fn start_with_lease(database: &Database, lease: Duration) -> Self {
        Self::start_at(database.url(), database.clone(), lease).await
    }

    /// Starts a server on the database of a URL; it also keeps `held` from being
    /// dropped.
    pub(crate) async fn start_at(url: &SecretString, held: Database, lease: Duration) -> Self {
        let mut config = TestServer::config_on(url.clone());
        config.cache.lease = lease;
        Self::start_with(config, held).await
    }

    /// Starts a server with this configuration, behind a proxy.
    pub(crate) async fn start_with(mut config: ServeConfig, held: Database) -> Self {
        let (proxy, through) = Proxy::before(&config.database_url).await;
        config.database_url = through;
        let server = TestServer::start_with(config, held).await;
        Self {
            channel: server.channel().await,
            proxy,
            served: server,
        }
    }

    /// Stops it gracefully.
    pub(crate) async fn stop(mut self) {
        self.served.begin_stop();
        drop(self.channel);
        self.served.ended().await.unwrap();
    }

    pub(crate) async fn import(&self, files: &[File]) {
        let result = self.try_import(files).await;
        assert!(result.is_ok(), "{result:?}");
    }

    pub(crate) async fn try_import(&self, files: &[File]) -> Result<(), Status> {
        let header = header(TENANT, Edition::Enterprise);
        self.served.try_import(header, files).await.ended
    }

    pub(crate) async fn create_tenant(&self, tenant: &str) {
        let request = pb::CreateTenantRequest {
            tenant: tenant.into(),
            edition: Edition::Enterprise.into(),
            ..Default::default()
        };
        let mut client = TenantServiceClient::new(self.channel.clone());
        client.create_tenant(request).await.unwrap();
    }

    /// Deletes the tenant; `key` is the idempotency key.
    pub(crate) async fn delete_tenant(&self, key: &str) -> Result<u64, Status> {
        let request = pb::DeleteTenantRequest {
            tenant: TENANT.into(),
            idempotency_key: key.into(),
            ..Default::default()
        };
        let mut client = TenantServiceClient::new(self.channel.clone());
        let answer = client.delete_tenant(request).await?;
        Ok(answer.into_inner().revision)
    }

    pub(crate) async fn put(
        &self,
        request: pb::PutUsersRequest,
    ) -> Result<pb::PutUsersResponse, Status> {
        let mut client = DirectoryServiceClient::new(self.channel.clone());
        Ok(client.put_users(request).await?.into_inner())
    }

    /// Puts a user into groups and removes it from all others; `key` is the idempotency
    /// key.
    pub(crate) async fn put_user(
        &self,
        user: &str,
        groups: &[&str],
        key: &str,
    ) -> Result<pb::PutUsersResponse, Status> {
        self.put(put_user(user, groups, key)).await
    }

    /// As [`Server::put_user`], in a task.
    pub(crate) fn putting_user(
        &self,
        user: &str,
        groups: &[&str],
        key: &str,
    ) -> JoinHandle<Result<pb::PutUsersResponse, Status>> {
        let mut client = DirectoryServiceClient::new(self.channel.clone());
        let request = put_user(user, groups, key);
        tokio::spawn(async move { Ok(client.put_users(request).await?.into_inner()) })
    }

    /// Returns the members of a group.
    pub(crate) async fn members(&self, group: &str) -> Result<Vec<String>, Status> {
        let request = pb::ListUsersRequest {
            tenant: TENANT.into(),
            ..Default::default()
        };
        let mut client = DirectoryServiceClient::new(self.channel.clone());
        let page = client.list_users(request).await?.into_inner();
        let is_member = |user: &pb::User| {
            let groups = user.groups.clone().unwrap_or_default().codes;
            groups.iter().any(|code| code == group)
        };
        let members = page.users.into_iter().filter(is_member);
        Ok(members.map(|user| user.code).collect())
    }

    /// Returns whether a user may view `hat`.
    pub(crate) async fn may_view(&self, tenant: &str, user: &str) -> Result<bool, Status> {
        may_view(self.channel.clone(), tenant.to_owned(), user.to_owned()).await
    }

    pub(crate) async fn status(&self) -> pb::GetStatusResponse {
        self.served.status().await
    }

    /// Repeats a check until the cache answers it; each answer must be `expected`.
    pub(crate) async fn answers_from_memory(&self, code: &str, expected: bool) {
        let before = self.status().await.hits;
        while self.status().await.hits == before {
            let allowed = self.may_view(TENANT, code).await.unwrap();
            assert_eq!(allowed, expected, "{code}");
        }
    }
}

/// Sends the check of [`Server::may_view`].
pub(crate) async fn may_view(
    channel: Channel,
    tenant: String,
    code: String,
) -> Result<bool, Status> {
    let request = pb::CheckRequest {
        tenant,
        subject: user(&code),
        action: "view".into(),
        resource: product("hat"),
        ..Default::default()
    };
    let mut client = AuthorizationServiceClient::new(channel);
    Ok(client.check(request).await?.into_inner().allowed)
}

/// Returns the request of [`Server::put_user`].
fn put_user(user: &str, groups: &[&str], key: &str) -> pb::PutUsersRequest {
    let codes = groups.iter().map(|group| (*group).to_owned()).collect();
    pb::PutUsersRequest {
        tenant: TENANT.into(),
        idempotency_key: key.into(),
        users: vec![pb::User {
            code: user.into(),
            groups: Some(pb::CodeList { codes }),
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Returns the import files of a company with two groups, and one category that the
/// group `viewers` may view.
pub(crate) fn company(users: &[&str], viewers: &str) -> Vec<File> {
    let users = std::iter::once("username;roles;groups").chain(users.iter().copied());
    let rights = format!("master;{viewers};;");
    vec![
        file("user_groups.csv", &["code;name", "admins;A", "editors;E"]),
        file("users.csv", &users.collect::<Vec<_>>()),
        file("categories.csv", &["code;parent", "master;"]),
        file(
            "products.csv",
            &["sku;categories", "hat;master", "cap;master"],
        ),
        file(
            "product_category_accesses.csv",
            &["category;view_items;edit_items;own_items", &rights],
        ),
    ]
}

/// Returns the result of a future; panics if it takes longer than `limit`.
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> T {
    let in_time = timeout(limit, future).await;
    in_time.unwrap_or_else(|_| panic!("it took longer than {limit:?}"))
}

/// Asserts the status of a call that was not executed and may be retried.
pub(crate) fn assert_unavailable(status: &Status) {
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let reason = refusal(status).1;
    let reasons = ["STORE_UNAVAILABLE", "LEASE_LOST"];
    assert!(reasons.contains(&reason.as_str()), "{status:?}");
}

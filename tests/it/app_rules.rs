//! The rules about connecting apps, including reauthorization and changes of
//! edition.

mod again;
mod steps;

use pim_authz::pb::{
    self, AppStep, Edition, app_service_client::AppServiceClient,
    tenant_service_client::TenantServiceClient,
};
use tonic::transport::Channel;

use crate::harness::{TestServer, file};

const STEPS: [AppStep; 3] = [AppStep::Authorize, AppStep::Permissions, AppStep::Confirm];

/// The tenant `acme` with some items of each kind that rights are given on.
async fn acme(edition: Edition) -> (TestServer, Channel) {
    let server = TestServer::start().await;
    let files = [
        file("user_roles.csv", &["role;permissions", "admin;*"]),
        file(
            "users.csv",
            &["username;roles;groups", "admin;admin;", "julia;;"],
        ),
        file(
            "categories.csv",
            &["code;parent", "master;", "shoes;master", "sales;"],
        ),
        file("channels.csv", &["code", "print", "web"]),
        file("locales.csv", &["code", "en_US", "fr_FR"]),
        file("attribute_groups.csv", &["code", "erp", "marketing"]),
        file("asset_families.csv", &["code", "packshots"]),
        file("reference_entities.csv", &["code", "brands"]),
        file("export_profiles.csv", &["code", "nightly"]),
    ];
    server.import("acme", edition, &files).await;
    let channel = server.channel().await;
    (server, channel)
}

async fn become_edition(channel: &Channel, edition: Edition) {
    let request = pb::UpdateTenantRequest {
        tenant: "acme".into(),
        edition: edition.into(),
        ..Default::default()
    };
    let mut tenants = TenantServiceClient::new(channel.clone());
    tenants.update_tenant(request).await.unwrap();
}

/// The rights of the app's group, as `kind code level` in order.
async fn held(server: &TestServer, app: &str) -> Vec<String> {
    let sql = "SELECT coalesce(array_agg(i.type || ' ' || i.code || ' ' || r.level ORDER BY i.type, i.key), '{}')
                 FROM pim_authz.access_right AS r
                 JOIN pim_authz.user_group AS g ON g.tenant_id = r.tenant_id AND g.id = r.group_id
                 JOIN pim_authz.item AS i ON i.tenant_id = r.tenant_id AND i.id = r.item_id
                WHERE g.code = 'app:' || $1";
    let (client, _session) = server.database.connect().await;
    client.query_one(sql, &[&app]).await.unwrap().get(0)
}

async fn scopes(channel: &Channel, app: &str) -> Vec<String> {
    let get = pb::GetAppRequest {
        tenant: "acme".into(),
        app: app.into(),
    };
    let mut apps = AppServiceClient::new(channel.clone());
    let found = apps.get_app(get).await.unwrap().into_inner();
    found.app.unwrap().scopes
}

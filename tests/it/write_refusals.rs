//! Requests that the administration calls reject, and the errors that they
//! return.

mod entries;

use std::collections::BTreeSet;

use pim_authz::pb::{
    self, Edition, access_rights_service_client::AccessRightsServiceClient,
    app_service_client::AppServiceClient, catalog_service_client::CatalogServiceClient,
    directory_service_client::DirectoryServiceClient, tenant_service_client::TenantServiceClient,
};
use prost::Message as _;
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;

use crate::harness::{TestServer, file, refusal};

/// The rejection of a call: its code, its reason, and the invalid field.
type Refusal = (Code, String, String);

/// The code and reason of a status, and the field in its details: the path for
/// invalid requests, otherwise the metadata. Checks that the details match the
/// code.
fn rejection(status: &Status) -> Refusal {
    let (code, reason, path) = refusal(status);
    let details = status.get_error_details();
    assert_eq!(path.is_some(), code == Code::InvalidArgument, "{status:?}");
    let resource = details.resource_info().is_some();
    assert_eq!(resource, code == Code::NotFound, "{status:?}");
    let precondition = details.precondition_failure().is_some();
    assert_eq!(precondition, code == Code::FailedPrecondition, "{status:?}");
    let info = details.error_info().unwrap();
    let field = info.metadata.get("field").cloned();
    (code, reason, path.or(field).unwrap_or_default())
}

fn invalid(field: &str) -> Refusal {
    (
        Code::InvalidArgument,
        "INVALID_REQUEST".to_owned(),
        field.to_owned(),
    )
}

fn unknown_tenant() -> Refusal {
    (Code::NotFound, "TENANT_NOT_FOUND".to_owned(), String::new())
}

/// A tenant with an administrator and a minimal catalog.
async fn small() -> (TestServer, Channel) {
    let server = TestServer::start().await;
    let files = [
        file("user_roles.csv", &["role;permissions", "admin;*"]),
        file("users.csv", &["username;roles", "admin;admin"]),
        file("connections.csv", &["code;roles", "erp;"]),
        file("user_groups.csv", &["code;name", "editors;"]),
        file("locales.csv", &["code", "en_US"]),
        file(
            "categories.csv",
            &["code;parent", "master;", "shoes;master"],
        ),
        file("channels.csv", &["code;tree;locales", "web;master;en_US"]),
        file("attribute_groups.csv", &["code", "marketing"]),
        file("attributes.csv", &["code;group", "name;marketing"]),
        file("export_profiles.csv", &["code", "nightly"]),
        file(
            "product_models.csv",
            &["code;parent", "boots;", "low;boots"],
        ),
        file(
            "products.csv",
            &["sku;parent;categories", "boot;boots;", "hat;;shoes"],
        ),
        file("apps.csv", &["code;scopes", "shop;read_products"]),
    ];
    server.import("acme", Edition::Enterprise, &files).await;
    let channel = server.channel().await;
    (server, channel)
}

/// Checks, for each call, the rejection of invalid fields that all writes have
/// in common.
macro_rules! every_write {
    ($channel:ident, $names:ident: $($client:ident.$call:ident($request:ident) $({ $($field:ident: $value:expr),* })?;)+) => {
        $(
            $names.insert(stringify!($call));
            let good = pb::$request {
                tenant: "acme".into(),
                actor: "user:admin".into(),
                $($($field: $value,)*)?
                ..Default::default()
            };
            let cases = [
                (pb::$request { tenant: String::new(), ..good.clone() }, invalid("tenant")),
                (pb::$request { actor: "julia".into(), ..good.clone() }, invalid("actor")),
                (pb::$request { idempotency_key: "x".repeat(129), ..good.clone() }, invalid("idempotency_key")),
                (pb::$request { tenant: "nowhere".into(), ..good.clone() }, unknown_tenant()),
            ];
            for (request, expected) in cases {
                // `create_tenant` requires a tenant that does not exist.
                if stringify!($call) == "create_tenant" && expected == unknown_tenant() {
                    continue;
                }
                let mut client = $client::new($channel.clone());
                let status = client.$call(request).await.unwrap_err();
                assert_eq!(rejection(&status), expected, "{}: {status:?}", stringify!($call));
            }
        )+
    };
}

/// Checks, for each call, the rejection of invalid fields that all lists have
/// in common.
macro_rules! every_list {
    ($channel:ident, $names:ident: $($client:ident.$call:ident($request:ident) $({ $($field:ident: $value:expr),* })?;)+) => {
        $(
            $names.insert(stringify!($call));
            let good = pb::$request {
                tenant: "acme".into(),
                $($($field: $value,)*)?
                ..Default::default()
            };
            let cases = [
                (pb::$request { page_size: -1, ..good.clone() }, invalid("page_size")),
                (pb::$request { page_token: "forged".into(), ..good.clone() }, invalid("page_token")),
                (pb::$request { tenant: "nowhere".into(), ..good.clone() }, unknown_tenant()),
            ];
            for (request, expected) in cases {
                let mut client = $client::new($channel.clone());
                let status = client.$call(request).await.unwrap_err();
                assert_eq!(rejection(&status), expected, "{}: {status:?}", stringify!($call));
            }
        )+
    };
}

fn admin() -> pb::Subject {
    pb::Subject {
        r#type: "user".to_owned(),
        id: "admin".to_owned(),
    }
}

const NO_REQUEST: &str = "01935c1e-7d00-7000-8000-000000000000";

async fn directory_and_tenants(channel: &Channel, names: &mut BTreeSet<&'static str>) {
    let growth = Edition::Growth.into();
    every_write! { channel, names:
        TenantServiceClient.create_tenant(CreateTenantRequest) { edition: growth };
        TenantServiceClient.update_tenant(UpdateTenantRequest) { edition: growth };
        TenantServiceClient.delete_tenant(DeleteTenantRequest);
        DirectoryServiceClient.put_users(PutUsersRequest);
        DirectoryServiceClient.delete_users(DeleteUsersRequest);
        DirectoryServiceClient.put_connections(PutConnectionsRequest);
        DirectoryServiceClient.delete_connections(DeleteConnectionsRequest);
        DirectoryServiceClient.put_user_groups(PutUserGroupsRequest);
        DirectoryServiceClient.delete_user_groups(DeleteUserGroupsRequest);
        DirectoryServiceClient.put_roles(PutRolesRequest);
        DirectoryServiceClient.delete_roles(DeleteRolesRequest);
        AccessRightsServiceClient.grant_access(GrantAccessRequest);
        AccessRightsServiceClient.revoke_access(RevokeAccessRequest);
        AccessRightsServiceClient.replace_access(ReplaceAccessRequest);
    }
    every_list! { channel, names:
        DirectoryServiceClient.list_users(ListUsersRequest);
        DirectoryServiceClient.list_connections(ListConnectionsRequest);
        DirectoryServiceClient.list_user_groups(ListUserGroupsRequest);
        DirectoryServiceClient.list_roles(ListRolesRequest);
        AccessRightsServiceClient.list_access(ListAccessRequest);
        AccessRightsServiceClient.get_effective_access(GetEffectiveAccessRequest) { subject: Some(admin()) };
        AppServiceClient.list_apps(ListAppsRequest);
    }
}

async fn catalog(channel: &Channel, names: &mut BTreeSet<&'static str>) {
    every_write! { channel, names:
        CatalogServiceClient.put_channels(PutChannelsRequest);
        CatalogServiceClient.delete_channels(DeleteChannelsRequest);
        CatalogServiceClient.put_locales(PutLocalesRequest);
        CatalogServiceClient.delete_locales(DeleteLocalesRequest);
        CatalogServiceClient.put_categories(PutCategoriesRequest);
        CatalogServiceClient.delete_categories(DeleteCategoriesRequest);
        CatalogServiceClient.put_attribute_groups(PutAttributeGroupsRequest);
        CatalogServiceClient.delete_attribute_groups(DeleteAttributeGroupsRequest);
        CatalogServiceClient.put_attributes(PutAttributesRequest);
        CatalogServiceClient.delete_attributes(DeleteAttributesRequest);
        CatalogServiceClient.put_products(PutProductsRequest);
        CatalogServiceClient.delete_products(DeleteProductsRequest);
        CatalogServiceClient.put_asset_families(PutAssetFamiliesRequest);
        CatalogServiceClient.delete_asset_families(DeleteAssetFamiliesRequest);
        CatalogServiceClient.put_reference_entities(PutReferenceEntitiesRequest);
        CatalogServiceClient.delete_reference_entities(DeleteReferenceEntitiesRequest);
        CatalogServiceClient.put_profiles(PutProfilesRequest);
        CatalogServiceClient.delete_profiles(DeleteProfilesRequest);
        CatalogServiceClient.put_grid_views(PutGridViewsRequest);
        CatalogServiceClient.delete_grid_views(DeleteGridViewsRequest);
    }
    every_list! { channel, names:
        CatalogServiceClient.list_channels(ListChannelsRequest);
        CatalogServiceClient.list_locales(ListLocalesRequest);
        CatalogServiceClient.list_categories(ListCategoriesRequest);
        CatalogServiceClient.list_attribute_groups(ListAttributeGroupsRequest);
        CatalogServiceClient.list_attributes(ListAttributesRequest);
        CatalogServiceClient.list_products(ListProductsRequest);
        CatalogServiceClient.list_asset_families(ListAssetFamiliesRequest);
        CatalogServiceClient.list_reference_entities(ListReferenceEntitiesRequest);
        CatalogServiceClient.list_profiles(ListProfilesRequest);
        CatalogServiceClient.list_grid_views(ListGridViewsRequest);
    }
}

async fn apps(channel: &Channel, names: &mut BTreeSet<&'static str>) {
    let request_id = || NO_REQUEST.to_owned();
    every_write! { channel, names:
        AppServiceClient.start_connection(StartConnectionRequest) { app: "new".into() };
        AppServiceClient.authorize_scopes(AuthorizeScopesRequest) { request_id: request_id() };
        AppServiceClient.set_permissions(SetPermissionsRequest) { request_id: request_id() };
        AppServiceClient.confirm_connection(ConfirmConnectionRequest) { request_id: request_id() };
        AppServiceClient.cancel_connection(CancelConnectionRequest) { request_id: request_id() };
        AppServiceClient.update_scopes(UpdateScopesRequest) { app: "shop".into() };
        AppServiceClient.disconnect(DisconnectRequest) { app: "shop".into() };
    }
}

/// The calls of the services that store entities, read from the contract.
fn calls_of_the_contract() -> BTreeSet<String> {
    let set = prost_types::FileDescriptorSet::decode(pb::DESCRIPTORS).unwrap();
    let services = set.file.iter().flat_map(|file| &file.service);
    let administered = ["Tenant", "Directory", "Catalog", "AccessRights", "App"];
    let administered: Vec<String> = administered
        .iter()
        .map(|name| format!("{name}Service"))
        .collect();
    let methods = services
        .filter(|service| administered.iter().any(|name| name == service.name()))
        .flat_map(|service| &service.method);
    methods.map(|method| snake(method.name())).collect()
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[tokio::test]
async fn every_call_rejects_invalid_common_fields() {
    let (_server, channel) = small().await;
    let mut names = BTreeSet::new();
    directory_and_tenants(&channel, &mut names).await;
    catalog(&channel, &mut names).await;
    apps(&channel, &mut names).await;
    // These calls have separate tests.
    names.extend(["get_tenant", "list_tenants", "get_app", "import_products"]);
    let names: BTreeSet<String> = names.into_iter().map(str::to_owned).collect();
    assert_eq!(names, calls_of_the_contract());
}

#[tokio::test]
async fn reads_of_unknown_tenants_and_apps_return_not_found() {
    let (_server, channel) = small().await;
    let mut tenants = TenantServiceClient::new(channel.clone());
    let nowhere = pb::GetTenantRequest {
        tenant: "nowhere".into(),
    };
    let status = tenants.get_tenant(nowhere).await.unwrap_err();
    assert_eq!(rejection(&status), unknown_tenant());
    let backwards = pb::ListTenantsRequest {
        page_size: -1,
        ..Default::default()
    };
    let status = tenants.list_tenants(backwards).await.unwrap_err();
    assert_eq!(rejection(&status), invalid("page_size"));
    let mut apps = AppServiceClient::new(channel);
    let request = pb::GetAppRequest {
        tenant: "acme".into(),
        app: "nobody".into(),
    };
    let status = apps.get_app(request).await.unwrap_err();
    let (code, reason, _) = rejection(&status);
    assert_eq!((code, reason.as_str()), (Code::NotFound, "APP_NOT_FOUND"));
}

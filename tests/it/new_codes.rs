//! White space and invisible characters at the ends of codes (rules 1.5): no
//! call creates such a code, and stored ones remain usable.

use pim_authz::pb::{
    self, Edition, app_service_client::AppServiceClient,
    catalog_service_client::CatalogServiceClient, directory_service_client::DirectoryServiceClient,
    tenant_service_client::TenantServiceClient,
};
use tonic::Code;

use crate::harness::{TestServer, file, header, product, refusal, user};

/// Codes that a person cannot distinguish from `new`.
const CODES: [&str; 6] = [
    " new",
    "new ",
    "new\u{a0}",
    "\u{feff}new",
    "new\u{200b}",
    "\u{3000}new",
];

/// Puts an entry with each of the codes, which must be rejected, and one whose
/// code has white space inside, which must be accepted.
macro_rules! refused {
    ($channel:ident: $($client:ident.$call:ident($request:ident, $entries:ident: $entry:ident { $($field:ident: $value:expr),* });)+) => {
        $(
            let put = async |code: &str| {
                let mut entry = pb::$entry::default();
                code.clone_into(&mut entry.code);
                $(entry.$field = $value;)*
                let request = pb::$request {
                    tenant: "acme".into(),
                    actor: "user:admin".into(),
                    dry_run: true,
                    $entries: vec![entry],
                    ..Default::default()
                };
                $client::new($channel.clone()).$call(request).await
            };
            for code in CODES {
                let status = put(code).await.unwrap_err();
                let path = concat!(stringify!($entries), "[0].code").to_owned();
                let expected = (Code::InvalidArgument, "INVALID_REQUEST".to_owned(), Some(path));
                assert_eq!(refusal(&status), expected, "{code:?}: {status:?}");
            }
            put("a new").await.unwrap();
        )+
    };
}

async fn small() -> TestServer {
    let server = TestServer::start().await;
    let files = [
        file("user_roles.csv", &["role;permissions", "admin;*"]),
        file("users.csv", &["username;roles", "admin;admin", "julia;"]),
        file("attribute_groups.csv", &["code", "texts"]),
        file("products.csv", &["sku", "hat"]),
    ];
    server.import("acme", Edition::Enterprise, &files).await;
    server
}

#[tokio::test]
async fn rule_1_5_calls_reject_codes_with_surrounding_white_space() {
    let server = small().await;
    let channel = server.channel().await;
    refused! { channel:
        DirectoryServiceClient.put_users(PutUsersRequest, users: User {});
        DirectoryServiceClient.put_connections(PutConnectionsRequest, connections: Connection {});
        DirectoryServiceClient.put_user_groups(PutUserGroupsRequest, user_groups: UserGroup {});
        DirectoryServiceClient.put_roles(PutRolesRequest, roles: Role {});
        CatalogServiceClient.put_channels(PutChannelsRequest, channels: Channel {});
        CatalogServiceClient.put_locales(PutLocalesRequest, locales: Locale {});
        CatalogServiceClient.put_categories(PutCategoriesRequest, categories: Category {});
        CatalogServiceClient.put_attribute_groups(PutAttributeGroupsRequest, attribute_groups: AttributeGroup {});
        CatalogServiceClient.put_attributes(PutAttributesRequest, attributes: Attribute { group: "texts".into() });
        CatalogServiceClient.put_products(PutProductsRequest, products: Product {});
        CatalogServiceClient.put_products(PutProductsRequest, products: Product { kind: pb::ProductKind::Model.into() });
        CatalogServiceClient.put_asset_families(PutAssetFamiliesRequest, asset_families: AssetFamily {});
        CatalogServiceClient.put_reference_entities(PutReferenceEntitiesRequest, reference_entities: ReferenceEntity {});
        CatalogServiceClient.put_profiles(PutProfilesRequest, profiles: Profile { kind: pb::ProfileKind::Export.into() });
        CatalogServiceClient.put_grid_views(PutGridViewsRequest, grid_views: GridView {});
    }
}

#[tokio::test]
async fn rule_1_5_tenants_and_apps_reject_surrounding_white_space() {
    let server = small().await;
    let channel = server.channel().await;
    for code in CODES {
        let tenant = pb::CreateTenantRequest {
            tenant: code.into(),
            actor: "user:admin".into(),
            edition: Edition::Growth.into(),
            ..Default::default()
        };
        let mut tenants = TenantServiceClient::new(channel.clone());
        let status = tenants.create_tenant(tenant).await.unwrap_err();
        assert_eq!(refusal(&status).2.as_deref(), Some("tenant"), "{status:?}");
        let app = pb::StartConnectionRequest {
            tenant: "acme".into(),
            actor: "user:admin".into(),
            app: code.into(),
            ..Default::default()
        };
        let mut apps = AppServiceClient::new(channel.clone());
        let status = apps.start_connection(app).await.unwrap_err();
        assert_eq!(refusal(&status).2.as_deref(), Some("app"), "{status:?}");
        let files = [file("locales.csv", &["code", "en_US"])];
        let outcome = server
            .try_import(header(code, Edition::Growth), &files)
            .await;
        let status = outcome.ended.unwrap_err();
        assert_eq!(
            refusal(&status).2.as_deref(),
            Some("header.tenant"),
            "{status:?}"
        );
    }
}

/// Stores codes that an earlier release accepted.
async fn store_with_white_space(server: &TestServer) {
    const SQL: &str = "SET search_path = pim_authz;
        SET session_replication_role = replica;
        UPDATE subject SET code = ' ' || code, key = ' ' || key WHERE code = 'julia';
        UPDATE product SET code = code || U&'\\200B', key = key || U&'\\200B' WHERE code = 'hat'";
    let (client, _session) = server.database.connect().await;
    client.batch_execute(SQL).await.unwrap();
}

#[tokio::test]
async fn rule_1_5_stored_codes_with_white_space_remain_usable_and_deletable() {
    let mut server = small().await;
    store_with_white_space(&server).await;
    // A new server has nothing in its cache.
    server.begin_stop();
    let server = TestServer::start_on(server.ended_with_its_database().await).await;
    let question = pb::CheckRequest {
        tenant: "acme".into(),
        subject: user(" julia"),
        action: "view".into(),
        resource: product("hat\u{200b}"),
        ..Default::default()
    };
    let answer = server.client().await.check(question).await.unwrap();
    assert_eq!(answer.into_inner().level(), pb::Level::Own);
    let channel = server.channel().await;
    let mut directory = DirectoryServiceClient::new(channel.clone());
    let put = pb::PutUsersRequest {
        tenant: "acme".into(),
        actor: "user:admin".into(),
        users: vec![pb::User {
            code: " julia".into(),
            enabled: Some(false),
            ..Default::default()
        }],
        ..Default::default()
    };
    let written = directory.put_users(put).await.unwrap().into_inner();
    assert_eq!(written.effect.unwrap().changed, 1);
    let delete = pb::DeleteUsersRequest {
        tenant: "acme".into(),
        actor: "user:admin".into(),
        codes: vec![" julia".into()],
        ..Default::default()
    };
    directory.delete_users(delete).await.unwrap();
    let mut catalog = CatalogServiceClient::new(channel);
    let delete = pb::DeleteProductsRequest {
        tenant: "acme".into(),
        actor: "user:admin".into(),
        codes: vec!["hat\u{200b}".into()],
        ..Default::default()
    };
    catalog.delete_products(delete).await.unwrap();
}

//! Files without some of their columns: an absent column keeps the stored
//! value, an empty cell clears it, and a new entity gets the default.

mod columns;

use pim_authz::pb::{self, Edition, access_rights_service_client::AccessRightsServiceClient};
use tokio_postgres::Client;

use crate::harness::{File, TestServer, file, header};

const RIGHTS_ON: &str = "SELECT string_agg(g.code || ':' || r.level, ' ' ORDER BY g.key) FROM item AS i
    JOIN access_right AS r ON r.tenant_id = $1 AND r.item_id = i.id JOIN user_group AS g ON g.tenant_id = $1 AND g.id = r.group_id
    WHERE i.tenant_id = $1 AND i.code = $2";
const RIGHTS_OF_APP: &str = "SELECT string_agg(i.code || ':' || r.level, ' ' ORDER BY i.key) FROM user_group AS g
    JOIN access_right AS r ON r.tenant_id = $1 AND r.group_id = g.id JOIN item AS i ON i.tenant_id = $1 AND i.id = r.item_id
    WHERE g.tenant_id = $1 AND i.type <> 'channel' AND g.code = 'app:' || $2";

const APPS: (&str, &str) = (
    "code;scopes;trees_own;trees_edit;trees_view;locales_edit;locales_view;attribute_groups_edit;attribute_groups_view",
    "shop;write_products;master;sales;print;en_US;fr_FR;erp;marketing",
);
const ALL_RIGHTS: &str = "en_US:3 erp:3 fr_FR:1 marketing:1 master:7 print:1 sales:3 shoes:7";

/// The entities that the rows of the cases refer to.
fn base() -> Vec<File> {
    vec![
        file("user_groups.csv", &["code;name", "editors;"]),
        file(
            "categories.csv",
            &["code;parent", "master;", "shoes;master", "sales;", "print;"],
        ),
        file("locales.csv", &["code", "en_US", "fr_FR"]),
        file("attribute_groups.csv", &["code", "erp", "marketing"]),
        file("product_models.csv", &["code", "shirt"]),
        file("export_profiles.csv", &["code", "nightly"]),
    ]
}

async fn read(client: &Client, sql: &str, tenant: &str, code: &str) -> String {
    let number = "SELECT id FROM tenant WHERE code = $1";
    let tenant: i32 = client.query_one(number, &[&tenant]).await.unwrap().get(0);
    let row = client.query_opt(sql, &[&tenant, &code]).await.unwrap();
    let text: Option<String> = row.and_then(|row| row.get(0));
    text.unwrap_or_default()
}

async fn session(server: &TestServer) -> Client {
    let (client, _session) = server.database.connect().await;
    client
        .batch_execute("SET search_path = pim_authz")
        .await
        .unwrap();
    client
}

async fn shop_of(server: &TestServer, edition: Edition, lines: &[&str]) -> u64 {
    let files = [file("apps.csv", lines)];
    server.import("acme", edition, &files).await.revision
}

#[tokio::test]
async fn rule_5_8_apps_keep_rights_when_columns_are_absent() {
    let server = TestServer::start().await;
    let client = session(&server).await;
    server.import("acme", Edition::Enterprise, &base()).await;
    let same = Edition::Unspecified;
    shop_of(&server, same, &[APPS.0, APPS.1]).await;
    for scopes in [
        "delete_products",
        "read_products",
        "read_categories",
        "",
        "write_products",
    ] {
        let row = format!("shop;{scopes}");
        let revision = shop_of(&server, same, &["code;scopes", &row]).await;
        let rights = read(&client, RIGHTS_OF_APP, "acme", "shop").await;
        assert_eq!(rights, ALL_RIGHTS, "{scopes}");
        let again = shop_of(&server, same, &["code;scopes", &row]).await;
        assert_eq!(again, revision, "{scopes}");
    }
    let revision = shop_of(&server, same, &[APPS.0, APPS.1]).await;
    assert_eq!(shop_of(&server, same, &[APPS.0, APPS.1]).await, revision);
    // The same holds in an edition that does not evaluate rights; an empty cell
    // clears them there as well.
    let growth = pb::UpdateTenantRequest {
        tenant: "acme".into(),
        edition: Edition::Growth.into(),
        ..Default::default()
    };
    let mut tenants = pb::tenant_service_client::TenantServiceClient::new(server.channel().await);
    tenants.update_tenant(growth).await.unwrap();
    shop_of(&server, same, &["code;scopes", "shop;read_products"]).await;
    assert_eq!(
        read(&client, RIGHTS_OF_APP, "acme", "shop").await,
        ALL_RIGHTS
    );
    let emptied = [
        "code;scopes;locales_edit;locales_view",
        "shop;read_products;;",
    ];
    shop_of(&server, same, &emptied).await;
    let left = "erp:3 marketing:1 master:7 print:1 sales:3 shoes:7";
    assert_eq!(read(&client, RIGHTS_OF_APP, "acme", "shop").await, left);
}

/// Imports rows of `code;scopes;` and one more column, and checks all rights of
/// the app after each.
#[tokio::test]
async fn rule_5_8_rights_column_keeps_rights_from_other_columns() {
    let server = TestServer::start().await;
    let client = session(&server).await;
    server.import("acme", Edition::Enterprise, &base()).await;
    let cases = [
        // column, cell, rights of the app afterwards
        ("trees_view", "sales", "sales:1"),
        ("trees_edit", "sales", "sales:3"),
        ("trees_edit", "", "sales:1"),
        ("trees_own", "*", "master:7 print:7 sales:7 shoes:7"),
        ("trees_edit", "master", "master:7 print:7 sales:7 shoes:7"),
        ("trees_own", "", "master:3 sales:1 shoes:3"),
        ("trees_view", "", "master:3 shoes:3"),
        ("locales_view", "*", "en_US:1 fr_FR:1 master:3 shoes:3"),
        ("trees_edit", "", "en_US:1 fr_FR:1"),
    ];
    for (column, cell, expected) in cases {
        let columns = format!("code;scopes;{column}");
        let row = format!("shop;write_products;{cell}");
        let lines = [columns.as_str(), row.as_str()];
        let revision = shop_of(&server, Edition::Unspecified, &lines).await;
        let rights = read(&client, RIGHTS_OF_APP, "acme", "shop").await;
        assert_eq!(rights, expected, "{column} {cell}");
        let again = shop_of(&server, Edition::Unspecified, &lines).await;
        assert_eq!(again, revision, "{column} {cell}");
    }
}

#[tokio::test]
async fn rule_5_8_manual_changes_are_kept_when_their_column_is_absent() {
    let server = TestServer::start().await;
    let client = session(&server).await;
    server.import("acme", Edition::Enterprise, &base()).await;
    let first = ["code;scopes;trees_view", "shop;write_products;*"];
    shop_of(&server, Edition::Unspecified, &first).await;
    let right = |code: &str, level: pb::Level| pb::AccessGrant {
        group: "app:shop".into(),
        item: Some(pb::Item {
            r#type: "category".into(),
            id: code.into(),
        }),
        level: level.into(),
        apply_to_children: Some(false),
    };
    let mut access = AccessRightsServiceClient::new(server.channel().await);
    let revoke = pb::RevokeAccessRequest {
        tenant: "acme".into(),
        revocations: vec![
            right("shoes", pb::Level::View),
            right("print", pb::Level::View),
        ],
        ..Default::default()
    };
    access.revoke_access(revoke).await.unwrap();
    let grant = pb::GrantAccessRequest {
        tenant: "acme".into(),
        grants: vec![right("sales", pb::Level::Own)],
        ..Default::default()
    };
    access.grant_access(grant).await.unwrap();
    for _ in 0..2 {
        let edit = ["code;scopes;trees_edit", "shop;write_products;print"];
        shop_of(&server, Edition::Unspecified, &edit).await;
        let rights = read(&client, RIGHTS_OF_APP, "acme", "shop").await;
        assert_eq!(rights, "master:1 print:3 sales:7");
    }
    // When the column is present, the file determines the rights.
    for _ in 0..2 {
        let both = [
            "code;scopes;trees_own;trees_view",
            "shop;write_products;;master",
        ];
        shop_of(&server, Edition::Unspecified, &both).await;
        let rights = read(&client, RIGHTS_OF_APP, "acme", "shop").await;
        assert_eq!(rights, "master:1 print:3 shoes:1");
    }
}

#[tokio::test]
async fn rule_3_3_pruning_profile_rights_removes_only_flags_in_file() {
    let server = TestServer::start().await;
    let client = session(&server).await;
    server.import("acme", Edition::Enterprise, &base()).await;
    let profiles = file("export_profiles.csv", &["code", "nightly", "weekly"]);
    let accesses = file(
        "job_profile_accesses.csv",
        &["job_profile;execute_job_profile", "weekly;editors"],
    );
    let pruning = pb::ImportHeader {
        prune: true,
        prune_all: true,
        ..header("acme", Edition::Unspecified)
    };
    let outcome = server.try_import(pruning, &[profiles, accesses]).await;
    outcome.ended.unwrap();
    assert_eq!(read(&client, RIGHTS_ON, "acme", "nightly").await, "All:3");
    assert_eq!(
        read(&client, RIGHTS_ON, "acme", "weekly").await,
        "All:3 editors:8"
    );
}

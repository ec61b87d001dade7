//! Stored facts that differ from the audit log, one table after the other.

use std::collections::BTreeSet;

use pim_authz::pb::{
    Edition, VerifyAuditRequest, VerifyAuditResponse,
    operations_service_client::OperationsServiceClient,
};

use crate::harness::{TestServer, file};

async fn verified(server: &TestServer) -> VerifyAuditResponse {
    let mut client = OperationsServiceClient::new(server.channel().await);
    let request = VerifyAuditRequest {
        tenant: "acme".into(),
        facts: true,
        callers: false,
    };
    client.verify_audit(request).await.unwrap().into_inner()
}

/// A server with a tenant that has entities of every kind.
async fn company() -> TestServer {
    let server = TestServer::start().await;
    let files = [
        file("user_groups.csv", &["code;name", "admins;A", "editors;E"]),
        file(
            "user_roles.csv",
            &["role;label;permissions", "reader;Reader;product.list"],
        ),
        file(
            "users.csv",
            &["username;roles;groups", "julia;reader;admins", "mary;;"],
        ),
        file("connections.csv", &["code;roles;groups", "erp;;editors"]),
        file(
            "apps.csv",
            &["code;scopes;trees_view", "shop;read_products;master"],
        ),
        file(
            "categories.csv",
            &["code;parent", "master;", "shoes;master"],
        ),
        file("locales.csv", &["code", "en_US", "fr_FR"]),
        file("channels.csv", &["code;tree;locales", "web;master;en_US"]),
        file("attribute_groups.csv", &["code", "marketing"]),
        file("attributes.csv", &["code;group", "name;marketing"]),
        file(
            "grid_views.csv",
            &["code;attribute_groups", "all;marketing"],
        ),
        file("export_profiles.csv", &["code", "nightly"]),
        file(
            "product_models.csv",
            &["code;categories", "boot;shoes", "slipper;shoes"],
        ),
        file(
            "products.csv",
            &["sku;categories;parent", "hat;master;", "red;shoes;boot"],
        ),
    ];
    server.import("acme", Edition::Enterprise, &files).await;
    // Rows without the column of categories.
    let moved = file("products.csv", &["sku;parent", "red;slipper"]);
    server.import("acme", Edition::Unspecified, &[moved]).await;
    server
}

/// Writes as the owner of the schema, bypassing the triggers and the audit log.
const TAMPER: &str = "SET search_path = pim_authz; SET session_replication_role = replica;";

/// A statement, and the entities that then differ from the log.
const CASES: [(&str, &[&str]); 31] = [
    ("UPDATE tenant SET edition = 'growth'", &["tenant:acme"]),
    (
        "UPDATE user_group SET label = 'x' WHERE key = 'all'",
        &["user_group:All"],
    ),
    (
        "UPDATE user_group SET private = true WHERE key = 'admins'",
        &["user_group:admins"],
    ),
    (
        "UPDATE user_group SET code = 'EDITORS' WHERE key = 'editors'",
        &["user_group:editors", "connection:erp"],
    ),
    ("UPDATE role SET audience = 'connection'", &["role:reader"]),
    (
        "UPDATE role SET audience = 'user'; INSERT INTO role_permission SELECT tenant_id, id, 'role.edit' FROM role",
        &[],
    ),
    (
        "INSERT INTO subject VALUES (1, 900, 'user', 'eve', 'eve', true)",
        &["user:eve"],
    ),
    (
        "UPDATE subject SET enabled = false WHERE key = 'julia'",
        &["user:julia"],
    ),
    (
        "INSERT INTO membership SELECT 1, subject.id, user_group.id FROM subject, user_group
       WHERE subject.key = 'mary' AND user_group.key = 'admins'",
        &["user:mary"],
    ),
    (
        "UPDATE app SET later_channels = NOT later_channels",
        &["app:shop"],
    ),
    (
        "UPDATE app SET later_channels = NOT later_channels;
      INSERT INTO app_scope SELECT 1, subject_id, 'write_products' FROM app",
        &[],
    ),
    (
        "DELETE FROM app_scope WHERE scope = 'write_products'; DELETE FROM app_selection",
        &[],
    ),
    ("DELETE FROM app_selection", &[]),
    (
        "UPDATE item SET parent_id = NULL WHERE key = 'shoes'",
        &["category:shoes"],
    ),
    (
        "UPDATE item SET code = 'MASTER' WHERE key = 'master'",
        &["category:master", "channel:web", "product:hat"],
    ),
    ("DELETE FROM channel_locale", &[]),
    (
        "DELETE FROM item WHERE key = 'fr_fr'",
        &[
            "locale:fr_FR",
            "the level of user group `All` on locale:fr_FR",
        ],
    ),
    (
        "INSERT INTO item (tenant_id, id, type, code, key) VALUES (1, 901, 'asset_family', 'new', 'new')",
        &["asset_family:new"],
    ),
    ("UPDATE attribute SET scopable = true", &["attribute:name"]),
    ("DELETE FROM grid_view_group", &["grid_view:all"]),
    (
        "DELETE FROM product_category WHERE product_id = (SELECT id FROM product WHERE key = 'hat')",
        &["product:hat"],
    ),
    (
        "INSERT INTO product_category SELECT 1, id, (SELECT id FROM item WHERE key = 'master') FROM product WHERE key = 'red'",
        &["product:red"],
    ),
    (
        "UPDATE product SET parent_id = (SELECT id FROM product WHERE key = 'boot') WHERE key = 'slipper'",
        &["product_model:slipper"],
    ),
    ("DELETE FROM product WHERE key = 'hat'", &[]),
    (
        "INSERT INTO product VALUES (1, 900, NULL, false, 'new', 'new')",
        &["product:new"],
    ),
    (
        "UPDATE product SET code = 'Boot' WHERE key = 'boot'",
        &["product_model:boot"],
    ),
    (
        "UPDATE access_right SET level = 1 WHERE item_id = (SELECT id FROM item WHERE key = 'master' AND type = 'category') AND group_id = 1",
        &["the level of user group `All` on category:master"],
    ),
    (
        "DELETE FROM access_right WHERE item_id = (SELECT id FROM item WHERE key = 'nightly')",
        &["the level of user group `All` on export_profile:nightly"],
    ),
    (
        "INSERT INTO access_right SELECT 1, user_group.id, item.id, 3 FROM user_group, item
       WHERE user_group.key = 'admins' AND item.key = 'en_us'",
        &["the level of user group `admins` on locale:en_US"],
    ),
    ("DELETE FROM subject WHERE key = 'erp'", &[]),
    ("DELETE FROM attribute", &[]),
];

#[tokio::test]
async fn facts_changed_without_an_audit_entry_are_detected() {
    let server = company().await;
    let before = verified(&server).await;
    assert!(before.intact, "{before:?}");
    assert_eq!(before.different_facts, 0);
    assert!(before.compared_facts > 30, "{before:?}");
    assert!(before.differences.is_empty());
    let mut expected = BTreeSet::new();
    for (statement, names) in CASES {
        let sql = format!("{TAMPER}{statement}");
        server.database.execute(&sql).await;
        expected.extend(names.iter().map(|&name| name.to_owned()));
        let report = verified(&server).await;
        let found: BTreeSet<String> = report
            .differences
            .iter()
            .map(|sentence| sentence.split_once(": stored is ").unwrap().0.to_owned())
            .collect();
        assert_eq!(found, expected, "{statement}: {report:?}");
        assert_eq!(
            usize::try_from(report.different_facts).unwrap(),
            expected.len(),
            "{statement}"
        );
        assert!(!report.intact);
        assert_eq!(report.broken_revision, 0, "{statement}: {report:?}");
    }
}

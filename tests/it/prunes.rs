//! Imports that remove entities missing from the files (`docs/import.md`,
//! prune).

use pim_authz::pb::{self, Edition};
use tonic::Code;

use crate::harness::{File, TestServer, file, header, product, refusal, user};

/// Files with entities of every kind; `gone` is in no file of the second
/// import.
fn world() -> Vec<File> {
    [directory(), catalog(), products()].concat()
}

fn directory() -> Vec<File> {
    vec![
        file("user_groups.csv", &["code;name", "editors;", "gone;"]),
        file(
            "user_roles.csv",
            &[
                "role;audience;permissions",
                "admin;user;*",
                "gone;user;product.list",
            ],
        ),
        file(
            "users.csv",
            &[
                "username;roles;groups",
                "admin;admin;",
                "julia;gone;editors,gone",
                "gone;;",
            ],
        ),
        file(
            "connections.csv",
            &["code;roles;groups", "erp;;editors,gone", "gone;;"],
        ),
        file("apps.csv", &["code;scopes", "shop;", "gone;"]),
    ]
}

fn catalog() -> Vec<File> {
    vec![
        file("locales.csv", &["code", "en_US", "gone"]),
        file(
            "categories.csv",
            &["code;parent", "master;", "gone;master", "shoes;gone"],
        ),
        file(
            "channels.csv",
            &["code;tree;locales", "web;master;en_US,gone", "gone;;"],
        ),
        file("attribute_groups.csv", &["code", "marketing", "gone"]),
        file(
            "attributes.csv",
            &["code;group", "name;marketing", "moved;gone", "gone;gone"],
        ),
        file("asset_families.csv", &["code", "photos", "gone"]),
        file("reference_entities.csv", &["code", "brands", "gone"]),
        file("import_profiles.csv", &["code", "in", "gone_in"]),
        file("export_profiles.csv", &["code", "out", "gone_out"]),
        file(
            "grid_views.csv",
            &["code;attribute_groups", "all;marketing,gone", "gone;"],
        ),
    ]
}

fn products() -> Vec<File> {
    vec![
        file(
            "product_models.csv",
            &["code;parent;categories", "boots;;shoes", "gone;;"],
        ),
        file(
            "products.csv",
            &[
                "sku;categories;parent",
                "hat;gone;",
                "boot;;boots",
                "gone;;",
            ],
        ),
        file(
            "product_category_accesses.csv",
            &[
                "category;view_items;edit_items;own_items",
                "master;All;;",
                "shoes;editors;;",
                "gone;editors;;",
            ],
        ),
    ]
}

/// The same files without the entities named `gone` and the references to them.
fn later() -> Vec<File> {
    let keep = |line: &&str| !line.starts_with("gone");
    let mut files = world();
    for (_, content) in &mut files {
        let lines: Vec<String> = content
            .lines()
            .filter(keep)
            .map(|line| {
                let line = line.replace(",gone", "").replace("hat;gone;", "hat;;");
                let line = line.replace("shoes;gone", "shoes;master");
                let line = line.replace("moved;gone", "moved;marketing");
                line.replace("julia;gone", "julia;admin")
            })
            .collect();
        *content = lines.join("\n") + "\n";
    }
    files
}

fn pruning(prune_all: bool) -> pb::ImportHeader {
    pb::ImportHeader {
        prune: true,
        prune_all,
        ..header("acme", Edition::Unspecified)
    }
}

async fn imported() -> TestServer {
    let server = TestServer::start().await;
    server.import("acme", Edition::Enterprise, &world()).await;
    server
}

/// All stored entities whose code contains `gone`, by kind.
async fn stored_entities_named_gone(server: &TestServer) -> Vec<String> {
    const SQL: &str = "
        SELECT kind || ' ' || code FROM (
            SELECT 'group', code FROM user_group UNION ALL SELECT 'role', code FROM role
             UNION ALL SELECT type, code FROM subject UNION ALL SELECT type, code FROM item
             UNION ALL SELECT 'attribute', code FROM attribute UNION ALL SELECT 'grid_view', code FROM grid_view
             UNION ALL SELECT 'product', code FROM product) AS stored (kind, code)
         WHERE code ~ 'gone'
         ORDER BY 1";
    let (client, _session) = server.database.connect().await;
    client
        .batch_execute("SET search_path = pim_authz")
        .await
        .unwrap();
    let rows = client.query(SQL, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn view(server: &TestServer, subject: &str, code: &str) -> pb::CheckResponse {
    let request = pb::CheckRequest {
        tenant: "acme".into(),
        subject: user(subject),
        action: "view".into(),
        resource: product(code),
        ..Default::default()
    };
    let answer = server.client().await.check(request).await;
    answer.unwrap().into_inner()
}

#[tokio::test]
async fn pruning_removes_unnamed_entities_and_their_references() {
    let server = imported().await;
    assert!(!stored_entities_named_gone(&server).await.is_empty());
    let outcome = server.try_import(pruning(true), &later()).await;
    outcome.ended.unwrap();
    let summary = outcome.summary.unwrap();
    assert_eq!(
        stored_entities_named_gone(&server).await,
        Vec::<String>::new()
    );
    let removed: Vec<(&str, u64)> = summary
        .files
        .iter()
        .filter(|file| file.removed > 0)
        .map(|file| (file.file.as_str(), file.removed))
        .collect();
    assert_eq!(removed.len(), 17, "{removed:?}");
    // The private groups of apps, and `All`, are not pruned.
    let answer = view(&server, "julia", "hat").await;
    assert!(answer.allowed, "{answer:?}");
    let again = server.try_import(pruning(false), &later()).await;
    let effect = again.summary.unwrap().effect.unwrap();
    assert_eq!(
        (effect.created, effect.changed, effect.removed),
        (0, 0, 0),
        "{effect:?}"
    );
}

#[tokio::test]
async fn pruned_user_becomes_unknown() {
    let server = imported().await;
    assert!(
        view(&server, "gone", "hat").await.reason.unwrap().code() != pb::ReasonCode::SubjectUnknown
    );
    let users = file(
        "users.csv",
        &["username;roles;groups", "admin;admin;", "julia;;"],
    );
    server
        .try_import(pruning(true), &[users])
        .await
        .ended
        .unwrap();
    let answer = view(&server, "gone", "hat").await;
    assert_eq!(
        answer.reason.unwrap().code(),
        pb::ReasonCode::SubjectUnknown
    );
}

#[tokio::test]
async fn pruning_over_a_fifth_of_a_kind_requires_prune_all() {
    let server = TestServer::start().await;
    let users = |count: usize| {
        let rows: Vec<String> = (0..count).map(|number| format!("user_{number};")).collect();
        let rows = std::iter::once("username;roles").chain(rows.iter().map(String::as_str));
        file("users.csv", &rows.collect::<Vec<_>>())
    };
    let products = |count: usize| {
        let rows: Vec<String> = (0..count).map(|number| format!("sku_{number}")).collect();
        let rows = std::iter::once("sku").chain(rows.iter().map(String::as_str));
        file("products.csv", &rows.collect::<Vec<_>>())
    };
    server
        .import("acme", Edition::Growth, &[users(10), products(10)])
        .await;
    for (files, kind) in [
        (vec![users(7), products(10)], "users.csv"),
        (vec![users(10), products(7)], "products.csv"),
    ] {
        let outcome = server.try_import(pruning(false), &files).await;
        let (code, reason, _) = refusal(&outcome.ended.unwrap_err());
        assert_eq!(
            (code, reason.as_str()),
            (Code::InvalidArgument, "IMPORT_REFUSED")
        );
        let refused = &outcome.summary.unwrap().refused;
        assert_eq!((refused[0].file.as_str(), refused[0].line), (kind, 0));
        assert!(refused[0].message.contains("3 of 10"), "{refused:?}");
    }
    // This is refused even when bad rows are skipped.
    let skipping = pb::ImportHeader {
        skip_bad_rows: true,
        ..pruning(false)
    };
    let outcome = server.try_import(skipping, &[users(7)]).await;
    assert_eq!(refusal(&outcome.ended.unwrap_err()).1, "IMPORT_REFUSED");
    let outcome = server
        .try_import(pruning(false), &[users(8), products(8)])
        .await;
    assert_eq!(outcome.summary.unwrap().effect.unwrap().removed, 4);
    let outcome = server
        .try_import(pruning(true), &[users(1), products(0)])
        .await;
    assert_eq!(outcome.summary.unwrap().effect.unwrap().removed, 15);
}

#[tokio::test]
async fn rule_4_3_products_of_pruned_categories_become_accessible_to_everyone() {
    let server = imported().await;
    let hidden = view(&server, "julia", "hat").await;
    assert!(hidden.allowed, "{hidden:?}");
    assert!(!view(&server, "admin", "hat").await.allowed);
    let categories = file(
        "categories.csv",
        &["code;parent", "master;", "shoes;master"],
    );
    let outcome = server.try_import(pruning(true), &[categories]).await;
    outcome.ended.unwrap();
    for subject in ["julia", "admin"] {
        let answer = view(&server, subject, "hat").await;
        assert_eq!(answer.level(), pb::Level::Own, "{answer:?}");
    }
    // The child of the pruned category has its own place and rights.
    assert!(view(&server, "julia", "boot").await.allowed);
    assert!(!view(&server, "admin", "boot").await.allowed);
}

#[tokio::test]
async fn kind_with_bad_row_in_its_file_is_not_pruned() {
    let server = imported().await;
    let users = file(
        "users.csv",
        &["username;roles;enabled", "admin;admin;1", "julia;;perhaps"],
    );
    let skipping = pb::ImportHeader {
        skip_bad_rows: true,
        ..pruning(true)
    };
    let outcome = server.try_import(skipping, &[users]).await;
    outcome.ended.unwrap();
    let summary = outcome.summary.unwrap();
    assert_eq!(summary.files[0].removed, 0);
    assert!(
        summary.files[0].warnings[0].contains("nothing is pruned"),
        "{summary:?}"
    );
    assert!(
        stored_entities_named_gone(&server)
            .await
            .contains(&"user gone".to_owned())
    );
}

#[tokio::test]
async fn pruning_model_with_named_variants_is_refused() {
    let server = imported().await;
    let files = [
        file("product_models.csv", &["code;parent;categories", "gone;;"]),
        file("products.csv", &["sku", "hat", "boot", "gone"]),
    ];
    let outcome = server.try_import(pruning(true), &files).await;
    assert_eq!(refusal(&outcome.ended.unwrap_err()).1, "IMPORT_REFUSED");
    let refused = outcome.summary.unwrap().refused;
    assert!(refused[0].message.contains("`boots`"), "{refused:?}");
}

#[tokio::test]
async fn pruning_removes_rights_missing_from_the_rights_file() {
    let server = imported().await;
    let rights = file(
        "product_category_accesses.csv",
        &["category;view_items;edit_items;own_items", "master;All;;"],
    );
    assert!(view(&server, "julia", "boot").await.allowed);
    let outcome = server.try_import(pruning(true), &[rights]).await;
    outcome.ended.unwrap();
    assert!(!view(&server, "julia", "boot").await.allowed);
}

#[tokio::test]
async fn dry_run_reports_what_pruning_would_remove() {
    let server = imported().await;
    let before = stored_entities_named_gone(&server).await;
    let dry = pb::ImportHeader {
        dry_run: true,
        ..pruning(true)
    };
    let outcome = server.try_import(dry, &later()).await;
    outcome.ended.unwrap();
    let effect = outcome.summary.unwrap().effect.unwrap();
    assert!(effect.removed >= 17, "{effect:?}");
    assert_eq!(stored_entities_named_gone(&server).await, before);
}

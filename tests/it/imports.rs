//! Imports through the service: their changes and their refusals.

use pim_authz::pb::{
    self, Edition, import_catalog_request::Part, import_service_client::ImportServiceClient,
};
use tokio::sync::mpsc;
use tonic::Code;

use crate::harness::{TestServer, file, header, parts, product, refusal, user};

fn view_of(code: &str) -> pb::CheckRequest {
    pb::CheckRequest {
        tenant: "acme".into(),
        subject: user("julia"),
        action: "view".into(),
        resource: product(code),
        ..Default::default()
    }
}

#[tokio::test]
async fn import_reports_its_changes_and_reimport_changes_nothing() {
    let server = TestServer::start().await;
    let files = [
        file("users.csv", &["username;roles", "julia;"]),
        file("products.csv", &["sku;categories", "hat;"]),
        file("notes.txt", &["hello"]),
    ];
    let first = server.import("acme", Edition::Growth, &files).await;
    assert_eq!((first.revision, first.refused_count), (1, 0));
    let names: Vec<&str> = first.files.iter().map(|file| file.file.as_str()).collect();
    assert_eq!(names, ["notes.txt", "products.csv", "users.csv"]);
    assert!(!first.files[0].warnings.is_empty());
    assert_eq!((first.files[1].rows, first.files[1].created), (1, 1));

    let second = server.import("acme", Edition::Unspecified, &files).await;
    assert_eq!(second.revision, 1);
    let effect = second.effect.unwrap();
    assert_eq!((effect.created, effect.changed, effect.removed), (0, 0, 0));
    assert_eq!(second.files[1].unchanged, 1);
}

#[tokio::test]
async fn dry_run_reports_changes_but_creates_no_tenant() {
    let server = TestServer::start().await;
    let files = [file("users.csv", &["username;roles", "julia;"])];
    let dry = pb::ImportHeader {
        dry_run: true,
        ..header("acme", Edition::Growth)
    };
    let outcome = server.try_import(dry, &files).await;
    outcome.ended.unwrap();
    assert_eq!(outcome.summary.unwrap().files[0].created, 1);
    let status = server
        .client()
        .await
        .check(view_of("hat"))
        .await
        .unwrap_err();
    assert_eq!(refusal(&status).1, "TENANT_NOT_FOUND");
}

/// A file, its header line, a bad row, and the column that the refusal names.
const BAD_ROWS: [(&str, &str, &str, &str); 21] = [
    ("categories.csv", "code;parent", "audio;nowhere", "parent"),
    ("attributes.csv", "code;group", "name;nowhere", "group"),
    (
        "attributes.csv",
        "code;group;localizable",
        "name;other;maybe",
        "localizable",
    ),
    ("product_models.csv", "code;parent", "hat;nowhere", "parent"),
    (
        "products.csv",
        "sku;categories",
        "hat;nowhere",
        "categories",
    ),
    ("products.csv", "sku;parent", "hat;nowhere", "parent"),
    (
        "user_roles.csv",
        "role;audience",
        "editor;robots",
        "audience",
    ),
    ("users.csv", "username;roles", "mary;nowhere", "roles"),
    (
        "users.csv",
        "username;roles;groups",
        "mary;;nowhere",
        "groups",
    ),
    (
        "users.csv",
        "username;roles;enabled",
        "mary;;perhaps",
        "enabled",
    ),
    ("connections.csv", "code;roles", "erp;nowhere", "roles"),
    (
        "apps.csv",
        "code;scopes;trees_own",
        "shop;write_products;nowhere",
        "trees_own",
    ),
    (
        "grid_views.csv",
        "code;attribute_groups",
        "mine;nowhere",
        "attribute_groups",
    ),
    ("job_profiles.csv", "code;type", "nightly;sideways", "type"),
    (
        "product_category_accesses.csv",
        "category;view_items;edit_items;own_items",
        "nowhere;All;;",
        "category",
    ),
    (
        "channel_accesses.csv",
        "channel;view_products;edit_products",
        "nowhere;All;",
        "channel",
    ),
    (
        "locale_accesses.csv",
        "locale;view_products;edit_products",
        "nowhere;All;",
        "locale",
    ),
    (
        "attribute_group_accesses.csv",
        "attribute_group;view_attributes;edit_attributes",
        "nowhere;All;",
        "attribute_group",
    ),
    (
        "asset_family_accesses.csv",
        "asset_family;view;edit",
        "nowhere;All;",
        "asset_family",
    ),
    (
        "reference_entity_accesses.csv",
        "reference_entity;view;edit",
        "nowhere;All;",
        "reference_entity",
    ),
    (
        "job_profile_accesses.csv",
        "job_profile;execute_job_profile;edit_job_profile",
        "nowhere;All;",
        "job_profile",
    ),
];

#[tokio::test]
async fn each_kind_of_bad_row_is_located_and_changes_nothing() {
    let server = TestServer::start().await;
    server
        .import(
            "acme",
            Edition::Enterprise,
            &[file("users.csv", &["username;roles", "julia;"])],
        )
        .await;
    for (name, columns, row, column) in BAD_ROWS {
        let files = [
            file(name, &[columns, row]),
            file("channels.csv", &["code", "print"]),
        ];
        let outcome = server
            .try_import(header("acme", Edition::Unspecified), &files)
            .await;
        let status = outcome.ended.unwrap_err();
        let expected = (Code::InvalidArgument, "IMPORT_REFUSED".to_owned());
        let (code, reason, _) = refusal(&status);
        assert_eq!((code, reason), expected, "{name} {row}");
        let summary = outcome.summary.unwrap();
        assert_eq!(
            (summary.revision, summary.refused_count),
            (1, 1),
            "{name} {row} {summary:#?}"
        );
        let refused = &summary.refused[0];
        assert_eq!(
            (refused.file.as_str(), refused.line, refused.column.as_str()),
            (name, 2, column),
            "{refused:?}"
        );
        assert!(!refused.message.is_empty());
    }
}

#[tokio::test]
async fn bad_rows_can_be_skipped_but_not_bad_files() {
    let server = TestServer::start().await;
    let skipping = || pb::ImportHeader {
        skip_bad_rows: true,
        ..header("acme", Edition::Growth)
    };
    let users = || file("users.csv", &["username;roles", "julia;", "mary;nowhere"]);
    let outcome = server.try_import(skipping(), &[users()]).await;
    outcome.ended.unwrap();
    let summary = outcome.summary.unwrap();
    assert_eq!((summary.revision, summary.refused_count), (1, 1));

    let bad_files = [
        file("products.csv", &["name", "hat"]),
        file("products.csv", &["sku", "\"hat"]),
    ];
    for bad in bad_files {
        let outcome = server.try_import(skipping(), &[users(), bad]).await;
        assert_eq!(refusal(&outcome.ended.unwrap_err()).1, "IMPORT_REFUSED");
        let refused = outcome.summary.unwrap().refused;
        assert!(
            refused.iter().any(|row| row.file == "products.csv"),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn invalid_header_or_piece_is_rejected_with_field_path() {
    let server = TestServer::start().await;
    let good = || header("acme", Edition::Growth);
    let piece = |file: &str| {
        Part::Piece(pb::FilePiece {
            file: file.into(),
            content: Vec::new(),
        })
    };
    let cases = [
        ("header", vec![]),
        ("header", vec![piece("users.csv")]),
        ("header", vec![Part::Header(good()), Part::Header(good())]),
        (
            "header.tenant",
            vec![Part::Header(header("", Edition::Growth))],
        ),
        (
            "header.actor",
            vec![Part::Header(pb::ImportHeader {
                actor: "julia".into(),
                ..good()
            })],
        ),
        ("piece.file", vec![Part::Header(good()), piece("")]),
    ];
    for (path, parts) in cases {
        let outcome = server.send_parts(parts).await;
        let status = outcome.ended.unwrap_err();
        let expected = (
            Code::InvalidArgument,
            "INVALID_REQUEST".to_owned(),
            Some(path.to_owned()),
        );
        assert_eq!(refusal(&status), expected, "{status:?}");
    }
    let status = server
        .client()
        .await
        .check(view_of("hat"))
        .await
        .unwrap_err();
    assert_eq!(refusal(&status).1, "TENANT_NOT_FOUND");
}

#[tokio::test]
async fn edition_creates_tenant_and_must_match_stored_edition() {
    let server = TestServer::start().await;
    let files = [file("locales.csv", &["code", "en_US"])];
    let outcome = server
        .try_import(header("acme", Edition::Unspecified), &files)
        .await;
    let (code, reason, _) = refusal(&outcome.ended.unwrap_err());
    assert_eq!(
        (code, reason.as_str()),
        (Code::NotFound, "TENANT_NOT_FOUND")
    );
    server.import("acme", Edition::Growth, &files).await;
    let outcome = server
        .try_import(header("acme", Edition::Enterprise), &files)
        .await;
    let (code, reason, _) = refusal(&outcome.ended.unwrap_err());
    assert_eq!(
        (code, reason.as_str()),
        (Code::FailedPrecondition, "EDITION_MISMATCH")
    );
}

#[tokio::test]
async fn rule_2_6_import_cannot_disable_last_administrator() {
    let server = TestServer::start().await;
    let role = "administrator;user;role.edit,role.list,system_configuration.access";
    let roles = file("user_roles.csv", &["role;audience;permissions", role]);
    let users = |enabled: &str| {
        let row = format!("admin;administrator;{enabled}");
        file("users.csv", &["username;roles;enabled", &row])
    };
    server
        .import("acme", Edition::Growth, &[roles, users("1")])
        .await;
    let outcome = server
        .try_import(header("acme", Edition::Unspecified), &[users("0")])
        .await;
    let (code, reason, _) = refusal(&outcome.ended.unwrap_err());
    assert_eq!(
        (code, reason.as_str()),
        (Code::FailedPrecondition, "LOCK_OUT_GUARD")
    );
}

#[tokio::test]
async fn rule_5_2_hundred_and_first_third_party_is_rejected() {
    let server = TestServer::start().await;
    let connections = |count: usize| {
        let rows: Vec<String> = (0..count).map(|number| format!("erp_{number};")).collect();
        let rows = std::iter::once("code;roles").chain(rows.iter().map(String::as_str));
        file("connections.csv", &rows.collect::<Vec<_>>())
    };
    server
        .import("acme", Edition::Growth, &[connections(100)])
        .await;
    let outcome = server
        .try_import(header("acme", Edition::Unspecified), &[connections(101)])
        .await;
    let status = outcome.ended.unwrap_err();
    let (code, reason, _) = refusal(&status);
    assert_eq!(
        (code, reason.as_str()),
        (Code::ResourceExhausted, "APP_LIMIT")
    );
}

#[tokio::test]
async fn import_of_disconnected_caller_changes_nothing() {
    let mut server = TestServer::start().await;
    let (sender, receiver) = mpsc::channel(4);
    let users = file("users.csv", &["username;roles", "julia;"]);
    for part in parts(header("acme", Edition::Growth), &[users]) {
        let request = pb::ImportCatalogRequest { part: Some(part) };
        sender.send(request).await.unwrap();
    }
    let address = format!("http://{}", server.address);
    let cut_off = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let progress = runtime.block_on(async {
            let mut client = ImportServiceClient::connect(address).await.unwrap();
            let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
            let mut events = client.import_catalog(stream).await.unwrap().into_inner();
            events.message().await.unwrap()
        });
        // The connection ends with its runtime, but the request stream is never
        // closed.
        runtime.shutdown_background();
        progress
    });
    assert!(cut_off.await.unwrap().is_some(), "progress");
    server.begin_stop();
    let database = server.ended_with_its_database().await;
    let server = TestServer::start_on(database).await;
    let result = server.client().await.check(view_of("hat")).await;
    assert_eq!(refusal(&result.unwrap_err()).1, "TENANT_NOT_FOUND");
    drop(sender);
}

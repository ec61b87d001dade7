//! Files in the form that PIMs really export: minimal examples of each kind,
//! imported through the service (`docs/import.md`).

use pim_authz::pb::{self, Edition};
use tonic::Code;

use crate::harness::{File, TestServer, file, header, product, refusal, user};

mod lists;
mod skipped;

/// The header of an import that skips bad rows.
fn skipping() -> pb::ImportHeader {
    pb::ImportHeader {
        skip_bad_rows: true,
        ..header("acme", Edition::Unspecified)
    }
}

/// Imports files, checks that the import is refused, and returns its summary.
async fn refused(
    server: &TestServer,
    header: pb::ImportHeader,
    files: &[File],
) -> pb::ImportSummary {
    let outcome = server.try_import(header, files).await;
    let status = outcome.ended.unwrap_err();
    let expected = (Code::InvalidArgument, "IMPORT_REFUSED".to_owned());
    let (code, reason, _) = refusal(&status);
    assert_eq!((code, reason), expected);
    outcome.summary.unwrap()
}

/// The counts of a file in the summary: all rows, created ones and refused
/// ones.
fn counts(summary: &pb::ImportSummary, name: &str) -> (u64, u64, u64) {
    let found = summary.files.iter().find(|file| file.file == name);
    let found = found.unwrap_or_else(|| panic!("{name}: {summary:#?}"));
    (found.rows, found.created, found.refused)
}

fn warnings<'s>(summary: &'s pb::ImportSummary, name: &str) -> &'s [String] {
    let found = summary.files.iter().find(|file| file.file == name);
    found.map_or(&[], |found| found.warnings.as_slice())
}

async fn level(server: &TestServer, subject: &str, code: &str) -> pb::Level {
    let request = pb::CheckRequest {
        tenant: "acme".into(),
        subject: user(subject),
        action: "view".into(),
        resource: product(code),
        ..Default::default()
    };
    let answer = server.client().await.check(request).await;
    answer.unwrap().into_inner().level()
}

#[tokio::test]
async fn short_rows_and_empty_files_are_accepted() {
    let server = TestServer::start().await;
    let files = [
        ("product_models.csv".to_owned(), String::new()),
        file("products.csv", &["sku;categories;parent", "hat"]),
        file(
            "job_profiles.csv",
            &["code;type;label", "nightly;csv_import"],
        ),
    ];
    let summary = server.import("acme", Edition::Growth, &files).await;
    assert_eq!(counts(&summary, "products.csv"), (1, 1, 0));
    assert_eq!(counts(&summary, "job_profiles.csv"), (1, 1, 0));
    assert_eq!(counts(&summary, "product_models.csv"), (0, 0, 0));
    let warned = warnings(&summary, "product_models.csv");
    assert!(
        warned[0].contains("as if the file were not there"),
        "{warned:?}"
    );
}

#[tokio::test]
async fn zero_byte_file_prunes_nothing() {
    let server = TestServer::start().await;
    let products = file("products.csv", &["sku", "hat"]);
    server.import("acme", Edition::Growth, &[products]).await;
    let pruning = pb::ImportHeader {
        prune_all: true,
        ..header("acme", Edition::Unspecified)
    };
    let files = [
        ("products.csv".to_owned(), String::new()),
        file("locales.csv", &["code", "en_US"]),
    ];
    let outcome = server.try_import(pruning, &files).await;
    outcome.ended.unwrap();
    assert_eq!(outcome.summary.unwrap().effect.unwrap().removed, 0);
}

#[tokio::test]
async fn import_without_usable_files_creates_no_tenant() {
    let server = TestServer::start().await;
    let cases: [Vec<File>; 3] = [
        vec![],
        vec![file("hello.csv", &["code", "a"])],
        vec![("users.csv".to_owned(), String::new())],
    ];
    for files in cases {
        let mut skipping = skipping();
        skipping.edition = Edition::Growth.into();
        let summary = refused(&server, skipping, &files).await;
        assert_eq!(
            (summary.revision, summary.refused_count),
            (0, 1),
            "{files:?}"
        );
        assert_eq!(summary.refused[0].file, "");
        assert!(summary.files.iter().all(|file| !file.file.is_empty()));
    }
    let request = pb::CheckRequest {
        tenant: "acme".into(),
        subject: user("julia"),
        action: "view".into(),
        resource: product("hat"),
        ..Default::default()
    };
    let status = server.client().await.check(request).await.unwrap_err();
    assert_eq!(refusal(&status).1, "TENANT_NOT_FOUND");
}

#[tokio::test]
async fn products_are_keyed_by_uuid_or_by_chosen_column() {
    let server = TestServer::start().await;
    let by_uuid = file("products.csv", &["uuid;code", "u1;same", "u2;same"]);
    let summary = server.import("acme", Edition::Growth, &[by_uuid]).await;
    assert_eq!(counts(&summary, "products.csv"), (2, 2, 0));
    let mixed = file("products.csv", &["sku;uuid", "hat;u3", ";u4", ";u1"]);
    let summary = server.import("acme", Edition::Unspecified, &[mixed]).await;
    assert_eq!(counts(&summary, "products.csv"), (3, 2, 0));
    let chosen = || pb::ImportHeader {
        product_key: "ean".into(),
        ..header("acme", Edition::Unspecified)
    };
    let keyed = [file("products.csv", &["sku;ean", "hat;4006"])];
    let outcome = server.try_import(chosen(), &keyed).await;
    assert_eq!(counts(&outcome.summary.unwrap(), "products.csv"), (1, 1, 0));
    let without = file("products.csv", &["sku", "hat"]);
    let summary = refused(&server, chosen(), &[without]).await;
    assert!(summary.refused[0].message.contains("`ean`"), "{summary:?}");
}

#[tokio::test]
async fn different_products_with_same_key_are_refused() {
    let server = TestServer::start().await;
    let chosen = pb::ImportHeader {
        product_key: "code".into(),
        ..header("acme", Edition::Growth)
    };
    let products = |second: &str| file("products.csv", &["sku;code", "hat;same", second]);
    let summary = refused(&server, chosen.clone(), &[products("cap;same")]).await;
    let row = &summary.refused[0];
    assert_eq!((row.line, row.column.as_str()), (3, "code"));
    let outcome = server.try_import(chosen, &[products("hat;Same")]).await;
    assert_eq!(counts(&outcome.summary.unwrap(), "products.csv"), (2, 1, 0));
}

#[tokio::test]
async fn rule_2_1_unknown_permissions_cause_warnings() {
    let server = TestServer::start().await;
    let roles = file(
        "user_roles.csv",
        &[
            "role;permissions",
            "editor;\"acme_fly,locale.list,action:acme_run\"",
        ],
    );
    let summary = server.import("acme", Edition::Growth, &[roles]).await;
    let warned = warnings(&summary, "user_roles.csv");
    assert_eq!(warned.len(), 2, "{warned:?}");
    let expected = "role `editor`: `acme_fly` is no permission of the catalogue; it is not granted";
    assert_eq!(warned[0], expected);
}

#[tokio::test]
async fn rule_1_5_white_space_around_imported_codes_is_trimmed() {
    let server = TestServer::start().await;
    let files = [
        file("categories.csv", &["code", "\u{feff}shoes\u{a0}"]),
        file(
            "products.csv",
            &["sku;categories", "\u{200b}boot\t;\u{3000}shoes\u{200b}"],
        ),
        file("users.csv", &["username;roles", "julia\u{2003};"]),
    ];
    server.import("acme", Edition::Enterprise, &files).await;
    assert_eq!(level(&server, "julia", "boot").await, pb::Level::Own);
}

#[tokio::test]
async fn overlong_row_can_be_skipped() {
    let server = TestServer::start().await;
    let long = format!("\"{}\";", "x".repeat(4 << 20));
    let files = [file(
        "locales.csv",
        &["code;label", "en_US;", &long, "fr_FR;"],
    )];
    let mut header = skipping();
    header.edition = Edition::Growth.into();
    let outcome = server.try_import(header, &files).await;
    outcome.ended.unwrap();
    let summary = outcome.summary.unwrap();
    assert_eq!(counts(&summary, "locales.csv"), (3, 2, 1));
    assert_eq!(
        (summary.refused[0].line, summary.refused[0].column.as_str()),
        (3, "")
    );
}

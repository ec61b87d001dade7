//! Imports that skip bad rows: what they report, and what they leave unchanged.

use super::*;

async fn imported() -> TestServer {
    let server = TestServer::start().await;
    let files = [
        file("user_groups.csv", &["name", "Sales"]),
        file(
            "user_roles.csv",
            &["role;permissions", "editor;locale.list"],
        ),
        file(
            "users.csv",
            &["username;roles", "julia;editor", "mary;editor"],
        ),
        file("locales.csv", &["code", "en_US"]),
        file("job_profiles.csv", &["code;type", "nightly;csv_export"]),
        file(
            "categories.csv",
            &["code;parent", "master;", "shoes;master", "boots;shoes"],
        ),
        file("attribute_groups.csv", &["code", "texts", "other"]),
        file("attributes.csv", &["code;group", "name;texts"]),
        file("product_models.csv", &["code;categories", "m;shoes"]),
        file(
            "products.csv",
            &["sku;categories", "hat;shoes", "cap;shoes", "bag;shoes"],
        ),
    ];
    server.import("acme", Edition::Enterprise, &files).await;
    server
}

/// Imports files, skips bad rows, and returns the summary.
async fn skip(server: &TestServer, header: pb::ImportHeader, files: &[File]) -> pb::ImportSummary {
    let outcome = server.try_import(header, files).await;
    let summary = outcome.summary.unwrap();
    assert!(outcome.ended.is_ok(), "{:?} {summary:#?}", outcome.ended);
    summary
}

fn kept(summary: &pb::ImportSummary) -> Vec<String> {
    let kept = summary.kept.iter();
    kept.map(|item| format!("{} {}", item.r#type, item.id))
        .collect()
}

#[tokio::test]
async fn stored_entities_of_skipped_rows_are_listed_as_kept() {
    let server = imported().await;
    let files = [
        // Invalid cells, references to unknown entities, and rows with too many
        // cells.
        file(
            "users.csv",
            &[
                "username;roles;enabled",
                "Julia;;perhaps",
                "mary;nowhere;",
                "new;nowhere;",
            ],
        ),
        file("user_roles.csv", &["role;label", "editor;Editor;x"]),
        file("attributes.csv", &["code;group", "name;nowhere"]),
        file("product_models.csv", &["code;categories", "m;nowhere"]),
        file(
            "products.csv",
            &[
                "sku;categories",
                "\"a\nb\";",
                "HAT;nowhere",
                "new;nowhere",
                "cap;;;x",
            ],
        ),
        file(
            "job_profile_accesses.csv",
            &["job_profile;execute_job_profile", "nightly;nobody"],
        ),
        file(
            "locale_accesses.csv",
            &["locale;view_products;edit_products", "en_US;nobody;"],
        ),
    ];
    let summary = skip(&server, skipping(), &files).await;
    assert_eq!(summary.refused_count, 12, "{:#?}", summary.refused);
    let expected = [
        "attribute name",
        "export_profile nightly",
        "locale en_US",
        "product cap",
        "product hat",
        "product_model m",
        "role editor",
        "user julia",
        "user mary",
    ];
    assert_eq!(kept(&summary), expected);
}

#[tokio::test]
async fn entities_changed_by_another_row_are_not_listed_as_kept() {
    let server = imported().await;
    let files = [
        file(
            "users.csv",
            &[
                "username;roles",
                "julia;",
                "julia;editor",
                "mary;nowhere",
                "mary;nowhere",
            ],
        ),
        file(
            "products.csv",
            &[
                "sku;categories",
                "hat;",
                "hat;shoes",
                "cap;master;x",
                "cap;",
            ],
        ),
    ];
    let summary = skip(&server, skipping(), &files).await;
    assert_eq!(kept(&summary), ["user mary"], "{summary:#?}");
}

#[tokio::test]
async fn kept_list_is_empty_when_no_row_is_skipped() {
    let server = imported().await;
    let good = file("users.csv", &["username;roles", "julia;"]);
    let summary = skip(&server, skipping(), &[good]).await;
    assert_eq!(kept(&summary), Vec::<String>::new());
    let bad = file("users.csv", &["username;roles", "julia;nowhere"]);
    let summary = refused(&server, header("acme", Edition::Unspecified), &[bad]).await;
    assert_eq!(kept(&summary), Vec::<String>::new());
}

fn pruning() -> pb::ImportHeader {
    pb::ImportHeader {
        prune: true,
        prune_all: true,
        ..skipping()
    }
}

async fn parents(server: &TestServer) -> Vec<(String, String)> {
    let request = pb::ListCategoriesRequest {
        tenant: "acme".into(),
        ..Default::default()
    };
    let channel = server.channel().await;
    let mut client = pb::catalog_service_client::CatalogServiceClient::new(channel);
    let categories = client.list_categories(request).await.unwrap().into_inner();
    let categories = categories.categories.into_iter();
    categories
        .map(|category| (category.code, category.parent.unwrap_or_default()))
        .collect()
}

#[tokio::test]
async fn category_with_refused_row_keeps_its_parent_when_pruning() {
    let server = imported().await;
    // `shoes` is not in the file; the row of `boots`, its child, is bad.
    let categories = file(
        "categories.csv",
        &["code;parent", "master;", "boots;nowhere"],
    );
    let summary = skip(&server, pruning(), &[categories]).await;
    assert_eq!(summary.files[0].removed, 0);
    assert!(
        summary.files[0].warnings[0].contains("nothing is pruned"),
        "{summary:#?}"
    );
    assert_eq!(kept(&summary), ["category boots"]);
    let expected = [("boots", "shoes"), ("master", ""), ("shoes", "master")];
    let found = parents(&server).await;
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(code, parent)| (code.as_str(), parent.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn kinds_with_rows_refused_during_comparison_are_not_pruned() {
    let server = imported().await;
    // Only the comparison with the stored data detects that the role and the
    // group are unknown. The group of the attribute and the other user are not
    // in the files.
    let files = [
        file("users.csv", &["username;roles", "mary;nowhere"]),
        file("attribute_groups.csv", &["code", "other"]),
        file("attributes.csv", &["code;group", "name;nowhere"]),
        file("user_groups.csv", &["name", "Marketing"]),
    ];
    let summary = skip(&server, pruning(), &files).await;
    let removed: Vec<(&str, u64)> = summary
        .files
        .iter()
        .map(|file| (file.file.as_str(), file.removed))
        .collect();
    let expected = [
        ("attribute_groups.csv", 0),
        ("attributes.csv", 0),
        ("user_groups.csv", 1),
        ("users.csv", 0),
    ];
    assert_eq!(removed, expected);
    assert_eq!(kept(&summary), ["attribute name", "user mary"]);
}

#[tokio::test]
async fn excessive_pruning_refuses_import_despite_skip_bad_rows() {
    let server = imported().await;
    let files = [file("users.csv", &["username;roles", "new;"])];
    let header = pb::ImportHeader {
        prune_all: false,
        ..pruning()
    };
    let summary = refused(&server, header, &files).await;
    assert!(
        summary.refused[0].message.contains("more than a fifth"),
        "{summary:#?}"
    );
}

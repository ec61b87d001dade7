use pim_authz::{
    admin::{AdminError, Effect},
    domain::Revision,
};

use super::steps::{SMALL, context, coordinator, enterprise, import, places, text, try_import};
use crate::harness::Database;

#[tokio::test(flavor = "multi_thread")]
async fn reimport_of_same_files_changes_nothing() {
    let database = Database::create().await;
    let coordinator = coordinator(&database).await;
    let first = import(&coordinator, SMALL).await;
    assert!(first.details.applied, "{first:?}");
    assert_eq!(first.revision, Revision(1));
    assert_eq!(first.details.refused_count, 0);
    let again = import(&coordinator, SMALL).await;
    assert!(again.effect.is_empty(), "{:?}", again.effect);
    assert_eq!(again.revision, Revision(1));
    for file in &again.details.files {
        assert_eq!(file.rows, file.unchanged, "{file:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dry_run_predicts_the_import_and_stores_nothing() {
    let database = Database::create().await;
    let coordinator = coordinator(&database).await;
    let mut dry = context("default");
    dry.dry_run = true;
    let predicted = try_import(&coordinator, &dry, &enterprise(), SMALL)
        .await
        .unwrap();
    assert_eq!(
        text(
            &database,
            "SELECT count(*)::text FROM tenant WHERE code <> ''"
        )
        .await,
        "0"
    );
    // The new user Julia, and all products.
    let affected = (
        predicted.effect.subjects_affected,
        predicted.effect.products_affected,
    );
    assert_eq!(affected, (1, 4));
    assert!(!predicted.effect.sample.is_empty());
    let done = import(&coordinator, SMALL).await;
    let rehearsed = Effect {
        subjects_affected: 0,
        products_affected: 0,
        sample: Vec::new(),
        ..predicted.effect
    };
    assert_eq!(done.effect, rehearsed);
    assert_eq!(done.details.files, predicted.details.files);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_rows_are_listed_and_refuse_import_unless_skipped() {
    let database = Database::create().await;
    let coordinator = coordinator(&database).await;
    let bad = [
        (
            "categories.csv",
            "code;parent\na;b\nb;a\nc;nowhere\nd;c\ne;\n",
        ),
        (
            "users.csv",
            "username;roles;groups\njulia;NO_ROLE;\nmary;;NO_GROUP\n",
        ),
        ("product_models.csv", "code;parent\nm1;\nm2;m1\nm3;m2\n"),
        (
            "products.csv",
            "sku;categories;parent\np1;e;m2\np2;d;\np3;;m3\np1;;m2\np1;e;M2\n",
        ),
    ];
    let refused = import(&coordinator, &bad).await;
    assert!(!refused.details.applied);
    assert_eq!(refused.revision, Revision(0));
    assert_eq!(
        places(&refused),
        [
            "categories.csv:2 parent",
            "categories.csv:3 parent",
            "categories.csv:4 parent",
            "categories.csv:5 parent",
            "product_models.csv:4 parent",
            "products.csv:3 categories",
            "products.csv:4 parent",
            "products.csv:5 sku",
            "users.csv:2 roles",
            "users.csv:3 groups",
        ]
    );
    assert_eq!(refused.details.refused_count, 10);
    let mut skipping = enterprise();
    skipping.skip_bad_rows = true;
    let taken = try_import(&coordinator, &context("default"), &skipping, &bad)
        .await
        .unwrap();
    assert!(taken.details.applied);
    assert_eq!(places(&taken), places(&refused));
    let products = text(
        &database,
        "SELECT string_agg(code, ' ' ORDER BY code) FROM product",
    )
    .await;
    assert_eq!(products, "m1 m2 p1");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_2_6_import_cannot_disable_last_administrator() {
    let database = Database::create().await;
    let coordinator = coordinator(&database).await;
    import(&coordinator, SMALL).await;
    let locked_out = [("users.csv", "username;roles;enabled\njulia;ADMIN;0\n")];
    let refused = try_import(
        &coordinator,
        &context("default"),
        &enterprise(),
        &locked_out,
    )
    .await;
    assert!(
        matches!(refused, Err(AdminError::LockOutGuard)),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_5_2_tenant_has_at_most_100_apps_and_connections() {
    let database = Database::create().await;
    let coordinator = coordinator(&database).await;
    let rows: Vec<String> = (0..100).map(|number| format!("c{number};")).collect();
    let connections = format!("code;roles\n{}\n", rows.join("\n"));
    let full = import(&coordinator, &[("connections.csv", &connections)]).await;
    assert!(full.details.applied, "{full:?}");
    let one_more = [("apps.csv", "code;scopes\nshop;read_products\n")];
    let refused = try_import(&coordinator, &context("default"), &enterprise(), &one_more).await;
    assert!(
        matches!(refused, Err(AdminError::AppLimit { found: 101, .. })),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn new_tenant_requires_edition_and_stored_tenant_keeps_its_own() {
    let database = Database::create().await;
    let coordinator = coordinator(&database).await;
    let mut options = enterprise();
    options.edition = None;
    let unknown = try_import(&coordinator, &context("shop"), &options, SMALL).await;
    assert!(
        matches!(unknown, Err(AdminError::TenantNotFound { .. })),
        "{unknown:?}"
    );
    import(&coordinator, SMALL).await;
    options.edition = Some(pim_authz::domain::Edition::Growth);
    let other = try_import(&coordinator, &context("default"), &options, SMALL).await;
    assert!(
        matches!(other, Err(AdminError::EditionMismatch { .. })),
        "{other:?}"
    );
}

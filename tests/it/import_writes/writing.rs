use std::{sync::mpsc, time::Duration};

use pim_authz::domain::Revision;

use super::steps::{SMALL, context, coordinator, enterprise, import, stage, text, try_import};
use crate::harness::Database;

const LEFT: &str = "SELECT (SELECT count(*) FROM intent) || ' ' || (SELECT count(*) FROM product) || ' '
                        || (SELECT count(*) FROM tenant WHERE code <> '') || ' ' || (SELECT count(*) FROM commit_log)";

#[tokio::test(flavor = "multi_thread")]
async fn imports_leave_no_intents_after_success_or_failure() {
    let database = Database::create().await;
    let coordinator = coordinator(&database).await;
    // This write fails after its announcement, because its audit rows are
    // rejected.
    database
        .execute("ALTER TABLE pim_authz.audit ADD CONSTRAINT no_audit CHECK (false)")
        .await;
    let failed = try_import(&coordinator, &context("default"), &enterprise(), SMALL).await;
    assert!(failed.is_err(), "{failed:?}");
    assert_eq!(text(&database, LEFT).await, "0 0 0 0");
    assert_eq!(text(&database, "SELECT seq::text FROM head").await, "1");
    database
        .execute("ALTER TABLE pim_authz.audit DROP CONSTRAINT no_audit")
        .await;
    import(&coordinator, SMALL).await;
    assert_eq!(text(&database, LEFT).await, "0 4 1 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_imports_of_one_tenant_commit_in_order() {
    let database = Database::create().await;
    let coordinator = coordinator(&database).await;
    let other = [
        ("products.csv", "sku\ncap\nhat\n"),
        ("categories.csv", "code;parent\nmaster;\n"),
    ];
    let (context, options) = (context("default"), enterprise());
    let (one, two) = tokio::join!(
        try_import(&coordinator, &context, &options, SMALL),
        try_import(&coordinator, &context, &options, &other)
    );
    let mut revisions = [one.unwrap().revision, two.unwrap().revision];
    revisions.sort();
    assert_eq!(revisions, [Revision(1), Revision(2)]);
    assert_eq!(text(&database, LEFT).await, "0 5 1 2");
    let logged = text(
        &database,
        "SELECT string_agg(revision::text, ' ' ORDER BY revision) FROM commit_log",
    )
    .await;
    assert_eq!(logged, "1 2");
}

#[tokio::test(flavor = "multi_thread")]
async fn abandoned_import_commits_completely_or_not_at_all() {
    let database = Database::create().await;
    let coordinator = coordinator(&database).await;
    let staging = stage(&coordinator, "default", SMALL).await;
    let (reporter, progress) = mpsc::channel();
    let (context, options) = (context("default"), enterprise());
    let running = coordinator.import(staging, &context, &options, move |phase, _, _| {
        let _result = reporter.send(phase);
    });
    // The import is dropped half-way; the progress channel closes when its task
    // ends.
    tokio::time::timeout(Duration::from_millis(1), running)
        .await
        .ok();
    tokio::task::spawn_blocking(move || progress.iter().count())
        .await
        .unwrap();
    let left = text(&database, LEFT).await;
    assert!(["0 0 0 0", "0 4 1 1"].contains(&left.as_str()), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn import_whose_connection_is_terminated_stores_nothing() {
    let database = Database::create().await;
    let coordinator = coordinator(&database).await;
    let (blocker, _session) = database.connect().await;
    blocker
        .batch_execute("BEGIN; LOCK TABLE pim_authz.audit IN EXCLUSIVE MODE")
        .await
        .unwrap();
    // A transaction keeps its first snapshot of the sessions, so a separate
    // session watches them.
    let (watcher, _session) = database.connect().await;
    let (context, options) = (context("default"), enterprise());
    let importing =
        tokio::spawn(async move { try_import(&coordinator, &context, &options, SMALL).await });
    database.somebody_waits_for_a_lock(&watcher).await;
    watcher
        .batch_execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
        .await
        .unwrap();
    blocker.batch_execute("ROLLBACK").await.unwrap();
    let failed = importing.await.unwrap();
    assert!(failed.is_err(), "{failed:?}");
    assert_eq!(text(&database, LEFT).await, "0 0 0 0");
}

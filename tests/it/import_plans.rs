//! The query plans of import statements: they never loop over a tenant's
//! products row by row, even with the statistics of a nearly empty database.

use pim_authz::pb;
use tokio_postgres::Client;

use crate::{
    harness::{File, MadeCatalog, TestServer, file},
    support::Entropy,
};

/// The session settings of an import, and its staging tables.
const SESSION: &str = "SET search_path = pim_authz, pg_temp; SET jit = off; BEGIN";
const TABLES: &str = include_str!("../../src/store/staged_products_tables.sql");
const BULK: &str = include_str!("../../src/store/join_in_bulk.sql");

macro_rules! statements {
    ($($file:literal, $parameters:literal;)+) => {
        &[$(($file, include_str!(concat!("../../src/store/", $file)), $parameters)),+]
    };
}

/// Each statement that joins staged rows with products, and its parameters.
const STATEMENTS: &[(&str, &str, &str)] = statements! {
    "staged_products_unknown_parents.sql", "2";
    "staged_products_third_levels.sql", "2";
    "staged_products_difference.sql", "2, 0, '{1,2,3}'";
    "staged_products_parents.sql", "2";
    "staged_products_left_out.sql", "2, 1000";
    "staged_products_move.sql", "2";
    "staged_products_leave.sql", "2";
    "staged_products_uncategorised.sql", "2";
    "staged_products_audit.sql", "2, 1, 'user:admin', 'request', '', 0, 'shop'";
    "product_removals_nominate.sql", "2, false";
    "product_removals_model_left.sql", "2";
    "product_removals_stay.sql", "2, '{1}'";
    "product_removals_leavers.sql", "2, '{1}'";
    "product_removals_describe.sql", "2";
    "product_removals_audit.sql", "2, 1, 'user:admin', 'request', '', 0, 'shop'";
    "product_removals_delete.sql", "2";
    "product_removals_delete_categories.sql", "2";
    "affected_products_nominate.sql", "2, '{1}', true, false";
    "affected_products.sql", "2, 100000";
};

/// The staged rows of an import of twenty thousand products, half of which are
/// stored.
const STAGED: &str = "
    INSERT INTO staged_product (line, model, code, key, parent_given, parent_code, parent_key, categories, rest)
    SELECT n, false, 'sku_' || n, 'sku_' || n, true, 'model_' || n % 100, 'model_' || n % 100, '{1,2}', 0
      FROM generate_series(1, 20000) AS n;
    INSERT INTO changed_product (line, model, code, key, is_new, id, parent_given, old_categories, new_categories)
    SELECT n, false, 'sku_' || n, 'sku_' || n, n % 2 = 0, n, true, '{1,2}', '{1}'
      FROM generate_series(1, 20000) AS n;
    INSERT INTO removed_product (id, model, code, key) SELECT n, false, 'sku_' || n, 'sku_' || n
      FROM generate_series(1, 20000) AS n;
    CREATE TEMPORARY TABLE reached_product (id integer);
    INSERT INTO reached_product SELECT generate_series(1, 20000);
    ANALYZE staged_product; ANALYZE changed_product; ANALYZE removed_product; ANALYZE reached_product";

/// The lines of a plan that read products below a nested loop.
fn looped(plan: &[String]) -> Vec<&String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut loops: Vec<usize> = Vec::new();
    let mut found = Vec::new();
    for line in plan {
        loops.retain(|at| *at < indent(line));
        let reads = line.contains(" on product ") || line.contains(" on product_category ");
        if reads && !loops.is_empty() && !line.contains("Update on") && !line.contains("Delete on")
        {
            found.push(line);
        }
        // A subplan is executed for each row of its parent node.
        let is_subplan = line.contains("SubPlan") || line.contains("Nested Loop");
        if is_subplan {
            loops.push(indent(line));
        }
    }
    found
}

async fn plan(client: &Client, statement: &str, parameters: &str) -> Vec<String> {
    client
        .batch_execute(&format!("DEALLOCATE ALL; PREPARE planned AS {statement}"))
        .await
        .unwrap();
    let explain = format!("EXPLAIN EXECUTE planned ({parameters})");
    let rows = client.query(&explain, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Starts a server with two tenants: the statistics were collected after the
/// products of the first one were stored and before those of the second.
async fn stale() -> TestServer {
    let server = TestServer::start().await;
    let few: [File; 1] = [file("products.csv", &["sku", "hat"])];
    server.import("few", pb::Edition::Growth, &few).await;
    let (client, _session) = server.database.connect().await;
    client.batch_execute("ANALYZE").await.unwrap();
    let mut entropy = Entropy::seeded(9, 400_000);
    let catalog = MadeCatalog::make(2_000, &[("few", 60)], &mut entropy);
    server
        .import("many", pb::Edition::Enterprise, &catalog.files())
        .await;
    server
}

#[tokio::test]
async fn import_statements_never_loop_over_products() {
    let server = stale().await;
    let (client, _session) = server.database.connect().await;
    for statement in [SESSION, TABLES, STAGED, BULK] {
        client.batch_execute(statement).await.unwrap();
    }
    for mode in ["force_custom_plan", "force_generic_plan"] {
        let set = format!("SET LOCAL plan_cache_mode = {mode}");
        client.batch_execute(&set).await.unwrap();
        for (name, statement, parameters) in STATEMENTS {
            let plan = plan(&client, statement, parameters).await;
            let looped = looped(&plan);
            assert!(looped.is_empty(), "{name}: {looped:?}\n{}", plan.join("\n"));
        }
    }
}

/// Proves that the check above can fail: without the settings, the planner
/// chooses loops row by row.
#[tokio::test]
async fn stale_statistics_cause_product_loops_without_bulk_settings() {
    let server = stale().await;
    let (client, _session) = server.database.connect().await;
    for statement in [SESSION, TABLES, STAGED] {
        client.batch_execute(statement).await.unwrap();
    }
    let set = "SET LOCAL plan_cache_mode = force_custom_plan";
    client.batch_execute(set).await.unwrap();
    let mut found = 0;
    for (_, statement, parameters) in STATEMENTS {
        found += usize::from(!looped(&plan(&client, statement, parameters).await).is_empty());
    }
    assert!(found > 3, "{found}");
}

/// The statements of a request that puts few products.
const OF_FEW: [&str; 8] = [
    "staged_products_unknown_parents.sql",
    "staged_products_third_levels.sql",
    "staged_products_difference.sql",
    "staged_products_parents.sql",
    "staged_products_move.sql",
    "staged_products_leave.sql",
    "staged_products_uncategorised.sql",
    "staged_products_audit.sql",
];

/// The lines of a plan that read all products, or all categories, of a tenant.
fn read_whole(plan: &[String]) -> Vec<&String> {
    let tables = [" on product ", " on product_category ", " on item "];
    let reads = |line: &str| tables.iter().any(|table| line.contains(table));
    let is_by_key = |after: Option<&String>| {
        after.is_some_and(|line| {
            line.contains("Index Cond: ((tenant_id = ") && line.contains(" AND ")
        })
    };
    let changes = |line: &str| line.contains("Update on") || line.contains("Delete on");
    plan.iter()
        .enumerate()
        .filter(|(_, line)| reads(line) && !changes(line))
        .filter(|(at, line)| line.contains("Seq Scan") || !is_by_key(plan.get(at + 1)))
        .map(|(_, line)| line)
        .collect()
}

#[tokio::test]
async fn few_products_are_looked_up_by_key() {
    const FEW: &str = include_str!("../../src/store/few_rows.sql");
    const ROWS: &str = "
        INSERT INTO staged_product (line, model, code, key, parent_given, parent_code, parent_key, categories, rest)
        VALUES (1, false, 'sku_1', 'sku_1', true, 'model_1', 'model_1', '{1,2}', 0);
        INSERT INTO changed_product (line, model, code, key, is_new, id, parent_given, old_categories, new_categories)
        VALUES (1, false, 'sku_1', 'sku_1', false, 1, true, '{1,2}', '{1}')";
    let server = stale().await;
    let (client, _session) = server.database.connect().await;
    for statement in ["ANALYZE", SESSION, TABLES, ROWS, FEW] {
        client.batch_execute(statement).await.unwrap();
    }
    let statements = STATEMENTS.iter().filter(|(name, ..)| OF_FEW.contains(name));
    let mut seen = 0;
    for (name, statement, parameters) in statements {
        let plan = plan(&client, statement, parameters).await;
        let whole = read_whole(&plan);
        assert!(whole.is_empty(), "{name}: {whole:?}\n{}", plan.join("\n"));
        seen += 1;
    }
    assert_eq!(seen, OF_FEW.len());
}

/// Proves that the check above can fail.
#[tokio::test]
async fn few_products_are_read_whole_without_settings() {
    let server = stale().await;
    let (client, _session) = server.database.connect().await;
    for statement in [SESSION, TABLES, STAGED] {
        client.batch_execute(statement).await.unwrap();
    }
    let mut found = 0;
    for (_, statement, parameters) in STATEMENTS {
        found += usize::from(!read_whole(&plan(&client, statement, parameters).await).is_empty());
    }
    assert!(found > 3, "{found}");
}

#[tokio::test]
async fn import_reports_its_phases_in_order() {
    let server = TestServer::start().await;
    let files = [file("products.csv", &["sku", "hat"])];
    let header = crate::harness::header("acme", pb::Edition::Growth);
    let outcome = server.try_import(header, &files).await;
    outcome.ended.unwrap();
    let mut phases: Vec<pb::ImportPhase> = outcome
        .progress
        .iter()
        .map(pb::ImportProgress::phase)
        .collect();
    phases.dedup();
    let expected = [
        pb::ImportPhase::Reading,
        pb::ImportPhase::Comparing,
        pb::ImportPhase::Applying,
    ];
    assert_eq!(phases, expected);
}

//! The query plans of list statements: they use the indexes that give the
//! order, and never sort or scan all products for a page.

use pim_authz::pb;

use crate::{
    harness::{MadeCatalog, TestServer},
    support::Entropy,
};

const AFTER: &str = include_str!("../../src/store/products_after.sql");
const AMONG: &str = include_str!("../../src/store/products_among.sql");
const NOMINATE: &str = include_str!("../../src/store/nominate_products.sql");

/// The settings that the server's sessions have.
const SESSION: &str = "SET search_path = pim_authz, pg_temp;
    SET plan_cache_mode = force_generic_plan;
    SET jit = off";

#[tokio::test]
async fn list_pages_neither_sort_nor_scan_all_products() {
    let server = TestServer::start().await;
    let mut entropy = Entropy::seeded(9, 400_000);
    let catalog = MadeCatalog::make(10_000, &[("few", 60)], &mut entropy);
    server
        .import("acme", pb::Edition::Enterprise, &catalog.files())
        .await;
    let (client, connection) = server.database.connect().await;
    client.batch_execute("VACUUM ANALYZE").await.unwrap();
    client.batch_execute(SESSION).await.unwrap();
    let cases = [
        // statement, parameters, index that the plan must use
        (AFTER, "1, false, 5000, 1000", "product_in_order"),
        (AMONG, "1, false, '{100,200,300}'", "product_"),
        (
            NOMINATE,
            "1, false, '{}', '{2}', 1, 1000, true",
            "product_category_by_category",
        ),
        (
            NOMINATE,
            "1, false, '{5}', '{}', 0, 1000, false",
            "product_by_parent",
        ),
    ];
    for (statement, parameters, index) in cases {
        client
            .batch_execute(&format!("DEALLOCATE ALL; PREPARE planned AS {statement}"))
            .await
            .unwrap();
        let explain = format!("EXPLAIN EXECUTE planned ({parameters})");
        let rows = client.query(&explain, &[]).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let plan = plan.join("\n");
        assert!(plan.contains(index), "{plan}");
        assert!(!plan.contains("Seq Scan on product"), "{plan}");
        // Only candidates are sorted, into the order in which they were
        // requested; no other rows are.
        let sorts = plan.lines().filter(|line| line.contains("Sort Key"));
        let of_products = sorts.filter(|line| !line.contains("requested.place"));
        assert_eq!(of_products.count(), 0, "{plan}");
    }
    drop(client);
    connection.await.unwrap().unwrap();
}

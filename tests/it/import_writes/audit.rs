use tokio_postgres::error::SqlState;

use super::steps::{SMALL, coordinator, import, text};
use crate::harness::Database;

#[tokio::test(flavor = "multi_thread")]
async fn audit_hash_chain_can_be_recomputed() {
    const HASHES: &str = "
        WITH every AS (
            SELECT tenant_id, revision, part, hash,
                   audit_row_hash(revision, part, time, actor, request_id, idempotency_key, kind, item_type, item_code,
                                  subject_type, subject_code, before, after, nonce) AS row_hash
              FROM audit),
        write AS (
            SELECT revision, chain_hash(row_hash ORDER BY part) AS chain,
                   (array_agg(hash ORDER BY part DESC))[1] AS hash, max(part) = count(*) AS whole
              FROM every GROUP BY revision),
        chained AS (
            SELECT *, lag(hash, 1, ''::bytea) OVER (ORDER BY revision) AS previous FROM write)
        SELECT string_agg((whole AND hash = sha256(previous || chain))::text, ' ' ORDER BY revision)
               || ' ' || ((SELECT hash FROM write ORDER BY revision DESC LIMIT 1) = (SELECT audit_hash FROM tenant WHERE code <> ''))::text
          FROM chained";
    let database = Database::create().await;
    let coordinator = coordinator(&database).await;
    import(&coordinator, SMALL).await;
    import(
        &coordinator,
        &[
            ("products.csv", "sku\ncap\n"),
            ("locales.csv", "code\nde_DE\n"),
        ],
    )
    .await;
    import(&coordinator, &[("locales.csv", "code\nit_IT\n")]).await;
    assert_eq!(text(&database, HASHES).await, "true true true true");
    let last = text(
        &database,
        "SELECT string_agg(kind, ' ' ORDER BY part) FROM audit WHERE revision = 2",
    )
    .await;
    assert_eq!(
        last,
        "product.created locale.created access_right.changed import.applied"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_and_audit_log_reject_direct_writes() {
    let database = Database::create().await;
    import(&*coordinator(&database).await, SMALL).await;
    let (client, _session) = database.connect().await;
    let refused = [
        "UPDATE pim_authz.tenant SET edition = 'growth'",
        "INSERT INTO pim_authz.membership VALUES (1, 1, 1)",
        "DELETE FROM pim_authz.access_right",
        "TRUNCATE pim_authz.product",
        "BEGIN; SET LOCAL pim_authz.door = '1/0'; UPDATE pim_authz.audit SET actor = 'nobody'",
        "ROLLBACK; SELECT set_config('role', runtime_role, false) FROM pim_authz.installation;
         DELETE FROM pim_authz.audit",
    ];
    for sql in refused {
        let error = client.batch_execute(sql).await.unwrap_err();
        assert_eq!(
            error.code(),
            Some(&SqlState::INSUFFICIENT_PRIVILEGE),
            "{sql}"
        );
    }
}

//! The hash chain of the audit log: verification, tampering, and the erasure of
//! a name.

use std::collections::BTreeSet;

use pim_authz::pb::{self, operations_service_client::OperationsServiceClient};
use tokio_postgres::error::SqlState;

use crate::{
    changes::{all, every_page, imported, places},
    harness::{TestServer, refusal},
};

async fn verified(server: &TestServer) -> pb::VerifyAuditResponse {
    let mut client = OperationsServiceClient::new(server.channel().await);
    let request = pb::VerifyAuditRequest {
        tenant: "acme".into(),
        ..Default::default()
    };
    client.verify_audit(request).await.unwrap().into_inner()
}

/// Disables the triggers, as an attacker with full access to the database
/// could.
const TAMPER: &str = "SET search_path = pim_authz; ALTER TABLE audit DISABLE TRIGGER USER; ALTER TABLE tenant DISABLE TRIGGER USER;";

#[tokio::test]
async fn tampering_with_the_audit_log_is_detected() {
    let cases = [
        (
            "UPDATE audit SET after = 'x' WHERE revision = 2 AND part = 1",
            2,
        ),
        (
            "UPDATE audit SET actor = 'user:peter' WHERE revision = 1 AND last",
            1,
        ),
        ("DELETE FROM audit WHERE revision = 2", 2),
        ("DELETE FROM audit WHERE revision = 3 AND part = 1", 3),
        ("DELETE FROM audit WHERE revision = 3", 3),
        (
            "UPDATE audit SET erased = true, after = 'x' WHERE revision = 1 AND part = 1",
            1,
        ),
        ("UPDATE tenant SET revision = 2", 3),
        (
            "UPDATE audit SET erased = true, row_hash = '' WHERE revision = 1 AND part = 1",
            1,
        ),
    ];
    for (statement, broken) in cases {
        let server = imported().await;
        let before = verified(&server).await;
        assert!(
            before.intact && before.revision == 3 && before.rows > 10,
            "{before:?}"
        );
        server
            .database
            .execute(&format!("{TAMPER}{statement}"))
            .await;
        let after = verified(&server).await;
        assert!(!after.intact && !after.problem.is_empty(), "{statement}");
        assert_eq!(after.broken_revision, broken, "{statement}: {after:?}");
    }
}

#[tokio::test]
async fn erasing_a_name_keeps_the_chain_intact() {
    let server = imported().await;
    let before: BTreeSet<(u64, u32)> = places(&every_page(&server, &all(0)).await)
        .into_iter()
        .collect();
    for name in ["user:mary", "user:JULIA"] {
        let sql = format!("SELECT pim_authz.erase_name('acme', '{name}')");
        server.database.execute(&sql).await;
    }
    let report = verified(&server).await;
    assert!(report.intact && report.erased_rows > 2, "{report:?}");
    let after = every_page(&server, &all(0)).await;
    assert_eq!(places(&after).into_iter().collect::<BTreeSet<_>>(), before);
    let text = format!("{after:?}").to_lowercase();
    assert!(!text.contains("mary") && !text.contains("julia"), "{text}");
}

#[tokio::test]
async fn runtime_role_cannot_erase_or_alter_the_log() {
    let server = imported().await;
    let (client, _session) = server.database.connect().await;
    let runtime =
        "RESET ROLE; SELECT set_config('role', runtime_role, false) FROM pim_authz.installation;
         SET search_path = pim_authz; SET pim_authz.door = 'x'; SET pim_authz.erase = 'on';";
    for statement in [
        "SELECT erase_name('acme', 'user:mary')",
        "UPDATE audit SET actor = 'user:peter'",
        "DELETE FROM audit",
        "TRUNCATE audit",
    ] {
        let error = client.batch_execute(&format!("{runtime}{statement}")).await;
        let error = error.unwrap_err();
        assert_eq!(
            error.code(),
            Some(&SqlState::INSUFFICIENT_PRIVILEGE),
            "{statement}"
        );
    }
}

#[tokio::test]
async fn verifying_an_unknown_tenant_is_refused() {
    let server = TestServer::start().await;
    let mut client = OperationsServiceClient::new(server.channel().await);
    let request = pb::VerifyAuditRequest {
        tenant: "nobody".into(),
        facts: true,
        callers: false,
    };
    let status = client.verify_audit(request).await.unwrap_err();
    assert_eq!(refusal(&status).1, "TENANT_NOT_FOUND");
}

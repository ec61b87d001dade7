//! The calls for operators: the status of a server, and maintenance, in which
//! facts are changed by hand.

use pim_authz::pb::{self, Edition, operations_service_client::OperationsServiceClient};
use tonic::{Code, transport::Channel};

use crate::harness::{TestServer, file, product, refusal, user};

async fn operations(server: &TestServer) -> OperationsServiceClient<Channel> {
    OperationsServiceClient::new(server.channel().await)
}

async fn company() -> TestServer {
    let server = TestServer::start().await;
    let files = [
        file("users.csv", &["username;roles;groups", "julia;;All"]),
        file("channels.csv", &["code", "web"]),
        file("locales.csv", &["code", "en_US"]),
        file("categories.csv", &["code;parent", "master;"]),
        file("products.csv", &["sku;categories", "hat;master"]),
        file(
            "channel_accesses.csv",
            &["channel;view_products;edit_products", "web;All;"],
        ),
        file(
            "locale_accesses.csv",
            &["locale;view_products;edit_products", "en_US;All;"],
        ),
    ];
    server.import("default", Edition::Enterprise, &files).await;
    server
}

async fn may_view(server: &TestServer) -> bool {
    let request = pb::CheckRequest {
        subject: user("julia"),
        action: "view".into(),
        resource: product("hat"),
        ..Default::default()
    };
    let mut client = server.client().await;
    client.check(request).await.unwrap().into_inner().allowed
}

#[tokio::test]
async fn status_reports_lease_cache_and_servers() {
    let server = company().await;
    let beside = TestServer::start_beside(&server).await;
    for _ in 0..20 {
        may_view(&server).await;
    }
    let reported = server.status().await;
    assert!(
        reported.keeps_memory && reported.servers == 2,
        "{reported:?}"
    );
    let remaining = reported.lease_remaining.unwrap();
    assert!(remaining.seconds < 5 && (remaining.seconds, remaining.nanos) > (0, 0));
    assert_eq!((reported.revision, reported.revisions_behind), (1, 0));
    assert_eq!(reported.hits + reported.misses, 20);
    assert!(
        reported.misses > 0 && reported.announcements == 1,
        "{reported:?}"
    );
    assert_eq!(reported.durability(), pb::Durability::None);
    assert_eq!(beside.status().await.hits, 0);
    let request = pb::GetStatusRequest {
        tenant: "a\u{7}".into(),
    };
    let refused = operations(&server).await.get_status(request).await;
    let refused = refused.unwrap_err();
    let field = Some("tenant".to_owned());
    assert_eq!(
        refusal(&refused),
        (Code::InvalidArgument, "INVALID_REQUEST".into(), field)
    );
}

/// Removes the rights that a new category gives to everyone (rules 3.8).
const TAKE: &str = "DELETE FROM pim_authz.access_right USING pim_authz.item
     WHERE access_right.item_id = item.id AND item.space = 'category';";

#[tokio::test]
async fn every_server_sees_maintenance_changes_immediately() {
    let server = company().await;
    let beside = TestServer::start_beside(&server).await;
    for _ in 0..5 {
        assert!(may_view(&server).await && may_view(&beside).await);
    }
    let (sql, session) = server.database.connect().await;
    let _session = session;
    assert!(sql.batch_execute(TAKE).await.is_err());
    let request = pb::BeginMaintenanceRequest {
        actor: "user:julia".into(),
    };
    let mut operations = operations(&server).await;
    let begun = operations.begin_maintenance(request).await.unwrap();
    let pass = begun.into_inner().pass;
    // A wrong pass is rejected.
    let with =
        |pass: &str, end: &str| format!("BEGIN; SET LOCAL pim_authz.door = '{pass}'; {TAKE} {end}");
    assert!(
        sql.batch_execute(&with("maintenance/999", "COMMIT"))
            .await
            .is_err()
    );
    sql.batch_execute("ROLLBACK").await.unwrap();
    sql.batch_execute(&with(&pass, "")).await.unwrap();
    let end = pb::EndMaintenanceRequest {
        actor: "user:julia".into(),
        pass: pass.clone(),
    };
    let busy = operations.end_maintenance(end.clone()).await.unwrap_err();
    assert_eq!(refusal(&busy).0, Code::Aborted);
    assert!(may_view(&server).await && may_view(&beside).await);
    sql.batch_execute("COMMIT").await.unwrap();
    assert!(!may_view(&server).await && !may_view(&beside).await);
    operations.end_maintenance(end.clone()).await.unwrap();
    assert!(sql.batch_execute(&with(&pass, "COMMIT")).await.is_err());
    for _ in 0..5 {
        assert!(!may_view(&server).await && !may_view(&beside).await);
    }
    let over = operations.end_maintenance(end).await.unwrap_err();
    let field = Some("pass".to_owned());
    assert_eq!(
        refusal(&over),
        (Code::InvalidArgument, "INVALID_REQUEST".into(), field)
    );
}

#[tokio::test]
async fn maintenance_requires_valid_actor() {
    let server = TestServer::start().await;
    let mut operations = operations(&server).await;
    let request = pb::BeginMaintenanceRequest {
        actor: "julia".into(),
    };
    let refused = operations.begin_maintenance(request).await.unwrap_err();
    let field = Some("actor".to_owned());
    assert_eq!(
        refusal(&refused),
        (
            Code::InvalidArgument,
            "INVALID_REQUEST".into(),
            field.clone()
        )
    );
    let request = pb::EndMaintenanceRequest {
        actor: "julia".into(),
        ..Default::default()
    };
    let refused = operations.end_maintenance(request).await.unwrap_err();
    assert_eq!(refusal(&refused).2, field);
}

#[tokio::test]
async fn clean_up_removes_expired_rows_and_servers_catch_up() {
    let server = company().await;
    for _ in 0..5 {
        assert!(may_view(&server).await);
    }
    // The state after twenty thousand announcements that this server has not
    // read, with one expired idempotency key and one that has not expired.
    server
        .database
        .execute(
            "SET search_path = pim_authz;
             BEGIN;
             SET LOCAL pim_authz.door = 'test';
             INSERT INTO idempotency (tenant_id, key, request_hash, answer, revision, created_at)
             SELECT tenant.id, kept.key, '', '', 1, now() - kept.age
               FROM tenant, (VALUES ('old', interval '26 hours'), ('new', interval '1 hour')) AS kept (key, age) WHERE tenant.code <> '';
             INSERT INTO invalidation SELECT n, ARRAY['tenant/default'] FROM generate_series(100, 20000) AS n;
             UPDATE head SET seq = 20000;
             COMMIT",
        )
        .await;
    let store = pim_authz::store::Store::new(server.database.url(), 1).unwrap();
    let mut connection = store.pooled_connection().await.unwrap();
    assert!(connection.clean_up().await.unwrap() > 9_000);
    let (sql, session) = server.database.connect().await;
    let _session = session;
    let left = "SELECT (SELECT string_agg(key, ',') FROM pim_authz.idempotency),
                       (SELECT log_floor FROM pim_authz.head),
                       (SELECT min(seq) FROM pim_authz.invalidation)";
    let left = sql.query_one(left, &[]).await.unwrap();
    let answers: &str = left.get(0);
    assert_eq!(answers, "new");
    assert_eq!(
        (left.get::<_, i64>(1), left.get::<_, i64>(2)),
        (10_000, 10_001)
    );
    assert!(may_view(&server).await);
    while server.status().await.announcements_behind > 0 {
        assert!(may_view(&server).await);
    }
}

//! Installations that share a PostgreSQL, and the privileges of the role of
//! each.

use std::time::Duration;

use pim_authz::{
    pb,
    store::{self, MigrateError, RuntimeRole},
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::{Client, NoTls, error::SqlState};

use crate::harness::{Database, TestServer, file, product, user};

const TENANT: &str = "acme";

/// The lease duration of servers in these tests.
const LEASE: Duration = Duration::from_millis(500);

fn named(role: &str) -> RuntimeRole {
    RuntimeRole::Named(role.to_owned())
}

async fn connect(url: &SecretString) -> Client {
    let connecting = tokio_postgres::connect(url.expose_secret(), NoTls);
    let (client, connection) = connecting.await.unwrap();
    tokio::spawn(connection);
    client
}

/// Runs a statement that must be rejected, and returns its SQLSTATE.
async fn refused(client: &Client, sql: &str) -> SqlState {
    let Err(error) = client.batch_execute(sql).await else {
        panic!("it was not refused: {sql}");
    };
    error.code().unwrap().clone()
}

async fn text(database: &Database, sql: &str) -> String {
    let client = connect(database.url()).await;
    client.query_one(sql, &[]).await.unwrap().get(0)
}

async fn runtime_role(database: &Database) -> String {
    text(database, "SELECT runtime_role FROM pim_authz.installation").await
}

/// Starts a server with short leases on a database, and imports a small tenant.
async fn served(database: Database) -> TestServer {
    let mut config = TestServer::config(&database);
    config.cache.lease = LEASE;
    let server = TestServer::start_with(config, database).await;
    let files = [
        file("user_groups.csv", &["code;name", "admins;A", "editors;E"]),
        file("users.csv", &["username;roles;groups", "julia;;admins"]),
        file("categories.csv", &["code;parent", "master;"]),
        file("products.csv", &["sku;categories", "hat;master"]),
        file(
            "product_category_accesses.csv",
            &[
                "category;view_items;edit_items;own_items",
                "master;admins;;",
            ],
        ),
    ];
    server.import(TENANT, pb::Edition::Enterprise, &files).await;
    server
}

async fn may_view(server: &TestServer) -> bool {
    let request = pb::CheckRequest {
        tenant: TENANT.into(),
        subject: user("julia"),
        action: "view".into(),
        resource: product("hat"),
        ..Default::default()
    };
    let answer = server.client().await.check(request).await.unwrap();
    answer.into_inner().allowed
}

#[tokio::test]
async fn login_of_one_installation_cannot_access_another() {
    let production = Database::create().await;
    let staging = Database::create().await;
    let role = format!("{}_role", staging.name());
    store::migrate(staging.url(), &named(&role)).await.unwrap();
    let login = format!("{}_login", staging.name());
    staging.create_login(&login).await;
    staging.execute(&format!("GRANT {role} TO {login}")).await;
    // The login works in its own installation …
    let url = staging.url_of(&login);
    let mut config = TestServer::config(&staging);
    config.database_url = url;
    TestServer::start_with(config, staging.clone()).await;
    // … and in no other.
    let elsewhere = connect(&production.url_of(&login)).await;
    for sql in [
        "SELECT FROM pim_authz.secret_key",
        "SET pim_authz.door = '1/0'; INSERT INTO pim_authz.access_right VALUES (1, 1, 1, 7)",
        "SELECT pim_authz.primary_fingerprint()",
        &format!("SET ROLE {}", runtime_role(&production).await),
    ] {
        assert_eq!(
            refused(&elsewhere, sql).await,
            SqlState::INSUFFICIENT_PRIVILEGE,
            "{sql}"
        );
    }
}

#[tokio::test]
async fn runtime_role_changes_only_while_no_server_runs() {
    let mut server = served(Database::create().await).await;
    let role = format!("{}_moved", server.database.name());
    let before = runtime_role(&server.database).await;
    let refused = store::migrate(server.database.url(), &named(&role)).await;
    assert!(
        matches!(refused, Err(MigrateError::ServersRun)),
        "{refused:?}"
    );
    assert_eq!(runtime_role(&server.database).await, before);
    assert!(may_view(&server).await);
    server.begin_stop();
    let database = server.ended_with_its_database().await;
    let report = store::migrate(database.url(), &named(&role)).await.unwrap();
    assert_eq!(report.runtime_role.as_deref(), Some(role.as_str()));
    let rights = format!("SELECT has_schema_privilege('{before}', 'pim_authz', 'USAGE')::text");
    assert_eq!(text(&database, &rights).await, "false");
    let server = TestServer::start_on(database).await;
    assert!(may_view(&server).await);
    // A second migration has nothing to do.
    let report = store::migrate(server.database.url(), &RuntimeRole::Stored).await;
    let report = report.unwrap();
    assert_eq!((report.applied.len(), report.to_do.len()), (0, 0));
}

/// Reverts an installation to the state of schema version 6.
const BEFORE: &str = "SET search_path = pim_authz;
    DO $$ BEGIN
        CREATE ROLE pim_authz_runtime NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;
    END $$;
    GRANT USAGE ON SCHEMA pim_authz TO pim_authz_runtime;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA pim_authz TO pim_authz_runtime;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA pim_authz TO pim_authz_runtime;
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pim_authz TO PUBLIC;
    SET pim_authz.door = 'undo';
    DROP TABLE caller_key, caller_oidc_identity, caller_subject_alternative_name, caller_tenant, caller;
    DROP FUNCTION audit_row_hash(bigint, integer, timestamptz, text, text, text, text, text, text, text, text, text, text, uuid, text);
    ALTER TABLE audit DROP COLUMN caller;
    DELETE FROM tenant WHERE id = -1;
    DROP INDEX item_by_tree, channel_locale_by_locale, grid_view_group_by_group, app_by_group, app_selection_by_item;
    DROP TABLE installation, written;
    DROP FUNCTION is_owner, mark_written, mark_rewritten, mark_tenant_written, require_audit CASCADE;
    DELETE FROM refinery_schema_history WHERE version >= 7";

#[tokio::test]
async fn migration_from_version_6_revokes_rights_of_shared_role() {
    let database = Database::create().await;
    database.execute(BEFORE).await;
    let report = store::migrate(database.url(), &RuntimeRole::Stored).await;
    let report = report.unwrap();
    assert_eq!(
        report.applied,
        [
            "V7__installation",
            "V8__index_references",
            "V9__callers",
            "V10__restored_databases",
            "V11__uncategorised_once",
            "V12__cheaper_functions"
        ]
    );
    let role = report.runtime_role.unwrap();
    assert!(role.starts_with("pim_authz_") && role != "pim_authz_runtime");
    let left = report.to_do.join("\n");
    assert!(
        left.contains("REVOKE CONNECT") && left.contains("\"pim_authz_runtime\""),
        "{left}"
    );
    let held = "SELECT (SELECT count(*) FROM pg_class, aclexplode(relacl) AS granted
                         WHERE granted.grantee = 'pim_authz_runtime'::regrole)
                     + (SELECT count(*) FROM pg_namespace, aclexplode(nspacl) AS granted
                         WHERE granted.grantee = 'pim_authz_runtime'::regrole)";
    assert_eq!(
        text(&database, &format!("SELECT ({held})::text")).await,
        "0"
    );
    let server = served(database).await;
    assert!(may_view(&server).await);
}

#[tokio::test]
async fn restored_database_with_foreign_role_is_served_after_migration() {
    let database = Database::create().await;
    // The state after a backup is restored on a PostgreSQL that does not have
    // the role.
    database
        .execute("UPDATE pim_authz.installation SET runtime_role = 'role_of_another_postgres'")
        .await;
    let mut config = TestServer::config(&database);
    config.listen = "127.0.0.1:0".parse().unwrap();
    let (ready, _) = tokio::sync::oneshot::channel();
    let result = pim_authz::server::serve(config, std::future::pending(), ready).await;
    let result = result.unwrap_err().to_string();
    assert!(
        result.contains("GRANT role_of_another_postgres TO"),
        "{result}"
    );
    store::migrate(database.url(), &RuntimeRole::Stored)
        .await
        .unwrap();
    let server = served(database).await;
    assert!(may_view(&server).await);
    server
        .database
        .execute("DROP OWNED BY role_of_another_postgres CASCADE")
        .await;
}

#[tokio::test]
async fn public_has_no_rights_on_the_schema() {
    let database = Database::create().await;
    let open = "SELECT coalesce(string_agg(thing, ', '), '') FROM (
         SELECT nspname::text FROM pg_namespace, aclexplode(nspacl) AS granted
          WHERE nspname = 'pim_authz' AND granted.grantee = 0
          UNION ALL
         SELECT relname::text FROM pg_class, aclexplode(relacl) AS granted
          WHERE relnamespace = 'pim_authz'::regnamespace AND granted.grantee = 0
          UNION ALL
         SELECT proname::text FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) AS granted
          WHERE pronamespace = 'pim_authz'::regnamespace AND granted.grantee = 0) AS open (thing)";
    assert_eq!(text(&database, open).await, "");
}

#[tokio::test]
async fn security_definer_functions_are_restricted_and_pin_search_path() {
    let database = Database::create().await;
    let role = runtime_role(&database).await;
    let all = "SELECT count(*)::text FROM pg_proc
                WHERE pronamespace = 'pim_authz'::regnamespace AND prosecdef";
    assert_ne!(text(&database, all).await, "0");
    let loose = format!(
        "SELECT coalesce(string_agg(proname, ', '), '') FROM pg_proc
          WHERE pronamespace = 'pim_authz'::regnamespace AND prosecdef
            AND (has_function_privilege('{role}', oid, 'EXECUTE')
                 OR proconfig IS DISTINCT FROM ARRAY['search_path=pim_authz, pg_temp'])"
    );
    assert_eq!(text(&database, &loose).await, "");
}

/// Statements that change facts of tenant 1, one table each.
const CHANGES: [&str; 20] = [
    "UPDATE tenant SET edition = 'community'",
    "INSERT INTO tenant (code, key, edition) VALUES ('New', 'new', 'growth')",
    "DELETE FROM access_right",
    "UPDATE access_right SET level = 7",
    "INSERT INTO access_right SELECT tenant_id, 1, id, 7 FROM item WHERE key = 'master' ON CONFLICT DO NOTHING",
    "INSERT INTO user_group VALUES (1, 900, 'new', 'new', '', false)",
    "INSERT INTO role VALUES (1, 900, 'new', 'new', '', 'user')",
    "WITH made AS (INSERT INTO role VALUES (1, 900, 'new', 'new', '', 'user'))
     INSERT INTO role_permission VALUES (1, 900, 'product.read')",
    "INSERT INTO subject VALUES (1, 900, 'user', 'eve', 'eve', true)",
    "UPDATE subject SET enabled = NOT enabled",
    "INSERT INTO membership SELECT subject.tenant_id, subject.id, user_group.id
       FROM subject, user_group WHERE user_group.key = 'editors'",
    "DELETE FROM membership",
    "DELETE FROM product_category",
    "DELETE FROM product",
    "UPDATE product SET parent_id = id",
    "INSERT INTO item (tenant_id, id, type, code, key) VALUES (1, 900, 'category', 'new', 'new')",
    "UPDATE item SET code = 'MASTER'",
    "INSERT INTO grid_view VALUES (1, 900, 'new', 'new')",
    "INSERT INTO attribute SELECT tenant_id, 901, 'a', 'a', id, false, false FROM item LIMIT 1",
    "WITH emptied AS (DELETE FROM product_category RETURNING *) UPDATE product SET code = 'HAT'",
];

#[tokio::test]
async fn facts_cannot_change_without_audit_row() {
    let server = served(Database::create().await).await;
    let role = runtime_role(&server.database).await;
    let client = connect(server.database.url()).await;
    let begin = format!(
        "BEGIN; SET LOCAL ROLE {role}; SET LOCAL search_path = pim_authz; SET LOCAL pim_authz.door = '1/0';"
    );
    let audit = |revision: &str, part: i32| {
        format!(
            "INSERT INTO audit (tenant_id, revision, part, last, actor, request_id, idempotency_key, kind, nonce, row_hash, hash)
             VALUES (1, {revision}, {part}, true, 'user:eve', '', '', 'user.changed', gen_random_uuid(), '', '');"
        )
    };
    for change in CHANGES {
        for wrong in [
            String::new(),
            // At the previous revision, at the next one, and at one too high.
            audit("(SELECT revision FROM tenant WHERE id = 1)", 99),
            audit("(SELECT revision + 1 FROM tenant WHERE id = 1)", 1),
            audit("(SELECT revision + 2 FROM tenant WHERE id = 1)", 1)
                + "UPDATE tenant SET revision = revision + 2 WHERE id = 1;",
        ] {
            let sql = format!("{begin} {wrong} {change}; COMMIT");
            // The statements succeed until the commit.
            client
                .batch_execute(&format!("{begin} {wrong} {change}; ROLLBACK"))
                .await
                .unwrap();
            assert_eq!(
                refused(&client, &sql).await,
                SqlState::INSUFFICIENT_PRIVILEGE,
                "{sql}"
            );
            client.batch_execute("ROLLBACK").await.unwrap();
        }
    }
    assert!(may_view(&server).await);
    let left = "SELECT (SELECT count(*) FROM pim_authz.written)::text || (SELECT revision FROM pim_authz.tenant WHERE id = 1)::text";
    assert_eq!(text(&server.database, left).await, "01");
    // With its audit row the change commits; the write path does no more than
    // that.
    let change = "DELETE FROM access_right WHERE tenant_id = 1;";
    let audited = audit("(SELECT revision + 1 FROM tenant WHERE id = 1)", 1);
    let next = "UPDATE tenant SET revision = revision + 1 WHERE id = 1;";
    let sql = format!("{begin} {change} {audited} {next} COMMIT");
    client.batch_execute(&sql).await.unwrap();
}

#[tokio::test]
async fn maintenance_pass_works_only_for_the_owner() {
    let server = served(Database::create().await).await;
    let role = runtime_role(&server.database).await;
    let mut operations =
        pb::operations_service_client::OperationsServiceClient::new(server.channel().await);
    let request = pb::BeginMaintenanceRequest {
        actor: "user:julia".into(),
    };
    let begun = operations.begin_maintenance(request).await.unwrap();
    let pass = begun.into_inner().pass;
    let client = connect(server.database.url()).await;
    let with = |role: &str| {
        format!(
            "BEGIN; SET LOCAL ROLE {role}; SET LOCAL pim_authz.door = '{pass}'; DELETE FROM pim_authz.access_right; COMMIT"
        )
    };
    assert_eq!(
        refused(&client, &with(&role)).await,
        SqlState::INSUFFICIENT_PRIVILEGE
    );
    client.batch_execute("ROLLBACK").await.unwrap();
    client.batch_execute(&with("NONE")).await.unwrap();
    assert!(!may_view(&server).await);
}

/// A database without the schema, and an owner who may not create roles.
async fn database_of_unprivileged_owner() -> (Database, String) {
    let database = Database::create().await;
    let owner = format!("{}_owner", database.name());
    database.create_login(&owner).await;
    database.execute("DROP SCHEMA pim_authz CASCADE").await;
    (database, owner)
}

#[tokio::test]
async fn migration_without_privileges_lists_statements_for_an_administrator() {
    let (database, owner) = database_of_unprivileged_owner().await;
    let result = store::migrate(&database.url_of(&owner), &RuntimeRole::Stored).await;
    let Err(MigrateError::NeedsAdministrator { statements, .. }) = result else {
        panic!("{result:?}");
    };
    let schemas = "SELECT count(*)::text FROM pg_namespace WHERE nspname = 'pim_authz'";
    assert_eq!(text(&database, schemas).await, "0");
    // Exactly these statements enable the migration.
    database.execute(&statements.join("\n")).await;
    let created = statements
        .iter()
        .find(|sql| sql.starts_with("CREATE ROLE"))
        .unwrap();
    let role = created.split('"').nth(1).unwrap();
    let report = store::migrate(&database.url_of(&owner), &named(role))
        .await
        .unwrap();
    assert_eq!(report.applied.len(), 12);
    // The owner is not a member of the role, and the error names the missing
    // grant.
    let mut config = TestServer::config(&database);
    config.database_url = database.url_of(&owner);
    let (ready, _) = tokio::sync::oneshot::channel();
    let result = pim_authz::server::serve(config.clone(), std::future::pending(), ready).await;
    let grant = format!("GRANT {role} TO {owner}");
    assert!(result.unwrap_err().to_string().contains(&grant));
    database.execute(&grant).await;
    TestServer::start_with(config, database).await;
}

#[tokio::test]
async fn owner_without_createrole_migrates_without_runtime_role() {
    let (database, owner) = database_of_unprivileged_owner().await;
    let grant = format!("GRANT CREATE ON DATABASE {} TO {owner}", database.name());
    database.execute(&grant).await;
    let url = database.url_of(&owner);
    let report = store::migrate(&url, &RuntimeRole::Login).await.unwrap();
    assert_eq!(report.runtime_role, None);
    let mut config = TestServer::config(&database);
    config.database_url = url;
    TestServer::start_with(config, database).await;
}

#[tokio::test]
async fn startup_without_the_role_names_the_missing_grant() {
    let database = Database::create().await;
    let login = format!("{}_login", database.name());
    let mut config = TestServer::config(&database);
    config.database_url = database.create_login(&login).await;
    let (ready, _) = tokio::sync::oneshot::channel();
    let result = pim_authz::server::serve(config, std::future::pending(), ready).await;
    let result = result.unwrap_err().to_string();
    let role = runtime_role(&database).await;
    assert!(
        result.contains(&format!("GRANT {role} TO {login}")),
        "{result}"
    );
}

#[tokio::test]
async fn newer_schema_is_served_if_it_allows_this_program() {
    let newer = "INSERT INTO pim_authz.refinery_schema_history VALUES (900, 'newer', '2099-01-01T00:00:00Z', '0')";
    let database = Database::create().await;
    database.execute(newer).await;
    // A later migration by this release leaves the newer schema unchanged.
    let report = store::migrate(database.url(), &RuntimeRole::Stored).await;
    let report = report.unwrap();
    assert_eq!((report.applied.len(), report.version), (0, 900));
    let server = served(database).await;
    assert!(may_view(&server).await);
    let database = Database::create().await;
    database
        .execute(&format!(
            "{newer}; UPDATE pim_authz.installation SET oldest_program = 900"
        ))
        .await;
    let refused = store::migrate(database.url(), &RuntimeRole::Stored).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("version 900"), "{refused}");
    let (ready, _) = tokio::sync::oneshot::channel();
    let config = TestServer::config(&database);
    let result = pim_authz::server::serve(config, std::future::pending(), ready).await;
    let result = result.unwrap_err().to_string();
    assert!(
        result.contains("version 900") && result.contains("newer release"),
        "{result}"
    );
}

#[tokio::test]
async fn invalid_role_names_are_rejected() {
    let database = Database::create().await;
    let long = "x".repeat(64);
    for name in ["", "pg_monitor", "public", &long] {
        let result = store::migrate(database.url(), &named(name)).await;
        assert!(
            matches!(result, Err(MigrateError::InvalidRoleName { .. })),
            "{name}: {result:?}"
        );
    }
}

#[tokio::test]
async fn every_foreign_key_is_covered_by_an_index() {
    let database = Database::create().await;
    let without = "SELECT coalesce(string_agg(conname, ', ' ORDER BY conname), '')::text
          FROM pg_constraint AS reference
         WHERE contype = 'f' AND connamespace = 'pim_authz'::regnamespace
           AND NOT EXISTS (SELECT FROM pg_index AS i
                            WHERE i.indrelid = reference.conrelid
                              AND (i.indkey::int2[])[0:cardinality(reference.conkey) - 1] @> reference.conkey)";
    assert_eq!(text(&database, without).await, "");
}

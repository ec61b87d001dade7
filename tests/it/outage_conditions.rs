//! What callers and operators see of each condition in which PostgreSQL cannot
//! serve (`src/store/sqlstate.rs`), on a real PostgreSQL.

use std::time::Duration;

use pim_authz::pb::{
    self, Edition, authorization_service_client::AuthorizationServiceClient,
    directory_service_client::DirectoryServiceClient,
};
use secrecy::ExposeSecret as _;
use tokio::task::JoinHandle;
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;

use crate::harness::{
    Database, Program, TestServer, channel_to, file, product, refusal, terminate, user,
};

/// Starts a server without a cache, so that each question executes a statement.
async fn company() -> TestServer {
    let server = TestServer::start_without_memory(Database::create().await).await;
    let files = [
        file("users.csv", &["username;roles", "julia;"]),
        file("products.csv", &["sku;categories", "hat;"]),
    ];
    server.import("default", Edition::Enterprise, &files).await;
    server
}

async fn check(channel: &Channel) -> Result<bool, Status> {
    let request = pb::CheckRequest {
        subject: user("julia"),
        action: "view".into(),
        resource: product("hat"),
        ..Default::default()
    };
    let mut client = AuthorizationServiceClient::new(channel.clone());
    Ok(client.check(request).await?.into_inner().allowed)
}

fn checking(channel: &Channel) -> JoinHandle<Result<bool, Status>> {
    let channel = channel.clone();
    tokio::spawn(async move { check(&channel).await })
}

async fn put(channel: &Channel, code: &str) -> Result<u64, Status> {
    let write = pb::PutUsersRequest {
        tenant: "default".into(),
        users: vec![pb::User {
            code: code.into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut client = DirectoryServiceClient::new(channel.clone());
    Ok(client.put_users(write).await?.into_inner().revision)
}

/// Checks for `UNAVAILABLE` with `STORE_UNAVAILABLE` and a retry delay.
#[track_caller]
fn assert_store_unavailable(status: &Status) {
    let (code, reason, _) = refusal(status);
    assert_eq!(
        (code, reason.as_str()),
        (Code::Unavailable, "STORE_UNAVAILABLE"),
        "{status:?}"
    );
    assert!(status.get_details_retry_info().is_some(), "{status:?}");
}

/// Creates a trigger that executes `does` before each `change` of a table, so
/// that a write fails or waits there.
async fn before(database: &Database, change: &str, table: &str, does: &str) {
    let sql = format!(
        "CREATE FUNCTION public.stumble_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN {does} RETURN NULL; END $$;
         CREATE TRIGGER stumble BEFORE {change} ON pim_authz.{table}
             FOR EACH STATEMENT EXECUTE FUNCTION public.stumble_{table}()"
    );
    database.execute(&sql).await;
}

#[tokio::test]
async fn every_sqlstate_maps_to_code_reason_and_retry_info() {
    const UNAVAILABLE: (Code, &str) = (Code::Unavailable, "STORE_UNAVAILABLE");
    const CONFLICT: (Code, &str) = (Code::Aborted, "CONFLICT");
    const INTERNAL: (Code, &str) = (Code::Internal, "INTERNAL");
    // The SQLSTATE that PostgreSQL raises in a write, and the code and reason
    // that the caller receives.
    let cases = [
        ("08006", UNAVAILABLE),
        ("25006", UNAVAILABLE),
        ("25P03", UNAVAILABLE),
        ("53000", UNAVAILABLE),
        ("53100", UNAVAILABLE),
        ("53200", UNAVAILABLE),
        ("53300", UNAVAILABLE),
        ("53400", UNAVAILABLE),
        ("55P03", UNAVAILABLE),
        ("57014", UNAVAILABLE),
        ("57P01", UNAVAILABLE),
        ("57P02", UNAVAILABLE),
        ("57P03", UNAVAILABLE),
        ("58030", UNAVAILABLE),
        ("42P01", UNAVAILABLE),
        ("XX000", UNAVAILABLE),
        ("XX001", UNAVAILABLE),
        ("40001", CONFLICT),
        ("40P01", CONFLICT),
        ("23505", INTERNAL),
        ("22012", INTERNAL),
        // Raised by a trigger, as ours reject writes past the write path.
        ("42501", INTERNAL),
        ("P0001", INTERNAL),
    ];
    let server = company().await;
    let channel = server.channel().await;
    server
        .database
        .execute("CREATE TABLE public.raised (code text)")
        .await;
    let does = "IF EXISTS (SELECT FROM public.raised) THEN
                    RAISE EXCEPTION 'on purpose' USING ERRCODE = (SELECT code FROM public.raised);
                END IF;";
    before(&server.database, "INSERT", "audit", does).await;
    server
        .database
        .execute("GRANT SELECT ON public.raised TO PUBLIC")
        .await;
    for (raised, expected) in cases {
        let sql = format!("TRUNCATE public.raised; INSERT INTO public.raised VALUES ('{raised}')");
        server.database.execute(&sql).await;
        let status = put(&channel, "mary").await.unwrap_err();
        let (code, reason, _) = refusal(&status);
        assert_eq!((code, reason.as_str()), expected, "{raised}: {status:?}");
        let may_retry = status.get_details_retry_info().is_some();
        assert_eq!(may_retry, code != Code::Internal, "{raised}");
    }
    server.database.execute("TRUNCATE public.raised").await;
    assert_eq!(put(&channel, "mary").await.unwrap(), 2);
}

#[tokio::test]
async fn writes_to_read_only_database_return_unavailable() {
    let server = company().await;
    let channel = server.channel().await;
    let does = "PERFORM set_config('transaction_read_only', 'on', true);";
    before(&server.database, "DELETE", "intent", does).await;
    assert_store_unavailable(&put(&channel, "mary").await.unwrap_err());
    assert!(check(&channel).await.unwrap());
}

/// Revokes the use of the schema from all roles except its owner, or grants it
/// again.
async fn set_usage(database: &Database, usage: &str) {
    let sql = format!(
        "DO $$ DECLARE grantee text; BEGIN
             CREATE TABLE IF NOT EXISTS public.grantees AS
             SELECT DISTINCT held.grantee::regrole::text AS name
               FROM pg_namespace, aclexplode(nspacl) AS held
              WHERE nspname = 'pim_authz' AND held.grantee <> nspowner AND held.grantee <> 0;
             FOR grantee IN SELECT name FROM public.grantees LOOP
                 EXECUTE format('{usage}', grantee);
             END LOOP;
         END $$"
    );
    database.execute(&sql).await;
}

#[tokio::test]
async fn calls_are_unavailable_while_privileges_are_revoked() {
    let server = company().await;
    let channel = server.channel().await;
    assert!(check(&channel).await.unwrap());
    set_usage(&server.database, "REVOKE USAGE ON SCHEMA pim_authz FROM %s").await;
    assert_store_unavailable(&check(&channel).await.unwrap_err());
    assert_store_unavailable(&put(&channel, "mary").await.unwrap_err());
    set_usage(&server.database, "GRANT USAGE ON SCHEMA pim_authz TO %s").await;
    assert!(check(&channel).await.unwrap());
    put(&channel, "mary").await.unwrap();
}

/// Creates a login that connection limits apply to, and returns its name and
/// URL.
async fn limited_login(database: &Database) -> (String, secrecy::SecretString) {
    let url = database.url().expose_secret();
    let (_, name) = url.rsplit_once('/').unwrap();
    let login = format!("login_of_{name}");
    let sql = format!(
        "CREATE ROLE {login} LOGIN PASSWORD 'secret';
         DO $$ DECLARE granted text; BEGIN
             FOR granted IN SELECT DISTINCT held.grantee::regrole::text
                              FROM pg_namespace, aclexplode(nspacl) AS held
                             WHERE nspname = 'pim_authz' AND held.grantee <> nspowner AND held.grantee <> 0 LOOP
                 EXECUTE format('GRANT %s TO {login}', granted);
             END LOOP;
         END $$"
    );
    database.execute(&sql).await;
    let (_, place) = url.rsplit_once('@').unwrap();
    (
        login.clone(),
        format!("postgresql://{login}:secret@{place}").into(),
    )
}

#[tokio::test]
async fn calls_are_unavailable_while_connection_limit_is_reached() {
    let database = Database::create().await;
    let (login, url) = limited_login(&database).await;
    let mut config = TestServer::config(&database);
    config.database_url = url;
    config.cache.mode = pim_authz::cache::CacheMode::Off;
    let server = TestServer::start_with(config, database).await;
    let channel = server.channel().await;
    // Nothing is stored, so `NOT_FOUND` shows that the database answered.
    let found = |status: Status| (status.code() == Code::NotFound).then_some(());
    found(check(&channel).await.unwrap_err()).unwrap();
    let sql = format!(
        "ALTER ROLE {login} CONNECTION LIMIT 0;
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{login}'"
    );
    server.database.execute_elsewhere(&sql).await;
    // A terminated connection may be used first.
    for _ in 0..20 {
        let status = check(&channel).await.unwrap_err();
        let (code, reason, _) = refusal(&status);
        assert_eq!(code, Code::Unavailable, "{status:?}");
        assert!(["STORE_UNAVAILABLE", "LEASE_LOST"].contains(&reason.as_str()));
    }
    let sql = format!("ALTER ROLE {login} CONNECTION LIMIT -1");
    server.database.execute_elsewhere(&sql).await;
    let recovered = async {
        while found(check(&channel).await.unwrap_err()).is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), recovered)
        .await
        .unwrap();
}

#[tokio::test]
async fn cancelled_or_terminated_statements_return_unavailable() {
    let server = company().await;
    let channel = server.channel().await;
    let (owner, _connection) = server.database.connect().await;
    let (observer, _connection) = server.database.connect().await;
    for how in ["pg_cancel_backend", "pg_terminate_backend"] {
        owner
            .batch_execute("BEGIN; LOCK TABLE pim_authz.subject")
            .await
            .unwrap();
        let checking = checking(&channel);
        server.database.somebody_waits_for_a_lock(&observer).await;
        let sql = format!(
            "SELECT {how}(pid) FROM pg_stat_activity
              WHERE datname = current_database() AND wait_event_type = 'Lock'"
        );
        observer.batch_execute(&sql).await.unwrap();
        let status = checking.await.unwrap().unwrap_err();
        assert_store_unavailable(&status);
        owner.batch_execute("COMMIT").await.unwrap();
        assert!(check(&channel).await.unwrap(), "{how}");
    }
}

#[tokio::test]
async fn writes_return_unavailable_after_lock_timeout() {
    let server = company().await;
    let channel = server.channel().await;
    let does = "PERFORM set_config('lock_timeout', '10', true);";
    before(&server.database, "DELETE", "intent", does).await;
    let (owner, _connection) = server.database.connect().await;
    owner
        .batch_execute("BEGIN; SELECT FROM pim_authz.tenant FOR UPDATE")
        .await
        .unwrap();
    assert_store_unavailable(&put(&channel, "mary").await.unwrap_err());
    owner.batch_execute("COMMIT").await.unwrap();
    put(&channel, "mary").await.unwrap();
}

#[tokio::test]
async fn writes_return_unavailable_after_statement_timeout() {
    let server = company().await;
    let channel = server.channel().await;
    let does = "PERFORM set_config('statement_timeout', '10', true);";
    before(&server.database, "INSERT", "audit", does).await;
    before(
        &server.database,
        "UPDATE",
        "tenant",
        "PERFORM pg_sleep(60);",
    )
    .await;
    assert_store_unavailable(&put(&channel, "mary").await.unwrap_err());
}

/// The write locks the row of its tenant and waits for a table, while the
/// owner, who has locked the table, waits for the row.
#[tokio::test]
async fn deadlocked_write_is_retried_and_succeeds() {
    let server = company().await;
    let channel = server.channel().await;
    let (owner, _connection) = server.database.connect().await;
    let (observer, _connection) = server.database.connect().await;
    // PostgreSQL aborts the session that detects the deadlock first, which is
    // the server's.
    owner
        .batch_execute(
            "SET deadlock_timeout = '1h';
             BEGIN; LOCK TABLE pim_authz.subject IN EXCLUSIVE MODE",
        )
        .await
        .unwrap();
    let writing = {
        let channel = channel.clone();
        tokio::spawn(async move { put(&channel, "mary").await })
    };
    server.database.somebody_waits_for_a_lock(&observer).await;
    owner
        .batch_execute("SELECT FROM pim_authz.tenant FOR UPDATE; COMMIT")
        .await
        .unwrap();
    assert_eq!(writing.await.unwrap().unwrap(), 2);
}

/// The caller's deadline passes while a statement waits in the database, and is
/// not reported as an error of the database.
#[tokio::test]
async fn deadline_during_database_wait_returns_deadline_exceeded() {
    let server = company().await;
    let (owner, _connection) = server.database.connect().await;
    owner
        .batch_execute("BEGIN; LOCK TABLE pim_authz.subject")
        .await
        .unwrap();
    let mut request = tonic::Request::new(pb::CheckRequest {
        subject: user("julia"),
        action: "view".into(),
        resource: product("hat"),
        ..Default::default()
    });
    request
        .metadata_mut()
        .insert("grpc-timeout", "100m".parse().unwrap());
    let status = server.client().await.check(request).await.unwrap_err();
    let (code, reason, _) = refusal(&status);
    assert_eq!(
        (code, reason.as_str()),
        (Code::DeadlineExceeded, "DEADLINE")
    );
}

#[tokio::test]
async fn database_condition_is_logged_once_with_remedy() {
    let database = Database::create().await;
    let mut program = Program::spawn(&mut Program::command(&database));
    let channel = channel_to(program.address().await).await;
    let (mut child, log) = program.with_log();
    let create = pb::CreateTenantRequest {
        tenant: "default".into(),
        edition: Edition::Enterprise.into(),
        ..Default::default()
    };
    let mut tenants = pb::tenant_service_client::TenantServiceClient::new(channel.clone());
    tenants.create_tenant(create).await.unwrap();
    let does = "PERFORM set_config('transaction_read_only', 'on', true);";
    before(&database, "DELETE", "intent", does).await;
    for _ in 0..30 {
        assert_store_unavailable(&put(&channel, "mary").await.unwrap_err());
    }
    terminate(&mut child).await;
    let log = log.await.unwrap();
    assert!(log.iter().all(|line| !line.contains("bug")), "{log:#?}");
    let of_state = log
        .iter()
        .filter(|line| line.contains("the database is read-only"));
    let of_state: Vec<&String> = of_state.collect();
    assert!(of_state.len() == 1, "{log:#?}");
    let line = of_state[0];
    assert!(
        line.contains("ERROR") && line.contains("read_only"),
        "{line}"
    );
    assert!(
        line.contains("let the database URL name the primary"),
        "{line}"
    );
}

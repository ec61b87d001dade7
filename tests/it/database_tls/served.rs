use pim_authz::pb::{self, Edition, authorization_service_client::AuthorizationServiceClient};
use tokio::process::Command;

use crate::harness::{
    Program, TlsPostgres, channel_to, file, header, import, parts, product, terminate, user,
};

/// A command with TLS options that override those in the URL.
pub(super) fn verifying(name: &str, postgres: &TlsPostgres, database: &str) -> Command {
    // The options override the `sslmode` of the URL.
    let url = postgres.url("localhost", database, "sslmode=disable");
    let mut command = Program::command_on(name, &url);
    command
        .args(["--database-sslmode", "verify-full"])
        .env("PIM_AUTHZ_DATABASE_SSLROOTCERT", postgres.ca_file());
    command
}

pub(super) async fn migrate(postgres: &TlsPostgres) -> String {
    let name = postgres.create_database().await;
    let migrated = verifying("migrate", postgres, &name)
        .output()
        .await
        .unwrap();
    let stderr = String::from_utf8_lossy(&migrated.stderr).into_owned();
    assert!(migrated.status.success(), "{stderr}");
    name
}

fn question() -> pb::CheckRequest {
    pb::CheckRequest {
        subject: user("julia"),
        action: "view".into(),
        resource: product("hat"),
        ..Default::default()
    }
}

/// Whether each session of a server is encrypted, and how many belong to its
/// lease.
const SESSIONS: &str = "SELECT bool_and(ssl),
           count(*) FILTER (WHERE query LIKE '-- read_log%' OR query LIKE '%acknowledge%'
                               OR query LIKE '-- renew%')
      FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
     WHERE datname = current_database() AND application_name = 'pim-authz'";

#[tokio::test]
async fn migrate_serve_import_and_check_work_over_verified_tls_alone() {
    let postgres = TlsPostgres::shared().await;
    let name = migrate(&postgres).await;
    let mut program = Program::spawn(&mut verifying("serve", &postgres, &name));
    let channel = channel_to(program.address().await).await;
    let files = [
        file("users.csv", &["username;roles", "julia;"]),
        file("products.csv", &["sku;categories", "hat;"]),
    ];
    let parts = parts(header("default", Edition::Enterprise), &files);
    import(channel.clone(), parts).await.ended.unwrap();
    let mut client = AuthorizationServiceClient::new(channel);
    let answer = client.check(question()).await.unwrap().into_inner();
    assert!(answer.allowed, "{answer:?}");
    // All sessions are encrypted, including that of the lease.
    let admin = postgres.admin(&name).await;
    let row = admin.query_one(SESSIONS, &[]).await.unwrap();
    assert!(row.get::<_, bool>(0), "each is encrypted");
    assert!(row.get::<_, i64>(1) >= 1, "the lease has its own");
    let (mut child, _log) = program.with_log();
    assert_eq!(terminate(&mut child).await, Some(0));
}

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::{Client, NoTls};

use super::StoreError;

mod embedded {
    refinery::embed_migrations!("src/store/migrations");
}

/// The role that the server works as. It may write every fact, and only add to
/// the audit log.
pub const RUNTIME_ROLE: &str = "pim_authz_runtime";

/// The lock that lets one migration run at a time: any number will do.
const MIGRATION_LOCK: i64 = 0x7069_6d5f_6175_7468;

/// What a migration did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaReport {
    /// The versions applied now, oldest first.
    pub applied: Vec<String>,
    /// The version that the schema is at.
    pub version: i32,
}

impl fmt::Display for SchemaReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.applied.is_empty() {
            return write!(f, "the schema is at version {} already", self.version);
        }
        write!(
            f,
            "applied {}; the schema is at version {}",
            self.applied.join(", "),
            self.version
        )
    }
}

/// The newest version of the schema that this program knows.
pub(super) fn known_version() -> i32 {
    let runner = embedded::migrations::runner();
    let versions = runner
        .get_migrations()
        .iter()
        .map(refinery::Migration::version);
    versions.max().unwrap_or_default()
}

/// Brings the schema `pim_authz` of a database up to date and makes the role
/// [`RUNTIME_ROLE`], working as the owner that the URL names. Of several at
/// once, one does the work and the others wait.
///
/// # Errors
///
/// [`StoreError::InvalidUrl`], [`StoreError::Unavailable`] when the database
/// does not answer, [`StoreError::Migration`] when it refuses.
pub async fn migrate(database_url: &SecretString) -> Result<SchemaReport, StoreError> {
    let config: tokio_postgres::Config = database_url
        .expose_secret()
        .parse()
        .map_err(StoreError::InvalidUrl)?;
    let (mut client, connection) = config
        .connect(NoTls)
        .await
        .map_err(|error| StoreError::of("migrate", error))?;
    let driver = tokio::spawn(connection);
    let report = migrate_locked(&mut client).await;
    drop(client);
    // The connection ends with its client; how is of no interest any more.
    let _ended = driver.await;
    report
}

async fn migrate_locked(client: &mut Client) -> Result<SchemaReport, StoreError> {
    let refused = |error| StoreError::of("migrate", error);
    client
        .execute("SELECT pg_advisory_lock($1)", &[&MIGRATION_LOCK])
        .await
        .map_err(refused)?;
    client
        .batch_execute("CREATE SCHEMA IF NOT EXISTS pim_authz; SET search_path = pim_authz")
        .await
        .map_err(refused)?;
    let report = embedded::migrations::runner()
        .run_async(client)
        .await
        .map_err(|error| StoreError::Migration(Box::new(error)))?;
    client.batch_execute(GRANTS).await.map_err(refused)?;
    client
        .execute("SELECT pg_advisory_unlock($1)", &[&MIGRATION_LOCK])
        .await
        .map_err(refused)?;
    let applied = report
        .applied_migrations()
        .iter()
        .map(ToString::to_string)
        .collect();
    Ok(SchemaReport {
        applied,
        version: known_version(),
    })
}

/// Run at each migration, so that new tables are covered. Roles are of the
/// whole cluster: another database may make the role at the same moment.
const GRANTS: &str = "
    DO $$ BEGIN
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'pim_authz_runtime') THEN
            BEGIN
                CREATE ROLE pim_authz_runtime NOLOGIN;
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        IF NOT pg_has_role(current_user, 'pim_authz_runtime', 'MEMBER') THEN
            EXECUTE format('GRANT pim_authz_runtime TO %I', current_user);
        END IF;
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO pim_authz_runtime', current_database());
    END $$;
    GRANT USAGE ON SCHEMA pim_authz TO pim_authz_runtime;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA pim_authz TO pim_authz_runtime;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA pim_authz TO pim_authz_runtime;
    REVOKE UPDATE, DELETE, TRUNCATE ON audit FROM pim_authz_runtime;
    REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON secret_key FROM pim_authz_runtime;
    REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON refinery_schema_history FROM pim_authz_runtime;";

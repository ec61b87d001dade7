use std::{fmt, time::Duration};

use secrecy::SecretString;
use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, Row};

use super::{
    MigrateError, StoreError,
    connector::Connector,
    runtime_role::{Place, RuntimeRole},
    schema::{check_version, known_version, versions},
};

/// Key of the advisory lock that serializes migrations; an arbitrary number.
const MIGRATION_LOCK: i64 = 0x7069_6d5f_6175_7468;

/// Interval at which a migration polls the leases for renewals.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Outcome of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaReport {
    /// Versions applied by this migration, oldest first.
    pub applied: Vec<String>,
    /// Version of the schema afterwards.
    pub version: i32,
    /// Role that servers switch to; `None` if they keep their login role, or if the
    /// schema is newer than this program.
    pub runtime_role: Option<String>,
    /// Steps left to the administrator of logins, as SQL statements with comments.
    pub to_do: Vec<String>,
}

impl fmt::Display for SchemaReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.applied.is_empty() {
            write!(f, "the schema is at version {} already", self.version)?;
        } else {
            let applied = self.applied.join(", ");
            write!(
                f,
                "applied {applied}; the schema is at version {}",
                self.version
            )?;
        }
        if let Some(role) = &self.runtime_role {
            write!(f, "; servers work as the role `{role}`")?;
        }
        Ok(())
    }
}

/// Migrates the schema `pim_authz` to the newest version and creates the runtime
/// role, logged in as the owner that the URL names.
///
/// Concurrent migrations are serialized: the first one migrates, the others wait.
///
/// # Errors
///
/// [`MigrateError`]. The pending versions are applied in one transaction, all or
/// none; a migration that failed later, at the grants, can be run again.
pub async fn migrate(
    database_url: &SecretString,
    wanted: &RuntimeRole,
) -> Result<SchemaReport, MigrateError> {
    let connector = Connector::of_url(database_url)?;
    let connected = connector.connect().await;
    let (mut client, connection) = connected.map_err(|error| connector.failure(error))?;
    let driver = tokio::spawn(connection);
    let report = migrate_locked(&mut client, wanted).await;
    drop(client);
    // The connection ends with its client; its result is irrelevant by then.
    let _ended = driver.await;
    report
}

async fn migrate_locked(
    client: &mut Client,
    wanted: &RuntimeRole,
) -> Result<SchemaReport, MigrateError> {
    run(
        client,
        &format!("-- lock_migration\nSELECT pg_advisory_lock({MIGRATION_LOCK})"),
    )
    .await?;
    if let Some(version) = newer_version(client).await? {
        return Ok(SchemaReport {
            applied: Vec::new(),
            version,
            runtime_role: None,
            to_do: Vec::new(),
        });
    }
    let place = Place::find(client).await?;
    let role = place.choose(wanted)?;
    let statements = place.needed_of_administrator(role.as_deref());
    if !statements.is_empty() {
        let owner = place.owner.clone();
        return Err(MigrateError::NeedsAdministrator { owner, statements });
    }
    let changes_role = place.moves_to(role.as_deref());
    if changes_role && place.has_leases && is_renewed(client).await? {
        return Err(MigrateError::ServersRun);
    }
    run(client, &place.preparation(role.as_deref())).await?;
    let applied = versions::migrations::runner()
        .set_grouped(true)
        .run_async(client)
        .await
        .map_err(|error| StoreError::Migration(Box::new(error)))?;
    run(client, &place.grants(role.as_deref())).await?;
    let applied = applied.applied_migrations().iter();
    Ok(SchemaReport {
        applied: applied.map(ToString::to_string).collect(),
        version: known_version(),
        to_do: place.left_to_do(role.as_deref()),
        runtime_role: role,
    })
}

/// Returns the version of the schema if it is newer than this program and this
/// program may use it; `None` if it is not newer, or not installed.
///
/// # Errors
///
/// [`StoreError::UnknownSchema`] if only newer programs may use the schema.
async fn newer_version(client: &Client) -> Result<Option<i32>, StoreError> {
    const FIND: &str = "-- find_installation
        SELECT to_regclass('pim_authz.installation') IS NOT NULL AS is_installed";
    const SQL: &str = "-- check_installation
        SELECT (SELECT max(version) FROM pim_authz.refinery_schema_history) AS version, oldest_program
          FROM pim_authz.installation";
    let failed = |error| StoreError::of("check_installation", error);
    let found = client.query_one(FIND, &[]).await.map_err(failed)?;
    if !found.get::<_, bool>("is_installed") {
        return Ok(None);
    }
    let rows = client.query(SQL, &[]).await.map_err(failed)?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let version: Option<i32> = row.get("version");
    let Some(version) = version.filter(|version| *version > known_version()) else {
        return Ok(None);
    };
    check_version(version, row.get("oldest_program"))?;
    Ok(Some(version))
}

/// True if a server acquires or renews a lease within the length of the longest
/// stored lease. Polls until then, or until there are no leases.
async fn is_renewed(client: &Client) -> Result<bool, StoreError> {
    let before = leases(client).await?;
    let longest = before.iter().map(|lease| lease.length).max();
    let until = Instant::now() + longest.unwrap_or_default();
    while Instant::now() < until {
        sleep(POLL_INTERVAL).await;
        let now = leases(client).await?;
        if now.iter().any(|lease| !before.contains(lease)) {
            return Ok(true);
        }
        if now.is_empty() {
            break;
        }
    }
    Ok(false)
}

#[derive(PartialEq, Eq)]
struct Lease {
    id: uuid::Uuid,
    renewals: i64,
    length: Duration,
}

async fn leases(client: &Client) -> Result<Vec<Lease>, StoreError> {
    // Column `length_ms` exists from version 5 of the schema on.
    const SQL: &str = "-- find_leases
        SELECT id, renew_no, coalesce((to_jsonb(lease) ->> 'length_ms')::integer, 0) AS length_ms
          FROM pim_authz.lease";
    let rows = client.query(SQL, &[]).await;
    let rows = rows.map_err(|error| StoreError::of("find_leases", error))?;
    let lease = |row: &Row| Lease {
        id: row.get("id"),
        renewals: row.get("renew_no"),
        length: Duration::from_millis(u64::from(row.get::<_, i32>("length_ms").unsigned_abs())),
    };
    Ok(rows.iter().map(lease).collect())
}

async fn run(client: &Client, sql: &str) -> Result<(), StoreError> {
    let done = client.batch_execute(sql).await;
    done.map_err(|error| StoreError::of("migrate", error))
}

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    rpc::ReadStores,
    store::{self, Durability, MigrateError, PoolName, RuntimeRole, Store},
};

use super::{DatabaseStart, ServeConfig, ServerError};

/// Largest number of connections for writes and all that has no pool of its own.
const POOL_SIZE: usize = 12;

/// Largest number of concurrent pages, lists and reads of the administration: in
/// total, and per tenant.
const READS: [usize; 2] = [6, 3];

/// Largest number of concurrent calls that read everything in a tenant: in total,
/// and per tenant.
const WHOLE: [usize; 2] = [2, 1];

/// Delay between two attempts to reach a database that is not available yet.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Opens the database, and migrates it first if its owner is configured; waits
/// for it if so configured.
pub(super) async fn open_store(config: &ServeConfig) -> Result<Store, ServerError> {
    let mut logged = String::new();
    loop {
        // Recreated for each attempt: sessions opened before the schema existed
        // have neither role nor bounds.
        let store = Store::new(&config.database_url, POOL_SIZE)?;
        let store = store.on_current_runtime();
        let Err(error) = prepare(config, &store).await else {
            return Ok(store);
        };
        let passes = matches!(&error, MigrateError::Store(error) if error.is_starting_up());
        match config.database_start {
            DatabaseStart::Awaited if passes => {}
            DatabaseStart::Awaited | DatabaseStart::Required => {
                return Err(error.into());
            }
        }
        let cause = with_causes(&error);
        if cause != logged {
            tracing::warn!(error = cause, "waiting for the database: {cause}");
            logged = cause;
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Creates the pools for reads: for pages, lists and reads of the administration,
/// and for reads of everything in a tenant.
pub(super) fn read_stores(store: &Store) -> Result<ReadStores, ServerError> {
    let pool =
        |name, [at_once, of_one_tenant]: [usize; 2]| store.for_reads(name, at_once, of_one_tenant);
    Ok(ReadStores {
        reads: pool(PoolName::Reads, READS)?,
        whole: pool(PoolName::WholeTenants, WHOLE)?,
    })
}

async fn prepare(config: &ServeConfig, store: &Store) -> Result<(), MigrateError> {
    if let Some(owner_url) = &config.migrate_url {
        let report = store::migrate(owner_url, &RuntimeRole::Stored).await?;
        tracing::info!(schema.version = report.version, "{report}");
        // The first entry is about logins other than the one in use.
        for to_do in report.to_do.iter().skip(1) {
            tracing::warn!(to_do, "a role of an earlier release is left");
        }
    }
    store.check_sessions().await?;
    Ok(store.check_schema().await?)
}

/// Renders an error and its causes in one line.
fn with_causes(error: &MigrateError) -> String {
    let first: Option<&dyn std::error::Error> = Some(error);
    let causes = std::iter::successors(first, |error| error.source());
    let mut words: Vec<String> = causes.map(ToString::to_string).collect();
    // Some errors repeat their cause.
    words.dedup();
    words.join(": ")
}

/// Logs the durability of acknowledged writes, on which coherence depends.
pub(super) async fn log_durability(store: &Store) -> Result<(), ServerError> {
    match store.durability().await? {
        Durability::None => tracing::warn!(
            "fsync or full_page_writes is off: after a crash of PostgreSQL acknowledged writes may \
             be gone; for tests only"
        ),
        Durability::SingleNode => tracing::info!(
            "an acknowledged write survives a crash of PostgreSQL; no standby is synchronous, so \
             after a failover it may be gone"
        ),
        Durability::SynchronousStandby { names } => tracing::info!(
            standbys = names,
            "an acknowledged write survives a crash, and a failover to a synchronous standby; \
             promote no other"
        ),
    }
    Ok(())
}

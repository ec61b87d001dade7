use super::{Store, StoreError};

/// Durability of an acknowledged commit, as guaranteed by the database's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Commits may be lost in a crash; for tests only.
    None,
    /// Commits survive a crash of this node.
    SingleNode,
    /// Commits survive a failover to one of these standbys.
    SynchronousStandby {
        /// Value of `synchronous_standby_names`.
        names: String,
    },
}

impl Store {
    /// Reads the durability of a commit made by this program's sessions.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable, or is a
    /// standby.
    pub async fn durability(&self) -> Result<Durability, StoreError> {
        const SQL: &str = "-- durability
            SELECT current_setting('fsync')::boolean AND current_setting('full_page_writes')::boolean AS durable,
                   pg_is_in_recovery() AS standby,
                   current_setting('synchronous_commit') AS waits,
                   current_setting('synchronous_standby_names') AS names";
        let rows = self.rows(SQL, &[]).await?;
        if rows.first().is_some_and(|row| row.get("standby")) {
            return Err(StoreError::standby());
        }
        let Some(row) = rows.first().filter(|row| row.get("durable")) else {
            return Ok(Durability::None);
        };
        let waits: &str = row.get("waits");
        let names: String = row.get("names");
        if names.is_empty() || waits == "local" {
            return Ok(Durability::SingleNode);
        }
        Ok(Durability::SynchronousStandby { names })
    }
}

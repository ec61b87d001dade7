use super::{Store, StoreError};

/// What the settings of the database guarantee of an acknowledged commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing after a crash: for tests.
    None,
    /// It survives a crash of this node.
    SingleNode,
    /// It survives a failover to one of these standbys.
    SynchronousStandby {
        /// `synchronous_standby_names`.
        names: String,
    },
}

impl Store {
    /// Reads what a commit of this program's sessions is worth.
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
        let rows = self.query("durability", SQL, &[]).await?;
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

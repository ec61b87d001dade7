use crate::{domain::FactKey, store::Announcement};

use super::{core::Cache, error::CacheError};

/// Prefix of a pass; the trigger that requires the pass reads it too.
const PASS: &str = "maintenance/";

impl Cache {
    /// Announces that everything is going to change, until the maintenance is
    /// ended. Until then no server caches anything, and a session that sets the
    /// returned pass may change facts by SQL. The maintenance ends with this
    /// server too.
    ///
    /// # Errors
    ///
    /// As [`Cache::announce`].
    pub async fn begin_maintenance(&self) -> Result<String, CacheError> {
        let announced = self.announce(vec![FactKey::Everything]).await?;
        let seq = announced.announcement().seq;
        self.core.maintenances().push(announced);
        Ok(format!("{PASS}{seq}"))
    }

    /// Ends a maintenance of any server. False: it has ended already, or never
    /// existed.
    ///
    /// # Errors
    ///
    /// [`CacheError::InUse`] while a transaction that uses the pass is open;
    /// [`CacheError::Store`] if the database does not answer.
    pub async fn end_maintenance(&self, pass: &str) -> Result<bool, CacheError> {
        let seq = pass.strip_prefix(PASS).and_then(|seq| seq.parse().ok());
        let Some(seq) = seq else {
            return Ok(false);
        };
        let open = self.core.store.open_maintenances().await?;
        let Some(member) = open.iter().find(|one| one.seq == seq).map(|one| one.member) else {
            return Ok(false);
        };
        let announcement = Announcement {
            seq,
            member,
            epoch: 0,
        };
        if !self.core.store.reap(announcement).await? {
            return Err(CacheError::InUse);
        }
        self.core
            .maintenances()
            .retain(|announced| announced.announcement().seq != seq);
        Ok(true)
    }
}

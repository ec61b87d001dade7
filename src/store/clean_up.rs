use std::time::Duration;

use tokio_postgres::types::ToSql;

use super::{Bounds, Connection, Isolation, StoreError, Transaction};

/// Minimum number of announcements retained in the log. A server that is further
/// behind clears its cache instead of reading them.
const LOG_RETAINED: i64 = 10_000;

/// Minimum number of announcements, before the log's oldest, whose revisions are
/// retained.
const COMMITS_RETAINED: i64 = 100_000;

/// Maximum number of old responses, and of expired app requests, deleted per run.
const DELETED_AT_ONCE: i64 = 10_000;

/// Limits of the clean-up's transactions. The short idle limit makes a suspended
/// server release the row of `head`, which every writer needs.
const BOUNDS: Bounds = Bounds {
    idle: Duration::from_secs(2),
    ..Bounds::READ
};

impl Connection {
    /// Deletes obsolete rows: old announcements and their revisions, responses of
    /// writes older than 25 hours, app requests that expired over an hour ago, and
    /// acknowledgements of ended leases. Returns the number of rows deleted; 0 too if
    /// another server is cleaning up.
    ///
    /// Each kind is deleted in a transaction of its own, so that no lock is held for
    /// long.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn clean_up(&mut self) -> Result<u64, StoreError> {
        const COMMITS: &str = "-- clean_commit_log
            DELETE FROM commit_log WHERE n <= (SELECT log_floor FROM head) - $1";
        const ANSWERS: &str = "-- clean_answers
            DELETE FROM idempotency
             WHERE (tenant_id, key) IN (SELECT tenant_id, key FROM idempotency
                                         WHERE created_at < now() - interval '25 hours'
                                         ORDER BY created_at LIMIT $1)";
        const REQUESTS: &str = "-- clean_app_requests
            DELETE FROM app_request
             WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM app_request
                                        WHERE expires_at < now() - interval '1 hour' LIMIT $1)";
        const ACKS: &str = "-- clean_acks
            DELETE FROM ack WHERE id NOT IN (SELECT id FROM lease)";
        let mut removed = self.clean_log().await?;
        let kinds: [(&str, &[&(dyn ToSql + Sync)]); 4] = [
            (COMMITS, &[&COMMITS_RETAINED]),
            (ANSWERS, &[&DELETED_AT_ONCE]),
            (REQUESTS, &[&DELETED_AT_ONCE]),
            (ACKS, &[]),
        ];
        for (sql, parameters) in kinds {
            let Some(transaction) = self.begin_clean_up().await? else {
                return Ok(removed);
            };
            removed += transaction.affected(sql, parameters).await?;
            transaction.end_unchanged().await?;
        }
        Ok(removed)
    }

    /// Deletes old announcements in one transaction. The last number to delete is
    /// computed first and stored last, so that the row that every writer updates is
    /// locked only for the commit.
    async fn clean_log(&mut self) -> Result<u64, StoreError> {
        const FIND: &str = "-- find_log_floor
            SELECT seq - $1 AS last_deleted FROM head WHERE seq - $1 > log_floor + $1 / 10";
        const DELETE: &str = "-- clean_log
            DELETE FROM invalidation WHERE seq <= $1";
        const MOVE: &str = "-- move_log_floor
            UPDATE head SET log_floor = $1 WHERE log_floor < $1";
        let Some(transaction) = self.begin_clean_up().await? else {
            return Ok(0);
        };
        let Some(found) = transaction.first_row(FIND, &[&LOG_RETAINED]).await? else {
            return Ok(0);
        };
        let last_deleted: i64 = found.get("last_deleted");
        let removed = transaction.affected(DELETE, &[&last_deleted]).await?;
        transaction.run(MOVE, &[&last_deleted]).await?;
        transaction.end_unchanged().await?;
        Ok(removed)
    }

    /// Begins a transaction that holds the clean-up lock; `None` if another server
    /// holds it.
    async fn begin_clean_up(&mut self) -> Result<Option<Transaction<'_>>, StoreError> {
        const LOCK: &str = "-- lock_clean_up
            SELECT set_config('pim_authz.door', 'clean-up', true),
                   pg_try_advisory_xact_lock(hashtext('pim_authz.clean_up')) AS mine";
        let transaction = self.begin(Isolation::EachStatement, BOUNDS).await?;
        let locked = transaction.first_row(LOCK, &[]).await?;
        let is_mine = locked.is_some_and(|row| row.get("mine"));
        Ok(is_mine.then_some(transaction))
    }
}

use std::time::Duration;

use tokio_postgres::types::ToSql;

use super::{Bounds, Connection, Isolation, StoreError, Transaction};

/// How many announcements the log keeps at least; a server that is further
/// behind forgets everything instead of reading them.
const LOG_KEPT: i64 = 10_000;

/// How many announcements' revisions are kept at least.
const COMMITS_KEPT: i64 = 100_000;

/// The most old answers and requests that one round removes.
const OLD_AT_ONCE: i64 = 10_000;

/// A server that stands still in its clean-up frees the row of `head`, which
/// every writer needs.
const BOUNDS: Bounds = Bounds {
    idle: Duration::from_secs(2),
    ..Bounds::READ
};

impl Connection {
    /// Removes what nobody needs any more: old announcements, answers of writes
    /// kept for more than 24 hours, requests that have expired. Returns how many
    /// rows were removed; 0 too if another server is at it.
    ///
    /// Each kind has a transaction of its own, so that no lock is held for long.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
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
        let kinds: [(&'static str, &str, &[&(dyn ToSql + Sync)]); 4] = [
            ("clean_commit_log", COMMITS, &[&COMMITS_KEPT]),
            ("clean_answers", ANSWERS, &[&OLD_AT_ONCE]),
            ("clean_app_requests", REQUESTS, &[&OLD_AT_ONCE]),
            ("clean_acks", ACKS, &[]),
        ];
        for (name, sql, parameters) in kinds {
            let Some(transaction) = self.begin_clean_up().await? else {
                return Ok(removed);
            };
            removed += transaction.execute(name, sql, parameters).await?;
            transaction.end_unchanged().await?;
        }
        Ok(removed)
    }

    /// Removes old announcements. What they are is decided first and marked last,
    /// in one transaction: the row that every writer updates is locked for its
    /// commit only.
    async fn clean_log(&mut self) -> Result<u64, StoreError> {
        const FIND: &str = "-- find_log_floor
            SELECT seq - $1 AS floor FROM head WHERE seq - $1 > log_floor + $1 / 10";
        const DELETE: &str = "-- clean_log
            DELETE FROM invalidation WHERE seq <= $1";
        const MOVE: &str = "-- move_log_floor
            UPDATE head SET log_floor = $1 WHERE log_floor < $1";
        let Some(transaction) = self.begin_clean_up().await? else {
            return Ok(0);
        };
        let found = transaction
            .query("find_log_floor", FIND, &[&LOG_KEPT])
            .await?;
        let Some(floor) = found.first().map(|row| row.get::<_, i64>("floor")) else {
            return Ok(0);
        };
        let removed = transaction.execute("clean_log", DELETE, &[&floor]).await?;
        transaction
            .execute("move_log_floor", MOVE, &[&floor])
            .await?;
        transaction.end_unchanged().await?;
        Ok(removed)
    }

    /// `None`: another server cleans up.
    async fn begin_clean_up(&mut self) -> Result<Option<Transaction<'_>>, StoreError> {
        const LOCK: &str = "-- lock_clean_up
            SELECT set_config('pim_authz.door', 'clean-up', true),
                   pg_try_advisory_xact_lock(hashtext('pim_authz.clean_up')) AS mine";
        let transaction = self.begin(Isolation::EachStatement, BOUNDS).await?;
        let rows = transaction.query("lock_clean_up", LOCK, &[]).await?;
        let is_mine = rows.first().is_some_and(|row| row.get("mine"));
        Ok(is_mine.then_some(transaction))
    }
}

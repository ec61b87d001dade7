use std::{future::poll_fn, sync::Arc, time::Duration};

use deadpool_postgres::ClientWrapper;
use tokio::{sync::Notify, time::timeout};
use tokio_postgres::{AsyncMessage, Row, types::ToSql};
use uuid::Uuid;

use crate::{
    domain::{FactKey, Revision},
    telemetry::metrics as meter,
};

use super::{
    Store, StoreError, TenantId,
    announcements::CHANNEL,
    connection_pool::{SESSION, TRIES, measured},
    facts, outage_log,
};

/// The channel on which servers say that they have acknowledged; a hint, the
/// table is the truth.
const ACKS: &str = "pim_authz_acks";

/// One time that a server joined those that answer from memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseId(pub Uuid);

/// Woken by PostgreSQL: hints only.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// Something was announced.
    pub announced: Arc<Notify>,
    /// A server acknowledged.
    pub acknowledged: Arc<Notify>,
}

/// A connection of its own for the lease of a server and for following the log
/// of announcements: no pool, no pooler.
///
/// Every call is bounded in time. After an error the connection is of no more
/// use; what was asked may have happened.
#[derive(Debug)]
pub struct LeaseConnection {
    /// Dropped, it ends the task that drives it.
    client: ClientWrapper,
    patience: Duration,
}

/// The log of announcements as one snapshot shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRead {
    /// The last announcement.
    pub seq: u64,
    /// The epoch of the primary.
    pub epoch: u64,
    /// Whether the epoch is that of the primary which was asked.
    pub is_current: bool,
    /// Announcements up to here are gone from the log.
    pub log_floor: u64,
    /// The announcements after the one that was named, in order.
    pub announcements: Vec<(u64, Vec<FactKey>)>,
    /// How many announced writes are neither committed nor withdrawn.
    pub pending: u64,
    /// Announcements below it are committed or withdrawn.
    pub settled: u64,
    /// Tenants with revisions that were committed.
    pub revisions: Vec<(TenantId, Revision)>,
}

const RENEW: &str = "-- renew
    UPDATE lease SET renew_no = renew_no + 1 WHERE id = $1
    RETURNING renew_no";

const READ_LOG: &str = include_str!("read_log.sql");

impl Store {
    /// Connects, and listens before it returns; each call may take `patience`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable or times out.
    pub async fn lease_connection(
        &self,
        hints: Hints,
        patience: Duration,
    ) -> Result<LeaseConnection, StoreError> {
        const NAME: &str = "connect_lease";
        let connecting = async {
            let (client, mut connection) = self.connector().connect().await?;
            let messages = async move {
                while let Some(message) = poll_fn(|context| connection.poll_message(context)).await
                {
                    match message {
                        Ok(AsyncMessage::Notification(hint)) if hint.channel() == ACKS => {
                            hints.acknowledged.notify_waiters();
                        }
                        Ok(AsyncMessage::Notification(_)) => hints.announced.notify_one(),
                        Ok(_) => {}
                        Err(_) => return,
                    }
                }
            };
            let client = ClientWrapper::new(client, tokio::spawn(messages));
            client.batch_execute(SESSION).await?;
            let listen = format!("-- listen\nLISTEN {CHANNEL}; LISTEN {ACKS}");
            client.batch_execute(&listen).await?;
            for sql in [RENEW, READ_LOG] {
                client.prepare_cached(sql).await?;
            }
            Ok(LeaseConnection { client, patience })
        };
        within(NAME, patience, measured(NAME, connecting)).await
    }
}

impl LeaseConnection {
    /// Joins those that answer from memory (A1), durably. The log goes on behind
    /// `applied` at least, which the caller has read in an earlier epoch: a restored
    /// database may be behind it, and what is read of it would never be new enough.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable or times out.
    pub async fn join(
        &self,
        lease: LeaseId,
        length: Duration,
        applied: u64,
    ) -> Result<(), StoreError> {
        const LONGEST: &str = "-- join_longest
            UPDATE head
               SET longest_lease_ms = greatest(longest_lease_ms, $1), seq = greatest(seq, $2)
             WHERE longest_lease_ms < $1 OR seq < $2";
        const SQL: &str = "-- join
            INSERT INTO lease (id, renew_no, length_ms) VALUES ($1, 0, $2)";
        let length = i32::try_from(length.as_millis()).unwrap_or(i32::MAX);
        let applied = i64::try_from(applied).unwrap_or(i64::MAX);
        self.execute("join_longest", LONGEST, &[&length, &applied])
            .await?;
        self.execute("join", SQL, &[&lease.0, &length])
            .await
            .map(|_| ())
    }

    /// Renews a lease (A2), durably. `false`: it is gone.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable or times out.
    pub async fn renew(&self, lease: LeaseId) -> Result<bool, StoreError> {
        let rows = self.prepared("renew", RENEW, &[&lease.0]).await?;
        Ok(!rows.is_empty())
    }

    /// Leaves those that answer from memory (A5).
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable or times out.
    pub async fn leave(&self, lease: LeaseId) -> Result<(), StoreError> {
        const SQL: &str = "-- leave
            WITH left_one AS (DELETE FROM ack WHERE id = $1)
            DELETE FROM lease WHERE id = $1";
        self.execute("leave", SQL, &[&lease.0]).await.map(|_| ())
    }

    /// Reads the announcements after `applied`, and the revisions that
    /// announcements from `unsettled` on have made.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable, times out or
    /// is no primary.
    pub async fn read_log(&self, applied: u64, unsettled: u64) -> Result<LogRead, StoreError> {
        let stored = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let parameters: [&(dyn ToSql + Sync); 2] = [&stored(applied), &stored(unsettled)];
        log_of(&self.prepared("read_log", READ_LOG, &parameters).await?)
    }

    /// Says that everything up to `seq` was applied (A3); not durable, and a
    /// hint to the writers that wait for it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable or times out.
    pub async fn acknowledge(&self, lease: LeaseId, seq: u64) -> Result<(), StoreError> {
        let LeaseId(id) = lease;
        let sql = format!(
            "-- acknowledge
             BEGIN; SET LOCAL synchronous_commit = off;
             INSERT INTO ack (id, acked) VALUES ('{id}', {seq})
                 ON CONFLICT (id) DO UPDATE SET acked = greatest(ack.acked, excluded.acked);
             COMMIT;
             BEGIN; SET LOCAL synchronous_commit = off; NOTIFY {ACKS}; COMMIT"
        );
        let asking = measured("acknowledge", self.client.batch_execute(&sql));
        within("acknowledge", self.patience, asking).await
    }

    /// Begins a new epoch, if the primary is another than it was: all leases and
    /// announced writes of the old one are void.
    ///
    /// The first epoch of a database is armed. A later one is armed only if the
    /// same primary was started again, the epoch before was armed, and no lease
    /// is left: then no server can answer from memory any more, and no writer has
    /// to wait. A lease that an earlier epoch deleted may belong to a server that
    /// still answers; so an epoch that was never armed hands that on.
    ///
    /// Its number is higher than `known`, the caller's last one: the epochs of a
    /// restored database may be behind it, and one that is used twice would let
    /// facts of the one count in the other.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable or times out.
    pub async fn begin_epoch(&self, known: u64) -> Result<(), StoreError> {
        let sql = format!(
            "-- begin_epoch
            BEGIN;
            SELECT FROM head WHERE id = 1 FOR UPDATE;
            UPDATE head
               SET epoch = greatest(epoch, {known}) + 1,
                   armed = fingerprint = ''
                        OR (armed AND NOT EXISTS (SELECT FROM lease)
                            AND split_part(fingerprint, '/', 1) || '/' || split_part(fingerprint, '/', 2)
                              = split_part(primary_fingerprint(), '/', 1) || '/' || split_part(primary_fingerprint(), '/', 2)),
                   fingerprint = primary_fingerprint()
             WHERE fingerprint <> primary_fingerprint() AND NOT pg_is_in_recovery();
            DELETE FROM lease WHERE EXISTS (SELECT FROM head WHERE xmin = pg_current_xact_id()::xid);
            DELETE FROM ack WHERE EXISTS (SELECT FROM head WHERE xmin = pg_current_xact_id()::xid);
            DELETE FROM intent WHERE EXISTS (SELECT FROM head WHERE xmin = pg_current_xact_id()::xid);
            COMMIT"
        );
        let asking = measured("begin_epoch", self.client.batch_execute(&sql));
        within("begin_epoch", self.patience, asking).await
    }

    /// Runs a statement that is prepared once a connection; one whose tables
    /// changed since then did nothing, and is prepared anew and run again.
    async fn prepared(
        &self,
        name: &'static str,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let mut tries = 1;
        loop {
            let asking = async {
                let statement = self.client.prepare_cached(sql).await?;
                self.client.query(&statement, parameters).await
            };
            match within(name, self.patience, measured(name, asking)).await {
                Err(error) if tries < TRIES && error.may_run_again() => {
                    self.client.statement_cache.clear();
                    meter::count_retry(name);
                    tries += 1;
                }
                asked => return asked,
            }
        }
    }

    async fn execute(
        &self,
        name: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, StoreError> {
        let asking = measured(name, self.client.execute(sql, parameters));
        within(name, self.patience, asking).await
    }
}

/// Bounds a call: neither keepalive nor a connect time-out sees a server process
/// that was stopped.
async fn within<T>(
    name: &'static str,
    patience: Duration,
    asking: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(patience, asking).await.unwrap_or_else(|_| {
        let error = StoreError::overdue(name, patience);
        outage_log::failed(name, &error);
        Err(error)
    })
}

fn log_of(rows: &[Row]) -> Result<LogRead, StoreError> {
    let number = |row: &Row, column: &str| row.get::<_, i64>(column).unsigned_abs();
    let mut head = None;
    let mut announcements = Vec::new();
    let mut revisions = Vec::new();
    for row in rows {
        match row.get("part") {
            "head" => head = Some(row),
            "announcement" => {
                let keys: Vec<&str> = row.get("keys");
                let keys = keys.into_iter().map(|key| {
                    let Ok(key) = key.parse();
                    key
                });
                announcements.push((number(row, "seq"), keys.collect()));
            }
            _ => {
                let tenant = i32::try_from(row.get::<_, i64>("epoch")).unwrap_or_default();
                revisions.push((TenantId(tenant), facts::revision(row.get("seq"))));
            }
        }
    }
    let head = head.ok_or_else(|| StoreError::empty_head("read_log"))?;
    if head.get("standby") {
        return Err(StoreError::standby());
    }
    let seq = number(head, "seq");
    let lowest_pending: Option<i64> = head.get("settled");
    Ok(LogRead {
        seq,
        epoch: number(head, "epoch"),
        is_current: head.get("is_current"),
        log_floor: number(head, "log_floor"),
        announcements,
        pending: number(head, "pending"),
        settled: lowest_pending.map_or(seq + 1, i64::unsigned_abs),
        revisions,
    })
}

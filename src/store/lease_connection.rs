use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use deadpool_postgres::ClientWrapper;
use tokio::{sync::Notify, time::timeout};
use tokio_postgres::{AsyncMessage, Row, types::ToSql};

use crate::{
    domain::{FactKey, Revision},
    telemetry::metrics as meter,
};

use super::{
    LeaseId, Store, StoreError, TenantId,
    announcements::CHANNEL,
    connection_pool::{SESSION, TRIES},
    outage_log,
    round_trip::measured,
    statement::name_of,
    tenants,
};

/// NOTIFY channel of acknowledgements. A hint only; the table is authoritative.
const ACKS: &str = "pim_authz_acks";

/// What is known of announcements and acknowledgements before they are read: hints.
#[derive(Clone, Debug, Default)]
pub struct Notifications {
    /// A write was announced that this server has not applied yet.
    pub announced: Arc<Notify>,
    /// A server acknowledged.
    pub acknowledged: Arc<Notify>,
    latest: Arc<AtomicU64>,
    applied: Arc<AtomicU64>,
}

impl Notifications {
    /// Notes that a write was announced at `seq`; `None`: whether one was is not known.
    pub fn announce(&self, seq: Option<u64>) {
        let seq = seq.unwrap_or_else(|| self.applied().saturating_add(1));
        self.latest.fetch_max(seq, Ordering::AcqRel);
        if self.is_behind() {
            self.announced.notify_one();
        }
    }

    /// Notes that this server has applied all announcements up to `seq`: the
    /// watermarks are raised, and its own writes need no acknowledgement of it.
    pub fn set_applied(&self, seq: u64) {
        self.applied.store(seq, Ordering::Release);
        self.acknowledged.notify_waiters();
    }

    /// Returns the last announcement that this server has applied.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    /// True if an announcement is known that this server has not applied.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.latest.load(Ordering::Acquire) > self.applied()
    }
}

/// A dedicated connection for a server's lease and for following the log of
/// announcements; neither pooled nor through a pooler.
///
/// Every call has a timeout. After an error the connection is unusable, and the
/// requested change may have happened.
#[derive(Debug)]
pub struct LeaseConnection {
    /// Dropping it ends the task that drives the connection.
    client: ClientWrapper,
    call_timeout: Duration,
}

/// Log of announcements as read in one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRead {
    /// Last announcement.
    pub seq: u64,
    /// Epoch recorded in the database.
    pub epoch: u64,
    /// True if the epoch belongs to the primary that was read.
    pub is_current: bool,
    /// Announcements up to this position are no longer in the log.
    pub log_floor: u64,
    /// Announcements after the requested position, in order.
    pub announcements: Vec<(u64, Vec<FactKey>)>,
    /// Number of announced writes that are neither committed nor withdrawn.
    pub pending: u64,
    /// All announcements below this position are committed or withdrawn.
    pub settled: u64,
    /// Tenants and the latest revision committed of each.
    pub revisions: Vec<(TenantId, Revision)>,
}

const RENEW: &str = "-- renew
    UPDATE lease SET renew_no = renew_no + 1 WHERE id = $1
    RETURNING renew_no";

const READ_LOG: &str = include_str!("read_log.sql");

impl Store {
    /// Connects, and listens for notifications before it returns. Each call times out
    /// after `call_timeout`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable or times out.
    pub async fn lease_connection(
        &self,
        notifications: Notifications,
        call_timeout: Duration,
    ) -> Result<LeaseConnection, StoreError> {
        const NAME: &str = "connect_lease";
        let connecting = async {
            let (client, mut connection) = self.connector().connect().await?;
            let messages = async move {
                while let Some(message) = poll_fn(|context| connection.poll_message(context)).await
                {
                    match message {
                        Ok(AsyncMessage::Notification(hint)) if hint.channel() == ACKS => {
                            notifications.acknowledged.notify_waiters();
                        }
                        Ok(AsyncMessage::Notification(hint)) => {
                            notifications.announce(hint.payload().parse().ok());
                        }
                        Ok(_) => {}
                        Err(_) => return,
                    }
                }
            };
            let client = ClientWrapper::new(client, tokio::spawn(messages));
            client.batch_execute(SESSION).await?;
            // Its plans last as long as the connection, while the log grows.
            let listen =
                format!("-- listen\nSET enable_seqscan = off; LISTEN {CHANNEL}; LISTEN {ACKS}");
            client.batch_execute(&listen).await?;
            for sql in [RENEW, READ_LOG] {
                client.prepare_cached(sql).await?;
            }
            Ok(LeaseConnection {
                client,
                call_timeout,
            })
        };
        within(NAME, call_timeout, measured(NAME, connecting)).await
    }
}

impl LeaseConnection {
    /// Acquires a lease, which permits answering from the cache (A1); durable on
    /// return. Advances the log to at least `applied`, which the caller has read in
    /// an earlier epoch: a restored database may be behind it, and facts read from
    /// it would never be new enough.
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
        self.run(LONGEST, &[&length, &applied]).await?;
        self.run(SQL, &[&lease.0, &length]).await
    }

    /// Renews a lease (A2); durable on return. Returns `false` if the lease is gone.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable or times out.
    pub async fn renew(&self, lease: LeaseId) -> Result<bool, StoreError> {
        let rows = self.prepared(RENEW, &[&lease.0]).await?;
        Ok(!rows.is_empty())
    }

    /// Releases a lease (A5).
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable or times out.
    pub async fn leave(&self, lease: LeaseId) -> Result<(), StoreError> {
        const SQL: &str = "-- leave
            WITH left_one AS (DELETE FROM ack WHERE id = $1)
            DELETE FROM lease WHERE id = $1";
        self.run(SQL, &[&lease.0]).await
    }

    /// Reads the announcements after `applied`, and the revisions committed by
    /// announcements from `unsettled` on.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable, times out or is a
    /// standby.
    pub async fn read_log(&self, applied: u64, unsettled: u64) -> Result<LogRead, StoreError> {
        let stored = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let parameters: [&(dyn ToSql + Sync); 2] = [&stored(applied), &stored(unsettled)];
        log_of(&self.prepared(READ_LOG, &parameters).await?)
    }

    /// Returns the position up to which announcements are no longer in the log.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable or times out.
    pub async fn log_floor(&self) -> Result<u64, StoreError> {
        const SQL: &str = "-- read_log_floor
            SELECT log_floor FROM head";
        let rows = self.prepared(SQL, &[]).await?;
        let position = rows.first().map(|row| row.get::<_, i64>("log_floor"));
        Ok(position.unwrap_or_default().unsigned_abs())
    }

    /// Acknowledges that everything up to `seq` was applied (A3), and notifies the
    /// waiting writers as a hint. Not durable.
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
        let call = measured("acknowledge", self.client.batch_execute(&sql));
        within("acknowledge", self.call_timeout, call).await
    }

    /// Begins a new epoch if the primary has changed: all leases and announced writes
    /// of the old epoch become void.
    ///
    /// The first epoch of a database is armed. A later one is armed only if the same
    /// primary was restarted, the previous epoch was armed, and no lease is left:
    /// then no server can answer from its cache any more, and no writer has to wait.
    /// A lease deleted by an earlier epoch may belong to a server that still
    /// answers, so an epoch that was never armed passes this on to the next.
    ///
    /// The new epoch is greater than `known`, the caller's last one: the epochs of a
    /// restored database may be behind it, and reusing one would make facts cached in
    /// one valid in the other.
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
        let call = measured("begin_epoch", self.client.batch_execute(&sql));
        within("begin_epoch", self.call_timeout, call).await
    }

    /// Runs a statement that is prepared once per connection. Prepares and runs it
    /// again if its tables have changed since, because that attempt had no effect.
    async fn prepared(
        &self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let name = name_of(sql);
        let mut tries = 1;
        loop {
            let call = async {
                let statement = self.client.prepare_cached(sql).await?;
                self.client.query(&statement, parameters).await
            };
            match within(name, self.call_timeout, measured(name, call)).await {
                Err(error) if tries < TRIES && error.is_retryable() => {
                    self.client.statement_cache.clear();
                    meter::count_retry(name);
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn run(
        &self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<(), StoreError> {
        let name = name_of(sql);
        let call = measured(name, self.client.execute(sql, parameters));
        within(name, self.call_timeout, call).await.map(|_| ())
    }
}

/// Limits the time of a call, because neither keepalives nor a connect timeout
/// detect a server process that is stopped.
async fn within<T>(
    name: &'static str,
    call_timeout: Duration,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(call_timeout, call).await.unwrap_or_else(|_| {
        let error = StoreError::timed_out(name, call_timeout);
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
                announcements.push((number(row, "seq"), row.get("keys")));
            }
            _ => {
                let tenant = i32::try_from(row.get::<_, i64>("epoch")).unwrap_or_default();
                revisions.push((TenantId(tenant), tenants::revision(row.get("seq"))));
            }
        }
    }
    let head = tenants::head("read_log", head)?;
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

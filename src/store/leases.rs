use std::time::Duration;

use hashbrown::HashMap;

use super::{
    Announcement, LeaseId, Store, StoreError,
    announcements::milliseconds,
    entity_rows::{Columns, FromRow},
};

/// Lease of a server that may answer from its cache, as a writer reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRow {
    /// Number of renewals.
    pub renew_no: u64,
    /// Duration of the lease after a renewal.
    pub length: Duration,
    /// Last announcement that the server has applied.
    pub acked: u64,
}

/// An announced write that is neither committed nor withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntentRow {
    /// Announcement of the write; its epoch is not read and is 0.
    pub announcement: Announcement,
    /// Number of heartbeats by which the writer has shown that the write is pending.
    pub beat: u64,
    /// Length of the writer's lease; `None` if the writer no longer has one.
    pub writer_lease: Option<Duration>,
}

/// The epoch is not read and is 0.
impl FromRow for Announcement {
    fn from_row(row: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            seq: row.count("seq")?,
            member: row.get::<i32>("member")?.unsigned_abs(),
            epoch: 0,
        })
    }
}

impl Store {
    /// Reads the leases of all servers (W2, W3).
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn leases(&self) -> Result<HashMap<LeaseId, LeaseRow>, StoreError> {
        const SQL: &str = "-- read_leases
            SELECT lease.id, lease.renew_no, lease.length_ms, coalesce(ack.acked, 0) AS acked
              FROM lease
              LEFT JOIN ack ON ack.id = lease.id";
        self.parsed(SQL, &[], |row| {
            let lease = LeaseRow {
                renew_no: row.count("renew_no")?,
                length: milliseconds(row.get("length_ms")?),
                acked: row.count("acked")?,
            };
            Ok((LeaseId(row.get("id")?), lease))
        })
        .await
    }

    /// Ends the lease of a server that did not renew it for the whole waiting time
    /// (W3); `seen` is its last known `renew_no`. Returns `false` if the server has
    /// just renewed or released it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn end_lease(&self, lease: LeaseId, seen: u64) -> Result<bool, StoreError> {
        const SQL: &str = "-- end_lease
            WITH ended AS (DELETE FROM lease WHERE id = $1 AND renew_no = $2 RETURNING id),
                 forgotten AS (DELETE FROM ack WHERE id IN (SELECT id FROM ended))
            SELECT id FROM ended";
        let seen = i64::try_from(seen).unwrap_or(i64::MAX);
        let rows = self.rows(SQL, &[&lease.0, &seen]).await?;
        Ok(!rows.is_empty())
    }

    /// Records that a full waiting time has passed in an epoch (W3): from now on
    /// writers wait only for servers that hold a lease.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn arm(&self, epoch: u64) -> Result<(), StoreError> {
        const SQL: &str = "-- arm
            UPDATE head SET armed = true WHERE epoch = $1 AND NOT armed";
        let epoch = i64::try_from(epoch).unwrap_or(i64::MAX);
        self.rows(SQL, &[&epoch]).await.map(|_| ())
    }

    /// Sends a heartbeat for announced writes that are still pending. A locked row is
    /// skipped: its write is being committed and needs no heartbeat.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn beat(&self, live: &[Announcement]) -> Result<(), StoreError> {
        const SQL: &str = "-- beat
            UPDATE intent SET beat = beat + 1
             WHERE (seq, member) IN (SELECT intent.seq, intent.member
                                       FROM unnest($1::bigint[], $2::integer[]) AS live (seq, member)
                                       JOIN intent ON intent.seq = live.seq AND intent.member = live.member
                                        FOR UPDATE OF intent SKIP LOCKED)";
        let (seqs, members): (Vec<i64>, Vec<i32>) = live.iter().map(|live| live.stored()).unzip();
        self.rows(SQL, &[&seqs, &members]).await.map(|_| ())
    }

    /// Reads the announced writes of all servers that are neither committed nor
    /// withdrawn.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn intents(&self) -> Result<Vec<IntentRow>, StoreError> {
        const SQL: &str = "-- read_intents
            SELECT intent.seq, intent.member, intent.beat, lease.length_ms
              FROM intent
              LEFT JOIN lease ON lease.id = intent.writer";
        self.parsed(SQL, &[], |row| {
            let lease: Option<i32> = row.get("length_ms")?;
            Ok(IntentRow {
                announcement: Announcement::from_row(row)?,
                beat: row.count("beat")?,
                writer_lease: lease.map(milliseconds),
            })
        })
        .await
    }

    /// Lists the pending announcements of the key `*`, which are maintenances.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn open_maintenances(&self) -> Result<Vec<Announcement>, StoreError> {
        const SQL: &str = "-- open_maintenances
            SELECT seq, member FROM intent WHERE keys = ARRAY['*']";
        self.parsed(SQL, &[], Announcement::from_row).await
    }

    /// Deletes the intent of a writer that is gone, so that the write can never
    /// commit. Returns `false` if the intent is locked or gone: the write is about to
    /// commit, or has ended.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn reap(&self, dead: Announcement) -> Result<bool, StoreError> {
        const SQL: &str = "-- reap
            DELETE FROM intent
             WHERE (seq, member) IN (SELECT seq, member FROM intent WHERE seq = $1 AND member = $2 FOR UPDATE SKIP LOCKED)
            RETURNING seq";
        let (seq, member) = dead.stored();
        let rows = self.rows(SQL, &[&seq, &member]).await?;
        Ok(!rows.is_empty())
    }
}

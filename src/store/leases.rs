use std::{collections::HashMap, time::Duration};

use super::{Announcement, LeaseId, Store, StoreError};

/// A server that may answer from memory, as a writer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRow {
    /// How often it was renewed.
    pub renew_no: u64,
    /// How long it runs after a renewal.
    pub length: Duration,
    /// The last announcement that the server has applied.
    pub acked: u64,
}

/// An announced write that is neither committed nor withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntentRow {
    /// Its announcement; the epoch is not read.
    pub announcement: Announcement,
    /// How often its writer has shown that it is under way.
    pub beat: u64,
    /// The length of its writer's lease; `None`: the writer has none any more.
    pub writer_lease: Option<Duration>,
}

/// A time as PostgreSQL keeps it.
pub(super) fn milliseconds(stored: i32) -> Duration {
    Duration::from_millis(stored.unsigned_abs().into())
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
        let rows = self.query("read_leases", SQL, &[]).await?;
        let number = |stored: i64| stored.unsigned_abs();
        let leases = rows.iter().map(|row| {
            let lease = LeaseRow {
                renew_no: number(row.get("renew_no")),
                length: milliseconds(row.get("length_ms")),
                acked: number(row.get("acked")),
            };
            (LeaseId(row.get("id")), lease)
        });
        Ok(leases.collect())
    }

    /// Ends the lease of a server that did not renew it for the whole waiting
    /// time (W3). `false`: it has just renewed it, or left.
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
        let rows = self.query("end_lease", SQL, &[&lease.0, &seen]).await?;
        Ok(!rows.is_empty())
    }

    /// Says that a full waiting time has passed in an epoch (W3): from now on a
    /// writer waits no longer than for those that hold a lease.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn arm(&self, epoch: u64) -> Result<(), StoreError> {
        const SQL: &str = "-- arm
            UPDATE head SET armed = true WHERE epoch = $1 AND NOT armed";
        let epoch = i64::try_from(epoch).unwrap_or(i64::MAX);
        self.query("arm", SQL, &[&epoch]).await.map(|_| ())
    }

    /// Shows that the writes of some announcements are still under way. One
    /// whose row is locked is being committed, and needs no sign.
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
        self.query("beat", SQL, &[&seqs, &members])
            .await
            .map(|_| ())
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
        let rows = self.query("read_intents", SQL, &[]).await?;
        let intents = rows.iter().map(|row| {
            let announcement = Announcement {
                seq: row.get::<_, i64>("seq").unsigned_abs(),
                member: row.get::<_, i32>("member").unsigned_abs(),
                epoch: 0,
            };
            let lease: Option<i32> = row.get("length_ms");
            IntentRow {
                announcement,
                beat: row.get::<_, i64>("beat").unsigned_abs(),
                writer_lease: lease.map(milliseconds),
            }
        });
        Ok(intents.collect())
    }

    /// Lists the announcements of everything, which are maintenances.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn open_maintenances(&self) -> Result<Vec<Announcement>, StoreError> {
        const SQL: &str = "-- open_maintenances
            SELECT seq, member FROM intent WHERE keys = ARRAY['*']";
        let rows = self.query("open_maintenances", SQL, &[]).await?;
        let open = rows.iter().map(|row| Announcement {
            seq: row.get::<_, i64>("seq").unsigned_abs(),
            member: row.get::<_, i32>("member").unsigned_abs(),
            epoch: 0,
        });
        Ok(open.collect())
    }

    /// Removes an announced write whose writer is gone: it can never commit.
    /// `false`: it has just committed, or is about to.
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
        let rows = self.query("reap", SQL, &[&seq, &member]).await?;
        Ok(!rows.is_empty())
    }
}

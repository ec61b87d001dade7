use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use tokio_postgres::types::ToSql;

use crate::{
    domain::{FactKey, Revision},
    failpoints::mistakes,
};

use super::{LeaseId, Store, StoreError, Transaction, round_trip::send_together, tenants};

/// NOTIFY channel of announcements. A hint only; the log is authoritative.
pub(super) const CHANNEL: &str = "pim_authz";

/// Permits this transaction to write facts if the epoch is that of the primary.
const CHECK_EPOCH: &str = "-- check_epoch
            SELECT set_config('pim_authz.door', $2, true)
              FROM head
             WHERE epoch = $1 AND armed AND fingerprint = primary_fingerprint()";

/// Identifies the announcement of one write: its log position and its index in
/// the group of writes announced together. Permits committing the announced
/// write once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Announcement {
    /// Position in the log, from 1.
    pub seq: u64,
    /// Index in the group, from 0.
    pub member: u32,
    /// Epoch in which it was announced.
    pub epoch: u64,
}

/// Result of announcing a group of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnouncedGroup {
    /// Position in the log.
    pub seq: u64,
    /// Epoch in which the group was announced.
    pub epoch: u64,
    /// True if a full waiting time has already passed in this epoch.
    pub armed: bool,
    /// Longest lease length ever used in this database.
    pub longest_lease: Duration,
}

/// Converts stored milliseconds to a duration.
pub(super) fn milliseconds(stored: i32) -> Duration {
    Duration::from_millis(stored.unsigned_abs().into())
}

impl Announcement {
    /// Returns `seq` and `member` as PostgreSQL integers.
    pub(super) fn stored(self) -> (i64, i32) {
        let seq = i64::try_from(self.seq).unwrap_or(i64::MAX);
        (seq, i32::try_from(self.member).unwrap_or(i32::MAX))
    }
}

impl Store {
    /// Announces that the keys of each member of a group of writes are about to
    /// change (`docs/coherence.md`, W1). The announcement is durable on return.
    /// Returns `None` if the writer has no lease or the primary has changed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn announce(
        &self,
        members: &[Vec<FactKey>],
        writer: LeaseId,
    ) -> Result<Option<AnnouncedGroup>, StoreError> {
        const SQL: &str = "-- announce
            WITH taken AS (
                UPDATE head SET seq = seq + 1
                 WHERE id = 1 AND fingerprint = primary_fingerprint() AND EXISTS (SELECT FROM lease WHERE lease.id = $3)
                RETURNING seq, epoch, armed, longest_lease_ms),
            affected AS (
                SELECT * FROM unnest($1::integer[], $2::text[]) AS affected (member, key)),
            logged AS (
                INSERT INTO invalidation (seq, keys)
                SELECT seq, (SELECT array_agg(DISTINCT key) FROM affected) FROM taken),
            intended AS (
                INSERT INTO intent (seq, member, keys, writer)
                SELECT seq, member, array_agg(key), $3
                  FROM taken CROSS JOIN affected
                 GROUP BY seq, member)
            SELECT seq, epoch, armed, longest_lease_ms
              FROM taken";
        let member_keys = (0..).zip(members);
        let member_keys = member_keys.flat_map(|(member, keys): (i32, &Vec<FactKey>)| {
            keys.iter().map(move |key| (member, key.to_string()))
        });
        let (numbers, keys): (Vec<i32>, Vec<String>) = member_keys.unzip();
        let announced = self.first_row(SQL, &[&numbers, &keys, &writer.0]).await?;
        let Some(row) = announced else {
            return Ok(None);
        };
        Ok(Some(AnnouncedGroup {
            seq: row.get::<_, i64>("seq").unsigned_abs(),
            epoch: row.get::<_, i64>("epoch").unsigned_abs(),
            armed: row.get("armed"),
            longest_lease: milliseconds(row.get("longest_lease_ms")),
        }))
    }

    /// Tells all servers at once of the announcement at `seq`. A lost hint only
    /// delays servers until their next poll.
    pub async fn hint(&self, seq: u64) {
        const SQL: &str = "-- notify
            SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)";
        let parameters: [&(dyn ToSql + Sync); 2] = [&CHANNEL, &seq.to_string()];
        let _notified = self.rows(SQL, &parameters).await;
    }

    /// Withdraws announcements. Returns those that were unused, so that they can never be
    /// used; the others were used or are already gone.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn withdraw(
        &self,
        announcements: &[Announcement],
    ) -> Result<HashSet<Announcement>, StoreError> {
        const SQL: &str = "-- withdraw
            DELETE FROM intent
             USING unnest($1::bigint[], $2::integer[]) AS given (seq, member)
             WHERE intent.seq = given.seq AND intent.member = given.member
            RETURNING intent.seq, intent.member";
        let (seqs, members) = stored(announcements);
        let rows = self.rows(SQL, &[&seqs, &members]).await?;
        let keys = rows.iter().map(|row| (row.get("seq"), row.get("member")));
        Ok(given(announcements, keys))
    }

    /// Deletes the intents of `writer` that are not in `known`: their announcement
    /// was durable, but the writer never received its result. Returns their number.
    ///
    /// Must be called only while `writer` has no announcement in flight.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn withdraw_unanswered(
        &self,
        writer: LeaseId,
        known: &[Announcement],
    ) -> Result<u64, StoreError> {
        const SQL: &str = "-- withdraw_unanswered
            DELETE FROM intent
             WHERE (seq, member) IN (SELECT intent.seq, intent.member
                                       FROM intent
                                      WHERE intent.writer = $1
                                        AND (intent.seq, intent.member) NOT IN (SELECT * FROM unnest($2::bigint[], $3::integer[]))
                                        FOR UPDATE OF intent SKIP LOCKED)
            RETURNING seq";
        let (seqs, members) = stored(known);
        let parameters: [&(dyn ToSql + Sync); 3] = [&writer.0, &seqs, &members];
        let rows = self.rows(SQL, &parameters).await?;
        Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
    }

    /// Returns the revisions created by announced writes; those that created none are
    /// missing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn find_commits(
        &self,
        announcements: &[Announcement],
    ) -> Result<HashMap<Announcement, Revision>, StoreError> {
        const SQL: &str = "-- find_commit
            SELECT n, commit_log.member, revision
              FROM unnest($1::bigint[], $2::integer[]) AS given (seq, member)
              JOIN commit_log ON commit_log.n = given.seq AND commit_log.member = given.member";
        let (seqs, members) = stored(announcements);
        let rows = self.rows(SQL, &[&seqs, &members]).await?;
        let by_key: HashMap<(i64, i32), Revision> = rows
            .iter()
            .map(|row| {
                let key = (row.get("n"), row.get("member"));
                (key, tenants::revision(row.get("revision")))
            })
            .collect();
        let found = announcements.iter().filter_map(|given| {
            let revision = by_key.get(&given.stored())?;
            Some((*given, *revision))
        });
        Ok(found.collect())
    }
}

/// Returns the columns of announcements.
fn stored(announcements: &[Announcement]) -> (Vec<i64>, Vec<i32>) {
    announcements.iter().map(|given| given.stored()).unzip()
}

/// Returns those of some announcements that have one of the keys.
fn given(
    announcements: &[Announcement],
    keys: impl Iterator<Item = (i64, i32)>,
) -> HashSet<Announcement> {
    let keys: HashSet<(i64, i32)> = keys.collect();
    let given = announcements.iter().copied();
    given
        .filter(|given| keys.contains(&given.stored()))
        .collect()
}

impl Transaction<'_> {
    /// Consumes an announcement, which permits this transaction to write facts
    /// (`docs/coherence.md`, W4). Returns `false` if the announcement was withdrawn,
    /// or the primary or its epoch has changed since.
    ///
    /// Deletes the intent first: while its row is locked, no new epoch can begin.
    ///
    /// # Errors
    ///
    /// [`StoreError::TenantLocked`] if another transaction holds the intent's row
    /// lock for longer than [`Bounds::lock`](super::Bounds::lock);
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn use_intent(&self, announcement: Announcement) -> Result<bool, StoreError> {
        const SQL: &str = "-- use_intent
            DELETE FROM intent
             WHERE seq = $1 AND member = $2";
        let (seq, member) = announcement.stored();
        let epoch = i64::try_from(announcement.epoch).unwrap_or(i64::MAX);
        let pass = format!("{seq}/{member}");
        let row = mistakes::row_of_member(member);
        let deleting = async {
            let deleted = self.affected(SQL, &[&seq, &row]).await;
            deleted.map_err(|error| error.of_lock_wait(self.lock_wait()))
        };
        send_together!(
            deleted = deleting,
            current = self.rows(CHECK_EPOCH, &[&epoch, &pass]),
        );
        let has_intent = deleted == 1 || mistakes::needs_no_intent();
        let is_current = !current.is_empty()
            || mistakes::any_epoch(|| Box::pin(self.permit_writes(&pass))).await?;
        Ok(has_intent && is_current)
    }

    /// Consumes the announcements of writes that are committed together, as
    /// [`use_intent`](Self::use_intent) does for one, and returns those that were neither
    /// withdrawn nor made in another epoch.
    ///
    /// # Errors
    ///
    /// As [`use_intent`](Self::use_intent).
    pub async fn use_intents(
        &self,
        announcements: &[Announcement],
    ) -> Result<HashSet<Announcement>, StoreError> {
        const SQL: &str = "-- use_intent
            DELETE FROM intent
             USING unnest($1::bigint[], $2::integer[]) AS used (seq, member)
             WHERE intent.seq = used.seq AND intent.member = used.member
            RETURNING intent.seq, intent.member";
        let Some(epoch) = announcements.iter().map(|given| given.epoch).max() else {
            return Ok(HashSet::new());
        };
        let current = announcements.iter().filter(|given| given.epoch == epoch);
        let announcements: Vec<Announcement> = current.copied().collect();
        let (seqs, members) = stored(&announcements);
        let pass = seqs
            .iter()
            .map(i64::to_string)
            .collect::<Vec<_>>()
            .join(",");
        let stored_epoch = i64::try_from(epoch).unwrap_or(i64::MAX);
        let parameters: [&(dyn ToSql + Sync); 2] = [&seqs, &members];
        let deleting = async {
            let deleted = self.rows(SQL, &parameters).await;
            deleted.map_err(|error| error.of_lock_wait(self.lock_wait()))
        };
        send_together!(
            deleted = deleting,
            current = self.rows(CHECK_EPOCH, &[&stored_epoch, &pass]),
        );
        if current.is_empty() {
            return Ok(HashSet::new());
        }
        let keys = deleted
            .iter()
            .map(|row| (row.get("seq"), row.get("member")));
        Ok(given(&announcements, keys))
    }

    pub(super) async fn permit_writes(&self, pass: &str) -> Result<(), StoreError> {
        const SQL: &str = "-- permit_writes
            SELECT set_config('pim_authz.door', $1, true)";
        self.rows(SQL, &[&pass]).await.map(|_| ())
    }
}

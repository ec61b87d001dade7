use uuid::Uuid;

use crate::domain::Revision;

use super::{Store, StoreError, Transaction, facts};

/// The channel of announcements; a hint, the log is the truth.
const CHANNEL: &str = "pim_authz";

/// The announcement of one write: its place in the log. Whoever holds it may
/// commit what it announced, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement(i64);

impl Announcement {
    /// Its place in the log, from 1.
    pub(super) fn number(self) -> i64 {
        self.0
    }
}

impl Store {
    /// Announces that `keys` are going to change (`ARCHITECTURE.md`, W1):
    /// durable when this returns.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn announce(
        &self,
        keys: &[String],
        writer: Uuid,
    ) -> Result<Announcement, StoreError> {
        const SQL: &str = "-- announce
            WITH taken AS (UPDATE head SET seq = seq + 1 WHERE id = 1 RETURNING seq),
                 logged AS (INSERT INTO invalidation (seq, keys) SELECT seq, $1 FROM taken),
                 intended AS (INSERT INTO intent (seq, member, keys, writer) SELECT seq, 0, $1, $2 FROM taken)
            SELECT seq
              FROM taken";
        const NOTIFY: &str = "-- notify
            SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)";
        let rows = self.query("announce", SQL, &[&keys, &writer]).await?;
        let row = rows.first().ok_or_else(|| StoreError::CorruptRow {
            statement: "announce",
            message: "the table `head` is empty".to_owned(),
        })?;
        let n: i64 = row.get("seq");
        // A hint that is lost costs a poll.
        let _hinted = self
            .query("notify", NOTIFY, &[&CHANNEL, &n.to_string()])
            .await;
        Ok(Announcement(n))
    }

    /// Takes an announcement back. `true`: it had not been used and never can
    /// be; `false`: it was used, or is gone already.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn withdraw(&self, announcement: Announcement) -> Result<bool, StoreError> {
        const SQL: &str = "-- withdraw
            DELETE FROM intent
             WHERE seq = $1 AND member = 0
            RETURNING seq";
        let rows = self.query("withdraw", SQL, &[&announcement.0]).await?;
        Ok(!rows.is_empty())
    }

    /// Finds the revision that the write of an announcement made; `None` when
    /// it made none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn find_commit(
        &self,
        announcement: Announcement,
    ) -> Result<Option<Revision>, StoreError> {
        const SQL: &str = "-- find_commit
            SELECT revision
              FROM commit_log
             WHERE n = $1";
        let rows = self.query("find_commit", SQL, &[&announcement.0]).await?;
        Ok(rows.first().map(|row| facts::revision(row.get("revision"))))
    }
}

impl Transaction<'_> {
    /// Uses an announcement: this transaction may write facts, unless the
    /// announcement was withdrawn (`false`).
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn open_door(&self, announcement: Announcement) -> Result<bool, StoreError> {
        const SQL: &str = "-- use_intent
            DELETE FROM intent
             WHERE seq = $1 AND member = 0";
        if self.execute("use_intent", SQL, &[&announcement.0]).await? != 1 {
            return Ok(false);
        }
        self.set_door(&format!("{}/0", announcement.0)).await?;
        Ok(true)
    }

    /// Lets a rehearsal, which is rolled back, write facts.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn open_rehearsal(&self) -> Result<(), StoreError> {
        self.set_door("rehearsal").await
    }

    /// Makes every statement of this transaction read the same snapshot; to be
    /// called first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn read_one_snapshot(&self) -> Result<(), StoreError> {
        self.batch(
            "read_one_snapshot",
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET LOCAL plan_cache_mode = force_custom_plan",
        )
        .await
    }

    pub(super) async fn set_door(&self, pass: &str) -> Result<(), StoreError> {
        const SQL: &str = "-- set_door
            SELECT set_config('pim_authz.door', $1, true),
                   set_config('plan_cache_mode', 'force_custom_plan', true)";
        self.query("set_door", SQL, &[&pass]).await.map(|_| ())
    }
}

use crate::domain::{Code, Edition, Revision};

use super::{Announcement, StoreError, TenantId, Transaction};

/// What stands on every audit row of a write.
#[derive(Clone, Copy, Debug)]
pub struct AuditHead<'a> {
    /// The tenant.
    pub tenant: TenantId,
    /// The revision that the write makes.
    pub revision: Revision,
    /// Who asked, as `user:julia`.
    pub actor: &'a str,
    /// The request that asked.
    pub request_id: &'a str,
    /// Its idempotency key; empty: none.
    pub idempotency_key: &'a str,
    /// The name of the caller whose credentials it came with; empty: none.
    pub caller: &'a str,
}

/// One audit row to be.
#[derive(Clone, Debug, Default)]
pub struct AuditRow {
    /// What was done: `product.created`.
    pub kind: String,
    /// Type and code of what it was done to, unless a subject.
    pub item: Option<(&'static str, String)>,
    /// Type and code of the subject it was done to.
    pub subject: Option<(&'static str, String)>,
    /// JSON of the state before.
    pub before: Option<String>,
    /// JSON of the state after.
    pub after: Option<String>,
}

/// Whether more rows of the write follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditBatch {
    /// More follow.
    Middle,
    /// Its last row ends the write and carries its hash.
    Last,
}

/// The end of a write.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// The announcement that it used.
    pub announcement: Announcement,
    /// The last number given to anything but products and models.
    pub last_id: i32,
    /// The last number given to a product or model.
    pub last_product_id: i32,
    /// The hash of the request, and the answer to keep for a retry of it.
    pub request_hash: &'a [u8],
    /// The encoded answer.
    pub answer: &'a [u8],
}

impl Transaction<'_> {
    /// Creates a tenant with its group `All`, number 1; nothing happens when it
    /// is there already. Waits for another write that creates it.
    ///
    /// # Errors
    ///
    /// [`StoreError::TenantLocked`] when that takes longer than
    /// [`Bounds::lock`](super::Bounds::lock); [`StoreError::Unavailable`] when the
    /// database does not answer.
    pub async fn create_tenant(&self, code: &Code, edition: Edition) -> Result<(), StoreError> {
        const SQL: &str = "-- create_tenant
            WITH made AS (
                INSERT INTO tenant (code, key, edition, last_id)
                VALUES ($1, $2, $3, 1)
                    ON CONFLICT (key) DO NOTHING
                RETURNING id)
            INSERT INTO user_group (tenant_id, id, code, key)
            SELECT id, 1, 'All', 'all'
              FROM made";
        let edition: &str = edition.into();
        self.execute(
            "create_tenant",
            SQL,
            &[&code.as_str(), &code.folded(), &edition],
        )
        .await
        .map(|_| ())
        .map_err(|error| error.of_lock_wait(self.lock_wait()))
    }

    /// Writes audit rows, numbered from `first_part`. The last batch ends the
    /// write: its last row carries the hash that chains it to the write before.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn write_audit(
        &self,
        head: &AuditHead<'_>,
        first_part: i32,
        rows: &[AuditRow],
        batch: AuditBatch,
    ) -> Result<(), StoreError> {
        const SQL: &str = include_str!("write_audit.sql");
        let kinds: Vec<&str> = rows.iter().map(|row| row.kind.as_str()).collect();
        let split = |pairs: Vec<Option<&(&'static str, String)>>| -> (Vec<Option<&str>>, Vec<Option<String>>) {
            let types = pairs.iter().map(|pair| pair.map(|(kind, _)| *kind)).collect();
            let codes = pairs.iter().map(|pair| pair.map(|(_, code)| code.clone())).collect();
            (types, codes)
        };
        let (item_types, item_codes) = split(rows.iter().map(|row| row.item.as_ref()).collect());
        let (subject_types, subject_codes) =
            split(rows.iter().map(|row| row.subject.as_ref()).collect());
        let befores: Vec<Option<&str>> = rows.iter().map(|row| row.before.as_deref()).collect();
        let afters: Vec<Option<&str>> = rows.iter().map(|row| row.after.as_deref()).collect();
        let count = i32::try_from(rows.len()).unwrap_or(i32::MAX);
        let last_part = match batch {
            AuditBatch::Middle => None,
            AuditBatch::Last => Some(first_part.saturating_sub(1).saturating_add(count)),
        };
        self.execute(
            "write_audit",
            SQL,
            &[
                &head.tenant.0,
                &stored(head.revision),
                &head.actor,
                &head.request_id,
                &head.idempotency_key,
                &first_part,
                &kinds,
                &item_types,
                &item_codes,
                &subject_types,
                &subject_codes,
                &befores,
                &afters,
                &last_part,
                &keys(&item_codes),
                &keys(&subject_codes),
                &head.caller,
            ],
        )
        .await
        .map(|_| ())
    }

    /// Ends a write whose audit rows are there: the tenant's next revision, the
    /// log of commits, and the answer for a retry if the write had a key.
    /// `false`: the key is used already, so the write was made before and must
    /// not be committed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn finish_write(
        &self,
        head: &AuditHead<'_>,
        end: &Finished<'_>,
    ) -> Result<bool, StoreError> {
        const TENANT: &str = "-- finish_tenant
            UPDATE tenant
               SET revision = $2,
                   last_id = $3,
                   last_product_id = $4,
                   audit_hash = (SELECT hash
                                   FROM audit
                                  WHERE tenant_id = $1 AND revision = $2 AND last)
             WHERE id = $1";
        const LOG: &str = "-- log_commit
            INSERT INTO commit_log (n, member, tenant_id, revision)
            VALUES ($1, $2, $3, $4)";
        const ANSWER: &str = "-- keep_answer
            INSERT INTO idempotency (tenant_id, key, request_hash, answer, revision)
            VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (tenant_id, key) DO NOTHING";
        let (tenant, revision) = (head.tenant.0, stored(head.revision));
        self.execute(
            "finish_tenant",
            TENANT,
            &[&tenant, &revision, &end.last_id, &end.last_product_id],
        )
        .await?;
        let (n, member) = end.announcement.stored();
        self.execute("log_commit", LOG, &[&n, &member, &tenant, &revision])
            .await?;
        if head.idempotency_key.is_empty() {
            return Ok(true);
        }
        let kept = [
            &tenant as &(dyn tokio_postgres::types::ToSql + Sync),
            &head.idempotency_key,
            &end.request_hash,
            &end.answer,
            &revision,
        ];
        Ok(self.execute("keep_answer", ANSWER, &kept).await? == 1)
    }
}

/// The codes folded, to be found by.
fn keys(codes: &[Option<String>]) -> Vec<Option<String>> {
    let folded = codes.iter().map(|code| code.as_deref().map(Code::fold));
    folded.collect()
}

/// A revision as PostgreSQL keeps it.
pub(super) fn stored(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}

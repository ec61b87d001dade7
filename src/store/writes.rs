use tokio_postgres::types::ToSql;

use crate::domain::{Code, Edition, Revision};

use super::{Announcement, StoreError, TenantId, Transaction, round_trip::send_together};

/// Columns shared by all audit rows of a write.
#[derive(Clone, Copy, Debug)]
pub struct AuditHead<'a> {
    /// Tenant of the write.
    pub tenant: TenantId,
    /// Revision that the write creates.
    pub revision: Revision,
    /// Actor that requested the write, such as `user:julia`.
    pub actor: &'a str,
    /// ID of the request.
    pub request_id: &'a str,
    /// Idempotency key of the request; empty if none.
    pub idempotency_key: &'a str,
    /// Name of the caller by its credentials; empty if none.
    pub caller: &'a str,
}

/// Audit row to be written.
#[derive(Clone, Debug, Default)]
pub struct AuditRow {
    /// Kind of change, such as `product.created`.
    pub kind: String,
    /// Type and code of the entity concerned, unless it is a subject.
    pub item: Option<(&'static str, String)>,
    /// Type and code of the subject concerned.
    pub subject: Option<(&'static str, String)>,
    /// JSON of the state before.
    pub before: Option<String>,
    /// JSON of the state after.
    pub after: Option<String>,
}

/// Position of a batch of audit rows in its write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditBatch {
    /// More rows of the write follow.
    Middle,
    /// The last batch: its last row ends the write and carries its hash.
    Last,
}

/// Data stored at the end of a write.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// Announcement of the write.
    pub announcement: Announcement,
    /// Last number assigned to an entity other than products and models.
    pub last_id: i32,
    /// Last number assigned to a product or model.
    pub last_product_id: i32,
    /// Hash of the request, compared when a retry reuses its idempotency key.
    pub request_hash: &'a [u8],
    /// Encoded response, stored for a retry.
    pub answer: &'a [u8],
}

impl Transaction<'_> {
    /// Creates a tenant with its group `All`, number 1, unless the tenant exists.
    /// Waits for a concurrent write that creates it.
    ///
    /// # Errors
    ///
    /// [`StoreError::TenantLocked`] if the wait exceeds
    /// [`Bounds::lock`](super::Bounds::lock); [`StoreError::Unavailable`] if the
    /// database is unavailable.
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
        self.affected(SQL, &[&code.as_str(), &code.folded(), &edition])
            .await
            .map(|_| ())
            .map_err(|error| error.of_lock_wait(self.lock_wait()))
    }

    /// Writes audit rows, numbered from `first_part`. The last batch ends the
    /// write: its last row carries the hash that chains it to the previous write.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
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
        self.run(
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
    }

    /// Writes audit rows from the staging tables, numbered after `parts`, and returns
    /// their number.
    pub(super) async fn audit_from_staging(
        &self,
        sql: &'static str,
        head: &AuditHead<'_>,
        parts: i32,
    ) -> Result<i32, StoreError> {
        let parameters: [&(dyn ToSql + Sync); 7] = [
            &head.tenant.0,
            &stored(head.revision),
            &head.actor,
            &head.request_id,
            &head.idempotency_key,
            &parts,
            &head.caller,
        ];
        let rows = self.affected(sql, &parameters).await?;
        Ok(i32::try_from(rows).unwrap_or(i32::MAX))
    }

    /// Ends a write: writes its last audit rows, numbered from `first_part`, and stores
    /// the tenant's new revision, a row of the commit log, and the response for a retry
    /// if the request has an idempotency key; in one round trip.
    ///
    /// Returns false if the key is already used: the request was committed before,
    /// and this transaction must be rolled back.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn end_write(
        &self,
        head: &AuditHead<'_>,
        (first_part, rows): (i32, &[AuditRow]),
        end: &Finished<'_>,
    ) -> Result<bool, StoreError> {
        send_together!(
            _audited = self.write_audit(head, first_part, rows, AuditBatch::Last),
            is_first = self.finish_write(head, end),
        );
        Ok(is_first)
    }

    async fn finish_write(
        &self,
        head: &AuditHead<'_>,
        end: &Finished<'_>,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "-- finish_write
            WITH finished AS (
                UPDATE tenant
                   SET revision = $2,
                       last_id = $3,
                       last_product_id = $4,
                       audit_hash = (SELECT hash
                                       FROM audit
                                      WHERE tenant_id = $1 AND revision = $2 AND last
                                      ORDER BY part DESC LIMIT 1)
                 WHERE id = $1),
            logged AS (
                INSERT INTO commit_log (n, member, tenant_id, revision)
                VALUES ($5, $6, $1, $2)),
            kept AS (
                INSERT INTO idempotency (tenant_id, key, request_hash, answer, revision)
                SELECT $1, $7::text, $8::bytea, $9::bytea, $2
                 WHERE $7::text <> ''
                    ON CONFLICT (tenant_id, key) DO NOTHING
                RETURNING key)
            SELECT $7::text = '' OR EXISTS (SELECT FROM kept) AS is_first";
        let (n, member) = end.announcement.stored();
        let parameters: [&(dyn ToSql + Sync); 9] = [
            &head.tenant.0,
            &stored(head.revision),
            &end.last_id,
            &end.last_product_id,
            &n,
            &member,
            &head.idempotency_key,
            &end.request_hash,
            &end.answer,
        ];
        let row = self.first_row(SQL, &parameters).await?;
        Ok(row.is_some_and(|row| row.get("is_first")))
    }
}

/// Returns the case-folded codes, used as keys for look-ups.
fn keys(codes: &[Option<String>]) -> Vec<Option<String>> {
    let folded = codes.iter().map(|code| code.as_deref().map(Code::fold));
    folded.collect()
}

/// Converts a revision to a `bigint` parameter.
pub(super) fn stored(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}

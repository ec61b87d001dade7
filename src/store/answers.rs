use crate::domain::{Code, Revision};

use super::{StoreError, Transaction, writes::stored};

/// The answer of a write that had an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// sha256 of the request, to tell a retry from another request.
    pub request_hash: Vec<u8>,
    /// The answer, as it was encoded.
    pub answer: Vec<u8>,
}

impl Transaction<'_> {
    /// Keeps the answer of a write that changed nothing at `revision`; `false`
    /// when the key is used already or the tenant is gone.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn keep_answer(
        &self,
        tenant: &Code,
        key: &str,
        kept: &KeptAnswer,
        revision: Revision,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "-- keep_unchanged_answer
            INSERT INTO idempotency (tenant_id, key, request_hash, answer, revision)
            SELECT id, $2, $3, $4, $5
              FROM tenant
             WHERE key = $1
                ON CONFLICT (tenant_id, key) DO NOTHING";
        // No fact changes, so there is nothing to announce.
        self.set_door("answer").await?;
        let KeptAnswer {
            request_hash,
            answer,
        } = kept;
        let kept = self
            .execute(
                "keep_unchanged_answer",
                SQL,
                &[
                    &tenant.folded(),
                    &key,
                    request_hash,
                    answer,
                    &stored(revision),
                ],
            )
            .await?;
        Ok(kept == 1)
    }

    /// Finds the answer that was kept under a key of a tenant, a deleted one of
    /// the same code included.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn find_answer(
        &self,
        tenant: &Code,
        key: &str,
    ) -> Result<Option<KeptAnswer>, StoreError> {
        const SQL: &str = "-- find_answer
            SELECT kept.request_hash, kept.answer
              FROM (SELECT id FROM tenant WHERE key = $1
                     UNION ALL
                    SELECT id FROM tenant WHERE deleted_key = $1) AS named
              JOIN idempotency AS kept ON kept.tenant_id = named.id AND kept.key = $2
             ORDER BY named.id DESC
             LIMIT 1";
        let rows = self
            .query("find_answer", SQL, &[&tenant.folded(), &key])
            .await?;
        Ok(rows.first().map(|row| KeptAnswer {
            request_hash: row.get("request_hash"),
            answer: row.get("answer"),
        }))
    }
}

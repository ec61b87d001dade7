use crate::domain::{Code, Revision};

use super::{StoreError, TenantId, Transaction, writes::stored};

/// Stored response of a write that carried an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResponse {
    /// SHA-256 of the request, which distinguishes a retry from another request.
    pub request_hash: Vec<u8>,
    /// Encoded response.
    pub answer: Vec<u8>,
}

/// Tenants whose stored responses apply to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseScope<'a> {
    /// Only the current tenant with the code.
    Tenant,
    /// Also deleted tenants that had the code, but only responses to the same
    /// request, which is their deletion.
    DeletedTenants {
        /// SHA-256 of the request.
        request_hash: &'a [u8],
    },
}

impl Transaction<'_> {
    /// Stores the response of a write that changes nothing in a locked tenant at
    /// `revision`. Returns `false` if the key is already used.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn store_response(
        &self,
        tenant: TenantId,
        key: &str,
        kept: &StoredResponse,
        revision: Revision,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "-- keep_unchanged_answer
            INSERT INTO idempotency (tenant_id, key, request_hash, answer, revision)
            VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (tenant_id, key) DO NOTHING";
        // No fact changes, so nothing has to be announced.
        self.permit_writes("answer").await?;
        let StoredResponse {
            request_hash,
            answer,
        } = kept;
        let kept = self
            .affected(
                SQL,
                &[&tenant.0, &key, request_hash, answer, &stored(revision)],
            )
            .await?;
        Ok(kept == 1)
    }

    /// Returns the response stored under a tenant's idempotency key.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn find_response(
        &self,
        tenant: &Code,
        key: &str,
        of: ResponseScope<'_>,
    ) -> Result<Option<StoredResponse>, StoreError> {
        const SQL: &str = "-- find_response
            SELECT kept.request_hash, kept.answer
              FROM (SELECT id FROM tenant WHERE key = $1
                     UNION ALL
                    SELECT id FROM tenant WHERE deleted_key = $1 AND $3::bytea IS NOT NULL) AS named
              JOIN tenant ON tenant.id = named.id
              JOIN idempotency AS kept ON kept.tenant_id = named.id AND kept.key = $2
             WHERE tenant.deleted_key IS NULL OR kept.request_hash = $3
             ORDER BY named.id DESC
             LIMIT 1";
        let deletion = match of {
            ResponseScope::Tenant => None,
            ResponseScope::DeletedTenants { request_hash } => Some(request_hash),
        };
        self.find(SQL, &[&tenant.folded(), &key, &deletion], |row| {
            Ok(StoredResponse {
                request_hash: row.get("request_hash")?,
                answer: row.get("answer")?,
            })
        })
        .await
    }
}

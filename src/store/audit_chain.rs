use sha2::{Digest as _, Sha256};

use crate::domain::Revision;

use super::{Snapshot, StoreError, tenants, writes::stored};

/// Number of writes verified per statement.
const WRITES_AT_ONCE: i64 = 500;

/// Result of verifying an audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainReport {
    /// Number of rows read.
    pub rows: u64,
    /// Number of those rows from which a person's name was erased.
    pub erased: u64,
    /// First write that fails verification, and the reason.
    pub broken: Option<(Revision, String)>,
}

/// One write as recorded in the log.
struct Write {
    revision: Revision,
    rows: i64,
    last_part: i64,
    ends: i64,
    erased: i64,
    is_intact: bool,
    chain: Vec<u8>,
    hash: Vec<u8>,
}

impl Write {
    /// Returns why the write fails verification, if it does; `expected` is the next
    /// revision.
    fn fault(&self, expected: Revision, previous: &[u8]) -> Option<String> {
        if self.revision != expected {
            return Some("no row of it is there".to_owned());
        }
        if self.rows != self.last_part || self.ends != 1 {
            return Some("rows of it are missing".to_owned());
        }
        if !self.is_intact {
            return Some("a row is not what was written".to_owned());
        }
        let chained = Sha256::new_with_prefix(previous).chain_update(&self.chain);
        (chained.finalize().as_slice() != self.hash)
            .then(|| "its hash is not that of its rows after the write before".to_owned())
    }
}

impl Snapshot<'_> {
    /// Recomputes every hash of the tenant's audit log and checks that no write is
    /// missing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn verify_chain(&self) -> Result<ChainReport, StoreError> {
        let mut report = ChainReport::default();
        let mut previous: Vec<u8> = Vec::new();
        let mut at = Revision(0);
        let end = self.tenant().revision;
        while at < end {
            let writes = self.writes_after(at).await?;
            for write in &writes {
                let expected = Revision(at.0 + 1);
                report.rows += write.rows.unsigned_abs();
                report.erased += write.erased.unsigned_abs();
                if let Some(fault) = write.fault(expected, &previous) {
                    report.broken = Some((expected, fault));
                    return Ok(report);
                }
                previous.clone_from(&write.hash);
                at = expected;
            }
            if writes.is_empty() {
                let missing = Revision(at.0 + 1);
                report.broken = Some((missing, "no row of it is there".to_owned()));
                return Ok(report);
            }
        }
        if !self.writes_after(end).await?.is_empty() {
            let fault = "there are writes after the last one that the tenant knows of".to_owned();
            report.broken = Some((Revision(end.0 + 1), fault));
            return Ok(report);
        }
        if previous != self.last_hash().await? {
            let fault = "it is not the last write that the tenant knows of".to_owned();
            report.broken = Some((end, fault));
        }
        Ok(report)
    }

    async fn last_hash(&self) -> Result<Vec<u8>, StoreError> {
        const SQL: &str = "-- last_audit_hash
            SELECT audit_hash
              FROM tenant
             WHERE id = $1";
        let tenant = self.tenant().id.0;
        let row = self.first_row(SQL, &[&tenant]).await?;
        Ok(row.map(|row| row.get(0)).unwrap_or_default())
    }

    async fn writes_after(&self, revision: Revision) -> Result<Vec<Write>, StoreError> {
        const SQL: &str = "-- verify_writes
            SELECT revision, count(*) AS rows, max(part)::bigint AS last_part, count(*) FILTER (WHERE last) AS ends,
                   count(*) FILTER (WHERE erased) AS erased, coalesce(decode(max(encode(hash, 'hex')) FILTER (WHERE last), 'hex'), ''::bytea) AS hash,
                   chain_hash(row_hash ORDER BY part) AS chain,
                   bool_and((erased AND nonce = '00000000-0000-0000-0000-000000000000') OR row_hash = audit_row_hash(revision, part, time, actor, request_id, idempotency_key, kind,
                            item_type, item_code, subject_type, subject_code, before, after, nonce, caller)) AS holds
              FROM audit
             WHERE tenant_id = $1 AND revision > $2 AND revision <= $2 + $3
             GROUP BY revision
             ORDER BY revision";
        let (tenant, after) = (self.tenant().id.0, stored(revision));
        let rows = self.rows(SQL, &[&tenant, &after, &WRITES_AT_ONCE]).await?;
        let writes = rows.iter().map(|row| Write {
            revision: tenants::revision(row.get("revision")),
            rows: row.get("rows"),
            last_part: row.get("last_part"),
            ends: row.get("ends"),
            erased: row.get("erased"),
            is_intact: row.get("holds"),
            chain: row.get("chain"),
            hash: row.get("hash"),
        });
        Ok(writes.collect())
    }
}

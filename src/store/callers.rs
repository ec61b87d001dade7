use tokio_postgres::Row;

use crate::domain::{
    Caller, CallerDirectory, CallerId, CallerRight, CallerRights, Code, FactKey, KeyHash, KeyId,
    OidcIdentity, StoredKey,
};

use super::{AsOf, ReadAsOf, Snapshot, Store, StoreError, TenantId, Transaction, tenants};

/// Selects callers with all their parts, one row per caller.
const CALLERS: &str = include_str!("callers.sql");

/// A caller with its database id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerRow {
    /// Database id, never reused.
    pub id: CallerId,
    /// The caller.
    pub caller: Caller,
}

/// A key to insert.
#[derive(Clone, Copy, Debug)]
pub struct NewKey {
    /// Database id of the caller.
    pub caller: CallerId,
    /// Identifier by which the key is looked up.
    pub id: KeyId,
    /// Hash of the key's secret.
    pub hash: KeyHash,
    /// Validity in microseconds from the transaction's start, by the database's
    /// clock; `None` if the key does not expire.
    pub valid_for: Option<i64>,
}

/// Changes to callers, written by [`Transaction::write_callers`], deletions first.
#[derive(Clone, Debug, Default)]
pub struct CallerChanges {
    /// Database ids of callers to delete, with their keys.
    pub removed: Vec<CallerId>,
    /// New or changed callers; their keys are ignored.
    pub put: Vec<CallerRow>,
    /// Keys to delete.
    pub removed_keys: Vec<KeyId>,
    /// Keys to insert.
    pub new_keys: Vec<NewKey>,
}

impl Store {
    /// Reads all callers in one round trip.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable or a standby;
    /// [`StoreError::CorruptRow`] if a stored value violates the domain's rules.
    pub async fn callers(&self) -> Result<ReadAsOf<CallerDirectory>, StoreError> {
        const NAME: &str = "load_callers";
        let sql = format!(
            "-- {NAME}
            SELECT head.seq, head.epoch, pg_is_in_recovery() AS standby,
                   ARRAY(SELECT key FROM intent CROSS JOIN unnest(intent.keys) AS key WHERE key IN ($1, $2)) AS pending,
                   stored.*
              FROM head LEFT JOIN ({CALLERS}) AS stored ON true"
        );
        let everything = FactKey::Everything.to_string();
        let key = FactKey::Callers.to_string();
        let rows = self.query(NAME, &sql, &[&everything, &key]).await?;
        let head = tenants::head(NAME, rows.first())?;
        let as_of = AsOf {
            seq: head.get::<_, i64>("seq").unsigned_abs(),
            epoch: head.get::<_, i64>("epoch").unsigned_abs(),
            pending: head.get("pending"),
        };
        let stored = rows
            .iter()
            .filter(|row| row.get::<_, Option<CallerId>>("id").is_some());
        let callers = stored.map(|row| Ok(caller(NAME, row)?.caller));
        Ok(ReadAsOf {
            as_of,
            tenant: None,
            found: CallerDirectory::of(callers.collect::<Result<_, StoreError>>()?),
        })
    }
}

impl Snapshot<'_> {
    /// Reads the next callers after a folded name, ordered by folded name.
    ///
    /// # Errors
    ///
    /// As [`Store::callers`].
    pub async fn callers_after(
        &self,
        after: &str,
        limit: usize,
    ) -> Result<Vec<CallerRow>, StoreError> {
        const NAME: &str = "list_callers";
        let sql = format!(
            "-- {NAME}
            {CALLERS}
             WHERE caller.key > $1
             ORDER BY caller.key
             LIMIT $2"
        );
        let limit = super::product_lists::count(limit);
        let rows = self.query(NAME, &sql, &[&after, &limit]).await?;
        rows.iter().map(|row| caller(NAME, row)).collect()
    }
}

impl Transaction<'_> {
    /// Reads all callers, ordered by folded name.
    ///
    /// # Errors
    ///
    /// As [`Store::callers`].
    pub async fn read_callers(&self) -> Result<Vec<CallerRow>, StoreError> {
        const NAME: &str = "read_callers";
        let sql = format!("-- {NAME}\n{CALLERS}\n ORDER BY caller.key");
        let rows = self.query(NAME, &sql, &[]).await?;
        rows.iter().map(|row| caller(NAME, row)).collect()
    }

    /// Writes the changes to callers.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn write_callers(
        &self,
        tenant: TenantId,
        changes: &CallerChanges,
    ) -> Result<(), StoreError> {
        let CallerChanges {
            removed,
            put,
            removed_keys,
            new_keys,
        } = changes;
        let put_ids: Vec<CallerId> = put.iter().map(|row| row.id).collect();
        let cleared: Vec<CallerId> = removed.iter().chain(&put_ids).copied().collect();
        let keys: Vec<&str> = removed_keys.iter().map(KeyId::as_str).collect();
        self.run(DELETE_KEYS, &[&tenant.0, removed, &keys]).await?;
        for sql in DELETE_ENTRIES {
            self.run(sql, &[&tenant.0, &cleared]).await?;
        }
        self.run(DELETE, &[&tenant.0, removed]).await?;
        self.put_callers(tenant, put).await?;
        for key in new_keys {
            let NewKey {
                caller,
                id,
                hash,
                valid_for,
            } = key;
            let (id, hash) = (id.as_str(), hash.as_bytes());
            self.run(INSERT_KEY, &[&tenant.0, &id, caller, &hash, valid_for])
                .await?;
        }
        Ok(())
    }

    async fn put_callers(&self, tenant: TenantId, put: &[CallerRow]) -> Result<(), StoreError> {
        for CallerRow { id, caller } in put {
            let Caller {
                name,
                tenants,
                all_tenants,
                rights,
                subject_alternative_names,
                oidc_identities,
                keys: _,
            } = caller;
            let rights: Vec<&str> = rights.iter().map(Into::into).collect();
            self.run(
                PUT,
                &[
                    &tenant.0,
                    id,
                    &name.as_str(),
                    &name.folded(),
                    all_tenants,
                    &rights,
                ],
            )
            .await?;
            let (codes, folded): (Vec<&str>, Vec<&str>) = tenants
                .iter()
                .map(|code| (code.as_str(), code.folded()))
                .unzip();
            let names: Vec<&str> = subject_alternative_names
                .iter()
                .map(String::as_str)
                .collect();
            let (issuers, subjects): (Vec<&str>, Vec<&str>) = oidc_identities
                .iter()
                .map(|identity| (identity.issuer.as_str(), identity.subject.as_str()))
                .unzip();
            self.run(PUT_TENANTS, &[&tenant.0, id, &codes, &folded])
                .await?;
            self.run(PUT_NAMES, &[&tenant.0, id, &names]).await?;
            self.run(PUT_IDENTITIES, &[&tenant.0, id, &issuers, &subjects])
                .await?;
        }
        Ok(())
    }
}

const DELETE_KEYS: &str = "-- delete_caller_keys
    DELETE FROM caller_key
     WHERE tenant_id = $1 AND (caller_id = ANY ($2) OR id = ANY ($3))";

/// Deletes the entries of callers that are deleted or replaced.
const DELETE_ENTRIES: [&str; 3] = [
    "-- delete_caller_entries
    DELETE FROM caller_tenant WHERE tenant_id = $1 AND caller_id = ANY ($2)",
    "-- delete_caller_entries
    DELETE FROM caller_subject_alternative_name WHERE tenant_id = $1 AND caller_id = ANY ($2)",
    "-- delete_caller_entries
    DELETE FROM caller_oidc_identity WHERE tenant_id = $1 AND caller_id = ANY ($2)",
];

const DELETE: &str = "-- delete_callers
    DELETE FROM caller
     WHERE tenant_id = $1 AND id = ANY ($2)";

const PUT: &str = "-- put_caller
    INSERT INTO caller (tenant_id, id, name, key, all_tenants, rights)
    VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (tenant_id, id) DO UPDATE
       SET all_tenants = EXCLUDED.all_tenants,
           rights = EXCLUDED.rights";

const PUT_TENANTS: &str = "-- put_caller_tenants
    INSERT INTO caller_tenant (tenant_id, caller_id, code, key)
    SELECT $1, $2, code, key
      FROM unnest($3::text[], $4::text[]) AS given (code, key)";

const PUT_NAMES: &str = "-- put_caller_names
    INSERT INTO caller_subject_alternative_name (tenant_id, caller_id, name)
    SELECT $1, $2, name
      FROM unnest($3::text[]) AS given (name)";

const PUT_IDENTITIES: &str = "-- put_caller_identities
    INSERT INTO caller_oidc_identity (tenant_id, caller_id, issuer, subject)
    SELECT $1, $2, issuer, subject
      FROM unnest($3::text[], $4::text[]) AS given (issuer, subject)";

const INSERT_KEY: &str = "-- insert_caller_key
    INSERT INTO caller_key (tenant_id, id, caller_id, hash, expires_at)
    VALUES ($1, $2, $3, $4, transaction_timestamp() + interval '1 microsecond' * $5::bigint)";

/// Parses a row as a caller.
fn caller(statement: &'static str, row: &Row) -> Result<CallerRow, StoreError> {
    let corrupt = |message: String| StoreError::CorruptRow { statement, message };
    let code = |text: &str| -> Result<Code, StoreError> {
        text.parse().map_err(|_| corrupt(format!("code `{text}`")))
    };
    let name = code(row.get("name"))?;
    let rights: Vec<&str> = row.get("rights");
    let right = |text: &&str| {
        let right: Result<CallerRight, _> = text.parse();
        right.map_err(|_| corrupt(format!("right `{text}` of `{name}`")))
    };
    let rights: CallerRights = rights.iter().map(right).collect::<Result<_, _>>()?;
    let tenants: Vec<&str> = row.get("tenants");
    let names: Vec<String> = row.get("subject_alternative_names");
    let issuers: Option<Vec<String>> = row.get("issuers");
    let subjects: Option<Vec<String>> = row.get("subjects");
    let identities = issuers.unwrap_or_default().into_iter();
    let identities = identities.zip(subjects.unwrap_or_default());
    let keys = keys(row).ok_or_else(|| corrupt(format!("a key of `{name}`")))?;
    Ok(CallerRow {
        id: row.get("id"),
        caller: Caller {
            tenants: tenants.into_iter().map(code).collect::<Result<_, _>>()?,
            all_tenants: row.get("all_tenants"),
            rights,
            subject_alternative_names: names.into_iter().collect(),
            oidc_identities: identities
                .map(|(issuer, subject)| OidcIdentity { issuer, subject })
                .collect(),
            keys,
            name,
        },
    })
}

/// Parses the keys of a caller; `None` if one of them is invalid.
fn keys(row: &Row) -> Option<Vec<StoredKey>> {
    let Some(ids) = row.get::<_, Option<Vec<&str>>>("key_ids") else {
        return Some(Vec::new());
    };
    let hashes: Vec<&[u8]> = row.get("key_hashes");
    let created: Vec<i64> = row.get("key_created");
    let ends: Vec<Option<i64>> = row.get("key_ends");
    let keys = ids.into_iter().zip(hashes).zip(created).zip(ends);
    let keys = keys.map(|(((id, hash), created_at), expires_at)| {
        Some(StoredKey {
            id: id.parse().ok()?,
            hash: KeyHash::stored(hash)?,
            created_at,
            expires_at,
        })
    });
    keys.collect()
}

use crate::{
    domain::{Code, Revision},
    store::{Store, StoreError, TenantRow, product_lists::count, tenants},
};

impl Store {
    /// Reads the revisions of tenants; one that is not there is left out.
    ///
    /// # Errors
    ///
    /// As [`Store::tenants_after`].
    pub async fn revisions_of(
        &self,
        tenants: &[Code],
    ) -> Result<Vec<(Code, Revision)>, StoreError> {
        const SQL: &str = "-- revisions_of
            SELECT id, code, edition, revision
              FROM tenant
             WHERE key = ANY ($1)";
        let keys: Vec<&str> = tenants.iter().map(Code::folded).collect();
        let rows = self.query("revisions_of", SQL, &[&keys]).await?;
        let found = rows.iter().map(|row| {
            let found = tenants::tenant("revisions_of", row)?;
            Ok((found.code, found.revision))
        });
        found.collect()
    }

    /// Reads the next tenants after a folded code, in the order of the folded
    /// codes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer,
    /// [`StoreError::CorruptRow`] when what is stored breaks the domain's rules.
    pub async fn tenants_after(
        &self,
        after: &str,
        limit: usize,
    ) -> Result<Vec<TenantRow>, StoreError> {
        const SQL: &str = "-- list_tenants
            SELECT id, code, edition, revision
              FROM tenant
             WHERE key > $1 AND deleted_key IS NULL
             ORDER BY key
             LIMIT $2";
        let rows = self
            .query("list_tenants", SQL, &[&after, &count(limit)])
            .await?;
        rows.iter()
            .map(|row| tenants::tenant("list_tenants", row))
            .collect()
    }
}

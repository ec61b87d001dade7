use crate::{
    domain::Code,
    store::{
        Store, StoreError, TenantRow, product_lists::count, tenants, unconfirmed::Unconfirmed,
    },
};

impl Store {
    /// Reads the revisions of tenants; a tenant that does not exist is omitted.
    ///
    /// # Errors
    ///
    /// As [`Store::tenants_after`].
    pub async fn revisions_of(&self, tenants: &[Code]) -> Result<Vec<TenantRow>, StoreError> {
        const SQL: &str = "-- revisions_of
            SELECT id, code, edition, revision
              FROM tenant
             WHERE key = ANY ($1)";
        let keys: Vec<&str> = tenants.iter().map(Code::folded).collect();
        let rows = self.query("revisions_of", SQL, &[&keys]).await?;
        rows.iter()
            .map(|row| tenants::tenant("revisions_of", row))
            .collect()
    }

    /// Reads the next tenants after a folded code, ordered by folded code and
    /// restricted to `among` if given.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable or a standby,
    /// [`StoreError::CorruptRow`] if a stored value violates the domain's rules.
    pub async fn tenants_after(
        &self,
        after: &str,
        limit: usize,
        among: Option<&[&Code]>,
    ) -> Result<Unconfirmed<Vec<TenantRow>>, StoreError> {
        const NAME: &str = "list_tenants";
        const SQL: &str = "-- list_tenants
            SELECT listed.*, head.epoch, pg_is_in_recovery() AS standby
              FROM head
              LEFT JOIN (SELECT id, code, edition, revision, key
                           FROM tenant
                          WHERE key > $1 AND deleted_key IS NULL AND ($3::text[] IS NULL OR key = ANY ($3))
                          ORDER BY key
                          LIMIT $2) AS listed ON true
             ORDER BY listed.key";
        let among: Option<Vec<&str>> =
            among.map(|among| among.iter().map(|code| code.folded()).collect());
        let rows = self
            .query(NAME, SQL, &[&after, &count(limit), &among])
            .await?;
        let head = tenants::head(NAME, rows.first())?;
        let epoch = head.get::<_, i64>("epoch").unsigned_abs();
        let listed = rows
            .iter()
            .filter(|row| row.get::<_, Option<i32>>("id").is_some())
            .map(|row| tenants::tenant(NAME, row))
            .collect::<Result<_, _>>()?;
        Ok(Unconfirmed::new(epoch, listed))
    }
}

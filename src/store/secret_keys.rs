use secrecy::SecretSlice;

use super::{Store, StoreError};

impl Store {
    /// Reads the key that page tokens are authenticated with: 32 bytes, made by
    /// the migration, the same for all servers of the database, for ever.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer,
    /// [`StoreError::CorruptRow`] when there is no key.
    pub async fn page_token_key(&self) -> Result<SecretSlice<u8>, StoreError> {
        const SQL: &str = "-- page_token_key
            SELECT value
              FROM secret_key
             WHERE name = 'page_token'";
        let rows = self.query("page_token_key", SQL, &[]).await?;
        let Some(row) = rows.first() else {
            return Err(StoreError::CorruptRow {
                statement: "page_token_key",
                message: "there is no key; it was made by the migration".to_owned(),
            });
        };
        Ok(row.get::<_, Vec<u8>>("value").into())
    }
}

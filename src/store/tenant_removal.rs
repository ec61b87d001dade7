use crate::domain::Edition;

use super::{StoreError, TenantId, Transaction};

/// Tables of a tenant's facts in a valid order of deletion, each with true if its
/// rows are entities that an effect counts.
const TABLES: [(&str, bool); 18] = [
    ("app_request", false),
    ("app_scope", false),
    ("app_selection", false),
    ("app", false),
    ("subject_role", false),
    ("membership", false),
    ("subject", true),
    ("access_right", true),
    ("grid_view_group", false),
    ("grid_view", true),
    ("attribute", true),
    ("channel_locale", false),
    ("item", true),
    ("role_permission", false),
    ("role", true),
    ("user_group", true),
    // Before the categories: a trigger reads products that leave them.
    ("product", true),
    ("product_category", false),
];

impl Transaction<'_> {
    /// Returns the number of entities of a tenant, including the tenant itself.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn count_tenant(&self, tenant: TenantId) -> Result<u64, StoreError> {
        let counted = TABLES.iter().filter(|(_, is_counted)| *is_counted);
        let counts: Vec<String> = counted
            .map(|(table, _)| format!("(SELECT count(*) FROM {table} WHERE tenant_id = $1)"))
            .collect();
        let sql = format!("-- count_tenant\nSELECT 1 + {}", counts.join(" + "));
        let rows = self.query("count_tenant", &sql, &[&tenant.0]).await?;
        Ok(rows
            .first()
            .map_or(0, |row| row.get::<_, i64>(0).unsigned_abs()))
    }

    /// Deletes all data of a tenant except its audit log and the responses stored
    /// for retries. The tenant's row remains for these, and its code becomes free.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn delete_tenant(&self, tenant: TenantId) -> Result<(), StoreError> {
        // Unique and unreachable: no code contains a control character.
        const FREE_CODE: &str = "-- free_tenant_code
            UPDATE tenant
               SET deleted_key = key,
                   key = E'\\x01' || id
             WHERE id = $1";
        for (table, _) in TABLES {
            let sql = format!("-- delete_tenant\nDELETE FROM {table} WHERE tenant_id = $1");
            self.execute("delete_tenant", &sql, &[&tenant.0]).await?;
        }
        self.run(FREE_CODE, &[&tenant.0]).await
    }

    /// Stores the edition of a tenant.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn set_edition(&self, tenant: TenantId, edition: Edition) -> Result<(), StoreError> {
        const SQL: &str = "-- set_edition
            UPDATE tenant
               SET edition = $2
             WHERE id = $1";
        let edition: &str = edition.into();
        self.run(SQL, &[&tenant.0, &edition]).await
    }
}

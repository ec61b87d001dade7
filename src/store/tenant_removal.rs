use crate::domain::Edition;

use super::{StoreError, TenantId, Transaction};

/// The tables of a tenant's facts in an order in which they can be emptied, and
/// whether their rows are things that an effect counts.
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
    // Before the categories: a trigger looks at products that leave them.
    ("product", true),
    ("product_category", false),
];

impl Transaction<'_> {
    /// Counts everything of a tenant, itself included.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn count_tenant(&self, tenant: TenantId) -> Result<u64, StoreError> {
        let counted = TABLES.iter().filter(|(_, counts)| *counts);
        let counts: Vec<String> = counted
            .map(|(table, _)| format!("(SELECT count(*) FROM {table} WHERE tenant_id = $1)"))
            .collect();
        let sql = format!("-- count_tenant\nSELECT 1 + {}", counts.join(" + "));
        let rows = self.query("count_tenant", &sql, &[&tenant.0]).await?;
        Ok(rows
            .first()
            .map_or(0, |row| row.get::<_, i64>(0).unsigned_abs()))
    }

    /// Deletes everything of a tenant but its audit log and the answers kept
    /// for retries; its row stays for them, without the code.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn delete_tenant(&self, tenant: TenantId) -> Result<(), StoreError> {
        // No code holds a control character.
        const FREE_CODE: &str = "-- free_tenant_code
            UPDATE tenant
               SET deleted_key = key,
                   key = E'\\x01' || id
             WHERE id = $1";
        for (table, _) in TABLES {
            let sql = format!("-- delete_tenant\nDELETE FROM {table} WHERE tenant_id = $1");
            self.execute("delete_tenant", &sql, &[&tenant.0]).await?;
        }
        self.execute("free_tenant_code", FREE_CODE, &[&tenant.0])
            .await
            .map(|_| ())
    }

    /// Sets the edition of a tenant.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn set_edition(&self, tenant: TenantId, edition: Edition) -> Result<(), StoreError> {
        const SQL: &str = "-- set_edition
            UPDATE tenant
               SET edition = $2
             WHERE id = $1";
        let edition: &str = edition.into();
        self.execute("set_edition", SQL, &[&tenant.0, &edition])
            .await
            .map(|_| ())
    }
}

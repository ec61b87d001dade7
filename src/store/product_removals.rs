use tokio_postgres::types::ToSql;

use crate::domain::{ItemId, ProductKind};

use super::{
    AuditHead, StoreError, TenantId, Transaction,
    entity_rows::{Columns, FromRow},
};

/// Model that still has children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInUse {
    /// Code of the model.
    pub code: String,
    /// Number of its children that are not nominated for deletion.
    pub children: u64,
}

impl FromRow for ModelInUse {
    fn from_row(row: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            code: row.get("code")?,
            children: row.count("children")?,
        })
    }
}

impl Transaction<'_> {
    /// Nominates products or models for deletion, by their folded codes. Returns the
    /// position, from 0, of the first key that is not stored. Staging must be
    /// prepared.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn nominate_removals(
        &self,
        tenant: TenantId,
        kind: ProductKind,
        keys: &[&str],
    ) -> Result<Option<usize>, StoreError> {
        const NOMINATE: &str = "-- nominate_removals
            INSERT INTO removed_product (id, model, code, key, parent)
            SELECT product.id, $2, product.code, given.key, product.parent_id
              FROM (SELECT DISTINCT key FROM unnest($3::text[]) AS key) AS given
             CROSS JOIN LATERAL (SELECT id, code, parent_id FROM product AS p
                                  WHERE p.tenant_id = $1 AND p.model = $2 AND p.key = given.key OFFSET 0) AS product";
        const UNKNOWN: &str = "-- first_unknown_removal
            SELECT min(given.place)
              FROM unnest($3::text[]) WITH ORDINALITY AS given (key, place)
             WHERE NOT EXISTS (SELECT FROM product AS p WHERE p.tenant_id = $1 AND p.model = $2 AND p.key = given.key)";
        let model = kind == ProductKind::Model;
        let given: [&(dyn ToSql + Sync); 3] = [&tenant.0, &model, &keys];
        self.run(NOMINATE, &given).await?;
        let row = self.first_row(UNKNOWN, &given).await?;
        let place: Option<i64> = row.and_then(|row| row.get(0));
        Ok(place.and_then(|place| usize::try_from(place - 1).ok()))
    }

    /// Clears the nominations for deletion.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn clear_removals(&self) -> Result<(), StoreError> {
        self.batch("clear_removals", "TRUNCATE removed_product")
            .await
    }

    /// Nominates for deletion the products, or models, that were not staged. Returns
    /// their number and the number of all that are stored.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn nominate_unstaged(
        &self,
        tenant: TenantId,
        model: bool,
    ) -> Result<(u64, u64), StoreError> {
        const NOMINATE: &str = include_str!("product_removals_nominate.sql");
        const COUNT: &str = "-- count_products
            SELECT count(*) FROM product WHERE tenant_id = $1 AND model = $2";
        let removed = self.affected(NOMINATE, &[&tenant.0, &model]).await?;
        self.batch("analyze_removals", "ANALYZE removed_product")
            .await?;
        let row = self.first_row(COUNT, &[&tenant.0, &model]).await?;
        let of: i64 = row.map_or(0, |row| row.get(0));
        Ok((removed, of.unsigned_abs()))
    }

    /// Finds the first nominated model that would still have children once the
    /// staged difference is applied.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn find_model_left(
        &self,
        tenant: TenantId,
    ) -> Result<Option<ModelInUse>, StoreError> {
        const SQL: &str = include_str!("product_removals_model_left.sql");
        self.find(SQL, &[&tenant.0], ModelInUse::from_row).await
    }

    /// Returns true if a product, not a model, has this folded code.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn has_product(&self, tenant: TenantId, key: &str) -> Result<bool, StoreError> {
        const SQL: &str = "-- has_product
            SELECT FROM product WHERE tenant_id = $1 AND NOT model AND key = $2";
        let rows = self.rows(SQL, &[&tenant.0, &key]).await?;
        Ok(!rows.is_empty())
    }

    /// Finds the first nominated model with a child that is not nominated.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn find_model_in_use(
        &self,
        tenant: TenantId,
    ) -> Result<Option<ModelInUse>, StoreError> {
        const SQL: &str = "-- find_model_in_use
            SELECT removed.code, count(*) AS children
              FROM removed_product AS removed
              JOIN product AS child ON child.tenant_id = $1 AND child.parent_id = removed.id
             WHERE removed.model AND NOT EXISTS (SELECT FROM removed_product AS r WHERE r.id = child.id)
             GROUP BY removed.id, removed.code
             ORDER BY removed.id
             LIMIT 1";
        self.find(SQL, &[&tenant.0], ModelInUse::from_row).await
    }

    /// Nominates the descendants of nominated models as well, at most two levels.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn nominate_variants(&self, tenant: TenantId) -> Result<(), StoreError> {
        const SQL: &str = "-- nominate_variants
            INSERT INTO removed_product (id, model, code, key, parent)
            SELECT child.id, child.model, child.code, child.key, child.parent_id
              FROM removed_product AS removed
              JOIN product AS child ON child.tenant_id = $1 AND child.parent_id = removed.id
             WHERE removed.model AND NOT EXISTS (SELECT FROM removed_product AS r WHERE r.id = child.id)";
        for _level in 0..2 {
            self.run(SQL, &[&tenant.0]).await?;
        }
        Ok(())
    }

    /// Returns the numbers of nominated models and of nominated products, and stages
    /// their categories for the audit log.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn count_removals(&self, tenant: TenantId) -> Result<[u64; 2], StoreError> {
        const DESCRIBE: &str = include_str!("product_removals_describe.sql");
        const COUNT: &str = "-- count_removals
            SELECT count(*) FILTER (WHERE model) AS models, count(*) FILTER (WHERE NOT model) AS products
              FROM removed_product";
        self.run(DESCRIBE, &[&tenant.0]).await?;
        let counts = self.find(COUNT, &[], |row| {
            Ok([row.count("models")?, row.count("products")?])
        });
        Ok(counts.await?.unwrap_or_default())
    }

    /// Deletes the nominated products and models.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn delete_products(&self, tenant: TenantId) -> Result<(), StoreError> {
        // Products first: a trigger reads those that leave categories.
        const PRODUCTS: &str = include_str!("product_removals_delete.sql");
        const CATEGORIES: &str = include_str!("product_removals_delete_categories.sql");
        self.run(PRODUCTS, &[&tenant.0]).await?;
        self.run(CATEGORIES, &[&tenant.0]).await
    }

    /// Writes an audit row for each product and model that is to be deleted,
    /// numbered after `parts`, and returns their number.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn audit_removals(
        &self,
        head: &AuditHead<'_>,
        parts: i32,
    ) -> Result<i32, StoreError> {
        const SQL: &str = include_str!("product_removals_audit.sql");
        self.audit_from_staging(SQL, head, parts).await
    }

    /// Returns the number of products and models in each of the categories, without
    /// those of descendants. Empty categories are omitted.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn count_in_categories(
        &self,
        tenant: TenantId,
        categories: &[ItemId],
    ) -> Result<Vec<(ItemId, u64)>, StoreError> {
        const SQL: &str = "-- count_in_categories
            SELECT category_id, count(*) AS products
              FROM product_category
             WHERE tenant_id = $1 AND category_id = ANY ($2)
             GROUP BY category_id";
        self.parsed(SQL, &[&tenant.0, &categories], |row| {
            Ok((row.get("category_id")?, row.count("products")?))
        })
        .await
    }

    /// Stages a difference that removes all products and models from the given
    /// categories. Staging must be prepared.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn nominate_leavers(
        &self,
        tenant: TenantId,
        categories: &[ItemId],
    ) -> Result<(), StoreError> {
        const SQL: &str = include_str!("product_removals_leavers.sql");
        const STAY: &str = include_str!("product_removals_stay.sql");
        self.run(STAY, &[&tenant.0, &categories]).await?;
        self.run(SQL, &[&tenant.0, &categories]).await?;
        self.batch("analyze_changes", "ANALYZE changed_product")
            .await
    }
}

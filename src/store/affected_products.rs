use tokio_postgres::types::ToSql;

use crate::domain::ItemId;

use super::{StoreError, TenantId, Transaction, product_lists::count};

/// Product or model affected by a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AffectedProduct {
    /// Code of the product or model.
    pub code: String,
    /// Effective categories (rules 4.2) before the change; `None` if it is new.
    pub before: Option<Vec<ItemId>>,
    /// Effective categories after the change; `None` if it is deleted.
    pub after: Option<Vec<ItemId>>,
}

/// Stored products that a change affects, besides those that it changes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AffectedBy {
    /// True for all products.
    pub everything: bool,
    /// True for products without a category.
    pub uncategorised: bool,
    /// Categories whose products, and their descendants, are affected.
    pub categories: Vec<ItemId>,
}

impl AffectedBy {
    /// No products besides those that the change itself changes.
    pub const NOTHING: Self = Self {
        everything: false,
        uncategorised: false,
        categories: Vec::new(),
    };
}

impl Transaction<'_> {
    /// Nominates the products and models that a change affects: those given by `by`,
    /// those staged for creation, change or deletion, and the descendants of all of
    /// them. Returns their number. Staging must be prepared.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn nominate_reached(
        &self,
        tenant: TenantId,
        by: &AffectedBy,
    ) -> Result<u64, StoreError> {
        const TABLE: &str = "CREATE TEMPORARY TABLE IF NOT EXISTS reached_product (id integer); TRUNCATE reached_product";
        const SQL: &str = include_str!("affected_products_nominate.sql");
        let AffectedBy {
            everything,
            uncategorised,
            categories,
        } = by;
        self.batch("prepare_reached", TABLE).await?;
        let reached = self
            .affected(SQL, &[&tenant.0, categories, uncategorised, everything])
            .await?;
        self.batch("analyze_reached", "ANALYZE reached_product")
            .await?;
        Ok(reached)
    }

    /// Reads at most `limit` of the nominated products, in no particular order.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn read_reached(
        &self,
        tenant: TenantId,
        limit: usize,
    ) -> Result<Vec<AffectedProduct>, StoreError> {
        const NAME: &str = "read_reached";
        const SQL: &str = include_str!("affected_products.sql");
        let limit = count(limit);
        let parameters: [&(dyn ToSql + Sync); 2] = [&tenant.0, &limit];
        let mut rows = self.stream(NAME, SQL, parameters).await?;
        let mut reached = Vec::new();
        while let Some(row) = self.next_row(NAME, &mut rows).await? {
            reached.push(AffectedProduct {
                code: row.get("code"),
                before: row.get("before"),
                after: row.get("after"),
            });
        }
        Ok(reached)
    }
}

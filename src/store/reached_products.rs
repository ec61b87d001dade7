use tokio_postgres::types::ToSql;

use super::{StoreError, TenantId, Transaction, product_lists::count};

/// A product or model that a change reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductReached {
    /// Its code.
    pub code: String,
    /// Its effective categories (rules 4.2), as they are; `None`: it is new.
    pub before: Option<Vec<i32>>,
    /// The same as they would be; `None`: it would be gone.
    pub after: Option<Vec<i32>>,
}

/// Which stored products a change reaches, beside those that it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReachedBy {
    /// All of them.
    pub everything: bool,
    /// Those that lie in no category.
    pub uncategorised: bool,
    /// Those in these categories, with what lies below them.
    pub categories: Vec<i32>,
}

impl ReachedBy {
    /// None but those that it changes.
    pub const NOTHING: Self = Self {
        everything: false,
        uncategorised: false,
        categories: Vec::new(),
    };
}

impl Transaction<'_> {
    /// Nominates the products and models that a change reaches: those that `by`
    /// says, those that are staged to be new, to change or to go, and what lies
    /// below them. Returns how many. Staging must be prepared.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn nominate_reached(
        &self,
        tenant: TenantId,
        by: &ReachedBy,
    ) -> Result<u64, StoreError> {
        const TABLE: &str = "CREATE TEMPORARY TABLE IF NOT EXISTS reached_product (id integer); TRUNCATE reached_product";
        const SQL: &str = include_str!("reached_products_nominate.sql");
        let ReachedBy {
            everything,
            uncategorised,
            categories,
        } = by;
        self.batch("prepare_reached", TABLE).await?;
        let reached = self
            .execute(
                "nominate_reached",
                SQL,
                &[&tenant.0, categories, uncategorised, everything],
            )
            .await?;
        self.batch("analyze_reached", "ANALYZE reached_product")
            .await?;
        Ok(reached)
    }

    /// Reads the nominated products, at most `limit` of them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn read_reached(
        &self,
        tenant: TenantId,
        limit: usize,
    ) -> Result<Vec<ProductReached>, StoreError> {
        const NAME: &str = "read_reached";
        const SQL: &str = include_str!("reached_products.sql");
        let limit = count(limit);
        let parameters: [&(dyn ToSql + Sync); 2] = [&tenant.0, &limit];
        let mut rows = self.stream(NAME, SQL, parameters).await?;
        let mut reached = Vec::new();
        while let Some(row) = self.next_row(NAME, &mut rows).await? {
            reached.push(ProductReached {
                code: row.get("code"),
                before: row.get("before"),
                after: row.get("after"),
            });
        }
        Ok(reached)
    }
}

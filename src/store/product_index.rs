use futures_util::TryStreamExt as _;
use tokio::task::yield_now;
use tokio_postgres::{
    binary_copy::{BinaryCopyOutRow, BinaryCopyOutStream},
    types::Type,
};

use crate::domain::{Code, FactKey, FactsNeeded, ItemId, ProductId, ProductKind, ProductRef};

use super::{AsOf, ReadAsOf, Snapshot, Store, StoreError, round_trip::failed};

/// Number of rows after which a copy yields to other tasks.
const ROWS_BETWEEN_YIELDS: usize = 1_024;

/// Row of a product or model for the product index, without its categories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexedRow<'r> {
    /// Unique number within the tenant; never reused.
    pub id: ProductId,
    /// Product or model.
    pub kind: ProductKind,
    /// Number of its parent model, if any.
    pub parent: Option<ProductId>,
    /// Code in its original spelling.
    pub code: &'r str,
}

/// Product or model with its own categories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedProduct {
    /// Kind and code.
    pub product: ProductRef,
    /// Unique number within the tenant; never reused.
    pub id: ProductId,
    /// Number of its parent model, if any.
    pub parent: Option<ProductId>,
    /// Own categories, without those of its parents.
    pub categories: Vec<ItemId>,
}

impl Snapshot<'_> {
    /// Reads the log position and epoch of this snapshot, and the keys of the
    /// tenant that were pending then.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn as_of(&self) -> Result<AsOf, StoreError> {
        const SQL: &str = "-- snapshot_as_of
            SELECT head.seq, ARRAY(SELECT key
                                     FROM intent CROSS JOIN unnest(intent.keys) AS key
                                    WHERE key = '*' OR key = $1 OR starts_with(key, $1 || '/')) AS pending
              FROM head";
        let within = FactKey::Tenant(self.tenant().code.clone()).to_string();
        let row = self.first_row(SQL, &[&within]).await?;
        let row = row.ok_or_else(|| StoreError::empty_head("snapshot_as_of"))?;
        Ok(AsOf {
            seq: row.get::<_, i64>("seq").unsigned_abs(),
            epoch: self.epoch(),
            pending: row.get("pending"),
        })
    }

    /// Reads all products and models ordered by number, and passes each to `each`.
    ///
    /// Stops when `each` returns `false`, and returns `false` then; the connection
    /// is closed instead of returned to the pool.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable,
    /// [`StoreError::Refused`] if a column does not have the expected type.
    pub async fn copy_products(
        &self,
        mut each: impl FnMut(IndexedRow<'_>) -> bool + Send,
    ) -> Result<bool, StoreError> {
        const NAME: &str = "copy_products";
        let sql = format!(
            "-- copy_products
             COPY (SELECT id, parent_id, model, code FROM product WHERE tenant_id = {} ORDER BY id)
               TO STDOUT (FORMAT binary)",
            self.tenant().id.0
        );
        let types = [Type::INT4, Type::INT4, Type::BOOL, Type::TEXT];
        self.copy(NAME, &sql, &types, |row| {
            Ok(each(IndexedRow {
                id: row.try_get(0)?,
                kind: row.try_get(2)?,
                parent: row.try_get(1)?,
                code: row.try_get(3)?,
            }))
        })
        .await
    }

    /// Reads all pairs of a product or model and one of its own categories, ordered
    /// by number, and passes each to `each`. Stops as [`Snapshot::copy_products`].
    ///
    /// # Errors
    ///
    /// As [`Snapshot::copy_products`].
    pub async fn copy_product_categories(
        &self,
        mut each: impl FnMut(ProductId, ItemId) -> bool + Send,
    ) -> Result<bool, StoreError> {
        const NAME: &str = "copy_product_categories";
        let sql = format!(
            "-- copy_product_categories
             COPY (SELECT product_id, category_id FROM product_category WHERE tenant_id = {}
                    ORDER BY product_id, category_id)
               TO STDOUT (FORMAT binary)",
            self.tenant().id.0
        );
        self.copy(NAME, &sql, &[Type::INT4, Type::INT4], |row| {
            Ok(each(row.try_get(0)?, row.try_get(1)?))
        })
        .await
    }

    async fn copy(
        &self,
        name: &'static str,
        sql: &str,
        types: &[Type],
        mut each: impl FnMut(&BinaryCopyOutRow) -> Result<bool, tokio_postgres::Error> + Send,
    ) -> Result<bool, StoreError> {
        let stream = self.copy_out(name, sql).await?;
        let mut rows = std::pin::pin!(BinaryCopyOutStream::new(stream, types));
        let mut taken = 0_usize;
        loop {
            let next = async { rows.try_next().await.map_err(|error| failed(name, error)) };
            let Some(row) = self.within(name, next).await? else {
                break;
            };
            let wants_more = each(&row);
            if !matches!(wants_more, Ok(true)) {
                self.abandon();
                return wants_more.map_err(|error| failed(name, error));
            }
            taken += 1;
            if taken.is_multiple_of(ROWS_BETWEEN_YIELDS) {
                yield_now().await;
            }
        }
        Ok(true)
    }
}

impl Store {
    /// Reads products and models with their parents, in one round trip. Omits
    /// those that are not stored.
    ///
    /// # Errors
    ///
    /// As [`Store::facts`].
    pub async fn indexed_products(
        &self,
        tenant: &Code,
        products: impl IntoIterator<Item = ProductRef>,
    ) -> Result<ReadAsOf<Vec<IndexedProduct>>, StoreError> {
        let needed = FactsNeeded {
            products: products.into_iter().collect(),
            ..FactsNeeded::default()
        };
        self.numbered_products(tenant, &needed).await
    }
}

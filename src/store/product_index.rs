use futures_util::TryStreamExt as _;
use tokio::task::yield_now;
use tokio_postgres::{
    binary_copy::{BinaryCopyOutRow, BinaryCopyOutStream},
    types::Type,
};

use crate::domain::{Code, FactKey, FactsNeeded, ItemId, ProductKind, ProductRef};

use super::{AsOf, Snapshot, Store, StoreError, Taken, connection_pool::failed};

/// After how many rows other work gets a turn.
const ROWS_IN_A_ROW: usize = 1_024;

/// A product or model as an index takes it, without its categories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexedRow<'r> {
    /// Its number; never given to another one.
    pub id: i32,
    /// Whether it is a model.
    pub kind: ProductKind,
    /// The number of the model above it.
    pub parent: Option<i32>,
    /// Its code as it was first written.
    pub code: &'r str,
}

/// A product or model by name, with the categories of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedProduct {
    /// Its name.
    pub product: ProductRef,
    /// Its number; never given to another one.
    pub id: i32,
    /// The number of the model above it.
    pub parent: Option<i32>,
    /// Its own categories.
    pub categories: Vec<ItemId>,
}

impl Snapshot<'_> {
    /// As of when this snapshot was taken, and what was being written then of
    /// the tenant.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn as_of(&self) -> Result<AsOf, StoreError> {
        const SQL: &str = "-- snapshot_as_of
            SELECT head.seq, ARRAY(SELECT key
                                     FROM intent CROSS JOIN unnest(intent.keys) AS key
                                    WHERE key = '*' OR key = $1 OR starts_with(key, $1 || '/')) AS pending
              FROM head";
        let within = FactKey::Tenant(self.tenant().code.clone()).to_string();
        let rows = self.query("snapshot_as_of", SQL, &[&within]).await?;
        let row = rows
            .first()
            .ok_or_else(|| StoreError::empty_head("snapshot_as_of"))?;
        let pending: Vec<&str> = row.get("pending");
        let pending = pending.into_iter().map(|key| {
            let Ok(key) = key.parse();
            key
        });
        Ok(AsOf {
            seq: row.get::<_, i64>("seq").unsigned_abs(),
            epoch: self.epoch(),
            pending: pending.collect(),
        })
    }

    /// Reads all products and models in the order of their numbers; `each` says
    /// whether to go on. `false`: it did not want all.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer,
    /// [`StoreError::CorruptRow`] when a row is not what was asked for.
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
            let kind = if row.try_get(2)? {
                ProductKind::Model
            } else {
                ProductKind::Product
            };
            Ok(each(IndexedRow {
                id: row.try_get(0)?,
                kind,
                parent: row.try_get(1)?,
                code: row.try_get(3)?,
            }))
        })
        .await
    }

    /// Reads which products and models lie in which categories themselves, in
    /// the order of their numbers; `each` says whether to go on. `false`: it did
    /// not want all.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::copy_products`].
    pub async fn copy_product_categories(
        &self,
        mut each: impl FnMut(i32, ItemId) -> bool + Send,
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
            Ok(each(row.try_get(0)?, ItemId(row.try_get(1)?)))
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
            let goes_on = each(&row);
            if !matches!(goes_on, Ok(true)) {
                self.abandon();
                return goes_on.map_err(|error| failed(name, error));
            }
            taken += 1;
            if taken.is_multiple_of(ROWS_IN_A_ROW) {
                yield_now().await;
            }
        }
        Ok(true)
    }
}

impl Store {
    /// Reads some products and models, and those above them, in one round trip;
    /// what is not stored is not in the answer.
    ///
    /// # Errors
    ///
    /// As [`Store::facts`].
    pub async fn indexed_products(
        &self,
        tenant: &Code,
        products: impl IntoIterator<Item = ProductRef>,
    ) -> Result<Taken<Vec<IndexedProduct>>, StoreError> {
        let needed = FactsNeeded {
            products: products.into_iter().collect(),
            ..FactsNeeded::default()
        };
        self.numbered_products(tenant, &needed).await
    }
}

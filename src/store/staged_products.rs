use tokio_postgres::{
    binary_copy::BinaryCopyInWriter,
    types::{ToSql, Type},
};

use crate::domain::{Code, ItemId, ProductRef};

use super::{
    AuditHead, Bounds, Connection, Isolation, Planning, StoreError, TenantId, Transaction,
    entity_rows::FromRow as _, product_lists::count, round_trip::send_together,
};

/// Size of the staging tables above which they are truncated, also for few rows; in
/// bytes.
const MOST_STAGING_BYTES: i64 = 1 << 20;

/// Staged row of a product or model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedProduct {
    /// Line number in the file.
    pub line: u64,
    /// True for a model.
    pub model: bool,
    /// Code, the key of the row.
    pub code: Code,
    /// Parent; `None` if the file has no such column, `Some(None)` for no parent.
    pub parent: Option<Option<Code>>,
    /// Categories in ascending order; `None` if the file has no such column. The
    /// caller numbers categories from 0.
    pub categories: Option<Vec<i32>>,
    /// Categories in the order of the list, if there are several.
    pub listed: Option<Vec<i32>>,
    /// Whether the whole row was parsed or only its key.
    pub read: RowRead,
    /// Hash of the row's other cells. Rows with the same key and different hashes
    /// contradict each other.
    pub rest: i64,
}

/// Extent to which a row was parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowRead {
    /// The whole row was parsed.
    Whole,
    /// The row was rejected; only its key is stored, to find the entity it names.
    KeyOnly,
}

impl StagedProduct {
    /// Creates a row that was rejected before staging; only its key is stored.
    #[must_use]
    pub fn unread(line: u64, model: bool, code: Code) -> Self {
        Self {
            line,
            model,
            code,
            parent: None,
            categories: None,
            listed: None,
            read: RowRead::KeyOnly,
            rest: 0,
        }
    }
}

/// Reason why a staged row is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum ProductIssue {
    /// An earlier row has the same key and different content.
    Repeated,
    /// The list of categories has two interpretations.
    Ambiguous,
    /// A category does not exist.
    CategoryUnknown,
    /// The parent is neither a stored nor a staged model.
    ParentUnknown,
    /// The row would create a third level of models, or a cycle.
    ThirdLevel,
}

/// Rejected staged row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedRefusal {
    /// Line number in the file.
    pub line: u64,
    /// Reason of the rejection.
    pub issue: ProductIssue,
    /// Code of the product or model.
    pub code: String,
    /// Code of the parent that the row names; empty if none.
    pub parent: String,
    /// Lowest number of a category that does not exist, if any.
    pub category: Option<i32>,
    /// The two interpretations of the list; empty if it is unambiguous.
    pub detail: String,
}

/// Numbers of staged rows of one kind, by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProductCounts {
    /// Rows that create a product or model.
    pub created: u64,
    /// Rows that change a stored product or model.
    pub changed: u64,
    /// Products or models that are deleted.
    pub removed: u64,
    /// Rows equal to what is stored, or to an earlier row.
    pub unchanged: u64,
    /// Rejected rows.
    pub refused: u64,
}

impl Connection {
    /// Creates the temporary staging tables for products, or empties them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn prepare_staging(&mut self) -> Result<(), StoreError> {
        let transaction = self.begin(Isolation::EachStatement, Bounds::BULK).await?;
        transaction.prepare_staging().await?;
        transaction.end_unchanged().await
    }

    /// Copies products and models into the staging table.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn stage_products(&mut self, products: &[StagedProduct]) -> Result<(), StoreError> {
        let transaction = self.begin(Isolation::EachStatement, Bounds::BULK).await?;
        transaction.stage_products(products).await?;
        transaction.end_unchanged().await
    }
}

impl Transaction<'_> {
    /// Creates the temporary staging tables for products, or empties them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn prepare_staging(&self) -> Result<(), StoreError> {
        const TABLES: &str = include_str!("staged_products_tables.sql");
        // TRUNCATE and ANALYZE change the catalog: the commit becomes durable, which
        // takes time, and statements are planned anew.
        const EMPTY: &str = "-- empty_staging
            DELETE FROM staged_product;
            DELETE FROM changed_product;
            DELETE FROM removed_product";
        const SIZE: &str = "-- staging_size
            SELECT pg_relation_size('pg_temp.staged_product') + pg_relation_size('pg_temp.changed_product')
                 + pg_relation_size('pg_temp.removed_product') AS size";
        const TRUNCATE: &str = "TRUNCATE staged_product, changed_product, removed_product";
        let is_small = self.planning() == Planning::ByIndex;
        send_together!(
            _tables = self.batch("prepare_staging", TABLES),
            _emptied = self.batch("prepare_staging", if is_small { EMPTY } else { TRUNCATE }),
        );
        if is_small {
            let row = self.first_row(SIZE, &[]).await?;
            let size = row.map_or(0, |row| row.get::<_, i64>("size"));
            if size > MOST_STAGING_BYTES {
                // The space of deleted rows is not reused.
                self.batch("prepare_staging", TRUNCATE).await?;
            }
        }
        Ok(())
    }

    /// Copies products and models into the staging table.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn stage_products(&self, products: &[StagedProduct]) -> Result<(), StoreError> {
        let copying = self.copy_staged_products(products);
        self.within("stage_products", copying).await
    }

    async fn copy_staged_products(&self, products: &[StagedProduct]) -> Result<(), StoreError> {
        const SQL: &str = "-- stage_products
                           COPY staged_product (line, model, code, key, parent_given, parent_code, parent_key, categories, listed, rest, state)
                           FROM STDIN BINARY";
        const TYPES: [Type; 11] = [
            Type::INT8,
            Type::BOOL,
            Type::TEXT,
            Type::TEXT,
            Type::BOOL,
            Type::TEXT,
            Type::TEXT,
            Type::INT4_ARRAY,
            Type::INT4_ARRAY,
            Type::INT8,
            Type::INT2,
        ];
        let failed = |error| StoreError::of("stage_products", error);
        let sink = self.copy_in("stage_products", SQL).await?;
        let writer = BinaryCopyInWriter::new(sink, &TYPES);
        tokio::pin!(writer);
        for product in products {
            let line = i64::try_from(product.line).unwrap_or(i64::MAX);
            let parent = product.parent.as_ref().and_then(Option::as_ref);
            let state: i16 = match product.read {
                RowRead::Whole => 0,
                RowRead::KeyOnly => 3,
            };
            let row: [&(dyn ToSql + Sync); 11] = [
                &line,
                &product.model,
                &product.code.as_str(),
                &product.code.folded(),
                &product.parent.is_some(),
                &parent.map(Code::as_str),
                &parent.map(Code::folded),
                &product.categories,
                &product.listed,
                &product.rest,
                &state,
            ];
            writer.as_mut().write(&row).await.map_err(failed)?;
        }
        let finished = writer.finish().await.map_err(failed);
        finished.map(|_| ())
    }

    /// Disables nested-loop joins, in favor of hash and merge joins, for the rest of
    /// this transaction, which plans each statement anew.
    ///
    /// The statistics may stem from a nearly empty database and show no products for
    /// a new tenant. A nested loop would then compare each of its products with each
    /// staged row.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn join_in_bulk(&self) -> Result<(), StoreError> {
        const SQL: &str = include_str!("join_in_bulk.sql");
        self.batch("join_in_bulk", SQL).await
    }

    /// Begins a comparison and clears the results of an earlier one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn begin_comparison(&self) -> Result<(), StoreError> {
        const SQL: &str = include_str!("staged_products_begin.sql");
        if self.planning() == Planning::ByIndex {
            // The few rows were staged for this comparison alone.
            return Ok(());
        }
        self.batch("begin_comparison", SQL).await
    }

    /// Compares the staged products with the stored ones: marks rejected rows and
    /// writes the difference to a temporary table.
    ///
    /// `categories` maps the caller's category numbers to the stored ids; `None`
    /// stands for a category that does not exist. Call
    /// [`Transaction::begin_comparison`] first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn compare_products(
        &self,
        tenant: TenantId,
        last_product_id: i32,
        categories: &[Option<ItemId>],
    ) -> Result<(), StoreError> {
        const REPEATED: &str = include_str!("staged_products_repeated.sql");
        const UNKNOWN_CATEGORIES: &str = include_str!("staged_products_unknown_categories.sql");
        const UNKNOWN_PARENTS: &str = include_str!("staged_products_unknown_parents.sql");
        const THIRD_LEVELS: &str = include_str!("staged_products_third_levels.sql");
        const DIFFERENCE: &str = include_str!("staged_products_difference.sql");
        const PARENTS: &str = include_str!("staged_products_parents.sql");
        self.run(REPEATED, &[]).await?;
        let unknown: Vec<i32> = (0..)
            .zip(categories)
            .filter(|(_, id)| id.is_none())
            .map(|(number, _)| number)
            .collect();
        if !unknown.is_empty() {
            self.run(UNKNOWN_CATEGORIES, &[&unknown]).await?;
        }
        // Rejecting a row may invalidate rows that name it as their parent.
        loop {
            let orphans = self.affected(UNKNOWN_PARENTS, &[&tenant.0]).await?;
            let too_deep = self.affected(THIRD_LEVELS, &[&tenant.0]).await?;
            if orphans + too_deep == 0 {
                break;
            }
        }
        // No category has the id 0.
        let categories = categories.iter().map(|id| id.unwrap_or(ItemId(0)));
        let categories: Vec<ItemId> = categories.collect();
        self.run(DIFFERENCE, &[&tenant.0, &last_product_id, &categories])
            .await?;
        if self.planning() == Planning::EachTime {
            self.batch("analyze_changes", "ANALYZE changed_product")
                .await?;
        }
        self.run(PARENTS, &[&tenant.0]).await
    }

    /// Counts the results of [`Transaction::compare_products`], for products or for
    /// models.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn count_compared(&self, model: bool) -> Result<ProductCounts, StoreError> {
        const SQL: &str = "-- count_compared
            SELECT (SELECT count(*) FROM staged_product WHERE model = $1 AND state <> 3) AS rows,
                   (SELECT count(*) FROM staged_product WHERE model = $1 AND state = 1) AS refused,
                   (SELECT count(*) FROM changed_product WHERE model = $1 AND is_new) AS created,
                   (SELECT count(*) FROM changed_product WHERE model = $1 AND NOT is_new) AS changed";
        let Some(row) = self.first_row(SQL, &[&model]).await? else {
            return Ok(ProductCounts::default());
        };
        let count = |column: &str| row.get::<_, i64>(column).unsigned_abs();
        let (refused, created, changed) = (count("refused"), count("created"), count("changed"));
        Ok(ProductCounts {
            created,
            changed,
            removed: 0,
            unchanged: count("rows").saturating_sub(refused + created + changed),
            refused,
        })
    }

    /// Lists up to `limit` products and models that the difference creates, changes
    /// or deletes, in no particular order.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn list_changed_products(&self, limit: usize) -> Result<Vec<ProductRef>, StoreError> {
        const SQL: &str = "-- list_changed_products
            SELECT model, code FROM changed_product
             UNION
            SELECT model, code FROM removed_product
             LIMIT $1";
        self.parsed(SQL, &[&count(limit)], ProductRef::from_row)
            .await
    }

    /// Lists the first `limit` rejected rows, of products or of models.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn list_refused(
        &self,
        model: bool,
        limit: i64,
    ) -> Result<Vec<StagedRefusal>, StoreError> {
        const SQL: &str = "-- list_refused
            SELECT line, issue, code, coalesce(parent_code, '') AS parent, category,
                   coalesce(detail, '') AS detail
              FROM staged_product
             WHERE model = $1 AND state = 1
             ORDER BY line
             LIMIT $2";
        self.parsed(SQL, &[&model, &limit], |row| {
            Ok(StagedRefusal {
                line: row.count("line")?,
                issue: row.word("issue")?,
                code: row.get("code")?,
                parent: row.get("parent")?,
                category: row.get("category")?,
                detail: row.get("detail")?,
            })
        })
        .await
    }

    /// Returns the first of the given lines that creates a product or model,
    /// according to [`Transaction::compare_products`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn first_new_line(&self, lines: &[i64]) -> Result<Option<i64>, StoreError> {
        const SQL: &str = "-- first_new_line
            SELECT min(line) AS line FROM changed_product WHERE is_new AND line = ANY ($1)";
        let row = self.first_row(SQL, &[&lines]).await?;
        Ok(row.and_then(|row| row.get("line")))
    }

    /// Lists the first `limit` stored products and models that a rejected row names
    /// and no accepted row does.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn list_left_out(
        &self,
        tenant: TenantId,
        limit: i64,
    ) -> Result<Vec<ProductRef>, StoreError> {
        const SQL: &str = include_str!("staged_products_left_out.sql");
        self.parsed(SQL, &[&tenant.0, &limit], ProductRef::from_row)
            .await
    }

    /// Applies the difference of [`Transaction::compare_products`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn apply_products(&self, tenant: TenantId) -> Result<(), StoreError> {
        const CREATE: &str = "-- create_products
            INSERT INTO product (tenant_id, id, parent_id, model, code, key, uncategorised)
            SELECT $1, id, new_parent, model, code, key, false
              FROM changed_product
             WHERE is_new";
        const MOVE: &str = include_str!("staged_products_move.sql");
        const LEAVE: &str = include_str!("staged_products_leave.sql");
        const ENTER: &str = "-- enter_categories
            INSERT INTO product_category (tenant_id, product_id, category_id)
            SELECT $1, id, category_id
              FROM changed_product CROSS JOIN unnest(new_categories) AS category_id
             WHERE old_categories IS NULL OR category_id <> ALL (old_categories)";
        const REFRESH: &str = include_str!("staged_products_uncategorised.sql");
        send_together!(
            _created = self.run(CREATE, &[&tenant.0]),
            _moved = self.run(MOVE, &[&tenant.0]),
            _left = self.run(LEAVE, &[&tenant.0]),
            _entered = self.run(ENTER, &[&tenant.0]),
            _refreshed = self.run(REFRESH, &[&tenant.0]),
        );
        Ok(())
    }

    /// Writes an audit row for each applied product and model, numbered after
    /// `parts`, and returns their number.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn audit_products(
        &self,
        head: &AuditHead<'_>,
        parts: i32,
    ) -> Result<i32, StoreError> {
        const SQL: &str = include_str!("staged_products_audit.sql");
        self.audit_from_staging(SQL, head, parts).await
    }
}

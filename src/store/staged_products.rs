use tokio_postgres::{
    binary_copy::BinaryCopyInWriter,
    types::{ToSql, Type},
};

use crate::domain::Code;

use super::{
    AuditHead, Bounds, Connection, Isolation, StoreError, TenantId, Transaction, writes::stored,
};

/// A product or model of an import, as it is staged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedProduct {
    /// The line of its file.
    pub line: u64,
    /// Whether it is a model.
    pub model: bool,
    /// Its code.
    pub code: Code,
    /// Its parent, if the file says: `Some(None)` is no parent.
    pub parent: Option<Option<Code>>,
    /// Its categories, if the file says: numbers that the caller gives them,
    /// from 0, in order.
    pub categories: Option<Vec<i32>>,
    /// The same as they are listed, if those are several.
    pub listed: Option<Vec<i32>>,
    /// Whether the row was read; of one that was not, the key alone is known.
    pub read: RowRead,
    /// A hash of the other cells of its row; rows with one key and different
    /// hashes are not the same.
    pub rest: i64,
}

/// Whether a row could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowRead {
    /// It says what the other fields hold.
    Whole,
    /// It was refused; its key is kept to find what it names.
    KeyOnly,
}

impl StagedProduct {
    /// A row that was refused before it could be staged.
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

/// Why a staged row is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum ProductIssue {
    /// A row before has its key and other content.
    Repeated,
    /// The list of categories can be read in two ways.
    Ambiguous,
    /// A category is unknown.
    CategoryUnknown,
    /// The parent is no model, stored or staged.
    ParentUnknown,
    /// There would be a third level of models, or a loop.
    ThirdLevel,
}

/// A staged row that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedRefusal {
    /// Whether it is a model.
    pub model: bool,
    /// The line of its file.
    pub line: u64,
    /// Why.
    pub issue: ProductIssue,
    /// Its code.
    pub code: String,
    /// The parent it names; empty: none.
    pub parent: String,
    /// The number of the first category that is unknown.
    pub category: Option<i32>,
    /// What the two readings of the list are; empty: it has one.
    pub detail: String,
}

/// What the staged rows of one kind come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProductCounts {
    /// New ones.
    pub created: u64,
    /// Different ones.
    pub changed: u64,
    /// Those that are gone.
    pub removed: u64,
    /// Rows that say what is stored, or repeat a row word for word.
    pub unchanged: u64,
    /// Refused rows.
    pub refused: u64,
}

impl Connection {
    /// Makes the temporary tables that products are staged in.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn prepare_staging(&mut self) -> Result<(), StoreError> {
        let transaction = self.begin(Isolation::EachStatement, Bounds::BULK).await?;
        transaction.prepare_staging().await?;
        transaction.end_unchanged().await
    }

    /// Stages products and models.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn stage_products(&mut self, products: &[StagedProduct]) -> Result<(), StoreError> {
        let transaction = self.begin(Isolation::EachStatement, Bounds::BULK).await?;
        transaction.stage_products(products).await?;
        transaction.end_unchanged().await
    }
}

impl Transaction<'_> {
    /// Makes the temporary tables that products are staged in, empty.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn prepare_staging(&self) -> Result<(), StoreError> {
        const SQL: &str = include_str!("staged_products_tables.sql");
        self.batch("prepare_staging", SQL).await
    }

    /// Stages products and models.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
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

    /// Has the statements from now on join many staged rows with what is stored
    /// by hashing or merging, never row by row: the statistics of tables may be
    /// those of a nearly empty database, by which a tenant that is not in them
    /// has no products, and then each of a tenant's products would be compared
    /// with each staged row. Holds for this transaction, which plans each
    /// statement anew.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn join_in_bulk(&self) -> Result<(), StoreError> {
        const SQL: &str = include_str!("join_in_bulk.sql");
        self.batch("join_in_bulk", SQL).await
    }

    /// Begins a comparison: forgets what an earlier one found.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn begin_comparison(&self) -> Result<(), StoreError> {
        const SQL: &str = include_str!("staged_products_begin.sql");
        self.batch("begin_comparison", SQL).await
    }

    /// Compares the staged products with what is stored: sorts out the rows
    /// that are refused and keeps the difference in a temporary table.
    /// `categories` are the categories' numbers by the numbers that the caller
    /// gave them; 0 is an unknown one. [`Transaction::begin_comparison`] goes
    /// before.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn compare_products(
        &self,
        tenant: TenantId,
        last_product_id: i32,
        categories: &[i32],
    ) -> Result<(), StoreError> {
        const REPEATED: &str = include_str!("staged_products_repeated.sql");
        const UNKNOWN_CATEGORIES: &str = include_str!("staged_products_unknown_categories.sql");
        const UNKNOWN_PARENTS: &str = include_str!("staged_products_unknown_parents.sql");
        const THIRD_LEVELS: &str = include_str!("staged_products_third_levels.sql");
        const DIFFERENCE: &str = include_str!("staged_products_difference.sql");
        const PARENTS: &str = include_str!("staged_products_parents.sql");
        self.execute("refuse_repeated", REPEATED, &[]).await?;
        let unknown: Vec<i32> = (0..)
            .zip(categories)
            .filter(|(_, id)| **id == 0)
            .map(|(number, _)| number)
            .collect();
        if !unknown.is_empty() {
            self.execute("refuse_unknown_categories", UNKNOWN_CATEGORIES, &[&unknown])
                .await?;
        }
        // Refusing a row can take the ground from under others.
        loop {
            let orphans = self
                .execute("refuse_unknown_parents", UNKNOWN_PARENTS, &[&tenant.0])
                .await?;
            let too_deep = self
                .execute("refuse_third_levels", THIRD_LEVELS, &[&tenant.0])
                .await?;
            if orphans + too_deep == 0 {
                break;
            }
        }
        self.execute(
            "compare_products",
            DIFFERENCE,
            &[&tenant.0, &last_product_id, &categories],
        )
        .await?;
        self.batch("analyze_changes", "ANALYZE changed_product")
            .await?;
        self.execute("find_parents", PARENTS, &[&tenant.0])
            .await
            .map(|_| ())
    }

    /// Counts what [`Transaction::compare_products`] found, of products or of
    /// models.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn count_compared(&self, model: bool) -> Result<ProductCounts, StoreError> {
        const SQL: &str = "-- count_compared
            SELECT (SELECT count(*) FROM staged_product WHERE model = $1 AND state <> 3) AS rows,
                   (SELECT count(*) FROM staged_product WHERE model = $1 AND state = 1) AS refused,
                   (SELECT count(*) FROM changed_product WHERE model = $1 AND is_new) AS created,
                   (SELECT count(*) FROM changed_product WHERE model = $1 AND NOT is_new) AS changed";
        let rows = self.query("count_compared", SQL, &[&model]).await?;
        let Some(row) = rows.first() else {
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

    /// Lists the first products and models that the difference touches: whether
    /// each is a model, and its code.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn list_touched_products(
        &self,
        limit: usize,
    ) -> Result<Vec<(bool, Code)>, StoreError> {
        const SQL: &str = "-- list_touched_products
            SELECT model, code FROM changed_product
             UNION
            SELECT model, code FROM removed_product
             LIMIT $1";
        const STATEMENT: &str = "list_touched_products";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.query(STATEMENT, SQL, &[&limit]).await?;
        rows.iter()
            .map(|row| {
                Ok((
                    row.get("model"),
                    super::product_lists::code(STATEMENT, row)?,
                ))
            })
            .collect()
    }

    /// Lists the first refused rows, of products or of models.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn list_refused(
        &self,
        model: bool,
        limit: i64,
    ) -> Result<Vec<StagedRefusal>, StoreError> {
        const SQL: &str = "-- list_refused
            SELECT model, line, issue, code, coalesce(parent_code, '') AS parent, category,
                   coalesce(detail, '') AS detail
              FROM staged_product
             WHERE model = $1 AND state = 1
             ORDER BY line
             LIMIT $2";
        let rows = self.query("list_refused", SQL, &[&model, &limit]).await?;
        let refusal = |row: &tokio_postgres::Row| {
            let issue: &str = row.get("issue");
            Ok(StagedRefusal {
                model: row.get("model"),
                line: row.get::<_, i64>("line").unsigned_abs(),
                issue: issue.parse().map_err(|_| StoreError::CorruptRow {
                    statement: "list_refused",
                    message: format!("issue `{issue}`"),
                })?,
                code: row.get("code"),
                parent: row.get("parent"),
                category: row.get("category"),
                detail: row.get("detail"),
            })
        };
        rows.iter().map(refusal).collect()
    }

    /// Finds the first of some staged lines that
    /// [`Transaction::compare_products`] found to be of something new.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn first_new_line(&self, lines: &[i64]) -> Result<Option<i64>, StoreError> {
        const SQL: &str = "-- first_new_line
            SELECT min(line) AS line FROM changed_product WHERE is_new AND line = ANY ($1)";
        let rows = self.query("first_new_line", SQL, &[&lines]).await?;
        Ok(rows.first().and_then(|row| row.get("line")))
    }

    /// Lists the first stored products and models that refused rows name and no
    /// row that is taken: whether each is a model, and its code.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn list_left_out(
        &self,
        tenant: TenantId,
        limit: i64,
    ) -> Result<Vec<(bool, Code)>, StoreError> {
        const SQL: &str = include_str!("staged_products_left_out.sql");
        const STATEMENT: &str = "list_left_out";
        let rows = self.query(STATEMENT, SQL, &[&tenant.0, &limit]).await?;
        let kept = rows.iter().map(|row| {
            let code = super::product_lists::code(STATEMENT, row)?;
            Ok((row.get("model"), code))
        });
        kept.collect()
    }

    /// Applies the difference that [`Transaction::compare_products`] found.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
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
        self.execute("create_products", CREATE, &[&tenant.0])
            .await?;
        self.execute("move_products", MOVE, &[&tenant.0]).await?;
        self.execute("leave_categories", LEAVE, &[&tenant.0])
            .await?;
        self.execute("enter_categories", ENTER, &[&tenant.0])
            .await?;
        self.execute("refresh_uncategorised", REFRESH, &[&tenant.0])
            .await
            .map(|_| ())
    }

    /// Writes an audit row for each product and model that was applied, numbered
    /// after `parts`, and tells how many.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn audit_products(
        &self,
        head: &AuditHead<'_>,
        parts: i32,
    ) -> Result<i32, StoreError> {
        const SQL: &str = include_str!("staged_products_audit.sql");
        let parameters: [&(dyn ToSql + Sync); 7] = [
            &head.tenant.0,
            &stored(head.revision),
            &head.actor,
            &head.request_id,
            &head.idempotency_key,
            &parts,
            &head.caller,
        ];
        let rows = self.execute("audit_products", SQL, &parameters).await?;
        Ok(i32::try_from(rows).unwrap_or(i32::MAX))
    }
}

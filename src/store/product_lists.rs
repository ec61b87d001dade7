use hashbrown::{HashMap, HashSet};
use tokio_postgres::types::ToSql;

use crate::domain::{Code, GroupId, ItemId, ItemKind, Level, ProductId, ProductKind};

use super::{
    Snapshot, StoreError,
    entity_rows::{Columns, FromRow},
    facts::level_of_bits,
};

/// Product or model of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedProduct {
    /// Unique number within the tenant; never reused.
    pub id: ProductId,
    /// Code in its original spelling.
    pub code: Code,
    /// Effective categories (rules 4.2); may contain duplicates.
    pub categories: Vec<ItemId>,
}

/// Restriction that finds candidate products without reading all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nomination<'n> {
    /// Products in any of these categories.
    Categories(&'n [ItemId]),
    /// Products in categories on which a group has an access right.
    Rights {
        /// Groups, of which one suffices.
        groups: &'n [GroupId],
        /// Minimum level of the access right.
        level: Level,
        /// True to include products without categories.
        uncategorised: bool,
    },
}

impl Snapshot<'_> {
    /// Reads up to `limit` products or models with numbers above `after`, ordered by
    /// number.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable,
    /// [`StoreError::CorruptRow`] if a stored value is invalid in the domain.
    pub async fn products_after(
        &self,
        kind: ProductKind,
        after: ProductId,
        limit: usize,
    ) -> Result<Vec<ListedProduct>, StoreError> {
        const SQL: &str = include_str!("products_after.sql");
        let model = kind == ProductKind::Model;
        let parameters: [&(dyn ToSql + Sync); 4] =
            [&self.tenant().id.0, &model, &after, &count(limit)];
        self.parsed(SQL, &parameters, ListedProduct::from_row).await
    }

    /// Reads the products or models with the given numbers, in the order of `ids`.
    /// Numbers that are not stored are omitted.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::products_after`].
    pub async fn products_among(
        &self,
        kind: ProductKind,
        ids: &[ProductId],
    ) -> Result<Vec<ListedProduct>, StoreError> {
        const SQL: &str = include_str!("products_among.sql");
        let model = kind == ProductKind::Model;
        let parameters: [&(dyn ToSql + Sync); 3] = [&self.tenant().id.0, &model, &ids];
        self.parsed(SQL, &parameters, ListedProduct::from_row).await
    }

    /// Returns the numbers of the products or models with the given codes. Unknown
    /// codes are omitted.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn find_products(
        &self,
        kind: ProductKind,
        codes: &[Code],
    ) -> Result<Vec<ProductId>, StoreError> {
        const SQL: &str = "-- find_products
            SELECT product.id
              FROM unnest($3::text[]) AS requested (key)
             CROSS JOIN LATERAL (SELECT id FROM product WHERE tenant_id = $1 AND model = $2 AND key = requested.key OFFSET 0) AS product";
        let keys: Vec<&str> = codes.iter().map(Code::folded).collect();
        let model = kind == ProductKind::Model;
        self.parsed(SQL, &[&self.tenant().id.0, &model, &keys], |row| {
            row.get("id")
        })
        .await
    }

    /// Returns the numbers of all products and models that match a nomination, and
    /// of some others, in any order.
    ///
    /// `None` if there are about `limit` or more: reading all products is cheaper
    /// then.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn nominate_products(
        &self,
        kind: ProductKind,
        nomination: Nomination<'_>,
        limit: usize,
    ) -> Result<Option<Vec<ProductId>>, StoreError> {
        const SQL: &str = include_str!("nominate_products.sql");
        let model = kind == ProductKind::Model;
        let (categories, groups, level, uncategorised) = match nomination {
            Nomination::Categories(categories) => (categories, &[][..], Level::Hidden, false),
            Nomination::Rights {
                groups,
                level,
                uncategorised,
            } => (&[][..], groups, level, uncategorised),
        };
        let bits = i32::from(level.bits());
        let parameters: [&(dyn ToSql + Sync); 7] = [
            &self.tenant().id.0,
            &model,
            &categories,
            &groups,
            &bits,
            &count(limit),
            &uncategorised,
        ];
        let row = self.first_row(SQL, &parameters).await?;
        Ok(row.map(|row| row.get("ids")))
    }

    /// Reads the highest level that any of the groups has on each of the items. An
    /// item that is absent from the result is hidden from all of them.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::products_after`].
    pub async fn levels_on(
        &self,
        groups: &[GroupId],
        items: &[ItemId],
    ) -> Result<HashMap<ItemId, Level>, StoreError> {
        const SQL: &str = "-- levels_on
            SELECT requested.id, bit_or(held.level) AS level
              FROM unnest($2::integer[]) AS requested (id)
             CROSS JOIN LATERAL (SELECT level
                                   FROM access_right
                                  WHERE tenant_id = $1 AND item_id = requested.id AND group_id = ANY ($3)
                                 OFFSET 0) AS held
             GROUP BY requested.id";
        self.parsed(SQL, &[&self.tenant().id.0, &items, &groups], |row| {
            let level = level_of_bits("levels_on", row.get::<i16>("level")?.into())?;
            Ok((row.get("id")?, level))
        })
        .await
    }

    /// Reads the numbers of a category and all its descendants. The result is empty
    /// if the category does not exist, or if `only_root` and it has a parent.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn categories_within(
        &self,
        category: &Code,
        only_root: bool,
    ) -> Result<HashSet<ItemId>, StoreError> {
        const SQL: &str = "-- categories_within
            WITH RECURSIVE within (id) AS (
                SELECT id
                  FROM item
                 WHERE tenant_id = $1 AND space = 'category' AND key = $2 AND (parent_id IS NULL OR NOT $3)
                 UNION
                SELECT child.id
                  FROM within
                 CROSS JOIN LATERAL (SELECT id FROM item WHERE tenant_id = $1 AND parent_id = within.id OFFSET 0) AS child)
            SELECT id FROM within";
        self.parsed(
            SQL,
            &[&self.tenant().id.0, &category.folded(), &only_root],
            |row| row.get("id"),
        )
        .await
    }

    /// Reads all items of the given kinds, each with the highest level that any of
    /// the groups has on it, ordered by code.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::products_after`].
    pub async fn levels_of_kinds(
        &self,
        groups: &[GroupId],
        kinds: &[ItemKind],
    ) -> Result<Vec<(ItemKind, Code, Level)>, StoreError> {
        const SQL: &str = "-- levels_of_kinds
            SELECT item.type, item.code, coalesce(held.level, 0::smallint) AS level
              FROM item
              LEFT JOIN (SELECT item_id, bit_or(level) AS level
                           FROM access_right
                          WHERE tenant_id = $1 AND group_id = ANY ($3)
                          GROUP BY item_id) AS held ON held.item_id = item.id
             WHERE item.tenant_id = $1 AND item.space = ANY ($2)
             ORDER BY item.space, item.key";
        let types: Vec<&str> = kinds.iter().map(<&str>::from).collect();
        self.parsed(SQL, &[&self.tenant().id.0, &types, &groups], |row| {
            let level = level_of_bits("levels_of_kinds", row.get::<i16>("level")?.into())?;
            Ok((row.word("type")?, row.word("code")?, level))
        })
        .await
    }
}

impl FromRow for ListedProduct {
    fn from_row(row: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            code: row.word("code")?,
            categories: row.get("categories")?,
        })
    }
}

/// Converts a number of rows to a `bigint` parameter.
pub(super) fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

use tokio_postgres::{Row, types::ToSql};

use crate::{
    domain::{Code, ItemKind, ProductId, ProductKind},
    store::{Snapshot, StoreError, product_lists::count},
};

use super::{CodedEntry, Every, code, word};

/// An item on which access rights are granted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the contract")]
pub struct ItemEntryRow {
    pub code: Code,
    pub kind: ItemKind,
    /// Code of the parent, for a category.
    pub parent: Option<String>,
    /// Code of the category tree, for a channel.
    pub tree: Option<String>,
    /// Codes of the locales, for a channel, ordered by folded code.
    pub locales: Vec<String>,
}

/// Selects the items listed: one kind, or profiles of both kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemSpace {
    /// Items of one kind.
    Of(ItemKind),
    /// Import and export profiles, which share a code space.
    Profiles,
}

impl From<ItemSpace> for &'static str {
    fn from(space: ItemSpace) -> Self {
        match space {
            ItemSpace::Of(kind) => kind.into(),
            ItemSpace::Profiles => "profile",
        }
    }
}

impl CodedEntry for ItemEntryRow {
    type Space = ItemSpace;

    const NAME: &'static str = "list_item_entries";
    const TABLE: &'static str = "item";
    const OF_SPACE: &'static str = "
        entry.space = CASE WHEN $2 IN ('import_profile', 'export_profile') THEN 'profile' ELSE $2 END
        AND $2 IN (entry.type, entry.space)";
    const COLUMNS: &'static str = "
        entry.code, entry.type,
        (SELECT code FROM item AS i WHERE i.tenant_id = $1 AND i.id = entry.parent_id) AS parent,
        (SELECT code FROM item AS i WHERE i.tenant_id = $1 AND i.id = entry.tree_id) AS tree,
        ARRAY(SELECT named.code
                FROM channel_locale AS used
               CROSS JOIN LATERAL (SELECT code, key FROM item AS i WHERE i.tenant_id = $1 AND i.id = used.locale_id OFFSET 0) AS named
               WHERE used.tenant_id = $1 AND used.channel_id = entry.id AND entry.type = 'channel'
               ORDER BY named.key) AS locales";

    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            code: code(Self::NAME, row)?,
            kind: word(Self::NAME, row, "type")?,
            parent: row.get("parent"),
            tree: row.get("tree"),
            locales: row.get("locales"),
        })
    }

    fn code(&self) -> &Code {
        &self.code
    }
}

/// An attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the contract")]
pub struct AttributeEntryRow {
    pub code: Code,
    pub group: String,
    pub scopable: bool,
    pub localizable: bool,
}

impl CodedEntry for AttributeEntryRow {
    type Space = Every;

    const NAME: &'static str = "list_attribute_entries";
    const TABLE: &'static str = "attribute";
    const OF_SPACE: &'static str = "$2::text = ''";
    const COLUMNS: &'static str = "
        entry.code, entry.scopable, entry.localizable,
        (SELECT code FROM item AS i WHERE i.tenant_id = $1 AND i.id = entry.group_id) AS group_code";

    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            code: code(Self::NAME, row)?,
            group: row.get("group_code"),
            scopable: row.get("scopable"),
            localizable: row.get("localizable"),
        })
    }

    fn code(&self) -> &Code {
        &self.code
    }
}

/// A grid view.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the contract")]
pub struct GridViewEntryRow {
    pub code: Code,
    /// Ordered by folded code.
    pub attribute_groups: Vec<String>,
}

impl CodedEntry for GridViewEntryRow {
    type Space = Every;

    const NAME: &'static str = "list_grid_view_entries";
    const TABLE: &'static str = "grid_view";
    const OF_SPACE: &'static str = "$2::text = ''";
    const COLUMNS: &'static str = "
        entry.code,
        ARRAY(SELECT named.code
                FROM grid_view_group AS used
               CROSS JOIN LATERAL (SELECT code, key FROM item AS i WHERE i.tenant_id = $1 AND i.id = used.group_id OFFSET 0) AS named
               WHERE used.tenant_id = $1 AND used.grid_view_id = entry.id
               ORDER BY named.key) AS groups";

    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            code: code(Self::NAME, row)?,
            attribute_groups: row.get("groups"),
        })
    }

    fn code(&self) -> &Code {
        &self.code
    }
}

/// A product or model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the contract")]
pub struct ProductEntryRow {
    /// Database id, by which products are ordered in lists.
    pub id: ProductId,
    pub code: Code,
    pub parent: Option<String>,
    /// Its own categories, ordered by folded code.
    pub categories: Vec<String>,
}

impl Snapshot<'_> {
    /// Reads the next products, or models, after an id, ordered by id and restricted
    /// to the codes in `only` unless it is empty.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable,
    /// [`StoreError::CorruptRow`] if a stored value violates the domain's rules.
    pub async fn product_entries_after(
        &self,
        kind: ProductKind,
        after: ProductId,
        only: &[Code],
        limit: usize,
    ) -> Result<Vec<ProductEntryRow>, StoreError> {
        const NAME: &str = "list_product_entries";
        const COLUMNS: &str = "
            entry.id, entry.code,
            (SELECT code FROM product AS p WHERE p.tenant_id = $1 AND p.id = entry.parent_id) AS parent,
            ARRAY(SELECT named.code
                    FROM product_category AS held
                   CROSS JOIN LATERAL (SELECT code, key FROM item AS i WHERE i.tenant_id = $1 AND i.id = held.category_id OFFSET 0) AS named
                   WHERE held.tenant_id = $1 AND held.product_id = entry.id
                   ORDER BY named.key) AS categories";
        const ROWS: &str = "product AS entry WHERE entry.tenant_id = $1 AND entry.model = $2";
        let source = if only.is_empty() {
            format!("{ROWS} AND entry.id > $3 AND $5::text[] IS NOT NULL")
        } else {
            format!(
                "unnest($5::text[]) AS named (key)
                 CROSS JOIN LATERAL (SELECT * FROM {ROWS} AND entry.key = named.key AND entry.id > $3 OFFSET 0) AS entry"
            )
        };
        let sql = format!("-- {NAME}\nSELECT {COLUMNS} FROM {source} ORDER BY entry.id LIMIT $4");
        let mut keys: Vec<&str> = only.iter().map(Code::folded).collect();
        keys.sort_unstable();
        keys.dedup();
        let model = kind == ProductKind::Model;
        let parameters: [&(dyn ToSql + Sync); 5] =
            [&self.tenant().id.0, &model, &after, &count(limit), &keys];
        let rows = self.query(NAME, &sql, &parameters).await?;
        let product = |row: &Row| {
            Ok(ProductEntryRow {
                id: row.get("id"),
                code: code(NAME, row)?,
                parent: row.get("parent"),
                categories: row.get("categories"),
            })
        };
        rows.iter().map(product).collect()
    }
}

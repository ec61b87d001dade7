use tokio_postgres::types::ToSql;

use crate::{
    domain::{
        Attribute, Category, Channel, Code, GridView, ItemKind, PlainItem, Product, ProductId,
        ProductKind,
    },
    store::{
        Snapshot, StoreError,
        entity_rows::{Columns, FromRow},
        product_lists::count,
    },
};

use super::{Every, coded_entry, distinct_keys, next_rows};

/// Selects the items listed: one kind without properties, or profiles of both
/// kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainItems {
    /// Items of one kind.
    Of(ItemKind),
    /// Import and export profiles, which share a code space.
    Profiles,
}

impl From<PlainItems> for &'static str {
    fn from(items: PlainItems) -> Self {
        match items {
            PlainItems::Of(kind) => kind.into(),
            PlainItems::Profiles => "profile",
        }
    }
}

coded_entry!(PlainItem, PlainItems {
    name: "list_item_entries",
    table: "item",
    of_space: "
        entry.space = CASE WHEN $2 IN ('import_profile', 'export_profile') THEN 'profile' ELSE $2 END
        AND $2 IN (entry.type, entry.space)",
    columns: "entry.code, entry.type",
});

coded_entry!(
    Category<Code>,
    Every {
        name: "list_category_entries",
        table: "item",
        of_space: "$2::text = '' AND entry.space = 'category'",
        columns: "
        entry.code,
        (SELECT code FROM item AS i WHERE i.tenant_id = $1 AND i.id = entry.parent_id) AS parent",
    }
);

coded_entry!(Channel<Code>, Every {
    name: "list_channel_entries",
    table: "item",
    of_space: "$2::text = '' AND entry.space = 'channel'",
    columns: "
        entry.code,
        (SELECT code FROM item AS i WHERE i.tenant_id = $1 AND i.id = entry.tree_id) AS tree,
        ARRAY(SELECT named.code
                FROM channel_locale AS used
               CROSS JOIN LATERAL (SELECT code FROM item AS i WHERE i.tenant_id = $1 AND i.id = used.locale_id OFFSET 0) AS named
               WHERE used.tenant_id = $1 AND used.channel_id = entry.id) AS locales",
});

coded_entry!(Attribute<Code>, Every {
    name: "list_attribute_entries",
    table: "attribute",
    of_space: "$2::text = ''",
    columns: "
        entry.code, entry.scopable, entry.localizable,
        (SELECT code FROM item AS i WHERE i.tenant_id = $1 AND i.id = entry.group_id) AS attribute_group",
});

coded_entry!(GridView<Code>, Every {
    name: "list_grid_view_entries",
    table: "grid_view",
    of_space: "$2::text = ''",
    columns: "
        entry.code,
        ARRAY(SELECT named.code
                FROM grid_view_group AS used
               CROSS JOIN LATERAL (SELECT code FROM item AS i WHERE i.tenant_id = $1 AND i.id = used.group_id OFFSET 0) AS named
               WHERE used.tenant_id = $1 AND used.grid_view_id = entry.id) AS attribute_groups",
});

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
    ) -> Result<Vec<(ProductId, Product)>, StoreError> {
        const NAME: &str = "list_product_entries";
        const COLUMNS: &str = "
            entry.id, entry.code, entry.model,
            (SELECT code FROM product AS p WHERE p.tenant_id = $1 AND p.id = entry.parent_id) AS parent,
            ARRAY(SELECT named.code
                    FROM product_category AS held
                   CROSS JOIN LATERAL (SELECT code, key FROM item AS i WHERE i.tenant_id = $1 AND i.id = held.category_id OFFSET 0) AS named
                   WHERE held.tenant_id = $1 AND held.product_id = entry.id
                   ORDER BY named.key) AS categories";
        const ROWS: &str = "product AS entry WHERE entry.tenant_id = $1 AND entry.model = $2";
        let source = next_rows(ROWS, "id", only);
        let sql = format!("-- {NAME}\nSELECT {COLUMNS} FROM {source} ORDER BY entry.id LIMIT $4");
        let keys = distinct_keys(only);
        let model = kind == ProductKind::Model;
        let parameters: [&(dyn ToSql + Sync); 5] =
            [&self.tenant().id.0, &model, &after, &count(limit), &keys];
        let rows = self.query(NAME, &sql, &parameters).await?;
        let products = rows.iter().map(|row| {
            let row = Columns::new(NAME, row);
            Ok((row.get("id")?, Product::from_row(&row)?))
        });
        products.collect()
    }
}

use tokio_postgres::types::ToSql;

use crate::domain::{Code, ItemId, ItemKind, SubjectKind, SubjectRef};

use super::{Snapshot, StoreError, product_lists::count};

/// Entities, other than products and models, that are listed by code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedEntity {
    /// Items of a kind.
    Item(ItemKind),
    /// Attributes.
    Attribute,
    /// Grid views.
    GridView,
}

/// A listed entity: its id if it is an item, and its code.
pub type Listed = (Option<ItemId>, Code);

impl Snapshot<'_> {
    /// Reads the next items, attributes or grid views after a folded code, ordered by
    /// folded code.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable,
    /// [`StoreError::CorruptRow`] if a stored value violates the domain's rules.
    pub async fn entities_after(
        &self,
        entity: ListedEntity,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        const ITEMS: &str = "-- items_after
            SELECT id, code
              FROM item
             WHERE tenant_id = $1 AND space = $4 AND key > $2 AND type = $5
             ORDER BY key
             LIMIT $3";
        const ATTRIBUTES: &str = "-- attributes_after
            SELECT id, code
              FROM attribute
             WHERE tenant_id = $1 AND key > $2
             ORDER BY key
             LIMIT $3";
        const GRID_VIEWS: &str = "-- grid_views_after
            SELECT id, code
              FROM grid_view
             WHERE tenant_id = $1 AND key > $2
             ORDER BY key
             LIMIT $3";
        let (tenant, limit) = (self.tenant().id.0, count(limit));
        let sql = match entity {
            ListedEntity::Item(kind) => {
                let (space, kind) = (space(kind), <&str>::from(kind));
                let parameters: [&(dyn ToSql + Sync); 5] = [&tenant, &after, &limit, &space, &kind];
                let items = self.parsed(ITEMS, &parameters, |row| {
                    Ok((Some(row.get("id")?), row.word("code")?))
                });
                return items.await;
            }
            ListedEntity::Attribute => ATTRIBUTES,
            ListedEntity::GridView => GRID_VIEWS,
        };
        self.parsed(sql, &[&tenant, &after, &limit], |row| {
            Ok((None, row.word("code")?))
        })
        .await
    }

    /// Reads the next subjects after `after`, ordered by type and folded code.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::entities_after`].
    pub async fn subjects_after(
        &self,
        kind: Option<SubjectKind>,
        after: Option<&SubjectRef>,
        limit: usize,
    ) -> Result<Vec<SubjectRef>, StoreError> {
        const SQL: &str = "-- subjects_after
            SELECT type, code
              FROM subject
             WHERE tenant_id = $1 AND (type, key) > ($2, $3) AND ($4::text IS NULL OR type = $4)
             ORDER BY type, key
             LIMIT $5";
        let kind: Option<&str> = kind.map(Into::into);
        let (after_kind, after_key) = after.map_or(("", ""), |after| {
            (<&str>::from(after.kind), after.code.folded())
        });
        let (tenant, limit) = (self.tenant().id.0, count(limit));
        let parameters: [&(dyn ToSql + Sync); 5] =
            [&tenant, &after_kind, &after_key, &kind, &limit];
        self.parsed(SQL, &parameters, |row| {
            Ok(SubjectRef {
                kind: row.word("type")?,
                code: row.word("code")?,
            })
        })
        .await
    }
}

/// Returns the code space of a kind of item (rules 9).
fn space(kind: ItemKind) -> &'static str {
    if kind.is_profile() {
        "profile"
    } else {
        kind.into()
    }
}

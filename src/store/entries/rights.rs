use tokio_postgres::types::ToSql;

use crate::{
    domain::{Code, ItemKind, Level},
    store::{Snapshot, StoreError, product_lists::count},
};

use super::word;

/// A right of a user group on an item.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the contract")]
pub struct RightEntryRow {
    pub place: RightPlace,
    pub group: String,
    pub kind: ItemKind,
    pub item: String,
    pub level: Level,
}

/// Where a right lies in the list: by the numbers of item and group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the numbers inside the tenant")]
pub struct RightPlace {
    pub item: i32,
    pub group: i32,
}

/// Which rights are listed; what is not said: all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RightsListed {
    /// Those of this group.
    pub group: Option<Code>,
    /// Those on items of this kind.
    pub kind: Option<ItemKind>,
    /// Those on the item of this code, of that kind.
    pub item: Option<Code>,
}

impl Snapshot<'_> {
    /// Reads the next rights after a place, in the order of places.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable,
    /// [`StoreError::CorruptRow`] if a stored value violates the domain's rules.
    pub async fn rights_after(
        &self,
        listed: &RightsListed,
        after: RightPlace,
        limit: usize,
    ) -> Result<Vec<RightEntryRow>, StoreError> {
        const NAME: &str = "list_rights";
        let RightsListed { group, kind, item } = listed;
        // What is named is one number, found first; then an index of rights
        // begins with it.
        let group_filter = if group.is_some() {
            "AND held.group_id = (SELECT id FROM user_group WHERE tenant_id = $1 AND key = $5)"
        } else {
            "AND $5::text = ''"
        };
        let item_filter = if item.is_some() {
            "AND held.item_id = (SELECT id FROM item WHERE tenant_id = $1 AND key = $6 AND type = $7
                                    AND space = CASE WHEN $7 IN ('import_profile', 'export_profile') THEN 'profile' ELSE $7 END)"
        } else {
            "AND $6::text = ''"
        };
        let sql = format!(
            "-- {NAME}
            SELECT held.item_id, held.group_id, held.level, item.type, item.code AS item_code,
                   (SELECT code FROM user_group AS g WHERE g.tenant_id = $1 AND g.id = held.group_id) AS group_code
              FROM access_right AS held
             CROSS JOIN LATERAL (SELECT type, code FROM item AS i
                                  WHERE i.tenant_id = $1 AND i.id = held.item_id AND ($7::text = '' OR i.type = $7) OFFSET 0) AS item
             WHERE held.tenant_id = $1 AND (held.item_id, held.group_id) > ($2, $3) {group_filter} {item_filter}
             ORDER BY held.item_id, held.group_id
             LIMIT $4"
        );
        let key = |code: &Option<Code>| code.as_ref().map_or("", Code::folded).to_owned();
        let kind: &str = kind.map(Into::into).unwrap_or_default();
        let parameters: [&(dyn ToSql + Sync); 7] = [
            &self.tenant().id.0,
            &after.item,
            &after.group,
            &count(limit),
            &key(group),
            &key(item),
            &kind,
        ];
        let rows = self.query(NAME, &sql, &parameters).await?;
        let right = |row: &tokio_postgres::Row| {
            let level: i16 = row.get("level");
            Ok(RightEntryRow {
                place: RightPlace {
                    item: row.get("item_id"),
                    group: row.get("group_id"),
                },
                group: row.get("group_code"),
                kind: word(NAME, row, "type")?,
                item: row.get("item_code"),
                level: Level::from_bits(u8::try_from(level).unwrap_or_default()),
            })
        };
        rows.iter().map(right).collect()
    }
}

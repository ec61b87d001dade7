use tokio_postgres::types::ToSql;

use crate::{
    domain::{AccessRight, Code, GroupId, ItemId, ItemKind, ItemRef},
    store::{
        Snapshot, StoreError,
        entity_rows::{Columns, FromRow},
        product_lists::count,
    },
};

/// Position of a right in the list: the ids of its item and group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the numbers inside the tenant")]
pub struct RightPlace {
    pub item: ItemId,
    pub group: GroupId,
}

impl RightPlace {
    /// Precedes every right: where the list begins.
    pub const BEFORE_FIRST: Self = Self {
        item: ItemId(0),
        group: GroupId(0),
    };
}

/// Filter of the rights to list; an unset field matches all rights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RightsListed {
    /// Rights of this group.
    pub group: Option<Code>,
    /// Rights on items of this kind.
    pub kind: Option<ItemKind>,
    /// Rights on the item of this code, which must be of `kind`.
    pub item: Option<Code>,
}

impl Snapshot<'_> {
    /// Reads the next rights after a position, in the order of positions.
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
    ) -> Result<Vec<(RightPlace, AccessRight<Code, ItemRef>)>, StoreError> {
        const NAME: &str = "list_rights";
        let RightsListed { group, kind, item } = listed;
        // A filter resolves to one id before the scan, so that an index on rights can
        // start with it.
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
        let rights = rows.iter().map(|row| {
            let row = Columns::new(NAME, row);
            Ok((RightPlace::from_row(&row)?, AccessRight::from_row(&row)?))
        });
        rights.collect()
    }
}

impl FromRow for RightPlace {
    fn from_row(row: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            item: row.get("item_id")?,
            group: row.get("group_id")?,
        })
    }
}

impl FromRow for AccessRight<Code, ItemRef> {
    fn from_row(row: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            group: row.get("group_code")?,
            item: ItemRef::from_row(row)?,
            level: row.level("level")?,
        })
    }
}

impl FromRow for ItemRef {
    fn from_row(row: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            kind: row.word("type")?,
            code: row.get("item_code")?,
        })
    }
}

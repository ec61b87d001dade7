use tokio_postgres::types::ToSql;

use crate::{
    domain::{AccessRight, Code, ItemId, ItemKind, ItemRef, SubjectRef},
    store::{
        Snapshot, StoreError,
        entity_rows::{Columns, FromRow},
        product_lists::count,
    },
};

impl Snapshot<'_> {
    /// Reads the rights of an enabled subject's user groups on the next items after
    /// an id: at most `limit` items, all rights on each, in the order of the items'
    /// ids and the groups' codes. `kind` restricts them to items of one kind.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable,
    /// [`StoreError::CorruptRow`] if a stored value violates the domain's rules.
    pub async fn rights_of_subject_after(
        &self,
        subject: &SubjectRef,
        kind: Option<ItemKind>,
        after: ItemId,
        limit: usize,
    ) -> Result<Vec<(ItemId, AccessRight<Code, ItemRef>)>, StoreError> {
        const NAME: &str = "rights_of_subject_after";
        // Each group yields its next items from an index, so that a page costs as
        // much at the end of the list as at its beginning.
        const SQL: &str = "-- rights_of_subject_after
            WITH joined AS MATERIALIZED (
                     SELECT named.id, named.code, named.key
                       FROM subject
                      CROSS JOIN LATERAL (SELECT group_id FROM membership AS m
                                           WHERE m.tenant_id = $1 AND m.subject_id = subject.id OFFSET 0) AS member
                      CROSS JOIN LATERAL (SELECT id, code, key FROM user_group AS g
                                           WHERE g.tenant_id = $1 AND g.id = member.group_id OFFSET 0) AS named
                      WHERE subject.tenant_id = $1 AND subject.type = $2 AND subject.key = $3 AND subject.enabled),
                 near AS MATERIALIZED (
                     SELECT DISTINCT held.item_id
                       FROM joined
                      CROSS JOIN LATERAL (SELECT item_id FROM access_right AS r
                                           WHERE r.tenant_id = $1 AND r.group_id = joined.id AND r.item_id > $4
                                             AND ($5::text = '' OR EXISTS (SELECT FROM item AS i
                                                                            WHERE i.tenant_id = $1 AND i.id = r.item_id AND i.type = $5))
                                           ORDER BY item_id LIMIT $6) AS held
                      ORDER BY held.item_id LIMIT $6)
            SELECT near.item_id, item.type, item.code AS item_code, joined.code AS group_code, held.level
              FROM near
             CROSS JOIN LATERAL (SELECT type, code FROM item AS i WHERE i.tenant_id = $1 AND i.id = near.item_id OFFSET 0) AS item
             CROSS JOIN joined
             CROSS JOIN LATERAL (SELECT level FROM access_right AS r
                                  WHERE r.tenant_id = $1 AND r.group_id = joined.id AND r.item_id = near.item_id OFFSET 0) AS held
             ORDER BY near.item_id, joined.key";
        let rows = self
            .about_subject(NAME, SQL, subject, kind, after, limit)
            .await?;
        let rights = rows.iter().map(|row| {
            let row = Columns::new(NAME, row);
            Ok((row.get("item_id")?, AccessRight::from_row(&row)?))
        });
        rights.collect()
    }

    /// Returns the number of user groups of a subject.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn count_groups(&self, subject: &SubjectRef) -> Result<usize, StoreError> {
        const NAME: &str = "count_groups";
        const SQL: &str = "-- count_groups
            SELECT count(*)
              FROM subject
             CROSS JOIN LATERAL (SELECT FROM membership AS m
                                  WHERE m.tenant_id = $1 AND m.subject_id = subject.id OFFSET 0) AS member
             WHERE subject.tenant_id = $1 AND subject.type = $2 AND subject.key = $3";
        let kind = <&str>::from(subject.kind);
        let parameters: [&(dyn ToSql + Sync); 3] =
            [&self.tenant().id.0, &kind, &subject.code.folded()];
        let rows = self.query(NAME, SQL, &parameters).await?;
        let count: i64 = rows.first().map(|row| row.get(0)).unwrap_or_default();
        Ok(usize::try_from(count).unwrap_or_default())
    }

    /// Reads the next items after an id, in the order of ids; none unless the
    /// subject is stored and enabled.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::rights_of_subject_after`].
    pub async fn items_of_subject_after(
        &self,
        subject: &SubjectRef,
        kind: Option<ItemKind>,
        after: ItemId,
        limit: usize,
    ) -> Result<Vec<(ItemId, ItemRef)>, StoreError> {
        const NAME: &str = "items_of_subject_after";
        const SQL: &str = "-- items_of_subject_after
            SELECT id AS item_id, type, code AS item_code
              FROM item
             WHERE tenant_id = $1 AND id > $4 AND ($5::text = '' OR type = $5)
               AND EXISTS (SELECT FROM subject AS s WHERE s.tenant_id = $1 AND s.type = $2 AND s.key = $3 AND s.enabled)
             ORDER BY id
             LIMIT $6";
        let rows = self
            .about_subject(NAME, SQL, subject, kind, after, limit)
            .await?;
        let items = rows.iter().map(|row| {
            let row = Columns::new(NAME, row);
            Ok((row.get("item_id")?, ItemRef::from_row(&row)?))
        });
        items.collect()
    }

    async fn about_subject(
        &self,
        name: &'static str,
        sql: &str,
        subject: &SubjectRef,
        kind: Option<ItemKind>,
        after: ItemId,
        limit: usize,
    ) -> Result<Vec<tokio_postgres::Row>, StoreError> {
        let kind: &str = kind.map(Into::into).unwrap_or_default();
        let parameters: [&(dyn ToSql + Sync); 6] = [
            &self.tenant().id.0,
            &<&str>::from(subject.kind),
            &subject.code.folded(),
            &after,
            &kind,
            &count(limit),
        ];
        self.query(name, sql, &parameters).await
    }
}

use std::{collections::HashMap, hash::Hash};

use tokio_postgres::types::{FromSql, ToSql};

use crate::domain::{
    App, Attribute, AttributeId, GridView, GridViewId, GroupId, Item, ItemId, Level, Role, RoleId,
    Subject, SubjectId, UserGroup,
};

use super::{
    StoreError, TenantId, Transaction, WantedEntities,
    entity_rows::{Columns, FromRow, selection_columns},
    wanted_entities::{RightsFilter, RightsWanted},
};

/// Entities of a tenant by id, without products and models.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each holds the entities of that kind by id")]
pub struct StoredEntities {
    pub groups: HashMap<GroupId, UserGroup>,
    pub roles: HashMap<RoleId, Role>,
    pub subjects: HashMap<SubjectId, Subject>,
    pub items: HashMap<ItemId, Item>,
    pub attributes: HashMap<AttributeId, Attribute>,
    pub grid_views: HashMap<GridViewId, GridView>,
    /// Keyed by subject id.
    pub apps: HashMap<SubjectId, App>,
    /// Keyed by item id: group ids in ascending order, each with its level.
    pub rights: HashMap<ItemId, Vec<(GroupId, Level)>>,
    /// Number of apps and connections in the tenant, whether loaded or not (rules
    /// 5.2).
    pub third_parties: usize,
}

/// Statements that load entities: `$1` is the tenant, `$2` the ids to load or null
/// for all of them.
const GROUPS: &str = "-- load_groups
    SELECT id, code, label, private
      FROM user_group
     WHERE tenant_id = $1 AND ($2::integer[] IS NULL OR id = ANY ($2))";
const ROLES: &str = "-- load_roles
    SELECT id, code, label, audience,
           ARRAY(SELECT permission FROM role_permission WHERE tenant_id = $1 AND role_id = role.id) AS permissions
      FROM role
     WHERE tenant_id = $1 AND ($2::integer[] IS NULL OR id = ANY ($2))";
const SUBJECTS: &str = "-- load_subjects
    SELECT id, code, type, enabled,
           ARRAY(SELECT role_id FROM subject_role WHERE tenant_id = $1 AND subject_id = subject.id) AS roles,
           ARRAY(SELECT group_id FROM membership WHERE tenant_id = $1 AND subject_id = subject.id) AS groups
      FROM subject
     WHERE tenant_id = $1 AND ($2::integer[] IS NULL OR id = ANY ($2))";
const ITEMS: &str = "-- load_items
    SELECT id, code, type, parent_id AS parent, tree_id AS tree,
           ARRAY(SELECT locale_id FROM channel_locale
                  WHERE tenant_id = $1 AND channel_id = item.id AND item.type = 'channel') AS locales
      FROM item
     WHERE tenant_id = $1 AND ($2::integer[] IS NULL OR id = ANY ($2))";
const ATTRIBUTES: &str = "-- load_attributes
    SELECT id, code, group_id AS attribute_group, scopable, localizable
      FROM attribute
     WHERE tenant_id = $1 AND ($2::integer[] IS NULL OR id = ANY ($2))";
const GRID_VIEWS: &str = "-- load_grid_views
    SELECT id, code,
           ARRAY(SELECT group_id FROM grid_view_group
                  WHERE tenant_id = $1 AND grid_view_id = grid_view.id) AS attribute_groups
      FROM grid_view
     WHERE tenant_id = $1 AND ($2::integer[] IS NULL OR id = ANY ($2))";
const APPS: &str = concat!(
    "-- load_apps
    SELECT subject_id AS id, group_id AS app_group, connected_by, later_channels, permissions_passed,
           ARRAY(SELECT scope FROM app_scope WHERE tenant_id = $1 AND subject_id = app.subject_id) AS scopes, ",
    selection_columns!("app.subject_id", "s.item_id"),
    " FROM app
     WHERE tenant_id = $1 AND ($2::integer[] IS NULL OR subject_id = ANY ($2))"
);

/// No restriction to some ids.
const ALL: Option<&[i32]> = None;

impl Transaction<'_> {
    /// Loads the selected entities of a tenant.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable,
    /// [`StoreError::CorruptRow`] if a stored value violates the domain's rules.
    pub async fn load_entities(
        &self,
        tenant: TenantId,
        wanted: &WantedEntities,
    ) -> Result<StoredEntities, StoreError> {
        let mut entities = StoredEntities {
            groups: self.load(GROUPS, tenant, ALL).await?,
            ..StoredEntities::default()
        };
        if wanted.everything || wanted.roles {
            entities.roles = self.load(ROLES, tenant, ALL).await?;
        }
        let subjects = self.subjects_wanted(tenant, wanted).await?;
        entities.subjects = self.load(SUBJECTS, tenant, subjects.as_deref()).await?;
        entities.third_parties = self.count_third_parties(tenant).await?;
        let items = self.items_wanted(tenant, wanted).await?;
        entities.items = self.load(ITEMS, tenant, items.as_deref()).await?;
        let moved = self.moved_items(tenant, wanted).await?;
        if !moved.is_empty() {
            let moved = self.load(ITEMS, tenant, Some(&moved));
            entities.items.extend(moved.await?);
        }
        if wanted.everything || wanted.attributes {
            entities.attributes = self.load(ATTRIBUTES, tenant, ALL).await?;
        }
        if wanted.everything || wanted.grid_views {
            entities.grid_views = self.load(GRID_VIEWS, tenant, ALL).await?;
        }
        entities.apps = self.load(APPS, tenant, ALL).await?;
        let all = RightsWanted::OnItems;
        let rights = if wanted.everything {
            &all
        } else {
            &wanted.rights
        };
        if let Some(filter) = rights.filter(items.as_deref()) {
            self.load_rights(tenant, &filter, &mut entities).await?;
        }
        Ok(entities)
    }

    /// Reads the codes of roles, items and subjects by their ids, which are unique
    /// among all of them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn read_codes(
        &self,
        tenant: TenantId,
        ids: &[i32],
    ) -> Result<Vec<(i32, String)>, StoreError> {
        const SQL: &str = "-- read_codes
            SELECT id, code FROM item WHERE tenant_id = $1 AND id = ANY ($2)
             UNION ALL
            SELECT id, code FROM role WHERE tenant_id = $1 AND id = ANY ($2)
             UNION ALL
            SELECT id, code FROM subject WHERE tenant_id = $1 AND id = ANY ($2)";
        self.parsed(SQL, &[&tenant.0, &ids], |row| {
            Ok((row.get("id")?, row.get("code")?))
        })
        .await
    }

    /// Loads the entities of one kind, or those with the ids `only`, by id.
    async fn load<Id, T>(
        &self,
        sql: &'static str,
        tenant: TenantId,
        only: Option<&[impl ToSql + Sync]>,
    ) -> Result<HashMap<Id, T>, StoreError>
    where
        Id: for<'r> FromSql<'r> + Eq + Hash,
        T: FromRow,
    {
        self.parsed(sql, &[&tenant.0, &only], |row| {
            Ok((row.get("id")?, T::from_row(row)?))
        })
        .await
    }

    async fn count_third_parties(&self, tenant: TenantId) -> Result<usize, StoreError> {
        const SQL: &str = "-- count_third_parties
            SELECT count(*) FROM subject WHERE tenant_id = $1 AND type IN ('app', 'connection')";
        let row = self.first_row(SQL, &[&tenant.0]).await?;
        let count: i64 = row.map(|row| row.get(0)).unwrap_or_default();
        Ok(usize::try_from(count).unwrap_or_default())
    }

    async fn load_rights(
        &self,
        tenant: TenantId,
        filter: &RightsFilter<'_>,
        entities: &mut StoredEntities,
    ) -> Result<(), StoreError> {
        const NAME: &str = "load_rights";
        const SQL: &str = "-- load_rights
            SELECT item_id, group_id, level
              FROM access_right
             WHERE tenant_id = $1 AND ($2::integer[] IS NULL OR item_id = ANY ($2))
               AND ($3::text[] IS NULL OR group_id IN (SELECT id FROM user_group WHERE tenant_id = $1 AND key = ANY ($3)))
             ORDER BY item_id, group_id";
        let RightsFilter { items, groups } = filter;
        let parameters: [&(dyn ToSql + Sync); 3] = [&tenant.0, items, groups];
        let mut rows = self.stream(NAME, SQL, parameters).await?;
        while let Some(row) = self.next_row(NAME, &mut rows).await? {
            let row = Columns::new(NAME, &row);
            let right = (row.get("group_id")?, row.level("level")?);
            let item = row.get("item_id")?;
            entities.rights.entry(item).or_default().push(right);
        }
        Ok(())
    }
}

use std::hash::Hash;

use hashbrown::HashMap;
use tokio_postgres::types::{FromSql, ToSql};

use crate::domain::{
    App, Attribute, AttributeId, Code, GridView, GridViewId, GroupId, Item, ItemId, Level, Role,
    RoleId, Subject, SubjectId, SubjectKind, UserGroup,
};

use super::{
    StoreError, TenantId, Transaction, WantedEntities,
    entity_rows::{Columns, FromRow, selection_columns},
    round_trip::send_together,
    wanted_entities::{RightsFilter, RightsWanted},
};

/// The groups with rights on each item, each with its level.
type Rights = HashMap<ItemId, Vec<(GroupId, Level)>>;

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
    pub rights: Rights,
    /// Number of apps and connections in the tenant, whether loaded or not (rules
    /// 5.2); 0 if none of them was to be loaded.
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
        let everything = wanted.everything;
        let subjects = async {
            match self.subjects_wanted(tenant, wanted).await?.as_deref() {
                Some([]) => Ok(HashMap::new()),
                wanted => self.load(SUBJECTS, tenant, wanted).await,
            }
        };
        let third_parties = async {
            let is_one = |(kind, _): &(SubjectKind, Code)| *kind != SubjectKind::User;
            if everything || wanted.subjects.iter().any(is_one) {
                self.count_third_parties(tenant).await
            } else {
                Ok(0)
            }
        };
        let loading = async {
            send_together!(
                groups = self.load(GROUPS, tenant, ALL),
                roles = self.load_if(everything || wanted.roles, ROLES, tenant),
                subjects = subjects,
                third_parties = third_parties,
                on_items = self.load_items(tenant, wanted),
                attributes = self.load_if(everything || wanted.attributes, ATTRIBUTES, tenant),
                grid_views = self.load_if(everything || wanted.grid_views, GRID_VIEWS, tenant),
                apps = self.load(APPS, tenant, ALL),
            );
            let (items, rights) = on_items;
            Ok(StoredEntities {
                groups,
                roles,
                subjects,
                items,
                attributes,
                grid_views,
                apps,
                rights,
                third_parties,
            })
        };
        Box::pin(loading).await
    }

    /// Loads the selected items, with the items that categories are moved with, and
    /// the selected rights.
    async fn load_items(
        &self,
        tenant: TenantId,
        wanted: &WantedEntities,
    ) -> Result<(HashMap<ItemId, Item>, Rights), StoreError> {
        let named = self.items_wanted(tenant, wanted).await?;
        let items = async {
            match named.as_deref() {
                Some([]) => Ok(HashMap::new()),
                named => self.load(ITEMS, tenant, named).await,
            }
        };
        let moved = async {
            let moved = self.moved_items(tenant, wanted).await?;
            if moved.is_empty() {
                return Ok(HashMap::new());
            }
            self.load(ITEMS, tenant, Some(&moved)).await
        };
        let all = RightsWanted::OnItems;
        let wanted = if wanted.everything {
            &all
        } else {
            &wanted.rights
        };
        let filter = wanted.filter(named.as_deref());
        let rights = async {
            match &filter {
                Some(filter) => self.load_rights(tenant, filter).await,
                None => Ok(HashMap::new()),
            }
        };
        send_together!(items = items, moved = moved, rights = rights,);
        let mut items: HashMap<ItemId, Item> = items;
        items.extend(moved);
        Ok((items, rights))
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

    /// Loads all entities of one kind, if they are wanted.
    async fn load_if<Id, T>(
        &self,
        is_wanted: bool,
        sql: &'static str,
        tenant: TenantId,
    ) -> Result<HashMap<Id, T>, StoreError>
    where
        Id: for<'r> FromSql<'r> + Eq + Hash,
        T: FromRow,
    {
        if is_wanted {
            self.load(sql, tenant, ALL).await
        } else {
            Ok(HashMap::new())
        }
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
    ) -> Result<Rights, StoreError> {
        const NAME: &str = "load_rights";
        const SQL: &str = "-- load_rights
            SELECT item_id, group_id, level
              FROM access_right
             WHERE tenant_id = $1 AND ($2::integer[] IS NULL OR item_id = ANY ($2))
               AND ($3::text[] IS NULL OR group_id IN (SELECT id FROM user_group WHERE tenant_id = $1 AND key = ANY ($3)))
             ORDER BY item_id, group_id";
        let RightsFilter { items, groups } = filter;
        let parameters: [&(dyn ToSql + Sync); 3] = [&tenant.0, items, groups];
        let mut rights = Rights::new();
        let mut rows = self.stream(NAME, SQL, parameters).await?;
        while let Some(row) = self.next_row(NAME, &mut rows).await? {
            let row = Columns::new(NAME, &row);
            let right = (row.get("group_id")?, row.level("level")?);
            let item = row.get("item_id")?;
            rights.entry(item).or_default().push(right);
        }
        Ok(rights)
    }
}

use std::hash::Hash;

use hashbrown::{HashMap, HashSet};
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

/// Statements that load the entities of one kind: `$1` is the tenant, `$2` the ids.
#[derive(Clone, Copy)]
struct Load {
    all: &'static str,
    by_id: &'static str,
}

/// The statements that load `$columns` of a table. Each id is looked up by itself: a
/// plan that is made once for all of them, perhaps without statistics, then never
/// reads the whole tenant.
macro_rules! load {
    ($name:literal, $columns:expr, $table:literal, $id:literal) => {
        Load {
            all: concat!(
                "-- ",
                $name,
                "\n SELECT ",
                $columns,
                " FROM ",
                $table,
                " WHERE tenant_id = $1"
            ),
            by_id: concat!(
                "-- ",
                $name,
                "\n SELECT ",
                $columns,
                " FROM unnest($2::integer[]) AS wanted (wanted_id)
                 CROSS JOIN LATERAL (SELECT * FROM ",
                $table,
                " AS t
                                      WHERE t.tenant_id = $1 AND t.",
                $id,
                " = wanted_id OFFSET 0) AS ",
                $table
            ),
        }
    };
}

const GROUPS: Load = load!(
    "load_groups",
    "id, code, label, private",
    "user_group",
    "id"
);
const ROLES: Load = load!(
    "load_roles",
    "id, code, label, audience,
     ARRAY(SELECT permission FROM role_permission WHERE tenant_id = $1 AND role_id = role.id) AS permissions",
    "role",
    "id"
);
const SUBJECTS: Load = load!(
    "load_subjects",
    "id, code, type, enabled,
     ARRAY(SELECT role_id FROM subject_role WHERE tenant_id = $1 AND subject_id = subject.id) AS roles,
     ARRAY(SELECT group_id FROM membership WHERE tenant_id = $1 AND subject_id = subject.id) AS groups",
    "subject",
    "id"
);
const ITEMS: Load = load!(
    "load_items",
    "id, code, type, parent_id AS parent, tree_id AS tree,
     ARRAY(SELECT locale_id FROM channel_locale
            WHERE tenant_id = $1 AND channel_id = item.id AND item.type = 'channel') AS locales",
    "item",
    "id"
);
const ATTRIBUTES: Load = load!(
    "load_attributes",
    "id, code, group_id AS attribute_group, scopable, localizable",
    "attribute",
    "id"
);
const GRID_VIEWS: Load = load!(
    "load_grid_views",
    "id, code,
     ARRAY(SELECT group_id FROM grid_view_group
            WHERE tenant_id = $1 AND grid_view_id = grid_view.id) AS attribute_groups",
    "grid_view",
    "id"
);
const APPS: Load = load!(
    "load_apps",
    concat!(
        "subject_id AS id, group_id AS app_group, connected_by, later_channels, permissions_passed,
         ARRAY(SELECT scope FROM app_scope WHERE tenant_id = $1 AND subject_id = app.subject_id) AS scopes, ",
        selection_columns!("app.subject_id", "s.item_id"),
    ),
    "app",
    "subject_id"
);

/// No restriction to some ids.
const ALL: Option<&[i32]> = None;

/// No ids.
const NONE: Option<&[i32]> = Some(&[]);

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
        let roles = if everything || wanted.roles {
            ALL
        } else {
            NONE
        };
        let subjects = async {
            let ids = self.subjects_wanted(tenant, wanted).await?;
            self.load(SUBJECTS, tenant, ids.as_deref()).await
        };
        let attributes = async {
            let ids = self.attributes_wanted(tenant, wanted).await?;
            self.load(ATTRIBUTES, tenant, ids.as_deref()).await
        };
        let grid_views = async {
            let ids = self.grid_views_wanted(tenant, wanted).await?;
            self.load(GRID_VIEWS, tenant, ids.as_deref()).await
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
                roles = self.load(ROLES, tenant, roles),
                subjects = subjects,
                third_parties = third_parties,
                on_items = self.load_items(tenant, wanted),
                attributes = attributes,
                grid_views = grid_views,
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
        let filter = wanted.rights_filter(named.as_deref());
        let rights = async {
            match &filter {
                Some(filter) => self.load_rights(tenant, filter).await,
                None => Ok(HashMap::new()),
            }
        };
        if let (RightsWanted::OfGroups(_), false) = (&wanted.rights, wanted.everything) {
            let rights = rights.await?;
            let mut ids: HashSet<ItemId> = rights.keys().copied().collect();
            ids.extend(named.iter().flatten());
            let ids = Vec::from_iter(ids);
            let items = self.load(ITEMS, tenant, Some(&ids)).await?;
            return Ok((items, rights));
        }
        let items = self.load(ITEMS, tenant, named.as_deref());
        let moved = async {
            let moved = self.moved_items(tenant, wanted).await?;
            self.load(ITEMS, tenant, Some(&moved)).await
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
            SELECT wanted.id, entity.code
              FROM unnest($2::integer[]) AS wanted (id)
             CROSS JOIN LATERAL (SELECT code FROM item WHERE tenant_id = $1 AND item.id = wanted.id
                                  UNION ALL
                                 SELECT code FROM role WHERE tenant_id = $1 AND role.id = wanted.id
                                  UNION ALL
                                 SELECT code FROM subject WHERE tenant_id = $1 AND subject.id = wanted.id) AS entity";
        self.parsed(SQL, &[&tenant.0, &ids], |row| {
            Ok((row.get("id")?, row.get("code")?))
        })
        .await
    }

    /// Loads the entities of one kind, or those with the ids `only`, by id.
    async fn load<Id, T>(
        &self,
        load: Load,
        tenant: TenantId,
        only: Option<&[impl ToSql + Sync]>,
    ) -> Result<HashMap<Id, T>, StoreError>
    where
        Id: for<'r> FromSql<'r> + Eq + Hash,
        T: FromRow,
    {
        let parse = |row: &Columns<'_>| Ok((row.get("id")?, T::from_row(row)?));
        match only {
            Some([]) => Ok(HashMap::new()),
            Some(ids) => self.parsed(load.by_id, &[&tenant.0, &ids], parse).await,
            None => self.parsed(load.all, &[&tenant.0], parse).await,
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
        const ALL: &str = "-- load_rights
            SELECT item_id, group_id, level FROM access_right WHERE tenant_id = $1
             ORDER BY item_id, group_id";
        const ON_ITEMS: &str = "-- load_rights
            SELECT access.item_id, access.group_id, access.level
              FROM unnest($2::integer[]) AS wanted (item)
             CROSS JOIN LATERAL (SELECT item_id, group_id, level FROM access_right AS a
                                  WHERE a.tenant_id = $1 AND a.item_id = wanted.item OFFSET 0) AS access
             ORDER BY access.item_id, access.group_id";
        const OF_GROUPS: &str = "-- load_rights
            SELECT access.item_id, access.group_id, access.level
              FROM (SELECT DISTINCT key FROM unnest($2::text[]) AS key) AS wanted
             CROSS JOIN LATERAL (SELECT id FROM user_group AS g
                                  WHERE g.tenant_id = $1 AND g.key = wanted.key OFFSET 0) AS named
             CROSS JOIN LATERAL (SELECT item_id, group_id, level FROM access_right AS a
                                  WHERE a.tenant_id = $1 AND a.group_id = named.id OFFSET 0) AS access
             ORDER BY access.item_id, access.group_id";
        const ON_ITEMS_OF_GROUPS: &str = "-- load_rights
            SELECT access.item_id, access.group_id, access.level
              FROM (SELECT DISTINCT key FROM unnest($2::text[]) AS key) AS wanted
             CROSS JOIN LATERAL (SELECT id FROM user_group AS g
                                  WHERE g.tenant_id = $1 AND g.key = wanted.key OFFSET 0) AS named
             CROSS JOIN unnest($3::integer[]) AS on_item (id)
             CROSS JOIN LATERAL (SELECT item_id, group_id, level FROM access_right AS a
                                  WHERE a.tenant_id = $1 AND a.group_id = named.id AND a.item_id = on_item.id OFFSET 0) AS access
             ORDER BY access.item_id, access.group_id";
        let RightsFilter { items, groups } = filter;
        let (sql, parameters): (_, Vec<&(dyn ToSql + Sync)>) = match (items, groups) {
            (None, None) => (ALL, vec![&tenant.0]),
            (Some(items), None) => (ON_ITEMS, vec![&tenant.0, items]),
            (None, Some(groups)) => (OF_GROUPS, vec![&tenant.0, groups]),
            (Some(items), Some(groups)) => (ON_ITEMS_OF_GROUPS, vec![&tenant.0, groups, items]),
        };
        let mut rights = Rights::new();
        let mut rows = self.stream(NAME, sql, parameters).await?;
        while let Some(row) = self.next_row(NAME, &mut rows).await? {
            let row = Columns::new(NAME, &row);
            let right = (row.get("group_id")?, row.level("level")?);
            let item = row.get("item_id")?;
            rights.entry(item).or_default().push(right);
        }
        Ok(rights)
    }
}

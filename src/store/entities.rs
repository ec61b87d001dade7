use std::collections::{BTreeSet, HashMap};

use tokio_postgres::{
    Row,
    types::{FromSql, ToSql},
};

use crate::domain::{
    AttributeId, Audience, CATALOGUE, Code, GridViewId, GroupId, ItemId, ItemKind, Level,
    PermissionSet, RoleId, ScopeSet, SubjectId, SubjectKind,
};

use super::{
    StoreError, TenantId, Transaction, WantedEntities,
    wanted_entities::{RightsFilter, RightsWanted},
};

/// A stored user group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRow {
    /// Its code as first written.
    pub code: Code,
    /// Display name; if empty, the code is shown.
    pub label: String,
    /// True if the group belongs to one app (rules 1.4).
    pub private: bool,
}

/// A stored role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRow {
    /// Its code as first written.
    pub code: Code,
    /// Display name.
    pub label: String,
    /// Kind of subject that may hold the role (rules 2.5).
    pub audience: Audience,
    /// Permissions as granted, without those they imply.
    pub permissions: PermissionSet,
}

/// A stored user, app or connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectRow {
    /// Its code as first written.
    pub code: Code,
    /// Kind of subject.
    pub kind: SubjectKind,
    /// False if the subject may do nothing at all.
    pub enabled: bool,
    /// Ids of its roles.
    pub roles: BTreeSet<RoleId>,
    /// Ids of its groups.
    pub groups: BTreeSet<GroupId>,
}

/// A stored item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemRow {
    /// Its code as first written.
    pub code: Code,
    /// Kind of item.
    pub kind: ItemKind,
    /// Id of the parent, for a category.
    pub parent: Option<ItemId>,
    /// Id of the category tree, for a channel.
    pub tree: Option<ItemId>,
    /// Ids of the locales, for a channel.
    pub locales: BTreeSet<ItemId>,
}

/// A stored attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeRow {
    /// Its code as first written.
    pub code: Code,
    /// Id of its attribute group, an item.
    pub group: ItemId,
    /// True if its values are specific to a channel.
    pub scopable: bool,
    /// True if its values are specific to a locale.
    pub localizable: bool,
}

/// A stored grid view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GridViewRow {
    /// Its code as first written.
    pub code: Code,
    /// Ids of the attribute groups that it uses, which are items.
    pub groups: BTreeSet<ItemId>,
}

/// The stored data of a connected app, in addition to its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppRow {
    /// Id of its private group.
    pub group: GroupId,
    /// User who connected it, such as `user:julia`.
    pub connected_by: String,
    /// True if it gets `edit` on channels created later (rules 5.7).
    pub later_channels: bool,
    /// True if it passed the step *permissions* (rules 5.8a).
    pub permissions_passed: bool,
    /// Scopes as granted, without those they imply.
    pub scopes: ScopeSet,
    /// Choices made in the permissions step.
    pub selections: BTreeSet<Selection>,
}

/// One choice of the permissions step (rules 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selection {
    /// Axis of the choice.
    pub axis: SelectionAxis,
    /// Chosen level, as bits ([`Level::bits`]).
    pub level: u8,
    /// Id of the chosen item; `None` for all items, later ones included.
    pub item: Option<ItemId>,
}

/// Axes on which an app's rights are chosen.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
pub enum SelectionAxis {
    /// Category trees.
    Tree,
    /// Locales.
    Locale,
    /// Attribute groups.
    AttributeGroup,
}

/// Entities of a tenant by id, without products and models.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each holds the rows of that entity by number")]
pub struct StoredEntities {
    pub groups: HashMap<GroupId, GroupRow>,
    pub roles: HashMap<RoleId, RoleRow>,
    pub subjects: HashMap<SubjectId, SubjectRow>,
    pub items: HashMap<ItemId, ItemRow>,
    pub attributes: HashMap<AttributeId, AttributeRow>,
    pub grid_views: HashMap<GridViewId, GridViewRow>,
    /// Keyed by subject id.
    pub apps: HashMap<SubjectId, AppRow>,
    /// Keyed by item id: group ids in ascending order, each with its level.
    pub rights: HashMap<ItemId, Vec<(GroupId, Level)>>,
    /// Number of apps and connections in the tenant, whether loaded or not (rules
    /// 5.2).
    pub third_parties: usize,
}

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
        let mut entities = StoredEntities::default();
        self.load_groups(tenant, &mut entities).await?;
        if wanted.everything || wanted.roles {
            self.load_roles(tenant, &mut entities).await?;
        }
        let subjects = self.subjects_wanted(tenant, wanted).await?;
        self.load_subjects(tenant, subjects.as_deref(), &mut entities)
            .await?;
        self.count_third_parties(tenant, &mut entities).await?;
        let items = self.items_wanted(tenant, wanted).await?;
        self.load_items(tenant, items.as_deref(), &mut entities)
            .await?;
        let moved = self.moved_items(tenant, wanted).await?;
        if !moved.is_empty() {
            self.load_items(tenant, Some(&moved), &mut entities).await?;
        }
        if wanted.everything || wanted.attributes {
            self.load_attributes(tenant, &mut entities).await?;
        }
        if wanted.everything || wanted.grid_views {
            self.load_grid_views(tenant, &mut entities).await?;
        }
        self.load_apps(tenant, &mut entities).await?;
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
        let rows = self.query("read_codes", SQL, &[&tenant.0, &ids]).await?;
        Ok(rows
            .iter()
            .map(|row| (row.get("id"), row.get("code")))
            .collect())
    }

    async fn load_groups(
        &self,
        tenant: TenantId,
        entities: &mut StoredEntities,
    ) -> Result<(), StoreError> {
        const SQL: &str = "-- load_groups
            SELECT id, code, label, private FROM user_group WHERE tenant_id = $1";
        for row in self.query("load_groups", SQL, &[&tenant.0]).await? {
            let group = GroupRow {
                code: code(&row)?,
                label: row.get("label"),
                private: row.get("private"),
            };
            entities.groups.insert(row.get("id"), group);
        }
        Ok(())
    }

    async fn load_roles(
        &self,
        tenant: TenantId,
        entities: &mut StoredEntities,
    ) -> Result<(), StoreError> {
        const SQL: &str = "-- load_roles
            SELECT id, code, label, audience,
                   ARRAY(SELECT permission FROM role_permission WHERE tenant_id = $1 AND role_id = role.id) AS permissions
              FROM role WHERE tenant_id = $1";
        for row in self.query("load_roles", SQL, &[&tenant.0]).await? {
            let permissions: Vec<&str> = row.get("permissions");
            let role = RoleRow {
                code: code(&row)?,
                label: row.get("label"),
                audience: word(&row, "audience")?,
                permissions: permissions
                    .iter()
                    .filter_map(|code| CATALOGUE.find_permission(code))
                    .map(|p| p.id)
                    .collect(),
            };
            entities.roles.insert(row.get("id"), role);
        }
        Ok(())
    }

    async fn load_subjects(
        &self,
        tenant: TenantId,
        only: Option<&[SubjectId]>,
        entities: &mut StoredEntities,
    ) -> Result<(), StoreError> {
        const SQL: &str = "-- load_subjects
            SELECT id, code, type, enabled,
                   ARRAY(SELECT role_id FROM subject_role WHERE tenant_id = $1 AND subject_id = subject.id) AS roles,
                   ARRAY(SELECT group_id FROM membership WHERE tenant_id = $1 AND subject_id = subject.id) AS groups
              FROM subject WHERE tenant_id = $1 AND ($2::integer[] IS NULL OR id = ANY ($2))";
        for row in self
            .query("load_subjects", SQL, &[&tenant.0, &only])
            .await?
        {
            let subject = SubjectRow {
                code: code(&row)?,
                kind: word(&row, "type")?,
                enabled: row.get("enabled"),
                roles: ids(&row, "roles"),
                groups: ids(&row, "groups"),
            };
            entities.subjects.insert(row.get("id"), subject);
        }
        Ok(())
    }

    async fn count_third_parties(
        &self,
        tenant: TenantId,
        entities: &mut StoredEntities,
    ) -> Result<(), StoreError> {
        const SQL: &str = "-- count_third_parties
            SELECT count(*) FROM subject WHERE tenant_id = $1 AND type IN ('app', 'connection')";
        let rows = self.query("count_third_parties", SQL, &[&tenant.0]).await?;
        let count: i64 = rows.first().map(|row| row.get(0)).unwrap_or_default();
        entities.third_parties = usize::try_from(count).unwrap_or_default();
        Ok(())
    }

    async fn load_items(
        &self,
        tenant: TenantId,
        only: Option<&[ItemId]>,
        entities: &mut StoredEntities,
    ) -> Result<(), StoreError> {
        const SQL: &str = "-- load_items
            SELECT id, code, type, parent_id, tree_id,
                   ARRAY(SELECT locale_id FROM channel_locale
                          WHERE tenant_id = $1 AND channel_id = item.id AND item.type = 'channel') AS locales
              FROM item WHERE tenant_id = $1 AND ($2::integer[] IS NULL OR id = ANY ($2))";
        for row in self.query("load_items", SQL, &[&tenant.0, &only]).await? {
            let item = ItemRow {
                code: code(&row)?,
                kind: word(&row, "type")?,
                parent: row.get("parent_id"),
                tree: row.get("tree_id"),
                locales: ids(&row, "locales"),
            };
            entities.items.insert(row.get("id"), item);
        }
        Ok(())
    }

    async fn load_attributes(
        &self,
        tenant: TenantId,
        entities: &mut StoredEntities,
    ) -> Result<(), StoreError> {
        const SQL: &str = "-- load_attributes
            SELECT id, code, group_id, scopable, localizable FROM attribute WHERE tenant_id = $1";
        for row in self.query("load_attributes", SQL, &[&tenant.0]).await? {
            let attribute = AttributeRow {
                code: code(&row)?,
                group: row.get("group_id"),
                scopable: row.get("scopable"),
                localizable: row.get("localizable"),
            };
            entities.attributes.insert(row.get("id"), attribute);
        }
        Ok(())
    }

    async fn load_grid_views(
        &self,
        tenant: TenantId,
        entities: &mut StoredEntities,
    ) -> Result<(), StoreError> {
        const SQL: &str = "-- load_grid_views
            SELECT id, code,
                   ARRAY(SELECT group_id FROM grid_view_group WHERE tenant_id = $1 AND grid_view_id = grid_view.id) AS groups
              FROM grid_view WHERE tenant_id = $1";
        for row in self.query("load_grid_views", SQL, &[&tenant.0]).await? {
            let view = GridViewRow {
                code: code(&row)?,
                groups: ids(&row, "groups"),
            };
            entities.grid_views.insert(row.get("id"), view);
        }
        Ok(())
    }

    async fn load_apps(
        &self,
        tenant: TenantId,
        entities: &mut StoredEntities,
    ) -> Result<(), StoreError> {
        const APPS: &str = "-- load_apps
            SELECT subject_id, group_id, connected_by, later_channels, permissions_passed,
                   ARRAY(SELECT scope FROM app_scope WHERE tenant_id = $1 AND subject_id = app.subject_id) AS scopes
              FROM app WHERE tenant_id = $1";
        const SELECTIONS: &str = "-- load_selections
            SELECT subject_id, axis, level, item_id FROM app_selection WHERE tenant_id = $1";
        for row in self.query("load_apps", APPS, &[&tenant.0]).await? {
            let scopes: Vec<&str> = row.get("scopes");
            let app = AppRow {
                group: row.get("group_id"),
                connected_by: row.get("connected_by"),
                later_channels: row.get("later_channels"),
                permissions_passed: row.get("permissions_passed"),
                scopes: scopes
                    .iter()
                    .filter_map(|code| CATALOGUE.find_scope(code))
                    .map(|s| s.id)
                    .collect(),
                selections: BTreeSet::new(),
            };
            entities.apps.insert(row.get("subject_id"), app);
        }
        for row in self
            .query("load_selections", SELECTIONS, &[&tenant.0])
            .await?
        {
            let level: i16 = row.get("level");
            let selection = Selection {
                axis: word(&row, "axis")?,
                level: u8::try_from(level).unwrap_or_default(),
                item: row.get("item_id"),
            };
            if let Some(app) = entities.apps.get_mut(&row.get("subject_id")) {
                app.selections.insert(selection);
            }
        }
        Ok(())
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
            let level: i16 = row.get("level");
            let level = Level::from_bits(u8::try_from(level).unwrap_or_default());
            entities
                .rights
                .entry(row.get("item_id"))
                .or_default()
                .push((row.get("group_id"), level));
        }
        Ok(())
    }
}

fn code(row: &Row) -> Result<Code, StoreError> {
    word(row, "code")
}

fn word<T: std::str::FromStr>(row: &Row, column: &'static str) -> Result<T, StoreError> {
    let text: &str = row.get(column);
    text.parse().map_err(|_| StoreError::CorruptRow {
        statement: "load_entities",
        message: format!("{column} `{text}`"),
    })
}

fn ids<Id: Ord + for<'r> FromSql<'r>>(row: &Row, column: &str) -> BTreeSet<Id> {
    let ids: Vec<Id> = row.get(column);
    ids.into_iter().collect()
}

use tokio_postgres::types::{FromSql, ToSql};

use crate::domain::{AttributeId, Code, GridViewId, ItemId, ItemKind, SubjectId, SubjectKind};

use super::{StoreError, TenantId, Transaction};

/// Entities of a tenant that a change reads. User groups, and apps with their
/// selections, are few and always read.
#[derive(Clone, Debug, Default)]
pub struct WantedEntities {
    /// True to read all entities; overrides the other fields.
    pub everything: bool,
    /// True to read all roles.
    pub roles: bool,
    /// Subjects by kind and code.
    pub subjects: Vec<(SubjectKind, Code)>,
    /// Groups whose members are all read.
    pub members_of: Vec<Code>,
    /// Roles whose holders are all read.
    pub holders_of: Vec<Code>,
    /// Roles of which one holder each is read.
    pub a_holder_of: Vec<Code>,
    /// Permissions: all enabled users with a role that has one of them are read.
    pub users_with: Vec<&'static str>,
    /// Kinds whose items are all read.
    pub item_kinds: Vec<ItemKind>,
    /// Items by kind and code.
    pub items: Vec<(ItemKind, Code)>,
    /// Relatives of `items` that are read as well.
    pub relatives: Relatives,
    /// Categories, each with its new parent. For those whose parent changes, all
    /// descendants are read, without the access rights on them.
    pub moved: Vec<(Code, Code)>,
    /// Attributes to read.
    pub attributes: GroupedWanted,
    /// Grid views to read.
    pub grid_views: GroupedWanted,
    /// Access rights to read.
    pub rights: RightsWanted,
}

/// Attributes or grid views to read.
#[derive(Clone, Debug, Default)]
pub enum GroupedWanted {
    /// None of them.
    #[default]
    Nothing,
    /// Those with these codes.
    Named(Vec<Code>),
    /// Those of the attribute groups with these codes.
    OfAttributeGroups(Vec<Code>),
}

impl GroupedWanted {
    /// Returns the folded codes of entities and of attribute groups; `None` if nothing
    /// is wanted.
    fn keys(&self) -> Option<[Vec<&str>; 2]> {
        match self {
            Self::Nothing => None,
            Self::Named(codes) => Some([keys(codes), Vec::new()]),
            Self::OfAttributeGroups(codes) => Some([Vec::new(), keys(codes)]),
        }
    }
}

/// Relatives of categories that are read with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Relatives {
    /// No relatives.
    #[default]
    Themselves,
    /// All ancestors.
    Ancestors,
    /// All descendants.
    Descendants,
}

/// Access rights to read.
#[derive(Clone, Debug, Default)]
pub enum RightsWanted {
    /// No access rights.
    #[default]
    Nothing,
    /// All access rights on the items that are read.
    OnItems,
    /// Access rights of these groups on the items that are read.
    OnItemsOf(Vec<Code>),
    /// All access rights of these groups, and the items that they are on.
    OfGroups(Vec<Code>),
}

impl WantedEntities {
    /// Returns whether subjects are wanted by their codes alone, if at all.
    fn names_subjects_only(&self) -> bool {
        self.members_of.is_empty()
            && self.holders_of.is_empty()
            && self.a_holder_of.is_empty()
            && self.users_with.is_empty()
    }

    /// Selects all entities of a tenant except products and models.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            everything: true,
            ..Self::default()
        }
    }
}

fn keys<'c>(codes: impl IntoIterator<Item = &'c Code>) -> Vec<&'c str> {
    codes.into_iter().map(Code::folded).collect()
}

/// The statement that finds subjects by their codes alone.
const NAMED_SUBJECTS: &str = "-- subjects_wanted
    SELECT subject.id
      FROM unnest($2::text[], $3::text[]) AS named (type, key)
     CROSS JOIN LATERAL (SELECT id FROM subject AS s
                          WHERE s.tenant_id = $1 AND s.type = named.type AND s.key = named.key OFFSET 0) AS subject";

impl Transaction<'_> {
    /// Returns the numbers of the wanted subjects; `None` for all.
    pub(super) async fn subjects_wanted(
        &self,
        tenant: TenantId,
        wanted: &WantedEntities,
    ) -> Result<Option<Vec<SubjectId>>, StoreError> {
        const SQL: &str = include_str!("subjects_wanted.sql");
        if wanted.everything {
            return Ok(None);
        }
        let kinds: Vec<&str> = wanted
            .subjects
            .iter()
            .map(|(kind, _)| kind.into())
            .collect();
        let named = keys(wanted.subjects.iter().map(|(_, code)| code));
        if wanted.names_subjects_only() {
            let parameters: [&(dyn ToSql + Sync); 3] = [&tenant.0, &kinds, &named];
            let ids = self.parsed(NAMED_SUBJECTS, &parameters, |row| row.get("id"));
            return ids.await.map(Some);
        }
        let members_of = keys(&wanted.members_of);
        let holders_of = keys(&wanted.holders_of);
        let a_holder_of = keys(&wanted.a_holder_of);
        let parameters: [&(dyn ToSql + Sync); 7] = [
            &tenant.0,
            &kinds,
            &named,
            &members_of,
            &holders_of,
            &a_holder_of,
            &wanted.users_with,
        ];
        self.parsed(SQL, &parameters, |row| row.get("id"))
            .await
            .map(Some)
    }

    /// Returns the numbers of the wanted items; `None` for all.
    pub(super) async fn items_wanted(
        &self,
        tenant: TenantId,
        wanted: &WantedEntities,
    ) -> Result<Option<Vec<ItemId>>, StoreError> {
        const SQL: &str = "-- items_wanted
            WITH RECURSIVE named AS (
                SELECT item.id, item.parent_id
                  FROM unnest($2::text[], $3::text[]) AS given (type, key)
                 CROSS JOIN LATERAL (SELECT id, parent_id FROM item AS i
                                      WHERE i.tenant_id = $1 AND i.key = given.key
                                        AND i.space = CASE WHEN given.type IN ('import_profile', 'export_profile')
                                                           THEN 'profile' ELSE given.type END OFFSET 0) AS item),
            kin AS (
                SELECT id, parent_id FROM named
                 UNION
                SELECT item.id, item.parent_id
                  FROM kin
                 CROSS JOIN LATERAL (SELECT id, parent_id FROM item AS i
                                      WHERE $4 = 'ancestors' AND i.tenant_id = $1 AND i.id = kin.parent_id
                                      UNION ALL
                                     SELECT id, parent_id FROM item AS i
                                      WHERE $4 = 'descendants' AND i.tenant_id = $1 AND i.parent_id = kin.id) AS item)
            SELECT id FROM kin
             UNION
            SELECT item.id
              FROM unnest($5::text[]) AS whole (type)
             CROSS JOIN LATERAL (SELECT id FROM item AS i
                                  WHERE i.tenant_id = $1 AND i.type = whole.type
                                    AND i.space = CASE WHEN whole.type IN ('import_profile', 'export_profile')
                                                       THEN 'profile' ELSE whole.type END OFFSET 0) AS item";
        if wanted.everything {
            return Ok(None);
        }
        if wanted.items.is_empty() && wanted.item_kinds.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let kinds: Vec<&str> = wanted.items.iter().map(|(kind, _)| kind.into()).collect();
        let named = keys(wanted.items.iter().map(|(_, code)| code));
        let kin = match wanted.relatives {
            Relatives::Themselves => "",
            Relatives::Ancestors => "ancestors",
            Relatives::Descendants => "descendants",
        };
        let whole: Vec<&str> = wanted.item_kinds.iter().map(Into::into).collect();
        let parameters: [&(dyn ToSql + Sync); 5] = [&tenant.0, &kinds, &named, &kin, &whole];
        self.parsed(SQL, &parameters, |row| row.get("id"))
            .await
            .map(Some)
    }
}

impl Transaction<'_> {
    /// Returns the numbers of the wanted attributes; `None` for all.
    pub(super) async fn attributes_wanted(
        &self,
        tenant: TenantId,
        wanted: &WantedEntities,
    ) -> Result<Option<Vec<AttributeId>>, StoreError> {
        const SQL: &str = "-- attributes_wanted
            SELECT attribute.id
              FROM unnest($2::text[]) AS named (key)
             CROSS JOIN LATERAL (SELECT id FROM attribute AS a
                                  WHERE a.tenant_id = $1 AND a.key = named.key OFFSET 0) AS attribute
             UNION
            SELECT attribute.id
              FROM unnest($3::text[]) AS named (key)
             CROSS JOIN LATERAL (SELECT id FROM item AS i
                                  WHERE i.tenant_id = $1 AND i.space = 'attribute_group' AND i.key = named.key OFFSET 0) AS item
             CROSS JOIN LATERAL (SELECT id FROM attribute AS a
                                  WHERE a.tenant_id = $1 AND a.group_id = item.id OFFSET 0) AS attribute";
        self.of_attribute_groups(SQL, tenant, wanted, &wanted.attributes)
            .await
    }

    /// Returns the numbers of the wanted grid views; `None` for all.
    pub(super) async fn grid_views_wanted(
        &self,
        tenant: TenantId,
        wanted: &WantedEntities,
    ) -> Result<Option<Vec<GridViewId>>, StoreError> {
        const SQL: &str = "-- grid_views_wanted
            SELECT view.id
              FROM unnest($2::text[]) AS named (key)
             CROSS JOIN LATERAL (SELECT id FROM grid_view AS v
                                  WHERE v.tenant_id = $1 AND v.key = named.key OFFSET 0) AS view
             UNION
            SELECT view.id
              FROM unnest($3::text[]) AS named (key)
             CROSS JOIN LATERAL (SELECT id FROM item AS i
                                  WHERE i.tenant_id = $1 AND i.space = 'attribute_group' AND i.key = named.key OFFSET 0) AS item
             CROSS JOIN LATERAL (SELECT grid_view_id AS id FROM grid_view_group AS g
                                  WHERE g.tenant_id = $1 AND g.group_id = item.id OFFSET 0) AS view";
        self.of_attribute_groups(SQL, tenant, wanted, &wanted.grid_views)
            .await
    }

    async fn of_attribute_groups<Id>(
        &self,
        sql: &'static str,
        tenant: TenantId,
        all: &WantedEntities,
        wanted: &GroupedWanted,
    ) -> Result<Option<Vec<Id>>, StoreError>
    where
        Id: for<'r> FromSql<'r>,
    {
        if all.everything {
            return Ok(None);
        }
        let Some([named, groups]) = wanted.keys() else {
            return Ok(Some(Vec::new()));
        };
        self.parsed(sql, &[&tenant.0, &named, &groups], |row| row.get("id"))
            .await
            .map(Some)
    }

    /// Returns the numbers of the categories whose parent changes, and of all their
    /// descendants.
    pub(super) async fn moved_items(
        &self,
        tenant: TenantId,
        wanted: &WantedEntities,
    ) -> Result<Vec<ItemId>, StoreError> {
        const SQL: &str = "-- moved_items
            WITH RECURSIVE moved AS (
                SELECT category.id
                  FROM unnest($2::text[], $3::text[]) AS given (key, parent_key)
                 CROSS JOIN LATERAL (SELECT id, parent_id FROM item AS i
                                      WHERE i.tenant_id = $1 AND i.space = 'category' AND i.key = given.key OFFSET 0) AS category
                  LEFT JOIN item AS parent ON parent.tenant_id = $1 AND parent.id = category.parent_id
                 WHERE parent.key IS DISTINCT FROM given.parent_key
                 UNION
                SELECT child.id
                  FROM moved
                 CROSS JOIN LATERAL (SELECT id FROM item AS i
                                      WHERE i.tenant_id = $1 AND i.parent_id = moved.id OFFSET 0) AS child)
            SELECT id FROM moved";
        if wanted.moved.is_empty() {
            return Ok(Vec::new());
        }
        let (categories, parents): (Vec<&str>, Vec<&str>) = wanted
            .moved
            .iter()
            .map(|(category, parent)| (category.folded(), parent.folded()))
            .unzip();
        self.parsed(SQL, &[&tenant.0, &categories, &parents], |row| {
            row.get("id")
        })
        .await
    }
}

/// Filter of access rights by items and by groups; `None` for all.
pub(super) struct RightsFilter<'w> {
    pub(super) items: Option<&'w [ItemId]>,
    pub(super) groups: Option<Vec<&'w str>>,
}

impl WantedEntities {
    /// Returns the filter, given the numbers of the items that were read; `None` if
    /// no access rights are wanted.
    pub(super) fn rights_filter<'w>(
        &'w self,
        items: Option<&'w [ItemId]>,
    ) -> Option<RightsFilter<'w>> {
        let (items, groups) = match &self.rights {
            _ if self.everything => (None, None),
            RightsWanted::Nothing => return None,
            RightsWanted::OnItems => (items, None),
            RightsWanted::OnItemsOf(groups) => (items, Some(keys(groups))),
            RightsWanted::OfGroups(groups) => (None, Some(keys(groups))),
        };
        Some(RightsFilter { items, groups })
    }
}

use tokio_postgres::types::ToSql;

use crate::domain::{AttributeId, GridViewId, GroupId, ItemId, RoleId, SubjectId};

use super::{StoreError, TenantId, Transaction};

/// Ids of rows to delete, for every entity except products.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each holds the numbers of that entity")]
pub struct EntityRemovals {
    pub groups: Vec<GroupId>,
    pub roles: Vec<RoleId>,
    /// Users, connections and apps; an app is deleted with all its own rows.
    pub subjects: Vec<SubjectId>,
    pub items: Vec<ItemId>,
    pub attributes: Vec<AttributeId>,
    pub grid_views: Vec<GridViewId>,
}

/// Name and statements, in order, that delete one kind of entity and its dependent
/// rows; `$1` is the tenant, `$2` the ids.
type Deletion = (&'static str, &'static [&'static str]);

const SUBJECTS: Deletion = (
    "delete_subjects",
    &[
        "DELETE FROM app_scope WHERE tenant_id = $1 AND subject_id = ANY ($2)",
        "DELETE FROM app_selection WHERE tenant_id = $1 AND subject_id = ANY ($2)",
        "DELETE FROM app WHERE tenant_id = $1 AND subject_id = ANY ($2)",
        "DELETE FROM subject_role WHERE tenant_id = $1 AND subject_id = ANY ($2)",
        "DELETE FROM membership WHERE tenant_id = $1 AND subject_id = ANY ($2)",
        "DELETE FROM subject WHERE tenant_id = $1 AND id = ANY ($2)",
    ],
);
const ROLES: Deletion = (
    "delete_roles",
    &[
        "DELETE FROM subject_role WHERE tenant_id = $1 AND role_id = ANY ($2)",
        "DELETE FROM role_permission WHERE tenant_id = $1 AND role_id = ANY ($2)",
        "DELETE FROM role WHERE tenant_id = $1 AND id = ANY ($2)",
    ],
);
const GROUPS: Deletion = (
    "delete_groups",
    &[
        "DELETE FROM membership WHERE tenant_id = $1 AND group_id = ANY ($2)",
        "DELETE FROM access_right WHERE tenant_id = $1 AND group_id = ANY ($2)",
        "DELETE FROM user_group WHERE tenant_id = $1 AND id = ANY ($2)",
    ],
);
const ATTRIBUTES: Deletion = (
    "delete_attributes",
    &["DELETE FROM attribute WHERE tenant_id = $1 AND id = ANY ($2)"],
);
const GRID_VIEWS: Deletion = (
    "delete_grid_views",
    &[
        "DELETE FROM grid_view_group WHERE tenant_id = $1 AND grid_view_id = ANY ($2)",
        "DELETE FROM grid_view WHERE tenant_id = $1 AND id = ANY ($2)",
    ],
);
const ITEMS: Deletion = (
    "delete_items",
    &[
        "DELETE FROM access_right WHERE tenant_id = $1 AND item_id = ANY ($2)",
        "DELETE FROM app_selection WHERE tenant_id = $1 AND item_id = ANY ($2)",
        "DELETE FROM channel_locale WHERE tenant_id = $1 AND channel_id = ANY ($2)",
        "DELETE FROM item WHERE tenant_id = $1 AND id = ANY ($2)",
    ],
);

impl Transaction<'_> {
    /// Deletes rows, and those dependent rows that need no removal of their own, such
    /// as memberships and access rights.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn delete_entities(
        &self,
        tenant: TenantId,
        removed: &EntityRemovals,
    ) -> Result<(), StoreError> {
        let EntityRemovals {
            groups,
            roles,
            subjects,
            items,
            attributes,
            grid_views,
        } = removed;
        self.delete(tenant, SUBJECTS, subjects).await?;
        self.delete(tenant, ROLES, roles).await?;
        self.delete(tenant, GROUPS, groups).await?;
        self.delete(tenant, ATTRIBUTES, attributes).await?;
        self.delete(tenant, GRID_VIEWS, grid_views).await?;
        self.delete(tenant, ITEMS, items).await
    }

    async fn delete<Id: ToSql + Sync>(
        &self,
        tenant: TenantId,
        (name, statements): Deletion,
        ids: &[Id],
    ) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        for statement in statements {
            let sql = format!("-- {name}\n{statement}");
            self.execute(name, &sql, &[&tenant.0, &ids]).await?;
        }
        Ok(())
    }
}

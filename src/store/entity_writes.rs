use std::collections::BTreeSet;

use tokio_postgres::types::ToSql;

use crate::domain::{
    AccessRight, App, Attribute, AttributeId, CATALOGUE, Channel, GridView, GridViewId, GroupId,
    Item, ItemId, Role, RoleId, Selection, Subject, SubjectId, UserGroup,
};

use super::{StoreError, TenantId, Transaction, round_trip::send_together};

/// New and changed entities, complete, by id; products excluded.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "each holds the entities of that kind by id")]
pub struct EntityChanges<'a> {
    /// Last number assigned before the change: entities with greater ones are new.
    pub last_id: i32,
    pub groups: Vec<(GroupId, &'a UserGroup)>,
    pub roles: Vec<(RoleId, &'a Role)>,
    pub subjects: Vec<(SubjectId, &'a Subject)>,
    pub items: Vec<(ItemId, &'a Item)>,
    pub attributes: Vec<(AttributeId, &'a Attribute)>,
    pub grid_views: Vec<(GridViewId, &'a GridView)>,
    /// Keyed by subject id.
    pub apps: Vec<(SubjectId, &'a App)>,
}

/// Maximum number of rights per statement.
const RIGHTS_AT_ONCE: usize = 20_000;

impl Transaction<'_> {
    /// Writes new and changed rows, which may refer to each other, in one round trip.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn write_entities(
        &self,
        tenant: TenantId,
        changes: &EntityChanges<'_>,
    ) -> Result<(), StoreError> {
        let writing = async {
            send_together!(
                _groups = self.write_groups(tenant, &changes.groups),
                _roles = self.write_roles(tenant, &changes.roles),
                _subjects = self.write_subjects(tenant, &changes.subjects, changes.last_id),
                _items = self.write_items(tenant, &changes.items),
                _attributes = self.write_attributes(tenant, &changes.attributes),
                _grid_views = self.write_grid_views(tenant, &changes.grid_views),
                _apps = self.write_apps(tenant, &changes.apps),
            );
            Ok(())
        };
        Box::pin(writing).await
    }

    async fn write_groups(
        &self,
        tenant: TenantId,
        rows: &[(GroupId, &UserGroup)],
    ) -> Result<(), StoreError> {
        const SQL: &str = "-- write_groups
            INSERT INTO user_group (tenant_id, id, code, key, label, private)
            SELECT $1, * FROM unnest($2::integer[], $3::text[], $4::text[], $5::text[], $6::boolean[])
                ON CONFLICT (tenant_id, id) DO UPDATE SET label = excluded.label";
        if rows.is_empty() {
            return Ok(());
        }
        let ids = ids(rows);
        let codes = column(rows, |row| row.code.as_str());
        let keys = column(rows, |row| row.code.folded());
        let labels = column(rows, |row| row.label.as_str());
        let privates = column(rows, |row| row.private);
        self.run(SQL, &[&tenant.0, &ids, &codes, &keys, &labels, &privates])
            .await
    }

    async fn write_roles(
        &self,
        tenant: TenantId,
        rows: &[(RoleId, &Role)],
    ) -> Result<(), StoreError> {
        const SQL: &str = "-- write_roles
            INSERT INTO role (tenant_id, id, code, key, label, audience)
            SELECT $1, * FROM unnest($2::integer[], $3::text[], $4::text[], $5::text[], $6::text[])
                ON CONFLICT (tenant_id, id) DO UPDATE SET label = excluded.label, audience = excluded.audience";
        // Stored permissions that this program does not know are left unchanged.
        const LOSE: &str = "-- write_role_permissions_lost
            DELETE FROM role_permission AS held
             WHERE tenant_id = $1 AND role_id = ANY ($2) AND permission = ANY ($5::text[])
               AND NOT EXISTS (SELECT FROM unnest($3::integer[], $4::text[]) AS kept (role_id, permission)
                                WHERE kept.role_id = held.role_id AND kept.permission = held.permission)";
        const GAIN: &str = "-- write_role_permissions
            INSERT INTO role_permission (tenant_id, role_id, permission)
            SELECT $1, * FROM unnest($2::integer[], $3::text[])
                ON CONFLICT DO NOTHING";
        if rows.is_empty() {
            return Ok(());
        }
        let ids = ids(rows);
        let codes = column(rows, |row| row.code.as_str());
        let keys = column(rows, |row| row.code.folded());
        let labels = column(rows, |row| row.label.as_str());
        let audiences = column(rows, |row| <&str>::from(row.audience));
        let granted = rows.iter().flat_map(|(id, row)| {
            CATALOGUE
                .permission_codes(&row.permissions)
                .map(|code| (*id, code))
        });
        let (roles, permissions): (Vec<RoleId>, Vec<&str>) = granted.unzip();
        let known: Vec<&str> = CATALOGUE.permissions().iter().map(|p| p.code).collect();
        send_together!(
            _written = self.run(SQL, &[&tenant.0, &ids, &codes, &keys, &labels, &audiences]),
            _lost = self.run(LOSE, &[&tenant.0, &ids, &roles, &permissions, &known]),
            _gained = self.run(GAIN, &[&tenant.0, &roles, &permissions]),
        );
        Ok(())
    }

    async fn write_subjects(
        &self,
        tenant: TenantId,
        rows: &[(SubjectId, &Subject)],
        last_id: i32,
    ) -> Result<(), StoreError> {
        const SQL: &str = "-- write_subjects
            INSERT INTO subject (tenant_id, id, type, code, key, enabled)
            SELECT $1, * FROM unnest($2::integer[], $3::text[], $4::text[], $5::text[], $6::boolean[])
                ON CONFLICT (tenant_id, id) DO UPDATE SET enabled = excluded.enabled";
        if rows.is_empty() {
            return Ok(());
        }
        let ids = ids(rows);
        let kinds = column(rows, |row| <&str>::from(row.kind));
        let codes = column(rows, |row| row.code.as_str());
        let keys = column(rows, |row| row.code.folded());
        let enabled = column(rows, |row| row.enabled);
        let roles = owned_pairs(rows, |row| &row.roles);
        let groups = owned_pairs(rows, |row| &row.groups);
        // A new subject has no pairs to lose.
        let known = ids.iter().copied().filter(|id| id.0 <= last_id);
        let known: Vec<SubjectId> = known.collect();
        send_together!(
            _written = self.run(SQL, &[&tenant.0, &ids, &kinds, &codes, &keys, &enabled]),
            _roles = self.write_pairs(tenant, &SUBJECT_ROLES, &known, roles),
            _groups = self.write_pairs(tenant, &MEMBERSHIPS, &known, groups),
        );
        Ok(())
    }

    async fn write_items(
        &self,
        tenant: TenantId,
        rows: &[(ItemId, &Item)],
    ) -> Result<(), StoreError> {
        // Rows of one statement may refer to each other: foreign keys are checked at
        // its end.
        const SQL: &str = "-- write_items
            INSERT INTO item (tenant_id, id, type, code, key, parent_id, tree_id)
            SELECT $1, * FROM unnest($2::integer[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::integer[])
                ON CONFLICT (tenant_id, id) DO UPDATE SET parent_id = excluded.parent_id, tree_id = excluded.tree_id";
        if rows.is_empty() {
            return Ok(());
        }
        let all_ids = ids(rows);
        let kinds = column(rows, |item| <&str>::from(item.kind()));
        let codes = column(rows, |item| item.code().as_str());
        let keys = column(rows, |item| item.code().folded());
        let parents = column(rows, Item::parent);
        let trees = column(rows, |item| item.as_channel()?.tree);
        let channels = rows.iter();
        let channels = channels.filter_map(|(id, item)| Some((*id, item.as_channel()?)));
        let channels: Vec<(ItemId, &Channel)> = channels.collect();
        let channel_ids = ids(&channels);
        let locales = owned_pairs(&channels, |channel| &channel.locales);
        let parameters: [&(dyn ToSql + Sync); 7] =
            [&tenant.0, &all_ids, &kinds, &codes, &keys, &parents, &trees];
        send_together!(
            _written = self.run(SQL, &parameters),
            _locales = self.write_pairs(tenant, &CHANNEL_LOCALES, &channel_ids, locales),
        );
        Ok(())
    }

    async fn write_attributes(
        &self,
        tenant: TenantId,
        rows: &[(AttributeId, &Attribute)],
    ) -> Result<(), StoreError> {
        const SQL: &str = "-- write_attributes
            INSERT INTO attribute (tenant_id, id, code, key, group_id, scopable, localizable)
            SELECT $1, * FROM unnest($2::integer[], $3::text[], $4::text[], $5::integer[], $6::boolean[], $7::boolean[])
                ON CONFLICT (tenant_id, id) DO UPDATE
                        SET group_id = excluded.group_id, scopable = excluded.scopable, localizable = excluded.localizable";
        if rows.is_empty() {
            return Ok(());
        }
        let ids = ids(rows);
        let codes = column(rows, |row| row.code.as_str());
        let keys = column(rows, |row| row.code.folded());
        let groups = column(rows, |row| row.group);
        let scopable = column(rows, |row| row.scopable);
        let localizable = column(rows, |row| row.localizable);
        self.run(
            SQL,
            &[
                &tenant.0,
                &ids,
                &codes,
                &keys,
                &groups,
                &scopable,
                &localizable,
            ],
        )
        .await
    }

    async fn write_grid_views(
        &self,
        tenant: TenantId,
        rows: &[(GridViewId, &GridView)],
    ) -> Result<(), StoreError> {
        const SQL: &str = "-- write_grid_views
            INSERT INTO grid_view (tenant_id, id, code, key)
            SELECT $1, * FROM unnest($2::integer[], $3::text[], $4::text[])
                ON CONFLICT (tenant_id, id) DO NOTHING";
        if rows.is_empty() {
            return Ok(());
        }
        let ids = ids(rows);
        let codes = column(rows, |row| row.code.as_str());
        let keys = column(rows, |row| row.code.folded());
        let groups = owned_pairs(rows, |view| &view.attribute_groups);
        send_together!(
            _written = self.run(SQL, &[&tenant.0, &ids, &codes, &keys]),
            _groups = self.write_pairs(tenant, &GRID_VIEW_GROUPS, &ids, groups),
        );
        Ok(())
    }

    async fn write_apps(
        &self,
        tenant: TenantId,
        rows: &[(SubjectId, &App)],
    ) -> Result<(), StoreError> {
        const SQL: &str = "-- write_apps
            INSERT INTO app (tenant_id, subject_id, group_id, connected_by, later_channels, permissions_passed)
            SELECT $1, * FROM unnest($2::integer[], $3::integer[], $4::text[], $5::boolean[], $6::boolean[])
                ON CONFLICT (tenant_id, subject_id)
                DO UPDATE SET later_channels = excluded.later_channels, permissions_passed = excluded.permissions_passed";
        const CLEAR: &str = "-- clear_app_choices
            WITH scopes AS (DELETE FROM app_scope WHERE tenant_id = $1 AND subject_id = ANY ($2))
            DELETE FROM app_selection WHERE tenant_id = $1 AND subject_id = ANY ($2)";
        if rows.is_empty() {
            return Ok(());
        }
        let ids = ids(rows);
        let groups = column(rows, |row| row.group);
        let connected_by = column(rows, |row| row.connected_by.as_str());
        let later = column(rows, |row| row.later_channels);
        let passed = column(rows, |row| row.permissions_passed);
        let parameters: [&(dyn ToSql + Sync); 6] =
            [&tenant.0, &ids, &groups, &connected_by, &later, &passed];
        send_together!(
            _written = self.run(SQL, &parameters),
            _cleared = self.run(CLEAR, &[&tenant.0, &ids]),
            _chosen = self.write_app_choices(tenant, rows),
        );
        Ok(())
    }

    async fn write_app_choices(
        &self,
        tenant: TenantId,
        rows: &[(SubjectId, &App)],
    ) -> Result<(), StoreError> {
        const SCOPES: &str = "-- write_app_scopes
            INSERT INTO app_scope (tenant_id, subject_id, scope)
            SELECT $1, * FROM unnest($2::integer[], $3::text[])";
        const SELECTIONS: &str = "-- write_app_selections
            INSERT INTO app_selection (tenant_id, subject_id, axis, level, item_id)
            SELECT $1, * FROM unnest($2::integer[], $3::text[], $4::smallint[], $5::integer[])";
        let scopes = rows
            .iter()
            .flat_map(|(id, row)| CATALOGUE.scope_codes(row.scopes).map(|code| (*id, code)));
        let (subjects, scopes): (Vec<SubjectId>, Vec<&str>) = scopes.unzip();
        let scopes = (subjects, scopes);
        let chosen: Vec<(SubjectId, &Selection)> = rows
            .iter()
            .flat_map(|(id, row)| row.selections.iter().map(|chosen| (*id, chosen)))
            .collect();
        let subjects = ids(&chosen);
        let axes = column(&chosen, |chosen| <&str>::from(chosen.axis));
        let levels = column(&chosen, |chosen| i16::from(chosen.level));
        let items = column(&chosen, |chosen| chosen.item);
        send_together!(
            _scopes = self.run(SCOPES, &[&tenant.0, &scopes.0, &scopes.1]),
            _selections = self.run(SELECTIONS, &[&tenant.0, &subjects, &axes, &levels, &items]),
        );
        Ok(())
    }

    /// Sets access rights; [`Level::Hidden`] deletes the right.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn write_rights(
        &self,
        tenant: TenantId,
        rights: &[AccessRight],
    ) -> Result<(), StoreError> {
        const SQL: &str = "-- write_rights
            WITH given AS MATERIALIZED (
                     SELECT * FROM unnest($2::integer[], $3::integer[], $4::smallint[]) AS given (group_id, item_id, level)),
                 taken AS (
                     DELETE FROM access_right AS held
                      USING given
                      WHERE held.tenant_id = $1 AND held.group_id = given.group_id AND held.item_id = given.item_id
                        AND given.level = 0)
            INSERT INTO access_right (tenant_id, group_id, item_id, level)
            SELECT $1, group_id, item_id, level FROM given WHERE level <> 0
                ON CONFLICT (tenant_id, group_id, item_id) DO UPDATE SET level = excluded.level";
        for part in rights.chunks(RIGHTS_AT_ONCE) {
            let groups: Vec<GroupId> = part.iter().map(|right| right.group).collect();
            let items: Vec<ItemId> = part.iter().map(|right| right.item).collect();
            let levels: Vec<i16> = part
                .iter()
                .map(|right| i16::from(right.level.bits()))
                .collect();
            self.run(SQL, &[&tenant.0, &groups, &items, &levels])
                .await?;
        }
        Ok(())
    }

    /// Deletes the pairs of `owners` that are not among `pairs`, and stores `pairs`.
    async fn write_pairs<Owner: ToSql + Sync, Member: ToSql + Sync>(
        &self,
        tenant: TenantId,
        table: &PairTable,
        owners: &[Owner],
        pairs: Vec<(Owner, Member)>,
    ) -> Result<(), StoreError> {
        let (of, members): (Vec<Owner>, Vec<Member>) = pairs.into_iter().unzip();
        let losing = async {
            if owners.is_empty() {
                return Ok(());
            }
            self.run(table.lose, &[&tenant.0, &owners, &of, &members])
                .await
        };
        let gaining = async {
            if of.is_empty() {
                return Ok(());
            }
            self.run(table.gain, &[&tenant.0, &of, &members]).await
        };
        send_together!(_lost = losing, _gained = gaining);
        Ok(())
    }
}

fn owned_pairs<Owner: Copy, Member: Copy, T>(
    rows: &[(Owner, &T)],
    members: impl Fn(&T) -> &BTreeSet<Member>,
) -> Vec<(Owner, Member)> {
    let mut pairs = Vec::new();
    for (id, row) in rows {
        pairs.extend(members(row).iter().map(|member| (*id, *member)));
    }
    pairs
}

fn ids<Id: Copy, T>(rows: &[(Id, &T)]) -> Vec<Id> {
    rows.iter().map(|(id, _)| *id).collect()
}

/// Returns a property of each entity.
fn column<'r, Id, T, C>(rows: &[(Id, &'r T)], property: impl Fn(&'r T) -> C) -> Vec<C> {
    rows.iter().map(|(_, entity)| property(entity)).collect()
}

/// Statements for a table of pairs of ids.
struct PairTable {
    lose: &'static str,
    gain: &'static str,
}

macro_rules! pair_table {
    ($name:literal, $table:literal, $owner:literal, $member:literal) => {
        PairTable {
            lose: concat!(
                "-- ", $name, "
                DELETE FROM ", $table, " AS held
                 WHERE tenant_id = $1 AND ", $owner, " = ANY ($2)
                   AND NOT EXISTS (SELECT FROM unnest($3::integer[], $4::integer[]) AS kept (a, b)
                                    WHERE kept.a = held.", $owner, " AND kept.b = held.", $member, ")"
            ),
            gain: concat!(
                "-- ", $name, "
                INSERT INTO ", $table, " (tenant_id, ", $owner, ", ", $member, ")
                SELECT $1, * FROM unnest($2::integer[], $3::integer[])
                    ON CONFLICT DO NOTHING"
            ),
        }
    };
}

const SUBJECT_ROLES: PairTable = pair_table!(
    "write_subject_roles",
    "subject_role",
    "subject_id",
    "role_id"
);
const MEMBERSHIPS: PairTable =
    pair_table!("write_memberships", "membership", "subject_id", "group_id");
const CHANNEL_LOCALES: PairTable = pair_table!(
    "write_channel_locales",
    "channel_locale",
    "channel_id",
    "locale_id"
);
const GRID_VIEW_GROUPS: PairTable = pair_table!(
    "write_grid_view_groups",
    "grid_view_group",
    "grid_view_id",
    "group_id"
);

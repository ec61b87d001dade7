use std::collections::BTreeSet;

use crate::{
    admin::entry::{DirectoryEntry, RolePermissions},
    domain::{Audience, CATALOGUE, Code, PermissionSet, SubjectKind},
    store::{GroupRow, RoleRow, SubjectRow},
};

use super::{Bad, GroupNames, Outcome, Planner, RowOutcome, bad, unknown};

impl Planner<'_> {
    pub(super) fn put_group(
        &mut self,
        column: &'static str,
        code: &Code,
        label: &str,
    ) -> RowOutcome {
        if code.folded().starts_with("app:") {
            return Err(bad(
                column,
                format!("`{code}` begins with `app:`, which is kept for the groups of apps"),
            ));
        }
        let Some(id) = self.world.groups.find(0, code) else {
            let id = self.world.next_id();
            let group = GroupRow {
                code: code.clone(),
                label: label.to_owned(),
                private: false,
            };
            self.world.groups.insert(id, group);
            return Ok(Outcome::Created);
        };
        if code.folded() == "all" || label.is_empty() {
            return Ok(Outcome::Unchanged);
        }
        let different = self
            .world
            .groups
            .change(id, |group| label.clone_into(&mut group.label));
        Ok(Outcome::of_change(different))
    }

    pub(super) fn put_role(
        &mut self,
        code: &Code,
        label: Option<&str>,
        audience: Option<Audience>,
        permissions: Option<RolePermissions>,
    ) -> RowOutcome {
        let id = self.world.roles.find(0, code);
        let stored = id.and_then(|id| self.world.roles.get(id)).cloned();
        let held = stored
            .as_ref()
            .map(|role| role.permissions)
            .unwrap_or_default();
        let old_audience = stored.as_ref().map(|role| role.audience);
        let audience = audience.or(old_audience).unwrap_or(Audience::User);
        if let Some(id) = id
            && old_audience != Some(audience)
            && let Some((_, holder)) = self
                .world
                .subjects
                .iter()
                .find(|(_, subject)| subject.roles.contains(&id))
        {
            let message = format!(
                "role `{code}` is held by {} `{}`; its audience cannot change to `{audience}`",
                holder.kind, holder.code
            );
            return Err(bad("audience", message));
        }
        let granted = match permissions {
            None => held,
            Some(RolePermissions::EveryAllowed) => self.every_permission(audience),
            Some(RolePermissions::Only(granted)) => granted,
        };
        self.check_permissions(audience, &granted, &held)?;
        let role = RoleRow {
            code: stored.as_ref().map_or(code, |role| &role.code).clone(),
            label: label.map_or_else(
                || stored.map(|role| role.label).unwrap_or_default(),
                str::to_owned,
            ),
            audience,
            permissions: granted,
        };
        if let Some(id) = id {
            return Ok(Outcome::of_change(
                self.world.roles.change(id, |stored| *stored = role),
            ));
        }
        let id = self.world.next_id();
        self.world.roles.insert(id, role);
        Ok(Outcome::Created)
    }

    /// `*`: what a role may hold in this edition (rules 2.4, 2.5).
    fn every_permission(&self, audience: Audience) -> PermissionSet {
        let enterprise = self.world.edition.is_enterprise();
        let allowed = CATALOGUE.permissions().iter().filter(|permission| {
            permission.may_be_held_by(audience) && (enterprise || !permission.enterprise)
        });
        allowed.map(|permission| permission.id).collect()
    }

    fn check_permissions(
        &self,
        audience: Audience,
        granted: &PermissionSet,
        held: &PermissionSet,
    ) -> Result<(), Bad> {
        let edition = self.world.edition;
        for permission in granted.iter().map(|id| CATALOGUE.permission(id)) {
            let code = permission.code;
            if !permission.may_be_held_by(audience) {
                return Err(bad(
                    "permissions",
                    format!(
                        "`{code}` is for real users; a role for connections holds `api.*` permissions only"
                    ),
                ));
            }
            if permission.enterprise && !edition.is_enterprise() && !held.contains(permission.id) {
                return Err(bad(
                    "permissions",
                    format!(
                        "`{code}` is granted in the enterprise edition only; the tenant's is `{edition}`"
                    ),
                ));
            }
        }
        Ok(())
    }

    pub(super) fn put_user(&mut self, entry: &DirectoryEntry, groups: &GroupNames) -> RowOutcome {
        let mut named = self.find_groups(entry, groups)?;
        if let Some(named) = &mut named {
            named.extend(self.world.all_group());
        }
        let new: BTreeSet<i32> = self.world.all_group().into_iter().collect();
        self.put_subject(SubjectKind::User, entry, named, new)
    }

    pub(super) fn put_connection(
        &mut self,
        entry: &DirectoryEntry,
        groups: &GroupNames,
    ) -> RowOutcome {
        let named = self.find_groups(entry, groups)?;
        let new: BTreeSet<i32> = self.world.all_group().into_iter().collect();
        self.put_subject(SubjectKind::Connection, entry, named, new)
    }

    fn find_groups(
        &self,
        entry: &DirectoryEntry,
        groups: &GroupNames,
    ) -> Result<Option<BTreeSet<i32>>, Bad> {
        let named = entry.groups.as_ref();
        named
            .map(|names| {
                names
                    .iter()
                    .map(|name| groups.find("groups", name))
                    .collect()
            })
            .transpose()
    }

    fn find_roles(&self, kind: SubjectKind, entry: &DirectoryEntry) -> Result<BTreeSet<i32>, Bad> {
        let needed = match kind {
            SubjectKind::User => Audience::User,
            SubjectKind::Connection | SubjectKind::App => Audience::Connection,
        };
        let role = |code: &Code| {
            let id = self
                .world
                .roles
                .find(0, code)
                .ok_or_else(|| unknown("roles", "role", code))?;
            let audience = self.world.roles.get(id).map(|role| role.audience);
            if audience != Some(needed) {
                return Err(bad(
                    "roles",
                    format!(
                        "role `{code}` is not for {needed}s; a {kind} holds roles with the audience `{needed}`"
                    ),
                ));
            }
            Ok(id)
        };
        entry.roles.iter().map(role).collect()
    }

    fn put_subject(
        &mut self,
        kind: SubjectKind,
        entry: &DirectoryEntry,
        groups: Option<BTreeSet<i32>>,
        groups_when_new: BTreeSet<i32>,
    ) -> RowOutcome {
        let roles = self.find_roles(kind, entry)?;
        if let Some(id) = self.world.find_subject(kind, &entry.code) {
            let different = self.world.subjects.change(id, |subject| {
                subject.roles = roles;
                subject.groups = groups.unwrap_or_else(|| subject.groups.clone());
                subject.enabled = entry.enabled.unwrap_or(subject.enabled);
            });
            return Ok(Outcome::of_change(different));
        }
        let id = self.world.next_id();
        let subject = SubjectRow {
            code: entry.code.clone(),
            kind,
            enabled: entry.enabled.unwrap_or(true),
            roles,
            groups: groups.unwrap_or(groups_when_new),
        };
        self.world.subjects.insert(id, subject);
        Ok(Outcome::Created)
    }
}

use std::collections::BTreeSet;

use crate::{
    admin::fault::{Fault, Refused},
    domain::{
        Audience, CATALOGUE, Code, EntityKind, GroupId, PermissionSet, RequestedPermissions, Role,
        RoleId, RolePatch, Subject, SubjectId, SubjectKind, SubjectPatch, UserGroup,
    },
};

use super::{Outcome, Planned, Planner};

impl Planner<'_> {
    /// Creates a user group, or changes the label of a stored one.
    pub(in crate::admin) fn put_group(&mut self, column: &str, group: &UserGroup) -> Planned {
        let UserGroup {
            code,
            label,
            private: _,
        } = group;
        let refuse = |refused| Err(Fault::new(column, refused));
        if code.folded().starts_with(Code::APP_GROUP_PREFIX) {
            return refuse(Refused::GroupIsPrivate(code.clone()));
        }
        let Some(id) = self.change_set.groups.find(0, code) else {
            Fault::check_new_code(column, code)?;
            let id = GroupId(self.change_set.next_id());
            let group = UserGroup {
                private: false,
                ..group.clone()
            };
            self.change_set.groups.insert(id, group);
            return Ok(Outcome::Created);
        };
        let is_same = |stored: &UserGroup| stored.label == *label;
        if self.change_set.groups.get(id).is_some_and(is_same) {
            return Ok(Outcome::Unchanged);
        }
        if Some(id) == self.change_set.all_group() {
            return refuse(Refused::GroupAllIsFixed);
        }
        let groups = &mut self.change_set.groups;
        let different = groups.change(id, |stored| stored.label.clone_from(label));
        Ok(Outcome::of_change(different))
    }

    /// Returns the groups with these codes; rejects private groups of apps
    /// (rules 1.4).
    pub(in crate::admin) fn find_groups(&self, codes: &[Code]) -> Result<BTreeSet<GroupId>, Fault> {
        let find = |code: &Code| {
            let id = self.group("groups", code)?;
            if self.change_set.is_private(id) {
                return Err(Fault::new("groups", Refused::GroupIsPrivate(code.clone())));
            }
            Ok(id)
        };
        codes.iter().map(find).collect()
    }

    /// Creates or changes a role.
    pub(in crate::admin) fn put_role(&mut self, patch: &RolePatch) -> Planned {
        let code = &patch.code;
        let id = self.change_set.roles.find(0, code);
        let stored = id.and_then(|id| self.change_set.roles.get(id)).cloned();
        let held = stored
            .as_ref()
            .map(|role| role.permissions)
            .unwrap_or_default();
        let old_audience = stored.as_ref().map(|role| role.audience);
        let audience = patch.audience.or(old_audience).unwrap_or(Audience::User);
        if let Some(id) = id
            && old_audience != Some(audience)
            && let Some((_, holder)) = self
                .change_set
                .subjects
                .iter()
                .find(|(_, subject)| subject.roles.contains(&id))
        {
            let message = format!(
                "role `{code}` is held by {} `{}`; its audience cannot change to `{audience}`",
                holder.kind, holder.code
            );
            return Err(mismatch("audience", code, message));
        }
        let granted = match patch.permissions {
            None => held,
            Some(RequestedPermissions::EveryAllowed) => self.every_permission(audience),
            Some(RequestedPermissions::Only(granted)) => granted,
        };
        self.check_permissions(code, audience, &granted, &held)?;
        let role = Role {
            code: stored.as_ref().map_or(code, |role| &role.code).clone(),
            label: patch
                .label
                .clone()
                .or_else(|| stored.map(|role| role.label))
                .unwrap_or_default(),
            audience,
            permissions: granted,
        };
        if let Some(id) = id {
            return Ok(Outcome::of_change(
                self.change_set.roles.change(id, |stored| *stored = role),
            ));
        }
        Fault::check_new_code("code", code)?;
        let id = RoleId(self.change_set.next_id());
        self.change_set.roles.insert(id, role);
        Ok(Outcome::Created)
    }

    /// Returns the permissions of `*`: all that a role may hold in this edition
    /// (rules 2.4, 2.5).
    fn every_permission(&self, audience: Audience) -> PermissionSet {
        let enterprise = self.change_set.edition.is_enterprise();
        let allowed = CATALOGUE.permissions().iter().filter(|permission| {
            permission.may_be_held_by(audience) && (enterprise || !permission.enterprise)
        });
        allowed.map(|permission| permission.id).collect()
    }

    fn check_permissions(
        &self,
        role: &Code,
        audience: Audience,
        granted: &PermissionSet,
        held: &PermissionSet,
    ) -> Result<(), Fault> {
        let edition = self.change_set.edition;
        for permission in granted.iter().map(|id| CATALOGUE.permission(id)) {
            let code = permission.code;
            if !permission.may_be_held_by(audience) {
                let message = format!(
                    "`{code}` is for real users; a role for connections holds `api.*` permissions only"
                );
                return Err(mismatch("permissions", role, message));
            }
            if permission.enterprise && !edition.is_enterprise() && !held.contains(permission.id) {
                let refused = Refused::EditionRequired {
                    permission: code,
                    edition,
                };
                return Err(Fault::new("permissions", refused));
            }
        }
        Ok(())
    }

    fn find_roles(&self, kind: SubjectKind, codes: &[Code]) -> Result<BTreeSet<RoleId>, Fault> {
        let needed = match kind {
            SubjectKind::User => Audience::User,
            SubjectKind::Connection | SubjectKind::App => Audience::Connection,
        };
        let role = |code: &Code| {
            let found = self.change_set.roles.find(0, code);
            let id = found.ok_or_else(|| Fault::unknown("roles", EntityKind::Role, code))?;
            let audience = self.change_set.roles.get(id).map(|role| role.audience);
            if audience != Some(needed) {
                let message = format!(
                    "role `{code}` is not for {needed}s; a {kind} holds roles with the audience `{needed}`"
                );
                return Err(mismatch("roles", code, message));
            }
            Ok(id)
        };
        codes.iter().map(role).collect()
    }

    /// Creates or changes a user or connection; `groups` and `roles` are those of
    /// the patch, resolved. Every user is in `All`, and so is a new connection
    /// without a list of groups (rules 1.4).
    pub(in crate::admin) fn put_subject(
        &mut self,
        kind: SubjectKind,
        patch: &SubjectPatch,
        groups: Option<BTreeSet<GroupId>>,
        roles: Option<&[Code]>,
    ) -> Planned {
        let (code, enabled) = (&patch.code, patch.enabled);
        self.forget_references();
        let roles = roles
            .map(|codes| self.find_roles(kind, codes))
            .transpose()?;
        let all = self.change_set.all_group();
        let groups = groups.map(|mut groups| {
            groups.extend(all.filter(|_| kind == SubjectKind::User));
            groups
        });
        if let Some(id) = self.change_set.find_subject(kind, code) {
            let different = self.change_set.subjects.change(id, |subject| {
                subject.roles = roles.unwrap_or_else(|| subject.roles.clone());
                subject.groups = groups.unwrap_or_else(|| subject.groups.clone());
                subject.enabled = enabled.unwrap_or(subject.enabled);
            });
            return Ok(Outcome::of_change(different));
        }
        Fault::check_new_code("code", code)?;
        let id = SubjectId(self.change_set.next_id());
        let subject = Subject {
            code: code.clone(),
            kind,
            enabled: enabled.unwrap_or(true),
            roles: roles.unwrap_or_default(),
            groups: groups.unwrap_or_else(|| all.into_iter().collect()),
        };
        self.change_set.subjects.insert(id, subject);
        Ok(Outcome::Created)
    }
}

fn mismatch(field: &str, role: &Code, message: String) -> Fault {
    let role = role.clone();
    Fault::new(field, Refused::AudienceMismatch { role, message })
}

use std::collections::BTreeSet;

use pim_authz::domain::{Audience, CATALOGUE, Code, PermissionSet};
use pim_authz::pb;

use super::{
    Administered, Faults,
    names::{read, refuse_twice},
};
use crate::support::{
    World,
    world::{Member, Role},
};

impl Administered {
    pub(super) fn put_users(&mut self, users: &[pb::User], faults: &mut Faults) {
        refuse_twice(users, |user| Code::fold(&user.code), faults);
        for user in users {
            let Some(code) = read(&user.code, faults) else {
                continue;
            };
            let mut member = self.world.users.get(&code).cloned().unwrap_or_default();
            if let Some(groups) = &user.groups {
                member.groups = self.joined(groups, faults);
            }
            // Every user is a member of `All` (rules 1.4), whether listed or
            // not.
            member.groups.remove(&World::all());
            if let Some(roles) = &user.roles {
                member.roles = self.held(roles, Audience::User, faults);
            }
            member.disabled = !user.enabled.unwrap_or(!member.disabled);
            self.world.users.insert(code, member);
        }
    }

    pub(super) fn put_connections(&mut self, entries: &[pb::Connection], faults: &mut Faults) {
        refuse_twice(entries, |entry| Code::fold(&entry.code), faults);
        for entry in entries {
            let Some(code) = read(&entry.code, faults) else {
                continue;
            };
            let stored = self.world.connections.get(&code).cloned();
            let mut member = stored.unwrap_or_else(|| Member {
                groups: BTreeSet::from([World::all()]),
                ..Member::default()
            });
            if let Some(groups) = &entry.groups {
                member.groups = self.joined(groups, faults);
            }
            if let Some(roles) = &entry.roles {
                member.roles = self.held(roles, Audience::Connection, faults);
            }
            member.disabled = !entry.enabled.unwrap_or(!member.disabled);
            self.world.connections.insert(code, member);
        }
    }

    /// Parses the roles of a member and checks their audience (rules 2.5).
    fn held(&self, list: &pb::CodeList, audience: Audience, faults: &mut Faults) -> BTreeSet<Code> {
        let mut roles = BTreeSet::new();
        for text in &list.codes {
            let Some(code) = read(text, faults) else {
                continue;
            };
            match self.world.roles.get(&code) {
                None => faults.add("ROLE_NOT_FOUND"),
                Some(role) if role.audience != audience => faults.add("AUDIENCE_MISMATCH"),
                Some(_) => {}
            }
            roles.insert(code);
        }
        roles
    }

    pub(super) fn put_groups(&mut self, groups: &[pb::UserGroup], faults: &mut Faults) {
        refuse_twice(groups, |group| Code::fold(&group.code), faults);
        for group in groups {
            let Some(code) = read(&group.code, faults) else {
                continue;
            };
            if code == World::all() {
                faults.add("GROUP_ALL_IS_FIXED");
            } else if code.folded().starts_with("app:") {
                faults.either(&["GROUP_IS_PRIVATE", "INVALID_REQUEST"]);
            } else {
                self.world.groups.insert(code.clone());
                self.group_labels.insert(code, group.label.clone());
            }
        }
    }

    pub(super) fn put_roles(&mut self, roles: &[pb::Role], faults: &mut Faults) {
        refuse_twice(roles, |role| Code::fold(&role.code), faults);
        for role in roles {
            let Some(code) = read(&role.code, faults) else {
                continue;
            };
            self.put_role(&code, role, faults);
            self.role_labels.insert(code, role.label.clone());
        }
    }

    fn put_role(&mut self, code: &Code, entry: &pb::Role, faults: &mut Faults) {
        let old = self.world.roles.get(code).cloned();
        let stored = old.as_ref().map(|role| role.audience);
        let audience = match entry.audience() {
            pb::Audience::Unspecified => stored.unwrap_or(Audience::User),
            pb::Audience::User => Audience::User,
            pb::Audience::Connection => Audience::Connection,
        };
        let mut members = self.world.users.values();
        let mut is_held = members.any(|member| member.roles.contains(code));
        let mut members = self.world.connections.values();
        is_held |= members.any(|member| member.roles.contains(code));
        if is_held && stored != Some(audience) {
            faults.add("AUDIENCE_MISMATCH");
        }
        let held = old.map(|role| role.permissions).unwrap_or_default();
        let permissions = match &entry.permissions {
            None => held,
            Some(list) => self.granted(list, &held, faults),
        };
        for id in permissions.iter() {
            if !CATALOGUE.permission(id).may_be_held_by(audience) {
                faults.add("AUDIENCE_MISMATCH");
            }
        }
        let role = Role {
            audience,
            permissions,
        };
        self.world.roles.insert(code.clone(), role);
    }

    /// Parses permission codes of the catalogue; outside enterprise, a
    /// permission marked enterprise can be kept, but not granted
    /// (rules 2.1 and 2.4).
    fn granted(
        &self,
        list: &pb::CodeList,
        held: &PermissionSet,
        faults: &mut Faults,
    ) -> PermissionSet {
        let mut granted = PermissionSet::default();
        for text in &list.codes {
            let Some(permission) = CATALOGUE.find_permission(text) else {
                faults.add("PERMISSION_NOT_FOUND");
                continue;
            };
            let counts = !permission.enterprise || self.world.edition.is_enterprise();
            if !counts && !held.contains(permission.id) {
                faults.add("EDITION_REQUIRED");
            }
            granted.insert(permission.id);
        }
        granted
    }
}

use std::collections::{BTreeSet, HashMap};

use crate::domain::{CATALOGUE, PermissionSet, RoleId, SubjectKind};

use super::{change_set::ChangeSet, error::AdminError};

/// Maximum number of apps and connections of a tenant (rules 5.2).
const APP_LIMIT: usize = 100;

/// The permissions that the lock-out guard protects (rules 2.6).
const ADMINISTRATION: [&str; 3] = ["role.edit", "role.list", "system_configuration.access"];

/// The guarded state before a change.
#[derive(Debug)]
pub(super) struct Guards {
    administrated: bool,
}

impl Guards {
    pub(super) fn before(change_set: &ChangeSet) -> Self {
        Self {
            administrated: is_administrated(change_set),
        }
    }

    /// Checks the state after the change.
    pub(super) fn judge(&self, change_set: &ChangeSet) -> Result<(), AdminError> {
        let (before, found) = change_set.third_parties();
        if found > APP_LIMIT.max(before) {
            return Err(AdminError::AppLimit {
                limit: APP_LIMIT,
                found,
            });
        }
        if self.administrated && !is_administrated(change_set) {
            return Err(AdminError::LockOutGuard);
        }
        Ok(())
    }
}

/// Returns the permissions that affect the lock-out guard: those that it
/// protects, and all that imply them or are required by them (rules 2.3).
pub(super) fn administration() -> Vec<&'static str> {
    let mut found: PermissionSet = ADMINISTRATION
        .iter()
        .filter_map(|code| CATALOGUE.find_permission(code))
        .map(|permission| permission.id)
        .collect();
    loop {
        let more = found.iter().fold(found, |all, id| {
            let permission = CATALOGUE.permission(id);
            all.union(&permission.implied_by)
                .union(&permission.requires)
        });
        if more == found {
            return found
                .iter()
                .map(|id| CATALOGUE.permission(id).code)
                .collect();
        }
        found = more;
    }
}

/// True if an enabled user holds all permissions that administration needs.
fn is_administrated(change_set: &ChangeSet) -> bool {
    let needed: PermissionSet = ADMINISTRATION
        .iter()
        .filter_map(|code| CATALOGUE.find_permission(code))
        .map(|permission| permission.id)
        .collect();
    let mut known: HashMap<&BTreeSet<RoleId>, bool> = HashMap::new();
    change_set.subjects.iter().any(|(_, subject)| {
        let is_user = subject.kind == SubjectKind::User && subject.enabled;
        is_user
            && *known.entry(&subject.roles).or_insert_with(|| {
                let roles = subject.roles.iter();
                let roles = roles.filter_map(|role| change_set.roles.get(*role));
                let granted = PermissionSet::of_roles(roles.map(|role| &role.permissions));
                CATALOGUE
                    .counted(&granted, change_set.edition)
                    .is_superset(&needed)
            })
    })
}

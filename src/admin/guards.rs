use std::collections::BTreeSet;

use hashbrown::HashMap;

use crate::domain::{CATALOGUE, Edition, PermissionSet, Role, RoleId, Subject, SubjectKind};

use super::{change_set::ChangeSet, error::AdminError};

/// Maximum number of apps and connections of a tenant (rules 5.2).
const APP_LIMIT: usize = 100;

/// The permissions that the lock-out guard protects (rules 2.6).
const ADMINISTRATION: [&str; 3] = ["role.edit", "role.list", "system_configuration.access"];

/// Checks what a change makes of a tenant.
///
/// # Errors
///
/// [`AdminError::LockOutGuard`] (rules 2.6), [`AdminError::AppLimit`] (rules 5.2).
pub(super) fn check(change_set: &ChangeSet) -> Result<(), AdminError> {
    let (before, found) = change_set.third_parties();
    if found > APP_LIMIT.max(before) {
        return Err(AdminError::AppLimit {
            limit: APP_LIMIT,
            found,
        });
    }
    let ChangeSet {
        subjects, roles, ..
    } = change_set;
    let edition = change_set.edition;
    let after = subjects.iter().map(|(_, subject)| subject);
    if is_administrated(after, |id| roles.get(id), edition) {
        return Ok(());
    }
    let before = subjects.both().filter_map(|(_, before, _)| before);
    if is_administrated(before, |id| roles.before(id), edition) {
        return Err(AdminError::LockOutGuard);
    }
    Ok(())
}

/// Returns the permissions that affect the lock-out guard: those that it
/// protects, and all that imply them or are required by them (rules 2.3).
pub(super) fn administration() -> Vec<&'static str> {
    let mut found = CATALOGUE.permissions_with(&ADMINISTRATION);
    loop {
        let more = found.iter().fold(found, |all, id| {
            let permission = CATALOGUE.permission(id);
            all.union(&permission.implied_by)
                .union(&permission.requires)
        });
        if more == found {
            return CATALOGUE.permission_codes(&found).collect();
        }
        found = more;
    }
}

/// True if an enabled user holds all permissions that administration needs.
fn is_administrated<'c>(
    mut subjects: impl Iterator<Item = &'c Subject>,
    role: impl Fn(RoleId) -> Option<&'c Role>,
    edition: Edition,
) -> bool {
    let needed = CATALOGUE.permissions_with(&ADMINISTRATION);
    let mut known: HashMap<&BTreeSet<RoleId>, bool> = HashMap::new();
    subjects.any(|subject| {
        let is_user = subject.kind == SubjectKind::User && subject.enabled;
        is_user
            && *known.entry(&subject.roles).or_insert_with(|| {
                let roles = subject.roles.iter().filter_map(|id| role(*id));
                held_by(roles, edition).is_superset(&needed)
            })
    })
}

/// Returns the permissions that roles grant together.
pub(super) fn held_by<'c>(
    roles: impl Iterator<Item = &'c Role>,
    edition: Edition,
) -> PermissionSet {
    let granted = PermissionSet::of_roles(roles.map(|role| &role.permissions));
    CATALOGUE.counted(&granted, edition)
}

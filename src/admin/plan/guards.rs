use std::collections::{BTreeSet, HashMap};

use crate::{
    admin::{error::AdminError, world::World},
    domain::{CATALOGUE, PermissionSet, SubjectKind},
};

/// The most apps and connections of a tenant (rules 5.2).
const APP_LIMIT: usize = 100;

/// What the guard against locking oneself out is about (rules 2.6).
const ADMINISTRATION: [&str; 3] = ["role.edit", "role.list", "system_configuration.access"];

/// How things stood before a change.
#[derive(Debug)]
pub(super) struct Before {
    administrated: bool,
    third_parties: usize,
}

impl Before {
    pub(super) fn of(world: &World) -> Self {
        Self {
            administrated: is_administrated(world),
            third_parties: third_parties(world),
        }
    }

    /// Judges the state at the end of the change.
    pub(super) fn judge(&self, world: &World) -> Result<(), AdminError> {
        let found = third_parties(world);
        if found > APP_LIMIT.max(self.third_parties) {
            return Err(AdminError::AppLimit {
                limit: APP_LIMIT,
                found,
            });
        }
        if self.administrated && !is_administrated(world) {
            return Err(AdminError::LockOutGuard);
        }
        Ok(())
    }
}

fn third_parties(world: &World) -> usize {
    world
        .subjects
        .iter()
        .filter(|(_, subject)| subject.kind != SubjectKind::User)
        .count()
}

/// Whether an enabled user holds all that administration takes.
fn is_administrated(world: &World) -> bool {
    let needed: PermissionSet = ADMINISTRATION
        .iter()
        .filter_map(|code| CATALOGUE.find_permission(code))
        .map(|permission| permission.id)
        .collect();
    let mut known: HashMap<&BTreeSet<i32>, bool> = HashMap::new();
    world.subjects.iter().any(|(_, subject)| {
        let is_user = subject.kind == SubjectKind::User && subject.enabled;
        is_user
            && *known.entry(&subject.roles).or_insert_with(|| {
                let granted = subject
                    .roles
                    .iter()
                    .filter_map(|role| world.roles.get(*role))
                    .fold(PermissionSet::default(), |all, role| {
                        all.union(&role.permissions)
                    });
                CATALOGUE
                    .counted(&granted, world.edition)
                    .is_superset(&needed)
            })
    })
}

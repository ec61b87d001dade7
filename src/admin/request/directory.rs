use crate::{
    admin::{fault::Fault, guards::administration, plan::Planner},
    domain::{RolePatch, SubjectKind, SubjectPatch, UserGroup},
    store::WantedEntities,
};

use super::{distinct, put_each};

/// Returns the request field that lists subjects of this kind.
fn field_of(kind: SubjectKind) -> &'static str {
    match kind {
        SubjectKind::User => "users",
        SubjectKind::Connection => "connections",
        SubjectKind::App => "apps",
    }
}

/// Returns the entities that the lock-out guard checks (rules 2.6).
pub(super) fn guarded() -> WantedEntities {
    WantedEntities {
        roles: true,
        users_with: administration(),
        ..WantedEntities::default()
    }
}

pub(super) fn put_subjects_wants(kind: SubjectKind, entries: &[SubjectPatch]) -> WantedEntities {
    let takes = |entry: &SubjectPatch| entry.roles.is_some() || entry.enabled == Some(false);
    let wanted = if kind == SubjectKind::User && entries.iter().any(takes) {
        guarded()
    } else {
        WantedEntities::default()
    };
    let codes = entries.iter().map(|entry| (kind, entry.code.clone()));
    WantedEntities {
        roles: wanted.roles || entries.iter().any(|entry| entry.roles.is_some()),
        subjects: codes.collect(),
        ..wanted
    }
}

pub(super) fn put_subjects(
    planner: &mut Planner<'_>,
    kind: SubjectKind,
    entries: &[SubjectPatch],
) -> Result<u64, Fault> {
    let field = field_of(kind);
    let entries = distinct(field, entries, |entry| &entry.code)?;
    put_each(field, entries, |entry| {
        let groups = entry.groups.as_deref();
        let groups = groups.map(|codes| planner.find_groups(codes)).transpose()?;
        planner.put_subject(kind, entry, groups, entry.roles.as_deref())
    })
}

pub(super) fn put_groups(planner: &mut Planner<'_>, entries: &[UserGroup]) -> Result<u64, Fault> {
    let entries = distinct("user_groups", entries, |entry| &entry.code)?;
    put_each("user_groups", entries, |entry| {
        planner.put_group("code", entry)
    })
}

pub(super) fn put_roles_wants(entries: &[RolePatch]) -> WantedEntities {
    WantedEntities {
        a_holder_of: entries.iter().map(|entry| entry.code.clone()).collect(),
        ..guarded()
    }
}

pub(super) fn put_roles(planner: &mut Planner<'_>, entries: &[RolePatch]) -> Result<u64, Fault> {
    let entries = distinct("roles", entries, |entry| &entry.code)?;
    put_each("roles", entries, |role| planner.put_role(role))
}

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    admin::world::World,
    domain::{CATALOGUE, Edition, PermissionSet, SubjectKind},
    store::SubjectRow,
};

use super::levels::{self, GroupRights, SetPair};

/// Who gains and who loses.
#[derive(Debug, Default)]
pub(super) struct Affected {
    /// Enabled subjects, before or after, whose permissions or levels change.
    pub(super) affected: u64,
    /// A sentence for each whose permissions change, losses first.
    pub(super) sentences: Vec<String>,
}

/// Compares what each subject holds with what it would hold.
pub(super) fn compare(world: &World, edition: Edition) -> Affected {
    let (before_rights, after_rights) = levels::by_group(world);
    let mut levels_differ: BTreeMap<SetPair, bool> = BTreeMap::new();
    let mut affected = Affected::default();
    let mut told: Vec<(bool, String)> = Vec::new();
    for (id, before, after) in world.subjects.both() {
        let enabled = |row: &&SubjectRow| row.enabled;
        let (was, is) = (before.filter(enabled), after.filter(enabled));
        let (Some(row), true) = (after.or(before), was.is_some() || is.is_some()) else {
            continue;
        };
        let old = permissions(world, id, was, edition, Side::Before);
        let new = permissions(world, id, is, edition, Side::After);
        let groups = |row: Option<&SubjectRow>| row.map(|row| row.groups.clone());
        let pair = (groups(was), groups(is));
        let levels = edition.is_enterprise()
            && *levels_differ
                .entry(pair)
                .or_insert_with_key(|pair| differ(&before_rights, &after_rights, pair));
        // Outside enterprise who is there holds everything (rules 3.4).
        let comes_or_goes = was.is_some() != is.is_some();
        if old != new || levels || comes_or_goes {
            affected.affected += 1;
        }
        let subject = format!("{} `{}`", row.kind, row.code);
        if let Some(sentence) = sentence(&subject, (was, before), (is, after), &old, &new) {
            told.push((new.is_superset(&old) && is.is_some(), sentence));
        }
    }
    told.sort();
    affected.sentences = told.into_iter().map(|(_, sentence)| sentence).collect();
    affected
}

fn differ(before: &GroupRights, after: &GroupRights, pair: &SetPair) -> bool {
    levels::merged(before, pair.0.as_ref()) != levels::merged(after, pair.1.as_ref())
}

#[derive(Clone, Copy)]
enum Side {
    Before,
    After,
}

/// The permissions that count of an enabled subject.
fn permissions(
    world: &World,
    id: i32,
    row: Option<&SubjectRow>,
    edition: Edition,
    side: Side,
) -> PermissionSet {
    let Some(row) = row else {
        return PermissionSet::default();
    };
    let granted = if row.kind == SubjectKind::App {
        let app = match side {
            Side::Before => world.app_before(id),
            Side::After => world.apps.get(&id),
        };
        let scopes = app.map(|app| app.scopes).unwrap_or_default();
        CATALOGUE.permissions_of_scopes(CATALOGUE.with_implied_scopes(scopes))
    } else {
        let roles = row.roles.iter().filter_map(|role| match side {
            Side::Before => world.roles.before(*role),
            Side::After => world.roles.get(*role),
        });
        roles.fold(PermissionSet::default(), |all, role| {
            all.union(&role.permissions)
        })
    };
    CATALOGUE.counted(&granted, edition)
}

type State<'s> = (Option<&'s SubjectRow>, Option<&'s SubjectRow>);

/// What becomes of a subject, unless it is a matter of levels alone.
fn sentence(
    subject: &str,
    (was, before): State<'_>,
    (is, after): State<'_>,
    old: &PermissionSet,
    new: &PermissionSet,
) -> Option<String> {
    match (was, is) {
        (Some(_), None) if after.is_none() => Some(format!("{subject} would be gone")),
        (Some(_), None) => Some(format!("{subject} would be disabled")),
        (None, Some(_)) if before.is_none() => Some(format!("{subject} would be new")),
        (None, Some(_)) => Some(format!("{subject} would be enabled")),
        (Some(_), Some(_)) | (None, None) => {
            let lost = codes(old, new);
            let gained = codes(new, old);
            let parts: Vec<String> = [("lose", lost), ("gain", gained)]
                .into_iter()
                .filter(|(_, codes)| !codes.is_empty())
                .map(|(verb, codes)| format!("{verb} {}", named(&codes)))
                .collect();
            (!parts.is_empty()).then(|| format!("{subject} would {}", parts.join(" and ")))
        }
    }
}

/// The codes in one set and not in the other.
fn codes(of: &PermissionSet, but: &PermissionSet) -> BTreeSet<&'static str> {
    let ids = of.iter().filter(|id| !but.contains(*id));
    ids.map(|id| CATALOGUE.permission(id).code).collect()
}

/// The first few by name.
fn named(codes: &BTreeSet<&'static str>) -> String {
    const NAMED: usize = 3;
    let first: Vec<String> = codes
        .iter()
        .take(NAMED)
        .map(|code| format!("`{code}`"))
        .collect();
    match codes.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more permissions", first.join(", ")),
    }
}

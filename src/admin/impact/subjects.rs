use std::collections::BTreeSet;

use crate::{
    admin::{change_set::ChangeSet, error::AdminError, guards::held_by, work::Work},
    domain::{CATALOGUE, ItemKind, PermissionId, PermissionSet, Subject, SubjectId, SubjectKind},
};

use super::{classes::Classes, sides::Side};

/// The affected subjects, or products and models.
#[derive(Debug, Default)]
pub(super) struct Affected {
    /// Their number.
    pub(super) affected: u64,
    /// Sentences for people about them.
    pub(super) sentences: Vec<String>,
}

/// Compares the permissions of each subject, enabled on either side, and counts it if
/// they or an answer of its class change. The sentences are about those whose
/// permissions change, losses first.
pub(super) fn compare(
    classes: &Classes,
    (before, after): (&Side<'_>, &Side<'_>),
    work: &mut Work,
) -> Result<Affected, AdminError> {
    let mut affected = Affected::default();
    let mut described: Vec<(bool, String)> = Vec::new();
    let enriching = enriching(after.change_set);
    for (id, stored, left) in after.change_set.subjects.both() {
        let (was, is) = (before.enabled(id), after.enabled(id));
        let (Some(row), true) = (left.or(stored), was.is_some() || is.is_some()) else {
            continue;
        };
        work.step(10 + 5 * row.roles.len())?;
        let old = permissions(before, id);
        let new = permissions(after, id);
        let enriches = enriching.is_some_and(|permission| new.contains(permission));
        let is_affected = old != new || enriches || classes.is_affected(id);
        affected.affected += u64::from(is_affected);
        let subject = format!("{} `{}`", row.kind, row.code);
        if let Some(sentence) = sentence(&subject, (was, stored), (is, left), &old, &new) {
            described.push((new.is_superset(&old) && is.is_some(), sentence));
        }
    }
    described.sort();
    affected.sentences = described
        .into_iter()
        .map(|(_, sentence)| sentence)
        .collect();
    Ok(affected)
}

/// Returns the permission that alone allows editing the attributes of a category
/// (rules 4.9), if a category is created or deleted.
fn enriching(change_set: &ChangeSet) -> Option<PermissionId> {
    let mut categories = change_set.items.changes().filter(|(_, before, after)| {
        let row = after.or(*before);
        row.is_some_and(|item| item.kind() == ItemKind::Category)
    });
    let comes_or_goes = categories.any(|(_, before, after)| before.is_none() || after.is_none());
    let permission = CATALOGUE.find_permission("category.edit_attributes");
    permission.filter(|_| comes_or_goes).map(|found| found.id)
}

/// Returns the effective permissions of a subject; none if it is not enabled.
fn permissions(side: &Side<'_>, id: SubjectId) -> PermissionSet {
    let Some(row) = side.enabled(id) else {
        return PermissionSet::default();
    };
    if row.kind == SubjectKind::App {
        let scopes = side.app(id).map(|app| app.scopes).unwrap_or_default();
        let scopes = CATALOGUE.with_implied_scopes(scopes);
        return CATALOGUE.counted(&CATALOGUE.permissions_of_scopes(scopes), side.edition);
    }
    let roles = &side.change_set.roles;
    let held = row.roles.iter().filter_map(|role| side.row(roles, role));
    held_by(held, side.edition)
}

type State<'s> = (Option<&'s Subject>, Option<&'s Subject>);

/// Describes the change of a subject; `None` if only levels change.
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

/// Returns the codes in `of` that are not in `but`.
fn codes(of: &PermissionSet, but: &PermissionSet) -> BTreeSet<&'static str> {
    let ids = of.iter().filter(|id| !but.contains(*id));
    ids.map(|id| CATALOGUE.permission(id).code).collect()
}

/// Formats the first three codes, and the number of the others.
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

use std::collections::BTreeSet;

use crate::{
    domain::{Code, FactKey, RoleId, Section, SubjectId, SubjectRef},
    store::ProductCounts,
};

use super::{
    change::Pass,
    change_set::ChangeSet,
    error::AdminError,
    rights::pairs,
    work::{Work, run_blocking},
};

/// Maximum number of keys listed per section.
const NAMED_AT_MOST: usize = 100;

/// Returns the keys whose cached facts a change invalidates: of the entities of
/// `change_set`, and of the compared products.
///
/// New user groups and roles have no key: no server can have cached anything of them,
/// and their numbers are only known once they are created.
pub(super) async fn keys(
    pass: &Pass<'_>,
    change_set: &ChangeSet,
    products: &[ProductCounts; 2],
) -> Result<Vec<FactKey>, AdminError> {
    let tenant = &pass.tenant.code;
    if pass.tenant.id.is_none() {
        return Ok(vec![pass.tenant.key()]);
    }
    let mut keys = run_blocking(|| of_entities(tenant, change_set, &mut pass.work()))?;
    let is_changed = |counts: &ProductCounts| counts.created + counts.changed + counts.removed > 0;
    if products.iter().any(is_changed) {
        let named = pass
            .transaction
            .list_changed_products(NAMED_AT_MOST + 1)
            .await?;
        let named = named.into_iter();
        let named = named.map(|product| FactKey::Product(tenant.clone(), product));
        keys.extend(bounded(tenant, Section::Products, named.collect()));
    }
    if keys.is_empty() {
        // A change of nothing that is cached, such as a label or a step of
        // connecting an app, is announced as well: a write needs an announcement
        // to commit.
        keys.push(FactKey::Nothing(tenant.clone()));
    }
    Ok(keys)
}

fn of_entities(
    tenant: &Code,
    change_set: &ChangeSet,
    work: &mut Work,
) -> Result<Vec<FactKey>, AdminError> {
    let section = |section| FactKey::Section(tenant.clone(), section);
    let mut keys = Vec::new();
    let new_or_gone = change_set.groups.changes();
    let mut new_or_gone =
        new_or_gone.filter(|(_, before, after)| before.is_none() || after.is_none());
    let changes_vocabulary = new_or_gone.next().is_some()
        || change_set.items.changes().next().is_some()
        || change_set.attributes.changes().next().is_some()
        || change_set.grid_views.changes().next().is_some();
    if changes_vocabulary {
        keys.push(section(Section::Vocabulary));
    }
    let roles = changed_roles(change_set).map(|role| FactKey::Role(tenant.clone(), role));
    keys.extend(bounded(tenant, Section::Vocabulary, roles.collect()));
    let left_groups = !change_set.groups.removed().is_empty();
    if left_groups || !change_set.roles.removed().is_empty() {
        keys.push(section(Section::Subjects));
    } else {
        keys.extend(subjects(tenant, change_set));
    }
    if left_groups || !change_set.items.removed().is_empty() {
        keys.push(section(Section::Rights));
    } else {
        let rights = rights(tenant, change_set, work)?;
        keys.extend(bounded(tenant, Section::Rights, rights));
    }
    Ok(keys)
}

/// Returns the stored roles whose permissions change, or that are removed.
fn changed_roles(change_set: &ChangeSet) -> impl Iterator<Item = RoleId> {
    let stored = change_set.roles.changes();
    let stored = stored.filter_map(|(id, before, after)| Some((id, before?, after)));
    let changed = stored.filter(|(_, before, after)| {
        after.is_none_or(|after| after.permissions != before.permissions)
    });
    changed.map(|(id, _, _)| id)
}

/// Returns the keys of changed subjects, and of apps whose scopes changed; the
/// key of all subjects if one of them was not read, so that its code is not
/// known.
fn subjects(tenant: &Code, change_set: &ChangeSet) -> Vec<FactKey> {
    let changed = change_set.subjects.changes().map(|(id, _, _)| id);
    let apps = change_set.apps.changes().map(|(id, _, _)| id);
    let ids: BTreeSet<SubjectId> = changed.chain(apps).collect();
    let keys = ids.into_iter().map(|id| {
        let row = change_set.subjects.ever(id)?;
        let subject = SubjectRef {
            kind: row.kind,
            code: row.code.clone(),
        };
        Some(FactKey::Subject(tenant.clone(), subject))
    });
    match keys.collect() {
        Some(keys) => bounded(tenant, Section::Subjects, keys),
        None => vec![FactKey::Section(tenant.clone(), Section::Subjects)],
    }
}

/// Returns the keys of the groups whose rights change.
fn rights(
    tenant: &Code,
    change_set: &ChangeSet,
    work: &mut Work,
) -> Result<Vec<FactKey>, AdminError> {
    let mut groups = BTreeSet::new();
    for (_, before, after) in change_set.rights.changes() {
        work.step(before.len() + after.len())?;
        let changed = pairs(before, after).into_iter();
        groups.extend(changed.filter_map(|(group, old, new)| (old != new).then_some(group)));
    }
    let stored = groups
        .into_iter()
        .filter(|group| !change_set.groups.is_new(*group));
    let keys = stored.map(|group| FactKey::Rights(tenant.clone(), group));
    Ok(keys.collect())
}

/// Returns these keys, or the key of the section if there are too many.
fn bounded(tenant: &Code, section: Section, keys: Vec<FactKey>) -> Vec<FactKey> {
    if keys.len() > NAMED_AT_MOST {
        return vec![FactKey::Section(tenant.clone(), section)];
    }
    keys
}

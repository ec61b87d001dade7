//! The audit log: an entry for each entity, and for each item's rights, that a
//! change creates, changes or removes.

use serde_json::{Map, Value, json};

use crate::domain::{
    App, Attribute, CATALOGUE, Code, Edition, GridView, GroupId, Item, ItemId, Level, Role,
    Subject, SubjectKind, UserGroup,
};

use super::{
    change::{AuditEntry, Pass},
    change_set::{ChangeSet, Coded, Table},
    error::AdminError,
    rights::pairs,
};

/// Writes an audit entry for each change except those of products.
pub(super) async fn write(pass: &mut Pass<'_>, change_set: &ChangeSet) -> Result<(), AdminError> {
    write_directory(pass, change_set).await?;
    write_catalog(pass, change_set).await?;
    for (id, before, after) in change_set.rights.changes() {
        let Some(item) = change_set.items.ever(id) else {
            continue;
        };
        let (before, after) = levels(change_set, before, after);
        pass.audit(AuditEntry {
            kind: "access_right.changed".to_owned(),
            item: Some((item.kind().into(), item.code().to_string())),
            subject: None,
            before: Some(before.to_string()),
            after: Some(after.to_string()),
        })
        .await?;
    }
    Ok(())
}

async fn write_directory(pass: &mut Pass<'_>, change_set: &ChangeSet) -> Result<(), AdminError> {
    write_table(pass, &change_set.groups, |_| "user_group", group).await?;
    write_table(pass, &change_set.roles, |_| "role", role).await?;
    for (_, before, after) in change_set.subjects.changes() {
        let Some(Subject { kind, code, .. }) = after.or(before) else {
            continue;
        };
        if *kind != SubjectKind::App {
            let describe = |row: &Subject| subject(change_set, row);
            let entry = entry(kind.into(), Some(code), before, after, describe);
            pass.audit(of_subject(entry)).await?;
        }
    }
    for (id, before, after) in change_set.apps.changes() {
        let describe = |app: &App| self::app(change_set, app);
        let code = change_set.subject_code(id).parse().ok();
        let entry = entry("app", code.as_ref(), before, after, describe);
        pass.audit(of_subject(entry)).await?;
    }
    Ok(())
}

async fn write_catalog(pass: &mut Pass<'_>, change_set: &ChangeSet) -> Result<(), AdminError> {
    let describe = |row: &Item| item(change_set, row);
    write_table(pass, &change_set.items, |item| item.kind().into(), describe).await?;
    let describe = |row: &Attribute| attribute(change_set, row);
    write_table(pass, &change_set.attributes, |_| "attribute", describe).await?;
    let describe = |row: &GridView| json!({ "attribute_groups": items(change_set, row.attribute_groups.iter()) });
    write_table(pass, &change_set.grid_views, |_| "grid_view", describe).await
}

/// Writes an audit entry for each row created, changed or removed.
async fn write_table<T: Coded + Clone + PartialEq + Sync>(
    pass: &mut Pass<'_>,
    table: &Table<T>,
    entity: impl Fn(&T) -> &'static str + Send,
    describe: impl Fn(&T) -> Value + Send,
) -> Result<(), AdminError> {
    for (_, before, after) in table.changes() {
        if let Some(row) = after.or(before) {
            let entry = entry(entity(row), Some(row.code()), before, after, &describe);
            pass.audit(entry).await?;
        }
    }
    Ok(())
}

/// Returns the audit entry for a tenant created, changed or removed.
pub(super) fn of_tenant(
    tenant: &Code,
    before: Option<Edition>,
    after: Option<Edition>,
) -> AuditEntry {
    let describe = |edition: &Edition| json!({ "edition": <&str>::from(edition) });
    entry(
        "tenant",
        Some(tenant),
        before.as_ref(),
        after.as_ref(),
        describe,
    )
}

/// Returns the audit entry for one entity created, changed or removed.
pub(super) fn entry<T>(
    entity: &'static str,
    code: Option<&Code>,
    before: Option<&T>,
    after: Option<&T>,
    describe: impl Fn(&T) -> Value,
) -> AuditEntry {
    let what = match (before, after) {
        (None, _) => "created",
        (Some(_), Some(_)) => "changed",
        (Some(_), None) => "removed",
    };
    let code = code.map(Code::to_string);
    AuditEntry {
        kind: format!("{entity}.{what}"),
        item: Some((entity, code.unwrap_or_default())),
        subject: None,
        before: before.map(|row| describe(row).to_string()),
        after: after.map(|row| describe(row).to_string()),
    }
}

fn of_subject(mut entry: AuditEntry) -> AuditEntry {
    entry.subject = entry.item.take();
    entry
}

fn group(row: &UserGroup) -> Value {
    json!({ "label": row.label.as_str(), "private": row.private })
}

fn role(row: &Role) -> Value {
    let permissions: Vec<&str> = CATALOGUE.permission_codes(&row.permissions).collect();
    json!({ "label": row.label.as_str(), "audience": <&str>::from(row.audience), "permissions": permissions })
}

fn subject(change_set: &ChangeSet, row: &Subject) -> Value {
    let roles: Vec<&str> = row
        .roles
        .iter()
        .map(|id| change_set.role_code(*id))
        .collect();
    let groups: Vec<&str> = row
        .groups
        .iter()
        .map(|id| group_code(change_set, *id))
        .collect();
    json!({ "enabled": row.enabled, "roles": roles, "groups": groups })
}

fn app(change_set: &ChangeSet, row: &App) -> Value {
    let scopes: Vec<&str> = CATALOGUE.scope_codes(row.scopes).collect();
    let chosen = row.selections.iter().map(|chosen| {
        let axis: &str = chosen.axis.into();
        let level: &str = Level::from_bits(chosen.level).into();
        let code = chosen.item.map(|id| change_set.item_code(id));
        json!({ "axis": axis, "level": level, "all": code.is_none(), "code": code })
    });
    let chosen: Vec<Value> = chosen.collect();
    json!({
        "group": group_code(change_set, row.group),
        "scopes": scopes,
        "selections": chosen,
        "later_channels": row.later_channels,
        "permissions_passed": row.permissions_passed,
    })
}

fn item(change_set: &ChangeSet, item: &Item) -> Value {
    let code = |id: &ItemId| change_set.item_code(*id);
    match item {
        Item::Category(category) => json!({ "parent": category.parent.as_ref().map(code) }),
        Item::Channel(channel) => json!({
            "tree": channel.tree.as_ref().map(code),
            "locales": items(change_set, channel.locales.iter()),
        }),
        Item::Plain(_) => json!({}),
    }
}

fn attribute(change_set: &ChangeSet, row: &Attribute) -> Value {
    json!({
        "group": change_set.item_code(row.group),
        "scopable": row.scopable,
        "localizable": row.localizable,
    })
}

/// Returns the levels, before and after, of the groups whose level differs.
fn levels(
    change_set: &ChangeSet,
    before: &[(GroupId, Level)],
    after: &[(GroupId, Level)],
) -> (Value, Value) {
    let (mut old, mut new) = (Map::new(), Map::new());
    for (group, was, is) in pairs(before, after) {
        if was != is {
            let code = group_code(change_set, group);
            old.insert(code.to_owned(), json!(<&str>::from(was)));
            new.insert(code.to_owned(), json!(<&str>::from(is)));
        }
    }
    (Value::Object(old), Value::Object(new))
}

fn group_code(change_set: &ChangeSet, id: GroupId) -> &str {
    change_set
        .groups
        .ever(id)
        .map_or("", |group| group.code.as_str())
}

fn items<'w>(change_set: &'w ChangeSet, ids: impl Iterator<Item = &'w ItemId>) -> Vec<&'w str> {
    ids.map(|id| change_set.item_code(*id)).collect()
}

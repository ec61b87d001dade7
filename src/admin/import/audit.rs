use serde_json::{Map, Value, json};

use crate::{
    admin::{
        change::{AuditEntry, Pass},
        error::AdminError,
        refusals::Report,
        world::World,
    },
    domain::{CATALOGUE, Level, SubjectKind},
    store::{AppRow, AttributeRow, GridViewRow, GroupRow, ItemRow, RoleRow, SubjectRow},
};

/// Writes an audit entry for each change but those of products, and one that
/// ends the import.
pub(super) async fn write(
    pass: &mut Pass<'_>,
    world: &World,
    report: &Report,
) -> Result<(), AdminError> {
    let tenant = pass.tenant.code.to_string();
    if pass.tenant.revision.0 == 0 {
        let after = json!({ "edition": <&str>::from(pass.tenant.edition) });
        pass.audit(entry("tenant", &tenant, "created", None, &after))
            .await?;
    }
    write_directory(pass, world).await?;
    write_catalog(pass, world).await?;
    for (id, before, after) in world.rights.changes() {
        let Some(item) = world.items.get(id) else {
            continue;
        };
        let before = (!before.is_empty()).then(|| levels(world, before));
        let mut changed = entry(
            item.kind.into(),
            item.code.as_str(),
            "",
            before.as_ref(),
            &levels(world, after),
        );
        changed.kind = "access_right.changed".to_owned();
        pass.audit(changed).await?;
    }
    let mut end = entry("tenant", &tenant, "", None, &summary(report));
    end.kind = "import.applied".to_owned();
    pass.audit(end).await
}

async fn write_directory(pass: &mut Pass<'_>, world: &World) -> Result<(), AdminError> {
    for (_, before, after) in world.groups.changes() {
        pass.audit(change(
            "user_group",
            after.code.as_str(),
            before.map(group).as_ref(),
            &group(after),
        ))
        .await?;
    }
    for (_, before, after) in world.roles.changes() {
        pass.audit(change(
            "role",
            after.code.as_str(),
            before.map(role).as_ref(),
            &role(after),
        ))
        .await?;
    }
    for (_, before, after) in world.subjects.changes() {
        if after.kind == SubjectKind::App {
            continue;
        }
        let describe = |row: &SubjectRow| subject(world, row);
        let row = change(
            after.kind.into(),
            after.code.as_str(),
            before.map(describe).as_ref(),
            &describe(after),
        );
        pass.audit(of_subject(row)).await?;
    }
    for (id, before, after) in world.app_changes() {
        let Some(row) = world.subjects.get(id) else {
            continue;
        };
        let describe = |app: &AppRow| self::app(world, app);
        let row = change(
            "app",
            row.code.as_str(),
            before.map(describe).as_ref(),
            &describe(after),
        );
        pass.audit(of_subject(row)).await?;
    }
    Ok(())
}

async fn write_catalog(pass: &mut Pass<'_>, world: &World) -> Result<(), AdminError> {
    for (_, before, after) in world.items.changes() {
        let describe = |row: &ItemRow| item(world, row);
        let row = change(
            after.kind.into(),
            after.code.as_str(),
            before.map(describe).as_ref(),
            &describe(after),
        );
        pass.audit(row).await?;
    }
    for (_, before, after) in world.attributes.changes() {
        let describe = |row: &AttributeRow| attribute(world, row);
        let row = change(
            "attribute",
            after.code.as_str(),
            before.map(describe).as_ref(),
            &describe(after),
        );
        pass.audit(row).await?;
    }
    for (_, before, after) in world.grid_views.changes() {
        let describe =
            |row: &GridViewRow| json!({ "attribute_groups": items(world, row.groups.iter()) });
        let row = change(
            "grid_view",
            after.code.as_str(),
            before.map(describe).as_ref(),
            &describe(after),
        );
        pass.audit(row).await?;
    }
    Ok(())
}

fn change(noun: &'static str, code: &str, before: Option<&Value>, after: &Value) -> AuditEntry {
    let what = if before.is_none() {
        "created"
    } else {
        "changed"
    };
    entry(noun, code, what, before, after)
}

fn entry(
    noun: &'static str,
    code: &str,
    what: &str,
    before: Option<&Value>,
    after: &Value,
) -> AuditEntry {
    AuditEntry {
        kind: format!("{noun}.{what}"),
        item: Some((noun, code.to_owned())),
        subject: None,
        before: before.map(Value::to_string),
        after: Some(after.to_string()),
    }
}

fn of_subject(mut entry: AuditEntry) -> AuditEntry {
    entry.subject = entry.item.take();
    entry
}

fn group(row: &GroupRow) -> Value {
    json!({ "label": row.label, "private": row.private })
}

fn role(row: &RoleRow) -> Value {
    let permissions: Vec<&str> = row
        .permissions
        .iter()
        .map(|id| CATALOGUE.permission(id).code)
        .collect();
    json!({ "label": row.label, "audience": <&str>::from(row.audience), "permissions": permissions })
}

fn subject(world: &World, row: &SubjectRow) -> Value {
    let roles: Vec<&str> = row
        .roles
        .iter()
        .filter_map(|id| Some(world.roles.get(*id)?.code.as_str()))
        .collect();
    let groups: Vec<&str> = row.groups.iter().map(|id| group_code(world, *id)).collect();
    json!({ "enabled": row.enabled, "roles": roles, "groups": groups })
}

fn app(world: &World, row: &AppRow) -> Value {
    let scopes: Vec<&str> = row
        .scopes
        .iter()
        .map(|id| CATALOGUE.scope(id).code)
        .collect();
    let chosen = row.selections.iter().map(|chosen| {
        let axis: &str = chosen.axis.into();
        let level: &str = Level::from_bits(chosen.level).into();
        let code = chosen.item.map(|id| item_code(world, id));
        json!({ "axis": axis, "level": level, "all": code.is_none(), "code": code })
    });
    let chosen: Vec<Value> = chosen.collect();
    json!({
        "group": group_code(world, row.group),
        "scopes": scopes,
        "selections": chosen,
        "later_channels": row.later_channels,
    })
}

fn item(world: &World, row: &ItemRow) -> Value {
    let mut described = Map::new();
    if row.kind == crate::domain::ItemKind::Category {
        described.insert(
            "parent".to_owned(),
            json!(row.parent.map(|id| item_code(world, id))),
        );
    }
    if row.kind == crate::domain::ItemKind::Channel {
        described.insert(
            "tree".to_owned(),
            json!(row.tree.map(|id| item_code(world, id))),
        );
        described.insert(
            "locales".to_owned(),
            json!(items(world, row.locales.iter())),
        );
    }
    Value::Object(described)
}

fn attribute(world: &World, row: &AttributeRow) -> Value {
    json!({
        "group": item_code(world, row.group),
        "scopable": row.scopable,
        "localizable": row.localizable,
    })
}

fn levels(world: &World, levels: &[(i32, Level)]) -> Value {
    let named = levels.iter().map(|(group, level)| {
        let level: &str = level.into();
        (group_code(world, *group).to_owned(), json!(level))
    });
    Value::Object(named.collect())
}

/// What each file came to; the refused rows are not in the audit log.
fn summary(report: &Report) -> Value {
    let files = report.clone().finish().0.into_iter().map(|file| {
        let counts = json!({
            "rows": file.rows,
            "created": file.created,
            "changed": file.changed,
            "unchanged": file.unchanged,
            "refused": file.refused,
        });
        (file.file, counts)
    });
    Value::Object(files.collect())
}

fn group_code(world: &World, id: i32) -> &str {
    world.groups.get(id).map_or("", |group| group.code.as_str())
}

fn item_code(world: &World, id: i32) -> &str {
    world.items.get(id).map_or("", |item| item.code.as_str())
}

fn items<'w>(world: &'w World, ids: impl Iterator<Item = &'w i32>) -> Vec<&'w str> {
    ids.map(|id| item_code(world, *id)).collect()
}

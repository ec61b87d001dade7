//! The permissions and levels that a subject effectively holds, and their sources.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    cli::{
        Answer, CliError, Exit, Output, ServerArguments,
        connection::{client, connect_to, patient},
        names::SubjectName,
        report::{document, lines, table},
        words,
    },
    domain::Level,
    pb::{
        self, app_service_client::AppServiceClient,
        directory_service_client::DirectoryServiceClient,
        tenant_service_client::TenantServiceClient,
    },
};

use super::{access::rights, writes::service};

/// A subject as stored.
struct Stored {
    groups: Vec<String>,
    /// Roles of the subject; scopes of an app.
    sources: Vec<String>,
    enabled: bool,
}

/// The highest level on one item, and the user groups that grant it.
#[derive(Default)]
struct Held {
    level: Level,
    groups: Vec<String>,
}

type Items = BTreeMap<(String, String), Held>;

pub(super) async fn show(
    subject: &SubjectName,
    server: &ServerArguments,
) -> Result<Answer, CliError> {
    let named = subject.render();
    let Some(stored) = stored(&named, server).await? else {
        let text = format!(
            "{}:{} is unknown: it is denied everything",
            named.r#type, named.id
        );
        return Ok(notice(server, &text, &json!({ "known": false })));
    };
    let edition = edition(server).await?;
    let permissions = permissions(&named, server).await?;
    let sources = permission_sources(&named, &stored, server).await?;
    let mut items = Items::new();
    for group in &stored.groups {
        let (grants, _) = rights(server, group, None).await?;
        merge(&mut items, group, grants);
    }
    if server.output == Output::Json {
        let value = rendered(&stored, edition, &permissions, &sources, &items);
        return Ok(Answer::new(document(&value), Exit::Done));
    }
    let given = |code: &String| sources.get(code).cloned().unwrap_or_default().join(", ");
    let permissions = permissions
        .iter()
        .map(|code| vec![code.clone(), given(code)]);
    let permissions = table(&["permission", "through"], permissions.collect());
    let levels = items.iter().map(|((kind, code), held)| {
        let level = held.level.to_string();
        vec![format!("{kind}:{code}"), level, held.groups.join(", ")]
    });
    let levels = table(&["item", "level", "through user groups"], levels.collect());
    let mut notes = Vec::new();
    if !stored.enabled {
        notes.push("disabled: it is denied everything, whatever stands here".to_owned());
    }
    if edition != pb::Edition::Enterprise {
        notes.push(
            "access rights do not count in this edition: everybody holds the highest level"
                .to_owned(),
        );
    }
    Ok(Answer::new(
        lines(notes) + &permissions + &levels,
        Exit::Done,
    ))
}

fn notice(server: &ServerArguments, text: &str, value: &Value) -> Answer {
    let out = match server.output {
        Output::Table => lines([text.to_owned()]),
        Output::Json => document(value),
    };
    Answer::new(out, Exit::Done)
}

async fn stored(
    subject: &pb::Subject,
    server: &ServerArguments,
) -> Result<Option<Stored>, CliError> {
    let tenant = server.tenant.clone();
    let codes = vec![subject.id.clone()];
    if subject.r#type == "app" {
        let mut client = service!(AppServiceClient, server);
        let request = pb::ListAppsRequest {
            tenant,
            codes,
            ..Default::default()
        };
        let apps = client.list_apps(patient(request)).await?.into_inner().apps;
        return Ok(apps.into_iter().next().map(|app| Stored {
            groups: vec![app.group],
            sources: app.scopes,
            enabled: true,
        }));
    }
    let mut client = service!(DirectoryServiceClient, server);
    let of =
        |groups: Option<pb::CodeList>, roles: Option<pb::CodeList>, enabled: Option<bool>| Stored {
            groups: groups.unwrap_or_default().codes,
            sources: roles.unwrap_or_default().codes,
            enabled: enabled.unwrap_or_default(),
        };
    if subject.r#type == "connection" {
        let request = pb::ListConnectionsRequest {
            tenant,
            codes,
            ..Default::default()
        };
        let found = client
            .list_connections(patient(request))
            .await?
            .into_inner();
        let found = found.connections.into_iter().next();
        return Ok(found.map(|row| of(row.groups, row.roles, row.enabled)));
    }
    let request = pb::ListUsersRequest {
        tenant,
        codes,
        ..Default::default()
    };
    let found = client.list_users(patient(request)).await?.into_inner();
    let found = found.users.into_iter().next();
    Ok(found.map(|row| of(row.groups, row.roles, row.enabled)))
}

async fn edition(server: &ServerArguments) -> Result<pb::Edition, CliError> {
    let mut client = service!(TenantServiceClient, server);
    let request = pb::GetTenantRequest {
        tenant: server.tenant.clone(),
    };
    let found = client.get_tenant(patient(request)).await?.into_inner();
    Ok(found.tenant.unwrap_or_default().edition())
}

/// Reads the permissions that a subject effectively has.
async fn permissions(
    subject: &pb::Subject,
    server: &ServerArguments,
) -> Result<Vec<String>, CliError> {
    let request = pb::ListActionsRequest {
        tenant: server.tenant.clone(),
        subject: Some(subject.clone()),
        ..Default::default()
    };
    let answer = client(server).await?.list_actions(patient(request)).await?;
    let actions = answer.into_inner().actions.into_iter();
    Ok(actions.map(|action| action.action).collect())
}

/// Maps each permission to the roles that grant it. Empty for an app, whose
/// permissions come from all of its scopes.
async fn permission_sources(
    subject: &pb::Subject,
    stored: &Stored,
    server: &ServerArguments,
) -> Result<BTreeMap<String, Vec<String>>, CliError> {
    let mut sources: BTreeMap<String, Vec<String>> = BTreeMap::new();
    if subject.r#type == "app" || stored.sources.is_empty() {
        return Ok(sources);
    }
    let mut client = service!(DirectoryServiceClient, server);
    let request = pb::ListRolesRequest {
        tenant: server.tenant.clone(),
        page_size: 10_000,
        codes: stored.sources.clone(),
        ..Default::default()
    };
    let roles = client
        .list_roles(patient(request))
        .await?
        .into_inner()
        .roles;
    for role in roles {
        for permission in role.permissions.unwrap_or_default().codes {
            let of = sources.entry(permission).or_default();
            of.push(role.code.clone());
        }
    }
    Ok(sources)
}

/// Merges the rights of a group: the most permissive group wins (rules 3.5);
/// groups that grant less than the level held are not listed.
fn merge(items: &mut Items, group: &str, grants: Vec<pb::AccessGrant>) {
    for grant in grants {
        let level: Level = words::level(grant.level())
            .and_then(|word| word.parse().ok())
            .unwrap_or_default();
        let item = grant.item.unwrap_or_default();
        let held = items.entry((item.r#type, item.id)).or_default();
        let highest = held.level.or(level);
        if highest != held.level {
            // Levels of profiles are flags that combine: both groups contribute.
            if !highest.allows(held.level) || level.allows(held.level) {
                held.groups.clear();
            }
            held.level = highest;
            held.groups.push(group.to_owned());
        } else if level == highest {
            held.groups.push(group.to_owned());
        }
    }
}

fn rendered(
    stored: &Stored,
    edition: pb::Edition,
    permissions: &[String],
    sources: &BTreeMap<String, Vec<String>>,
    items: &Items,
) -> Value {
    let permissions: Vec<Value> = permissions
        .iter()
        .map(|code| json!({ "code": code, "through": sources.get(code) }))
        .collect();
    let items: Vec<Value> = items
        .iter()
        .map(|((kind, code), held)| {
            let item = json!({ "type": kind, "id": code });
            json!({ "item": item, "level": held.level.to_string(), "through": held.groups })
        })
        .collect();
    json!({
        "known": true,
        "enabled": stored.enabled,
        "rights_count": edition == pb::Edition::Enterprise,
        "groups": stored.groups,
        "roles_or_scopes": stored.sources,
        "permissions": permissions,
        "items": items,
    })
}

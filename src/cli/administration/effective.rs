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
    pb::{
        self, access_rights_service_client::AccessRightsServiceClient,
        app_service_client::AppServiceClient, directory_service_client::DirectoryServiceClient,
        tenant_service_client::TenantServiceClient,
    },
};

use super::{every_page, writes::service};

/// A subject as stored.
struct Stored {
    groups: Vec<String>,
    /// Roles of the subject; scopes of an app.
    sources: Vec<String>,
    enabled: bool,
}

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
    let rights = effective_rights(&named, server).await?;
    if server.output == Output::Json {
        let value = rendered(&stored, edition, &permissions, &sources, &rights);
        return Ok(Answer::new(document(&value), Exit::Done));
    }
    let given = |code: &String| sources.get(code).cloned().unwrap_or_default().join(", ");
    let permissions = permissions
        .iter()
        .map(|code| vec![code.clone(), given(code)]);
    let permissions = table(&["permission", "through"], permissions.collect());
    let levels = rights.iter().map(|right| {
        let item = right.item.clone().unwrap_or_default();
        let level = words::level(right.level()).unwrap_or_default();
        vec![
            format!("{}:{}", item.r#type, item.id),
            level,
            right.groups.join(", "),
        ]
    });
    let levels = table(&["item", "level", "through user groups"], levels.collect());
    let mut notes = Vec::new();
    if !stored.enabled {
        notes.push("disabled: it is denied everything".to_owned());
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

/// Reads the levels that a subject holds on items, in the order of types and codes.
async fn effective_rights(
    subject: &pb::Subject,
    server: &ServerArguments,
) -> Result<Vec<pb::EffectiveRight>, CliError> {
    let mut client = service!(AccessRightsServiceClient, server);
    let request = pb::GetEffectiveAccessRequest {
        tenant: server.tenant.clone(),
        page_size: 10_000,
        subject: Some(subject.clone()),
        ..Default::default()
    };
    let (mut rights, _) = every_page!(client, get_effective_access, request, rights);
    rights.sort_by_cached_key(|right| {
        let item = right.item.clone().unwrap_or_default();
        (item.r#type, item.id)
    });
    Ok(rights)
}

fn rendered(
    stored: &Stored,
    edition: pb::Edition,
    permissions: &[String],
    sources: &BTreeMap<String, Vec<String>>,
    rights: &[pb::EffectiveRight],
) -> Value {
    let permissions: Vec<Value> = permissions
        .iter()
        .map(|code| json!({ "code": code, "through": sources.get(code) }))
        .collect();
    let items: Vec<Value> = rights
        .iter()
        .map(|right| {
            let item = right.item.clone().unwrap_or_default();
            json!({
                "item": { "type": item.r#type, "id": item.id },
                "level": words::level(right.level()),
                "through": right.groups,
            })
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

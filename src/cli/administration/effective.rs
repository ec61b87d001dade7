//! The permissions and levels that a subject effectively holds, and their sources.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    cli::{
        Answer, CliError, Exit, Output, ServerArguments,
        connection::call,
        json,
        names::SubjectName,
        report::{document, lines, table},
        words,
    },
    pb::{
        self, access_rights_service_client::AccessRightsServiceClient,
        app_service_client::AppServiceClient,
        authorization_service_client::AuthorizationServiceClient,
        directory_service_client::DirectoryServiceClient,
        tenant_service_client::TenantServiceClient,
    },
};

use super::lists::every_page;

/// A subject as stored.
struct Stored {
    groups: Vec<String>,
    /// Roles of the subject; scopes of an app.
    sources: Vec<String>,
    enabled: bool,
}

/// Everything that a subject effectively holds.
struct Held {
    stored: Stored,
    edition: pb::Edition,
    permissions: Vec<String>,
    /// The roles that grant each permission.
    sources: BTreeMap<String, Vec<String>>,
    rights: Vec<pb::EffectiveRight>,
}

pub(super) async fn show(
    subject: &SubjectName,
    server: &ServerArguments,
) -> Result<Answer, CliError> {
    let named = subject.render();
    let Some(stored) = stored(&named, server).await? else {
        let name = words::subject_name(&named);
        let out = match server.output {
            Output::Table => lines([format!("{name} is unknown: it is denied everything")]),
            Output::Json => document(&serde_json::json!({ "known": false })),
        };
        return Ok(Answer::new(out, Exit::Done));
    };
    let held = Held {
        edition: edition(server).await?,
        permissions: permissions(&named, server).await?,
        sources: permission_sources(&named, &stored, server).await?,
        rights: effective_rights(&named, server).await?,
        stored,
    };
    let out = match server.output {
        Output::Table => held.tables(),
        Output::Json => document(&held.rendered()),
    };
    Ok(Answer::new(out, Exit::Done))
}

async fn stored(
    subject: &pb::Subject,
    server: &ServerArguments,
) -> Result<Option<Stored>, CliError> {
    /// Reads the one entry that a list has of the subject.
    macro_rules! first {
        ($client:ident.$call:ident($request:ident).$entries:ident) => {{
            let request = pb::$request {
                tenant: server.tenant.clone(),
                codes: vec![subject.id.clone()],
                ..Default::default()
            };
            let found = call!(server, $client.$call(request));
            found.$entries.into_iter().next()
        }};
    }
    let of =
        |groups: Option<pb::CodeList>, roles: Option<pb::CodeList>, enabled: Option<bool>| Stored {
            groups: groups.unwrap_or_default().codes,
            sources: roles.unwrap_or_default().codes,
            enabled: enabled.unwrap_or_default(),
        };
    Ok(match subject.r#type.as_str() {
        "app" => first!(AppServiceClient.list_apps(ListAppsRequest).apps).map(|app| Stored {
            groups: vec![app.group],
            sources: app.scopes,
            enabled: true,
        }),
        "connection" => first!(
            DirectoryServiceClient
                .list_connections(ListConnectionsRequest)
                .connections
        )
        .map(|row| of(row.groups, row.roles, row.enabled)),
        _ => first!(DirectoryServiceClient.list_users(ListUsersRequest).users)
            .map(|row| of(row.groups, row.roles, row.enabled)),
    })
}

async fn edition(server: &ServerArguments) -> Result<pb::Edition, CliError> {
    let request = pb::GetTenantRequest {
        tenant: server.tenant.clone(),
    };
    let found = call!(server, TenantServiceClient.get_tenant(request));
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
    let answer = call!(server, AuthorizationServiceClient.list_actions(request));
    let actions = answer.actions.into_iter();
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
    let request = pb::ListRolesRequest {
        tenant: server.tenant.clone(),
        page_size: 10_000,
        codes: stored.sources.clone(),
        ..Default::default()
    };
    let found = call!(server, DirectoryServiceClient.list_roles(request));
    for role in found.roles {
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
    let request = pb::GetEffectiveAccessRequest {
        tenant: server.tenant.clone(),
        page_size: 10_000,
        subject: Some(subject.clone()),
        ..Default::default()
    };
    let whole = every_page!(
        server,
        AccessRightsServiceClient
            .get_effective_access(request)
            .rights
    );
    let mut rights = whole.rights;
    rights.sort_by_cached_key(|right| {
        let item = right.item.clone().unwrap_or_default();
        (item.r#type, item.id)
    });
    Ok(rights)
}

/// The JSON document, which has parts of several messages.
#[derive(Serialize)]
struct Document<'a> {
    known: bool,
    enabled: bool,
    rights_count: bool,
    groups: &'a [String],
    roles_or_scopes: &'a [String],
    permissions: Vec<Permission<'a>>,
    rights: Vec<json::Message<'a, pb::EffectiveRight>>,
}

/// A permission, and the roles that grant it; `null` for an app.
#[derive(Serialize)]
struct Permission<'a> {
    code: &'a str,
    through: Option<&'a [String]>,
}

impl Held {
    fn rendered(&self) -> Document<'_> {
        let permissions = self.permissions.iter().map(|code| Permission {
            code,
            through: self.sources.get(code).map(Vec::as_slice),
        });
        Document {
            known: true,
            enabled: self.stored.enabled,
            rights_count: self.edition == pb::Edition::Enterprise,
            groups: &self.stored.groups,
            roles_or_scopes: &self.stored.sources,
            permissions: permissions.collect(),
            rights: self.rights.iter().map(json::Message::of).collect(),
        }
    }

    fn tables(&self) -> String {
        let mut notes = Vec::new();
        if !self.stored.enabled {
            notes.push("disabled: it is denied everything".to_owned());
        }
        if self.edition != pb::Edition::Enterprise {
            notes.push(
                "access rights do not count in this edition: everybody holds the highest level"
                    .to_owned(),
            );
        }
        let permissions = self.permissions.iter().map(|code| {
            let through = self.sources.get(code).map(|roles| roles.join(", "));
            vec![code.clone(), through.unwrap_or_default()]
        });
        let levels = self.rights.iter().map(|right| {
            let item = words::item_name(right.item.as_ref());
            let level = words::level(right.level()).unwrap_or_default();
            vec![item, level, right.groups.join(", ")]
        });
        let levels = table(&["item", "level", "through user groups"], levels.collect());
        lines(notes) + &table(&["permission", "through"], permissions.collect()) + &levels
    }
}

use serde_json::json;

use crate::{
    cli::{
        Answer, CliError, Output,
        arguments::{DeleteArguments, GroupCommand, ListArguments, RoleCommand, SubjectCommand},
        connection::{connect_to, patient},
    },
    pb::{self, directory_service_client::DirectoryServiceClient},
};

use super::{
    every_page, listed,
    writes::{code_list, request, service, written},
};

type Rows = Vec<(Vec<String>, serde_json::Value)>;

/// Defines the commands of users and of connections, which differ only in names.
macro_rules! subjects {
    ($run:ident, $entity:literal, $entry:ident, $field:ident,
     $list:ident $list_request:ident, $put:ident $put_request:ident, $delete:ident $delete_request:ident) => {
        pub(super) async fn $run(command: &SubjectCommand) -> Result<Answer, CliError> {
            match command {
                SubjectCommand::List(ListArguments { codes, server }) => {
                    let mut client = service!(DirectoryServiceClient, server);
                    let request = pb::$list_request {
                        tenant: server.tenant.clone(),
                        codes: codes.clone(),
                        ..Default::default()
                    };
                    let (entries, revision) = every_page!(client, $list, request, $field);
                    let rows = entries
                        .into_iter()
                        .map(|row| subject(&row.code, row.groups, row.roles, row.enabled));
                    Ok(subject_list(server.output, $entity, rows.collect(), revision))
                }
                SubjectCommand::Put {
                    code,
                    roles,
                    groups,
                    enabled,
                    write,
                } => {
                    let mut client = service!(DirectoryServiceClient, write.server);
                    let entry = pb::$entry {
                        code: code.clone(),
                        groups: code_list(groups.as_ref()),
                        roles: code_list(roles.as_ref()),
                        enabled: *enabled,
                    };
                    let request = request!($put_request, write, {
                        $field: vec![entry],
                        expected_revision: None,
                    });
                    let answer = client.$put(patient(request)).await?.into_inner();
                    Ok(written(write, answer.revision, answer.effect))
                }
                SubjectCommand::Delete(DeleteArguments {
                    codes,
                    cascade,
                    write,
                }) => {
                    let mut client = service!(DirectoryServiceClient, write.server);
                    let request = request!($delete_request, write, { codes: codes.clone(), cascade: *cascade });
                    let answer = client.$delete(patient(request)).await?.into_inner();
                    Ok(written(write, answer.revision, answer.effect))
                }
            }
        }
    };
}

subjects!(users, "user", User, users,
    list_users ListUsersRequest, put_users PutUsersRequest, delete_users DeleteUsersRequest);
subjects!(connections, "connection", Connection, connections,
    list_connections ListConnectionsRequest, put_connections PutConnectionsRequest,
    delete_connections DeleteConnectionsRequest);

fn subject(
    code: &str,
    groups: Option<pb::CodeList>,
    roles: Option<pb::CodeList>,
    enabled: Option<bool>,
) -> (Vec<String>, serde_json::Value) {
    let groups = groups.unwrap_or_default().codes;
    let roles = roles.unwrap_or_default().codes;
    let enabled = enabled.unwrap_or_default();
    let cells = vec![
        code.to_owned(),
        if enabled { "yes" } else { "no" }.to_owned(),
        roles.join(", "),
        groups.join(", "),
    ];
    let value = json!({ "code": code, "enabled": enabled, "roles": roles, "groups": groups });
    (cells, value)
}

fn subject_list(output: Output, entity: &str, rows: Rows, revision: u64) -> Answer {
    let header = ["code", "enabled", "roles", "groups"];
    listed(output, entity, &header, rows, revision)
}

pub(super) async fn groups(command: &GroupCommand) -> Result<Answer, CliError> {
    match command {
        GroupCommand::List(ListArguments { codes, server }) => {
            let mut client = service!(DirectoryServiceClient, server);
            let request = pb::ListUserGroupsRequest {
                tenant: server.tenant.clone(),
                codes: codes.clone(),
                ..Default::default()
            };
            let (entries, revision) = every_page!(client, list_user_groups, request, user_groups);
            let rows = entries.into_iter().map(|row| {
                let kind = if row.private { "an app's own" } else { "" };
                let cells = vec![row.code.clone(), row.label.clone(), kind.to_owned()];
                let value = json!({ "code": row.code, "label": row.label, "private": row.private });
                (cells, value)
            });
            let header = ["code", "label", ""];
            Ok(listed(
                server.output,
                "user group",
                &header,
                rows.collect(),
                revision,
            ))
        }
        GroupCommand::Put { code, label, write } => {
            let mut client = service!(DirectoryServiceClient, write.server);
            let group = pb::UserGroup {
                code: code.clone(),
                label: label.clone(),
                private: false,
            };
            let request = request!(PutUserGroupsRequest, write, {
                user_groups: vec![group],
                expected_revision: None,
            });
            let answer = client.put_user_groups(patient(request)).await?.into_inner();
            Ok(written(write, answer.revision, answer.effect))
        }
        GroupCommand::Delete(DeleteArguments {
            codes,
            cascade,
            write,
        }) => {
            let mut client = service!(DirectoryServiceClient, write.server);
            let request = request!(DeleteUserGroupsRequest, write, {
                codes: codes.clone(),
                cascade: *cascade,
            });
            let answer = client.delete_user_groups(patient(request)).await?;
            let answer = answer.into_inner();
            Ok(written(write, answer.revision, answer.effect))
        }
    }
}

pub(super) async fn roles(command: &RoleCommand) -> Result<Answer, CliError> {
    match command {
        RoleCommand::List(ListArguments { codes, server }) => {
            let mut client = service!(DirectoryServiceClient, server);
            let request = pb::ListRolesRequest {
                tenant: server.tenant.clone(),
                codes: codes.clone(),
                ..Default::default()
            };
            let (entries, revision) = every_page!(client, list_roles, request, roles);
            let rows = entries.into_iter().map(role);
            let header = ["code", "label", "audience", "permissions"];
            Ok(listed(
                server.output,
                "role",
                &header,
                rows.collect(),
                revision,
            ))
        }
        RoleCommand::Put {
            code,
            label,
            audience,
            permissions,
            write,
        } => {
            let mut client = service!(DirectoryServiceClient, write.server);
            let role = pb::Role {
                code: code.clone(),
                label: label.clone(),
                audience: self::audience(audience.as_deref())?.into(),
                permissions: code_list(permissions.as_ref()),
            };
            let request = request!(PutRolesRequest, write, {
                roles: vec![role],
                expected_revision: None,
            });
            let answer = client.put_roles(patient(request)).await?.into_inner();
            Ok(written(write, answer.revision, answer.effect))
        }
        RoleCommand::Delete(DeleteArguments {
            codes,
            cascade,
            write,
        }) => {
            let mut client = service!(DirectoryServiceClient, write.server);
            let request = request!(DeleteRolesRequest, write, {
                codes: codes.clone(),
                cascade: *cascade,
            });
            let answer = client.delete_roles(patient(request)).await?.into_inner();
            Ok(written(write, answer.revision, answer.effect))
        }
    }
}

fn role(row: pb::Role) -> (Vec<String>, serde_json::Value) {
    let audience = row.audience().as_str_name();
    let audience = audience.strip_prefix("AUDIENCE_").unwrap_or(audience);
    let audience = audience.to_lowercase();
    let permissions = row.permissions.unwrap_or_default().codes;
    let shown = match permissions.as_slice() {
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second}, {third} and {} more", rest.len())
        }
        few => few.join(", "),
    };
    let cells = vec![row.code.clone(), row.label.clone(), audience.clone(), shown];
    let value = json!({
        "code": row.code,
        "label": row.label,
        "audience": audience,
        "permissions": permissions,
    });
    (cells, value)
}

fn audience(word: Option<&str>) -> Result<pb::Audience, CliError> {
    match word {
        None => Ok(pb::Audience::Unspecified),
        Some("user") => Ok(pb::Audience::User),
        Some("connection") => Ok(pb::Audience::Connection),
        Some(word) => Err(CliError::Word {
            what: "audience",
            word: word.to_owned(),
            allowed: "user, connection",
        }),
    }
}

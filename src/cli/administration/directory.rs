use crate::{
    cli::{
        Answer, CliError,
        arguments::{DeleteArguments, GroupCommand, RoleCommand, SubjectCommand},
        words,
    },
    pb::{self, directory_service_client::DirectoryServiceClient},
};

use super::{
    lists::{Column, list_codes_and_show},
    writes::{code_list, write_and_show},
};

/// Deletes what the arguments name, and what refers to it if they say so.
macro_rules! delete {
    ($delete:expr, $call:ident($request:ident)) => {{
        let DeleteArguments {
            codes,
            cascade,
            write,
        } = $delete;
        write_and_show!(
            write,
            DirectoryServiceClient.$call($request {
                codes: codes.clone(),
                cascade: *cascade
            })
        )
    }};
}

/// Defines the commands of users and of connections, which differ only in names.
macro_rules! subjects {
    ($run:ident, $entity:literal, $entry:ident, $field:ident,
     $list:ident $list_request:ident, $put:ident $put_request:ident, $delete:ident $delete_request:ident) => {
        pub(super) async fn $run(command: &SubjectCommand) -> Result<Answer, CliError> {
            const COLUMNS: [Column<pb::$entry>; 4] = [
                ("code", |row| row.code.clone()),
                ("enabled", |row| yes_or_no(row.enabled).to_owned()),
                ("roles", |row| joined(row.roles.as_ref())),
                ("groups", |row| joined(row.groups.as_ref())),
            ];
            Ok(match command {
                SubjectCommand::List(list) => list_codes_and_show!(
                    list,
                    DirectoryServiceClient.$list($list_request).$field,
                    $entity,
                    &COLUMNS
                ),
                SubjectCommand::Put {
                    code,
                    roles,
                    groups,
                    enabled,
                    write,
                } => {
                    let entry = pb::$entry {
                        code: code.clone(),
                        groups: code_list(groups.as_ref()),
                        roles: code_list(roles.as_ref()),
                        enabled: *enabled,
                    };
                    write_and_show!(
                        write,
                        DirectoryServiceClient.$put($put_request {
                            $field: vec![entry],
                            expected_revision: None
                        })
                    )
                }
                SubjectCommand::Delete(delete) => delete!(delete, $delete($delete_request)),
            })
        }
    };
}

subjects!(users, "user", User, users,
    list_users ListUsersRequest, put_users PutUsersRequest, delete_users DeleteUsersRequest);
subjects!(connections, "connection", Connection, connections,
    list_connections ListConnectionsRequest, put_connections PutConnectionsRequest,
    delete_connections DeleteConnectionsRequest);

fn yes_or_no(enabled: Option<bool>) -> &'static str {
    if enabled.unwrap_or_default() {
        "yes"
    } else {
        "no"
    }
}

fn joined(codes: Option<&pb::CodeList>) -> String {
    codes
        .map(|codes| codes.codes.join(", "))
        .unwrap_or_default()
}

pub(super) async fn groups(command: &GroupCommand) -> Result<Answer, CliError> {
    const COLUMNS: [Column<pb::UserGroup>; 3] = [
        ("code", |group| group.code.clone()),
        ("label", |group| group.label.clone()),
        ("", |group| {
            let kind = if group.private { "an app's own" } else { "" };
            kind.to_owned()
        }),
    ];
    Ok(match command {
        GroupCommand::List(list) => list_codes_and_show!(
            list,
            DirectoryServiceClient
                .list_user_groups(ListUserGroupsRequest)
                .user_groups,
            "user group",
            &COLUMNS
        ),
        GroupCommand::Put { code, label, write } => {
            let group = pb::UserGroup {
                code: code.clone(),
                label: label.clone(),
                private: false,
            };
            write_and_show!(
                write,
                DirectoryServiceClient.put_user_groups(PutUserGroupsRequest {
                    user_groups: vec![group],
                    expected_revision: None
                })
            )
        }
        GroupCommand::Delete(delete) => {
            delete!(delete, delete_user_groups(DeleteUserGroupsRequest))
        }
    })
}

pub(super) async fn roles(command: &RoleCommand) -> Result<Answer, CliError> {
    const COLUMNS: [Column<pb::Role>; 4] = [
        ("code", |role| role.code.clone()),
        ("label", |role| role.label.clone()),
        ("audience", |role| {
            words::audience(role.audience()).unwrap_or_default()
        }),
        ("permissions", permissions),
    ];
    Ok(match command {
        RoleCommand::List(list) => list_codes_and_show!(
            list,
            DirectoryServiceClient.list_roles(ListRolesRequest).roles,
            "role",
            &COLUMNS
        ),
        RoleCommand::Put {
            code,
            label,
            audience,
            permissions,
            write,
        } => {
            let role = pb::Role {
                code: code.clone(),
                label: label.clone(),
                audience: self::audience(audience.as_deref())?.into(),
                permissions: code_list(permissions.as_ref()),
            };
            write_and_show!(
                write,
                DirectoryServiceClient.put_roles(PutRolesRequest {
                    roles: vec![role],
                    expected_revision: None
                })
            )
        }
        RoleCommand::Delete(delete) => delete!(delete, delete_roles(DeleteRolesRequest)),
    })
}

/// The first permissions of a role, and the number of the others.
fn permissions(role: &pb::Role) -> String {
    match role
        .permissions
        .clone()
        .unwrap_or_default()
        .codes
        .as_slice()
    {
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second}, {third} and {} more", rest.len())
        }
        few => few.join(", "),
    }
}

fn audience(text: Option<&str>) -> Result<pb::Audience, CliError> {
    let Some(text) = text else {
        return Ok(pb::Audience::Unspecified);
    };
    let find = pb::Audience::from_str_name;
    words::parse(text, "AUDIENCE_", find, "audience", "user, connection")
}

use crate::{
    cli::{
        Answer, CliError,
        arguments::{
            DeleteArguments, EntityCommand, GroupArguments, RoleArguments, SubjectArguments,
        },
        words,
    },
    pb::{self, directory_service_client::DirectoryServiceClient},
};

use super::{
    lists::{Column, list_codes_and_show},
    writes::{code_list, write_and_show},
};

/// Defines the commands of one kind of entity, which differ only in their messages.
macro_rules! entities {
    ($run:ident($arguments:ident): $entity:literal, $columns:expr, |$given:ident| $entry:expr,
     $list:ident($list_request:ident).$field:ident,
     $put_call:ident($put_request:ident), $delete:ident($delete_request:ident)) => {
        pub(super) async fn $run(command: &EntityCommand<$arguments>) -> Result<Answer, CliError> {
            Ok(match command {
                EntityCommand::List(list) => list_codes_and_show!(
                    list,
                    DirectoryServiceClient.$list($list_request).$field,
                    $entity,
                    $columns
                ),
                EntityCommand::Put($given) => write_and_show!(
                    &$given.write,
                    DirectoryServiceClient.$put_call($put_request {
                        $field: vec![$entry],
                        expected_revision: None
                    })
                ),
                EntityCommand::Delete(DeleteArguments {
                    codes,
                    cascade,
                    write,
                }) => write_and_show!(
                    write,
                    DirectoryServiceClient.$delete($delete_request {
                        codes: codes.clone(),
                        cascade: *cascade
                    })
                ),
            })
        }
    };
}

/// Defines what users and connections differ in: the type of the message alone.
macro_rules! subject {
    ($put:ident -> $entry:ident, $columns:ident) => {
        const $columns: [Column<pb::$entry>; 4] = [
            ("code", |row| row.code.clone()),
            ("enabled", |row| yes_or_no(row.enabled).to_owned()),
            ("roles", |row| joined(row.roles.as_ref())),
            ("groups", |row| joined(row.groups.as_ref())),
        ];

        fn $put(arguments: &SubjectArguments) -> pb::$entry {
            pb::$entry {
                code: arguments.code.clone(),
                groups: code_list(arguments.groups.as_ref()),
                roles: code_list(arguments.roles.as_ref()),
                enabled: arguments.enabled,
            }
        }
    };
}

subject!(user -> User, USER_COLUMNS);
subject!(connection -> Connection, CONNECTION_COLUMNS);

entities!(users(SubjectArguments): "user", &USER_COLUMNS, |given| user(given),
    list_users(ListUsersRequest).users,
    put_users(PutUsersRequest), delete_users(DeleteUsersRequest));
entities!(connections(SubjectArguments): "connection", &CONNECTION_COLUMNS, |given| connection(given),
    list_connections(ListConnectionsRequest).connections,
    put_connections(PutConnectionsRequest), delete_connections(DeleteConnectionsRequest));
entities!(groups(GroupArguments): "user group", &GROUP_COLUMNS, |given| group(given),
    list_user_groups(ListUserGroupsRequest).user_groups,
    put_user_groups(PutUserGroupsRequest), delete_user_groups(DeleteUserGroupsRequest));
entities!(roles(RoleArguments): "role", &ROLE_COLUMNS, |given| role(given)?,
    list_roles(ListRolesRequest).roles,
    put_roles(PutRolesRequest), delete_roles(DeleteRolesRequest));

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

const GROUP_COLUMNS: [Column<pb::UserGroup>; 3] = [
    ("code", |group| group.code.clone()),
    ("label", |group| group.label.clone()),
    ("", |group| {
        let kind = if group.private { "an app's own" } else { "" };
        kind.to_owned()
    }),
];

fn group(arguments: &GroupArguments) -> pb::UserGroup {
    pb::UserGroup {
        code: arguments.code.clone(),
        label: arguments.label.clone(),
        private: false,
    }
}

const ROLE_COLUMNS: [Column<pb::Role>; 4] = [
    ("code", |role| role.code.clone()),
    ("label", |role| role.label.clone()),
    ("audience", |role| {
        words::audience(role.audience()).unwrap_or_default()
    }),
    ("permissions", permissions),
];

fn role(arguments: &RoleArguments) -> Result<pb::Role, CliError> {
    Ok(pb::Role {
        code: arguments.code.clone(),
        label: arguments.label.clone(),
        audience: audience(arguments.audience.as_deref())?.into(),
        permissions: code_list(arguments.permissions.as_ref()),
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

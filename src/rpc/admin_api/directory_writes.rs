use crate::{
    admin::{Cascade, CodedKind, request::EntityRequest},
    domain::{
        Audience, CATALOGUE, PermissionSet, RequestedPermissions, RolePatch, SubjectKind,
        SubjectPatch, UserGroup,
    },
    pb,
    rpc::{
        failure::{Failure, InvalidField},
        parse::{self, code, quoted},
    },
};

use super::{
    entity_messages::FromMessage as _,
    parse_entries::{codes, label},
    writes::{entries, writes},
};

/// Implements the calls that put entities; each maps the parsed entries, and the
/// rest of its message, to an [`EntityRequest`].
macro_rules! puts {
    ($($request:ident -> $response:ident: $field:ident: $patch:ty, |$entries:ident, $message:ident| $change:expr;)+) => {
        writes! {$(
            $request [expected_revision] -> $response: EntityRequest = |$message, _| {
                let $entries = entries(stringify!($field), $message.$field, <$patch>::from_message)?;
                $change
            };
        )+}
    };
}
pub(super) use puts;

puts! {
    PutUsersRequest -> PutUsersResponse: users: SubjectPatch,
        |entries, message| EntityRequest::PutSubjects { kind: SubjectKind::User, entries };
    PutConnectionsRequest -> PutConnectionsResponse: connections: SubjectPatch,
        |entries, message| EntityRequest::PutSubjects { kind: SubjectKind::Connection, entries };
    PutUserGroupsRequest -> PutUserGroupsResponse: user_groups: UserGroup,
        |entries, message| EntityRequest::PutUserGroups(entries);
}

writes! {
    PutRolesRequest [expected_revision] -> PutRolesResponse: EntityRequest = |message, _| {
        let roles = entries("roles", message.roles, role)?;
        check_permissions(&roles)?;
        let entries = roles.into_iter().map(|parsed| parsed.role);
        EntityRequest::PutRoles(entries.collect())
    };
}

/// A role, and the first of its permission codes that is not in the catalogue.
struct ParsedRole {
    role: RolePatch,
    unknown: Option<(usize, String)>,
}

fn role(message: pb::Role) -> Result<ParsedRole, InvalidField> {
    let pb::Role {
        code: text,
        label: name,
        audience: number,
        permissions,
    } = message;
    let mut unknown = None;
    let permissions = permissions.map(|list| {
        let mut granted = PermissionSet::default();
        for (index, word) in list.codes.iter().enumerate() {
            match CATALOGUE.find_permission(word) {
                Some(permission) => granted.insert(permission.id),
                None => {
                    unknown.get_or_insert((index, quoted(word)));
                }
            }
        }
        granted
    });
    let role = RolePatch {
        code: code("code", &text)?,
        label: Some(label("label", &name)?),
        audience: audience(number)?,
        permissions: permissions.map(RequestedPermissions::Only),
    };
    Ok(ParsedRole { role, unknown })
}

/// Rejects a permission that is not in the permission catalogue (rules 2.1).
fn check_permissions(roles: &[ParsedRole]) -> Result<(), Failure> {
    let unknown = roles
        .iter()
        .enumerate()
        .find_map(|(index, role)| Some((index, role.unknown.as_ref()?)));
    match unknown {
        None => Ok(()),
        Some((index, (place, word))) => Err(Failure::PermissionNotFound {
            field: format!("roles[{index}].permissions.codes[{place}]"),
            permission: word.clone(),
        }),
    }
}

fn audience(number: i32) -> Result<Option<Audience>, InvalidField> {
    let allowed = "0, AUDIENCE_USER, AUDIENCE_CONNECTION";
    Ok(match parse::value("audience", number, allowed)? {
        pb::Audience::Unspecified => None,
        pb::Audience::User => Some(Audience::User),
        pb::Audience::Connection => Some(Audience::Connection),
    })
}

/// Converts the field `cascade`: whether entities in use are deleted too.
pub(super) fn cascade(requested: bool) -> Cascade {
    if requested {
        Cascade::Delete
    } else {
        Cascade::Reject
    }
}

/// Implements the calls that delete entities of a kind by their codes.
macro_rules! deletions {
    ($($request:ident -> $response:ident: $what:expr;)+) => {
        writes! {$(
            $request -> $response: EntityRequest = |message, _| EntityRequest::Delete {
                what: $what,
                codes: codes("codes", &message.codes)?,
                cascade: cascade(message.cascade),
            };
        )+}
    };
}
pub(super) use deletions;

deletions! {
    DeleteUsersRequest -> DeleteUsersResponse: CodedKind::Subjects(SubjectKind::User);
    DeleteConnectionsRequest -> DeleteConnectionsResponse:
        CodedKind::Subjects(SubjectKind::Connection);
    DeleteUserGroupsRequest -> DeleteUserGroupsResponse: CodedKind::UserGroups;
    DeleteRolesRequest -> DeleteRolesResponse: CodedKind::Roles;
}

use crate::{
    admin::{Cascade, request::EntityRequest},
    domain::{
        Audience, CATALOGUE, PermissionSet, RequestedPermissions, RolePatch, SubjectKind,
        SubjectPatch, UserGroup,
    },
    pb,
    rpc::{
        failure::{Failure, InvalidField},
        parse::{code, quoted},
    },
};

use super::{
    AdminApi, Answer,
    entity_messages::FromMessage as _,
    parse_entries::{codes, label},
    writes::{WriteRequest, WriteResponse, answered, context, entries},
};

impl AdminApi {
    /// Changes entities by the request that `request` parses from the message.
    pub(super) async fn change_entities<M: WriteRequest, R: WriteResponse>(
        &self,
        mut message: M,
        request: impl FnOnce(M) -> Result<EntityRequest, Failure>,
    ) -> Result<R, Failure> {
        let context = context(&mut message, &self.calling)?;
        let request = request(message)?;
        answered(|encode| self.coordinator.change_entities(request, context, encode)).await
    }
}

/// Implements the calls that put entities; each maps the parsed entries, and the
/// rest of its message, to an [`EntityRequest`].
macro_rules! puts {
    ($($request:ident -> $response:ident: $field:ident: $patch:ty, |$entries:ident, $message:ident| $change:expr;)+) => {
        $(
            impl Answer<pb::$request> for AdminApi {
                type Message = pb::$response;

                async fn answer(&self, request: pb::$request) -> Result<Self::Message, Failure> {
                    let entities = |mut $message: pb::$request| {
                        let given = std::mem::take(&mut $message.$field);
                        let $entries = entries(stringify!($field), given, <$patch>::from_message)?;
                        Ok($change)
                    };
                    self.change_entities(request, entities).await
                }
            }
        )+
    };
}
pub(super) use puts;

puts! {
    PutUsersRequest -> PutUsersResponse: users: SubjectPatch,
        |entries, _message| EntityRequest::PutSubjects { kind: SubjectKind::User, entries };
    PutConnectionsRequest -> PutConnectionsResponse: connections: SubjectPatch,
        |entries, _message| EntityRequest::PutSubjects { kind: SubjectKind::Connection, entries };
    PutUserGroupsRequest -> PutUserGroupsResponse: user_groups: UserGroup,
        |entries, _message| EntityRequest::PutUserGroups(entries);
}

impl Answer<pb::PutRolesRequest> for AdminApi {
    type Message = pb::PutRolesResponse;

    async fn answer(&self, request: pb::PutRolesRequest) -> Result<Self::Message, Failure> {
        let entities = |message: pb::PutRolesRequest| {
            let roles = entries("roles", message.roles, role)?;
            check_permissions(&roles)?;
            let entries = roles.into_iter().map(|parsed| parsed.role);
            Ok(EntityRequest::PutRoles(entries.collect()))
        };
        self.change_entities(request, entities).await
    }
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
    match pb::Audience::try_from(number) {
        Ok(pb::Audience::Unspecified) => Ok(None),
        Ok(pb::Audience::User) => Ok(Some(Audience::User)),
        Ok(pb::Audience::Connection) => Ok(Some(Audience::Connection)),
        Err(_) => {
            let message =
                format!("{number} is unknown; allowed are: 0, AUDIENCE_USER, AUDIENCE_CONNECTION");
            Err(InvalidField::new("audience", message))
        }
    }
}

/// Converts the field `cascade`: whether entities in use are deleted too.
pub(super) fn cascade(requested: bool) -> Cascade {
    if requested {
        Cascade::Delete
    } else {
        Cascade::Reject
    }
}

/// Implements the calls that delete; each maps its codes to an [`EntityRequest`].
macro_rules! deletions {
    ($($request:ident -> $response:ident: |$codes:ident, $cascade:ident| $entity:expr;)+) => {
        $(
            impl Answer<pb::$request> for AdminApi {
                type Message = pb::$response;

                async fn answer(&self, request: pb::$request) -> Result<Self::Message, Failure> {
                    let entities = |message: pb::$request| {
                        let $codes = codes("codes", &message.codes)?;
                        let $cascade = cascade(message.cascade);
                        Ok($entity)
                    };
                    self.change_entities(request, entities).await
                }
            }
        )+
    };
}
pub(super) use deletions;

deletions! {
    DeleteUsersRequest -> DeleteUsersResponse:
        |codes, _cascade| EntityRequest::DeleteSubjects { kind: SubjectKind::User, codes };
    DeleteConnectionsRequest -> DeleteConnectionsResponse:
        |codes, _cascade| EntityRequest::DeleteSubjects { kind: SubjectKind::Connection, codes };
    DeleteUserGroupsRequest -> DeleteUserGroupsResponse:
        |codes, cascade| EntityRequest::DeleteUserGroups { codes, cascade };
    DeleteRolesRequest -> DeleteRolesResponse:
        |codes, cascade| EntityRequest::DeleteRoles { codes, cascade };
}

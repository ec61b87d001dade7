use crate::{
    admin::{
        Cascade,
        request::{EntityRequest, GroupEntry, RoleEntry, SubjectEntry},
    },
    domain::{Audience, CATALOGUE, Code, PermissionSet, SubjectKind},
    pb,
    rpc::{
        failure::{Failure, InvalidField},
        parse::{code, quoted},
    },
};

use super::{
    AdminApi, Answer,
    parse_entries::{codes, label, optional_codes},
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

impl Answer<pb::PutUsersRequest> for AdminApi {
    type Message = pb::PutUsersResponse;

    async fn answer(&self, request: pb::PutUsersRequest) -> Result<Self::Message, Failure> {
        let entities = |message: pb::PutUsersRequest| {
            Ok(EntityRequest::PutSubjects {
                kind: SubjectKind::User,
                entries: entries("users", message.users, |user| {
                    let pb::User {
                        code,
                        groups,
                        roles,
                        enabled,
                    } = user;
                    subject(&code, groups, roles, enabled)
                })?,
            })
        };
        self.change_entities(request, entities).await
    }
}

impl Answer<pb::PutConnectionsRequest> for AdminApi {
    type Message = pb::PutConnectionsResponse;

    async fn answer(&self, request: pb::PutConnectionsRequest) -> Result<Self::Message, Failure> {
        let entities = |message: pb::PutConnectionsRequest| {
            Ok(EntityRequest::PutSubjects {
                kind: SubjectKind::Connection,
                entries: entries("connections", message.connections, |connection| {
                    let pb::Connection {
                        code,
                        groups,
                        roles,
                        enabled,
                    } = connection;
                    subject(&code, groups, roles, enabled)
                })?,
            })
        };
        self.change_entities(request, entities).await
    }
}

fn subject(
    text: &str,
    groups: Option<pb::CodeList>,
    roles: Option<pb::CodeList>,
    enabled: Option<bool>,
) -> Result<SubjectEntry, InvalidField> {
    Ok(SubjectEntry {
        code: code("code", text)?,
        groups: optional_codes("groups", groups)?,
        roles: optional_codes("roles", roles)?,
        enabled,
    })
}

impl Answer<pb::PutUserGroupsRequest> for AdminApi {
    type Message = pb::PutUserGroupsResponse;

    async fn answer(&self, request: pb::PutUserGroupsRequest) -> Result<Self::Message, Failure> {
        let entities = |message: pb::PutUserGroupsRequest| {
            let groups = entries("user_groups", message.user_groups, |group| {
                let pb::UserGroup {
                    code: text,
                    label: name,
                    private: _,
                } = group;
                Ok(GroupEntry {
                    code: code("code", &text)?,
                    label: label("label", name)?,
                })
            });
            Ok(EntityRequest::PutUserGroups(groups?))
        };
        self.change_entities(request, entities).await
    }
}

impl Answer<pb::PutRolesRequest> for AdminApi {
    type Message = pb::PutRolesResponse;

    async fn answer(&self, request: pb::PutRolesRequest) -> Result<Self::Message, Failure> {
        let entities = |message: pb::PutRolesRequest| {
            let roles = entries("roles", message.roles, role)?;
            check_permissions(&roles)?;
            let entries = roles.into_iter().map(|role| role.entry);
            Ok(EntityRequest::PutRoles(entries.collect()))
        };
        self.change_entities(request, entities).await
    }
}

/// A role, and the first of its permission codes that is not in the catalogue.
struct ParsedRole {
    entry: RoleEntry,
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
    let entry = RoleEntry {
        code: code("code", &text)?,
        label: label("label", name)?,
        audience: audience(number)?,
        permissions,
    };
    Ok(ParsedRole { entry, unknown })
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
                        let $codes: Vec<Code> = codes("codes", &message.codes)?;
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

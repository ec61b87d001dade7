//! The parts common to all writes: the head of every request, and the fields of
//! every response.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{
    admin::{AdminError, Answered, EncodeWritten, WriteContext, Written},
    domain::{Code, Revision},
    pb,
    rpc::{
        caller_identity::CallerIdentity,
        failure::{Failure, InvalidField, decode_stored_response},
        parse, parse_import, render_import,
    },
};

use super::check_no_tenant;

/// Largest number of entries in one request.
pub(super) const MOST_ENTRIES: usize = 100_000;

/// The fields common to all write requests.
#[derive(Clone, Debug, Default)]
pub(super) struct WriteHead {
    pub(super) tenant: String,
    pub(super) actor: String,
    pub(super) idempotency_key: String,
    pub(super) dry_run: bool,
    pub(super) expected_revision: Option<u64>,
}

/// A write request.
pub(super) trait WriteRequest: prost::Message + Default + Clone {
    /// The name of the call, hashed to detect an idempotency key reused for
    /// another call.
    const CALL: &'static str;

    /// Returns the common fields. The actor and the idempotency key are removed
    /// from the request, since they are not part of its hash.
    fn take_head(&mut self) -> WriteHead;
}

/// A response with only the fields common to all writes.
pub(super) trait WriteResponse: prost::Message + Default {
    fn of(revision: u64, effect: Option<pb::Effect>) -> Self;
}

/// Parses the context of a write and removes its actor and idempotency key from
/// the request. If the request names no actor, its caller is the actor.
pub(super) fn context<M: WriteRequest>(
    message: &mut M,
    calling: &CallerIdentity,
) -> Result<WriteContext, Failure> {
    let mut context = context_as_requested(message, calling)?;
    context.fill_actor();
    Ok(context)
}

/// Does the same, but leaves the actor empty if the request names none.
pub(super) fn context_as_requested<M: WriteRequest>(
    message: &mut M,
    calling: &CallerIdentity,
) -> Result<WriteContext, Failure> {
    let context = parsed(message, calling, |tenant| parse::code("tenant", tenant))?;
    calling.check_written_tenant(&context.tenant)?;
    Ok(context)
}

/// Does the same for a request about callers, which names no tenant.
pub(super) fn context_of_callers<M: WriteRequest>(
    message: &mut M,
    calling: &CallerIdentity,
) -> Result<WriteContext, Failure> {
    let mut context = parsed(message, calling, |tenant| {
        check_no_tenant(tenant)?;
        Ok(Code::of_installation())
    })?;
    context.fill_actor();
    Ok(context)
}

fn parsed<M: WriteRequest>(
    message: &mut M,
    calling: &CallerIdentity,
    tenant_of: impl Fn(&str) -> Result<Code, InvalidField>,
) -> Result<WriteContext, InvalidField> {
    let WriteHead {
        tenant,
        actor,
        idempotency_key,
        dry_run,
        expected_revision,
    } = message.take_head();
    let mut hash = Sha256::new_with_prefix(M::CALL);
    hash.update([0]);
    hash.update(message.encode_to_vec());
    let context = WriteContext {
        tenant: tenant_of(&tenant)?,
        actor: parse_import::actor(actor)?,
        caller: calling.name().cloned(),
        request_id: Uuid::now_v7().to_string(),
        idempotency_key: parse_import::idempotency_key(idempotency_key)?,
        request_hash: hash.finalize().to_vec(),
        dry_run,
        expected_revision: expected_revision.map(Revision),
    };
    Ok(context)
}

/// Executes a write and renders its response `R`. `write` receives the encoder of
/// `R` for the stored response, so that a retry decodes it as the same type.
pub(super) async fn answered<R, W>(write: impl FnOnce(EncodeWritten) -> W) -> Result<R, Failure>
where
    R: WriteResponse,
    W: Future<Output = Result<Answered<Written>, AdminError>>,
{
    match write(encode::<R>).await? {
        Answered::Fresh(written) => Ok(rendered(&written)),
        Answered::Replayed(bytes) => decode_stored_response(&bytes),
    }
}

fn encode<R: WriteResponse>(written: &Written) -> Vec<u8> {
    rendered::<R>(written).encode_to_vec()
}

fn rendered<R: WriteResponse>(written: &Written) -> R {
    let Written { revision, effect } = written;
    R::of(revision.0, Some(render_import::render_effect(effect)))
}

/// Parses the entries of a request; an error has the path of its entry.
pub(super) fn entries<M, E>(
    field: &'static str,
    messages: Vec<M>,
    parse: impl Fn(M) -> Result<E, InvalidField>,
) -> Result<Vec<E>, Failure> {
    check_count(field, messages.len())?;
    let mut parsed = Vec::with_capacity(messages.len());
    for (index, message) in messages.into_iter().enumerate() {
        let entry = parse(message);
        parsed.push(entry.map_err(|fault| fault.within(&format!("{field}[{index}]")))?);
    }
    Ok(parsed)
}

/// Rejects a list that is too long.
pub(super) fn check_count(field: &'static str, found: usize) -> Result<(), Failure> {
    if found <= MOST_ENTRIES {
        return Ok(());
    }
    Err(Failure::TooManyEntries {
        field,
        found,
        most: MOST_ENTRIES,
    })
}

/// Builds the [`WriteHead`] of a request.
macro_rules! head {
    ($message:ident) => {
        WriteHead {
            tenant: $message.tenant.clone(),
            actor: std::mem::take(&mut $message.actor),
            idempotency_key: std::mem::take(&mut $message.idempotency_key),
            dry_run: $message.dry_run,
            expected_revision: None,
        }
    };
}

macro_rules! writes {
    ($($call:ident: $request:ident -> $response:ident;)+) => {
        $(
            impl WriteRequest for pb::$request {
                const CALL: &'static str = stringify!($call);

                fn take_head(&mut self) -> WriteHead {
                    head!(self)
                }
            }

            impl WriteResponse for pb::$response {
                fn of(revision: u64, effect: Option<pb::Effect>) -> Self {
                    Self { revision, effect }
                }
            }
        )+
    };
}

/// As `writes`, for requests with an optional expected revision.
macro_rules! expecting_writes {
    ($($call:ident: $request:ident -> $response:ident;)+) => {
        $(
            impl WriteRequest for pb::$request {
                const CALL: &'static str = stringify!($call);

                fn take_head(&mut self) -> WriteHead {
                    WriteHead {
                        expected_revision: self.expected_revision,
                        ..head!(self)
                    }
                }
            }

            impl WriteResponse for pb::$response {
                fn of(revision: u64, effect: Option<pb::Effect>) -> Self {
                    Self { revision, effect }
                }
            }
        )+
    };
}

/// As `writes`, for requests whose responses have more fields.
macro_rules! app_writes {
    ($($call:ident: $request:ident;)+) => {
        $(
            impl WriteRequest for pb::$request {
                const CALL: &'static str = stringify!($call);

                fn take_head(&mut self) -> WriteHead {
                    head!(self)
                }
            }
        )+
    };
}

expecting_writes! {
    PutUsers: PutUsersRequest -> PutUsersResponse;
    PutConnections: PutConnectionsRequest -> PutConnectionsResponse;
    PutUserGroups: PutUserGroupsRequest -> PutUserGroupsResponse;
    PutRoles: PutRolesRequest -> PutRolesResponse;
    PutChannels: PutChannelsRequest -> PutChannelsResponse;
    PutLocales: PutLocalesRequest -> PutLocalesResponse;
    PutCategories: PutCategoriesRequest -> PutCategoriesResponse;
    PutAttributeGroups: PutAttributeGroupsRequest -> PutAttributeGroupsResponse;
    PutAttributes: PutAttributesRequest -> PutAttributesResponse;
    PutProducts: PutProductsRequest -> PutProductsResponse;
    PutAssetFamilies: PutAssetFamiliesRequest -> PutAssetFamiliesResponse;
    PutReferenceEntities: PutReferenceEntitiesRequest -> PutReferenceEntitiesResponse;
    PutProfiles: PutProfilesRequest -> PutProfilesResponse;
    PutGridViews: PutGridViewsRequest -> PutGridViewsResponse;
    ReplaceAccess: ReplaceAccessRequest -> ReplaceAccessResponse;
    PutCallers: PutCallersRequest -> PutCallersResponse;
}

writes! {
    DeleteUsers: DeleteUsersRequest -> DeleteUsersResponse;
    DeleteConnections: DeleteConnectionsRequest -> DeleteConnectionsResponse;
    DeleteUserGroups: DeleteUserGroupsRequest -> DeleteUserGroupsResponse;
    DeleteRoles: DeleteRolesRequest -> DeleteRolesResponse;
    DeleteChannels: DeleteChannelsRequest -> DeleteChannelsResponse;
    DeleteLocales: DeleteLocalesRequest -> DeleteLocalesResponse;
    DeleteCategories: DeleteCategoriesRequest -> DeleteCategoriesResponse;
    DeleteAttributeGroups: DeleteAttributeGroupsRequest -> DeleteAttributeGroupsResponse;
    DeleteAttributes: DeleteAttributesRequest -> DeleteAttributesResponse;
    DeleteProducts: DeleteProductsRequest -> DeleteProductsResponse;
    DeleteAssetFamilies: DeleteAssetFamiliesRequest -> DeleteAssetFamiliesResponse;
    DeleteReferenceEntities: DeleteReferenceEntitiesRequest -> DeleteReferenceEntitiesResponse;
    DeleteProfiles: DeleteProfilesRequest -> DeleteProfilesResponse;
    DeleteGridViews: DeleteGridViewsRequest -> DeleteGridViewsResponse;
    GrantAccess: GrantAccessRequest -> GrantAccessResponse;
    RevokeAccess: RevokeAccessRequest -> RevokeAccessResponse;
    CreateTenant: CreateTenantRequest -> CreateTenantResponse;
    UpdateTenant: UpdateTenantRequest -> UpdateTenantResponse;
    DeleteTenant: DeleteTenantRequest -> DeleteTenantResponse;
    Disconnect: DisconnectRequest -> DisconnectResponse;
    DeleteCallers: DeleteCallersRequest -> DeleteCallersResponse;
    DeleteCallerKey: DeleteCallerKeyRequest -> DeleteCallerKeyResponse;
}

app_writes! {
    StartConnection: StartConnectionRequest;
    AuthorizeScopes: AuthorizeScopesRequest;
    SetPermissions: SetPermissionsRequest;
    ConfirmConnection: ConfirmConnectionRequest;
    CancelConnection: CancelConnectionRequest;
    UpdateScopes: UpdateScopesRequest;
}

#[cfg(test)]
mod tests {
    use crate::admin::Effect;

    use super::*;

    /// Returns the response to a write, and the response to its retry.
    async fn first_and_retry<R: WriteResponse>() -> [R; 2] {
        let written = Written {
            revision: Revision(7),
            effect: Effect {
                changed: 3,
                ..Effect::default()
            },
        };
        let mut kept = Vec::new();
        let first = answered(async |encode| {
            kept = encode(&written);
            Ok(Answered::Fresh(written.clone()))
        });
        let first = first.await.unwrap();
        let retry = answered(async |_| Ok(Answered::Replayed(kept))).await;
        [first, retry.unwrap()]
    }

    macro_rules! kept {
        ($($response:ident),+ $(,)?) => {
            $({
                let [first, retry] = first_and_retry::<pb::$response>().await;
                assert_eq!(first, retry, stringify!($response));
                assert_eq!(first.revision, 7);
            })+
        };
    }

    #[tokio::test]
    async fn stored_responses_decode_as_their_own_type() {
        kept!(
            PutUsersResponse,
            PutConnectionsResponse,
            PutUserGroupsResponse,
            PutRolesResponse,
            PutChannelsResponse,
            PutLocalesResponse,
            PutCategoriesResponse,
            PutAttributeGroupsResponse,
            PutAttributesResponse,
            PutProductsResponse,
            PutAssetFamiliesResponse,
            PutReferenceEntitiesResponse,
            PutProfilesResponse,
            PutGridViewsResponse,
            ReplaceAccessResponse,
            DeleteUsersResponse,
            DeleteConnectionsResponse,
            DeleteUserGroupsResponse,
            DeleteRolesResponse,
            DeleteChannelsResponse,
            DeleteLocalesResponse,
            DeleteCategoriesResponse,
            DeleteAttributeGroupsResponse,
            DeleteAttributesResponse,
            DeleteProductsResponse,
            DeleteAssetFamiliesResponse,
            DeleteReferenceEntitiesResponse,
            DeleteProfilesResponse,
            DeleteGridViewsResponse,
            GrantAccessResponse,
            RevokeAccessResponse,
            CreateTenantResponse,
            UpdateTenantResponse,
            DeleteTenantResponse,
            DisconnectResponse,
            PutCallersResponse,
            DeleteCallersResponse,
            DeleteCallerKeyResponse,
            ImportProductsResponse,
        );
    }
}

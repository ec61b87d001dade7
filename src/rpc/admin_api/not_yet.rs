//! Calls that this release does not serve yet.

use crate::{
    pb,
    rpc::failure::{Failure, InvalidField},
};

use super::{AdminApi, Answer};

/// The answer of a call that is not served yet.
pub(super) fn not_served(call: &str) -> Failure {
    InvalidField::new("", format!("{call} is not served by this release")).into()
}

macro_rules! not_yet {
    ($($request:ident -> $response:ident;)+) => {
        $(
            impl Answer<pb::$request> for AdminApi {
                type Message = pb::$response;

                async fn answer(&self, _request: pb::$request) -> Result<pb::$response, Failure> {
                    Err(not_served(stringify!($request)))
                }
            }
        )+
    };
}

// directory
not_yet! {
    PutUsersRequest -> PutUsersResponse;
    DeleteUsersRequest -> DeleteUsersResponse;
    ListUsersRequest -> ListUsersResponse;
    PutConnectionsRequest -> PutConnectionsResponse;
    DeleteConnectionsRequest -> DeleteConnectionsResponse;
    ListConnectionsRequest -> ListConnectionsResponse;
    PutUserGroupsRequest -> PutUserGroupsResponse;
    DeleteUserGroupsRequest -> DeleteUserGroupsResponse;
    ListUserGroupsRequest -> ListUserGroupsResponse;
    PutRolesRequest -> PutRolesResponse;
    DeleteRolesRequest -> DeleteRolesResponse;
    ListRolesRequest -> ListRolesResponse;
}

// catalog
not_yet! {
    PutChannelsRequest -> PutChannelsResponse;
    DeleteChannelsRequest -> DeleteChannelsResponse;
    ListChannelsRequest -> ListChannelsResponse;
    PutLocalesRequest -> PutLocalesResponse;
    DeleteLocalesRequest -> DeleteLocalesResponse;
    ListLocalesRequest -> ListLocalesResponse;
    PutCategoriesRequest -> PutCategoriesResponse;
    DeleteCategoriesRequest -> DeleteCategoriesResponse;
    ListCategoriesRequest -> ListCategoriesResponse;
    PutAttributeGroupsRequest -> PutAttributeGroupsResponse;
    DeleteAttributeGroupsRequest -> DeleteAttributeGroupsResponse;
    ListAttributeGroupsRequest -> ListAttributeGroupsResponse;
    PutAttributesRequest -> PutAttributesResponse;
    DeleteAttributesRequest -> DeleteAttributesResponse;
    ListAttributesRequest -> ListAttributesResponse;
    PutProductsRequest -> PutProductsResponse;
    DeleteProductsRequest -> DeleteProductsResponse;
    ListProductsRequest -> ListProductsResponse;
    PutAssetFamiliesRequest -> PutAssetFamiliesResponse;
    DeleteAssetFamiliesRequest -> DeleteAssetFamiliesResponse;
    ListAssetFamiliesRequest -> ListAssetFamiliesResponse;
    PutReferenceEntitiesRequest -> PutReferenceEntitiesResponse;
    DeleteReferenceEntitiesRequest -> DeleteReferenceEntitiesResponse;
    ListReferenceEntitiesRequest -> ListReferenceEntitiesResponse;
    PutProfilesRequest -> PutProfilesResponse;
    DeleteProfilesRequest -> DeleteProfilesResponse;
    ListProfilesRequest -> ListProfilesResponse;
    PutGridViewsRequest -> PutGridViewsResponse;
    DeleteGridViewsRequest -> DeleteGridViewsResponse;
    ListGridViewsRequest -> ListGridViewsResponse;
}

// tenant
not_yet! {
    CreateTenantRequest -> CreateTenantResponse;
    GetTenantRequest -> GetTenantResponse;
    ListTenantsRequest -> ListTenantsResponse;
    UpdateTenantRequest -> UpdateTenantResponse;
    DeleteTenantRequest -> DeleteTenantResponse;
}

// access_rights
not_yet! {
    GrantAccessRequest -> GrantAccessResponse;
    RevokeAccessRequest -> RevokeAccessResponse;
    ReplaceAccessRequest -> ReplaceAccessResponse;
    ListAccessRequest -> ListAccessResponse;
}

// app
not_yet! {
    StartConnectionRequest -> StartConnectionResponse;
    AuthorizeScopesRequest -> AuthorizeScopesResponse;
    SetPermissionsRequest -> SetPermissionsResponse;
    ConfirmConnectionRequest -> ConfirmConnectionResponse;
    CancelConnectionRequest -> CancelConnectionResponse;
    GetAppRequest -> GetAppResponse;
    ListAppsRequest -> ListAppsResponse;
    UpdateScopesRequest -> UpdateScopesResponse;
    DisconnectRequest -> DisconnectResponse;
}

// audit
not_yet! {
    ListChangesRequest -> ListChangesResponse;
}

// operations
not_yet! {
    VerifyAuditRequest -> VerifyAuditResponse;
}

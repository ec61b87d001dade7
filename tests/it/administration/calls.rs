//! Every write of the administration as one type, and its answer.

use pim_authz::pb;
use tonic::{Status, transport::Channel};

/// The answer to a write; fields that its message lacks are empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Answer {
    pub(super) revision: u64,
    pub(super) effect: pb::Effect,
    pub(super) request_id: String,
    pub(super) steps: Vec<pb::AppStep>,
    pub(super) granted: Vec<String>,
    pub(super) ungranted: Vec<String>,
}

/// The fields that every write has in common.
pub(super) struct Envelope<'c> {
    pub(super) tenant: &'c mut String,
    pub(super) actor: &'c mut String,
    pub(super) idempotency_key: &'c mut String,
    pub(super) dry_run: &'c mut bool,
}

/// Converts the response message of a write.
trait IntoAnswer {
    fn into_answer(self) -> Answer;
}

/// Defines each call by its request and its client method, and each response by
/// the fields that it has besides revision and effect.
macro_rules! calls {
    ($($client:ident::$service:ident { $($call:ident($request:ident, $method:ident) -> $response:ident $fields:tt;)+ })+) => {
        /// One write.
        #[derive(Clone, Debug, PartialEq)]
        #[expect(clippy::large_enum_variant, reason = "there are few at a time")]
        pub(super) enum Call {
            $($($call(pb::$request),)+)+
        }

        impl Call {
            /// The name of every write.
            pub(super) const NAMES: &[&str] = &[$($(stringify!($call),)+)+];

            /// Its name.
            pub(super) fn name(&self) -> &'static str {
                match self {
                    $($(Self::$call(_) => stringify!($call),)+)+
                }
            }

            pub(super) fn envelope(&mut self) -> Envelope<'_> {
                match self {
                    $($(Self::$call(request) => Envelope {
                        tenant: &mut request.tenant,
                        actor: &mut request.actor,
                        idempotency_key: &mut request.idempotency_key,
                        dry_run: &mut request.dry_run,
                    },)+)+
                }
            }

            /// Sends the write and returns its answer.
            pub(super) async fn send(&self, channel: &Channel) -> Result<Answer, Status> {
                match self.clone() {
                    $($(Self::$call(request) => {
                        let mut client = pb::$client::$service::new(channel.clone());
                        Ok(client.$method(request).await?.into_inner().into_answer())
                    })+)+
                }
            }
        }

        $($(calls!(@convert $response $fields);)+)+
    };
    (@convert $response:ident {}) => {
        impl IntoAnswer for pb::$response {
            fn into_answer(self) -> Answer {
                let Self { revision, effect } = self;
                Answer { revision, effect: effect.unwrap(), ..Answer::default() }
            }
        }
    };
    (@convert $response:ident { steps }) => {
        impl IntoAnswer for pb::$response {
            fn into_answer(self) -> Answer {
                Answer {
                    steps: self.steps().collect(),
                    revision: self.revision,
                    effect: self.effect.unwrap(),
                    request_id: self.request_id,
                    ..Answer::default()
                }
            }
        }
    };
    (@convert $response:ident { start }) => {
        impl IntoAnswer for pb::$response {
            fn into_answer(self) -> Answer {
                Answer {
                    steps: self.steps().collect(),
                    revision: self.revision,
                    effect: self.effect.unwrap(),
                    request_id: self.request_id,
                    granted: self.granted_scopes,
                    ungranted: self.ungranted_scopes,
                }
            }
        }
    };
    (@convert $response:ident { scopes }) => {
        impl IntoAnswer for pb::$response {
            fn into_answer(self) -> Answer {
                let Self { revision, effect, granted_scopes, ungranted_scopes } = self;
                Answer {
                    revision,
                    effect: effect.unwrap(),
                    granted: granted_scopes,
                    ungranted: ungranted_scopes,
                    ..Answer::default()
                }
            }
        }
    };
}

calls! {
    tenant_service_client::TenantServiceClient {
        CreateTenant(CreateTenantRequest, create_tenant) -> CreateTenantResponse {};
        UpdateTenant(UpdateTenantRequest, update_tenant) -> UpdateTenantResponse {};
        DeleteTenant(DeleteTenantRequest, delete_tenant) -> DeleteTenantResponse {};
    }
    directory_service_client::DirectoryServiceClient {
        PutUsers(PutUsersRequest, put_users) -> PutUsersResponse {};
        DeleteUsers(DeleteUsersRequest, delete_users) -> DeleteUsersResponse {};
        PutConnections(PutConnectionsRequest, put_connections) -> PutConnectionsResponse {};
        DeleteConnections(DeleteConnectionsRequest, delete_connections) -> DeleteConnectionsResponse {};
        PutUserGroups(PutUserGroupsRequest, put_user_groups) -> PutUserGroupsResponse {};
        DeleteUserGroups(DeleteUserGroupsRequest, delete_user_groups) -> DeleteUserGroupsResponse {};
        PutRoles(PutRolesRequest, put_roles) -> PutRolesResponse {};
        DeleteRoles(DeleteRolesRequest, delete_roles) -> DeleteRolesResponse {};
    }
    catalog_service_client::CatalogServiceClient {
        PutChannels(PutChannelsRequest, put_channels) -> PutChannelsResponse {};
        DeleteChannels(DeleteChannelsRequest, delete_channels) -> DeleteChannelsResponse {};
        PutLocales(PutLocalesRequest, put_locales) -> PutLocalesResponse {};
        DeleteLocales(DeleteLocalesRequest, delete_locales) -> DeleteLocalesResponse {};
        PutCategories(PutCategoriesRequest, put_categories) -> PutCategoriesResponse {};
        DeleteCategories(DeleteCategoriesRequest, delete_categories) -> DeleteCategoriesResponse {};
        PutAttributeGroups(PutAttributeGroupsRequest, put_attribute_groups) -> PutAttributeGroupsResponse {};
        DeleteAttributeGroups(DeleteAttributeGroupsRequest, delete_attribute_groups) -> DeleteAttributeGroupsResponse {};
        PutAttributes(PutAttributesRequest, put_attributes) -> PutAttributesResponse {};
        DeleteAttributes(DeleteAttributesRequest, delete_attributes) -> DeleteAttributesResponse {};
        PutProducts(PutProductsRequest, put_products) -> PutProductsResponse {};
        DeleteProducts(DeleteProductsRequest, delete_products) -> DeleteProductsResponse {};
        PutAssetFamilies(PutAssetFamiliesRequest, put_asset_families) -> PutAssetFamiliesResponse {};
        DeleteAssetFamilies(DeleteAssetFamiliesRequest, delete_asset_families) -> DeleteAssetFamiliesResponse {};
        PutReferenceEntities(PutReferenceEntitiesRequest, put_reference_entities) -> PutReferenceEntitiesResponse {};
        DeleteReferenceEntities(DeleteReferenceEntitiesRequest, delete_reference_entities) -> DeleteReferenceEntitiesResponse {};
        PutProfiles(PutProfilesRequest, put_profiles) -> PutProfilesResponse {};
        DeleteProfiles(DeleteProfilesRequest, delete_profiles) -> DeleteProfilesResponse {};
        PutGridViews(PutGridViewsRequest, put_grid_views) -> PutGridViewsResponse {};
        DeleteGridViews(DeleteGridViewsRequest, delete_grid_views) -> DeleteGridViewsResponse {};
    }
    access_rights_service_client::AccessRightsServiceClient {
        GrantAccess(GrantAccessRequest, grant_access) -> GrantAccessResponse {};
        RevokeAccess(RevokeAccessRequest, revoke_access) -> RevokeAccessResponse {};
        ReplaceAccess(ReplaceAccessRequest, replace_access) -> ReplaceAccessResponse {};
    }
    app_service_client::AppServiceClient {
        StartConnection(StartConnectionRequest, start_connection) -> StartConnectionResponse { start };
        AuthorizeScopes(AuthorizeScopesRequest, authorize_scopes) -> AuthorizeScopesResponse { steps };
        SetPermissions(SetPermissionsRequest, set_permissions) -> SetPermissionsResponse { steps };
        ConfirmConnection(ConfirmConnectionRequest, confirm_connection) -> ConfirmConnectionResponse { steps };
        CancelConnection(CancelConnectionRequest, cancel_connection) -> CancelConnectionResponse { steps };
        UpdateScopes(UpdateScopesRequest, update_scopes) -> UpdateScopesResponse { scopes };
        Disconnect(DisconnectRequest, disconnect) -> DisconnectResponse {};
    }
}

impl Call {
    /// Sets the tenant and the actor; the app steps already have an actor of
    /// their own.
    pub(super) fn of(mut self, tenant: &str) -> Self {
        let envelope = self.envelope();
        tenant.clone_into(envelope.tenant);
        if envelope.actor.is_empty() {
            "user:admin".clone_into(envelope.actor);
        }
        self
    }

    pub(super) fn keyed(mut self, key: &str) -> Self {
        key.clone_into(self.envelope().idempotency_key);
        self
    }

    pub(super) fn rehearsed(mut self) -> Self {
        *self.envelope().dry_run = true;
        self
    }

    /// Whether this is one of the steps that connect an app (rules 5.1).
    pub(super) fn is_step(&self) -> bool {
        matches!(
            self,
            Self::StartConnection(_)
                | Self::AuthorizeScopes(_)
                | Self::SetPermissions(_)
                | Self::ConfirmConnection(_)
                | Self::CancelConnection(_)
        )
    }

    /// The id of the connection request that this step continues.
    pub(super) fn request_id(&self) -> Option<&str> {
        match self {
            Self::AuthorizeScopes(request) => Some(&request.request_id),
            Self::SetPermissions(request) => Some(&request.request_id),
            Self::ConfirmConnection(request) => Some(&request.request_id),
            Self::CancelConnection(request) => Some(&request.request_id),
            _ => None,
        }
    }

    /// Sets the expected revision of the tenant, on calls that have the field.
    pub(super) fn expecting(mut self, revision: u64) -> Self {
        let expected = match &mut self {
            Self::PutUsers(request) => &mut request.expected_revision,
            Self::PutRoles(request) => &mut request.expected_revision,
            Self::PutCategories(request) => &mut request.expected_revision,
            Self::PutProducts(request) => &mut request.expected_revision,
            Self::PutLocales(request) => &mut request.expected_revision,
            Self::ReplaceAccess(request) => &mut request.expected_revision,
            _ => return self,
        };
        *expected = Some(revision);
        self
    }

    /// The expected revision of the call, if set.
    pub(super) fn expected(&self) -> Option<u64> {
        match self {
            Self::PutUsers(request) => request.expected_revision,
            Self::PutRoles(request) => request.expected_revision,
            Self::PutCategories(request) => request.expected_revision,
            Self::PutProducts(request) => request.expected_revision,
            Self::PutLocales(request) => request.expected_revision,
            Self::ReplaceAccess(request) => request.expected_revision,
            _ => None,
        }
    }
}

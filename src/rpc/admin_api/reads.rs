use crate::{
    admin::{AdminError, Fault},
    domain::{
        Attribute, Category, Channel, Code, Edition, EntityKind, GridView, ItemKind, PlainItem,
        Role, Subject, SubjectKind, UserGroup,
    },
    pb,
    rpc::{failure::Failure, page_token::Binding, parse},
    store::{
        TenantRow,
        entries::{Every, ListedApp, PlainItems},
    },
};

use super::{
    AdminApi, Answer,
    entity_messages::{product_kind, profile_kind},
    lists::{ListHead, Listed, rights_listed},
};

macro_rules! head {
    ($request:ident) => {
        ListHead {
            tenant: $request.tenant,
            page_size: $request.page_size,
            page_token: $request.page_token,
            codes: $request.codes,
            ..ListHead::default()
        }
    };
}

/// Implements the calls that list entries ordered by code.
macro_rules! coded_lists {
    ($($request:ident -> $response:ident.$field:ident: $entity:ty, $space:expr;)+) => {
        $(
            impl Answer<pb::$request> for AdminApi {
                type Message = pb::$response;

                async fn answer(&self, request: pb::$request) -> Result<Self::Message, Failure> {
                    let call = Binding::to(stringify!($request));
                    let listed = self.list_coded::<$entity>(call, head!(request), $space).await?;
                    let Listed { entries, next_page_token, revision } = listed;
                    Ok(pb::$response {
                        $field: entries.iter().map(Into::into).collect(),
                        next_page_token,
                        revision,
                    })
                }
            }
        )+
    };
}

coded_lists! {
    ListUsersRequest -> ListUsersResponse.users: Subject<Code, Code>, SubjectKind::User;
    ListConnectionsRequest -> ListConnectionsResponse.connections:
        Subject<Code, Code>, SubjectKind::Connection;
    ListUserGroupsRequest -> ListUserGroupsResponse.user_groups: UserGroup, Every;
    ListRolesRequest -> ListRolesResponse.roles: Role, Every;
    ListChannelsRequest -> ListChannelsResponse.channels: Channel<Code>, Every;
    ListLocalesRequest -> ListLocalesResponse.locales:
        PlainItem, PlainItems::Of(ItemKind::Locale);
    ListCategoriesRequest -> ListCategoriesResponse.categories: Category<Code>, Every;
    ListAttributeGroupsRequest -> ListAttributeGroupsResponse.attribute_groups:
        PlainItem, PlainItems::Of(ItemKind::AttributeGroup);
    ListAssetFamiliesRequest -> ListAssetFamiliesResponse.asset_families:
        PlainItem, PlainItems::Of(ItemKind::AssetFamily);
    ListReferenceEntitiesRequest -> ListReferenceEntitiesResponse.reference_entities:
        PlainItem, PlainItems::Of(ItemKind::ReferenceEntity);
    ListAttributesRequest -> ListAttributesResponse.attributes: Attribute<Code>, Every;
    ListGridViewsRequest -> ListGridViewsResponse.grid_views: GridView<Code>, Every;
    ListAppsRequest -> ListAppsResponse.apps: ListedApp, Every;
}

impl Answer<pb::ListProfilesRequest> for AdminApi {
    type Message = pb::ListProfilesResponse;

    async fn answer(&self, request: pb::ListProfilesRequest) -> Result<Self::Message, Failure> {
        let space = profile_kind(request.kind)?.map_or(PlainItems::Profiles, PlainItems::Of);
        let call = Binding::to("ListProfiles").with(space.into());
        let listed = self.list_coded::<PlainItem>(call, head!(request), space);
        let Listed {
            entries,
            next_page_token,
            revision,
        } = listed.await?;
        Ok(pb::ListProfilesResponse {
            profiles: entries.iter().map(Into::into).collect(),
            next_page_token,
            revision,
        })
    }
}

impl Answer<pb::ListProductsRequest> for AdminApi {
    type Message = pb::ListProductsResponse;

    async fn answer(&self, request: pb::ListProductsRequest) -> Result<Self::Message, Failure> {
        let kind = product_kind(request.kind)?;
        let Listed {
            entries,
            next_page_token,
            revision,
        } = self.list_product_entries(head!(request), kind).await?;
        Ok(pb::ListProductsResponse {
            products: entries.iter().map(|(_, product)| product.into()).collect(),
            next_page_token,
            revision,
        })
    }
}

impl Answer<pb::ListAccessRequest> for AdminApi {
    type Message = pb::ListAccessResponse;

    async fn answer(&self, request: pb::ListAccessRequest) -> Result<Self::Message, Failure> {
        let pb::ListAccessRequest {
            tenant,
            page_size,
            page_token,
            group,
            item,
        } = request;
        let rights = rights_listed(&group, item)?;
        let head = ListHead {
            tenant,
            page_size,
            page_token,
            ..ListHead::default()
        };
        let Listed {
            entries,
            next_page_token,
            revision,
        } = self.list_rights(head, &rights).await?;
        Ok(pb::ListAccessResponse {
            grants: entries.iter().map(|(_, right)| right.into()).collect(),
            next_page_token,
            revision,
        })
    }
}

impl Answer<pb::GetEffectiveAccessRequest> for AdminApi {
    type Message = pb::GetEffectiveAccessResponse;

    async fn answer(
        &self,
        request: pb::GetEffectiveAccessRequest,
    ) -> Result<Self::Message, Failure> {
        let pb::GetEffectiveAccessRequest {
            tenant,
            page_size,
            page_token,
            subject,
            item_type,
        } = request;
        // A tenant that the caller may not name is unknown, whatever else is wrong.
        self.tenant(&tenant)?;
        let subject = parse::required_subject(subject)?;
        let kind = (!item_type.is_empty())
            .then(|| parse::word("item_type", &item_type))
            .transpose()?;
        let head = ListHead {
            tenant,
            page_size,
            page_token,
            ..ListHead::default()
        };
        let Listed {
            entries,
            next_page_token,
            revision,
        } = self.list_effective_rights(head, &subject, kind).await?;
        Ok(pb::GetEffectiveAccessResponse {
            rights: entries.iter().map(|(_, right)| right.into()).collect(),
            next_page_token,
            revision,
        })
    }
}

impl Answer<pb::GetAppRequest> for AdminApi {
    type Message = pb::GetAppResponse;

    async fn answer(&self, request: pb::GetAppRequest) -> Result<Self::Message, Failure> {
        let pb::GetAppRequest { tenant, app: text } = request;
        let code = parse::code("app", &text)?;
        let head = ListHead {
            tenant,
            codes: vec![text],
            ..ListHead::default()
        };
        let call = Binding::to("GetApp");
        let listed = self.list_coded::<ListedApp>(call, head, Every).await?;
        let Some(found) = listed.entries.into_iter().next() else {
            let fault = Fault::unknown("app", EntityKind::App, &code);
            return Err(AdminError::from(fault).into());
        };
        Ok(pb::GetAppResponse {
            app: Some((&found).into()),
            revision: listed.revision,
        })
    }
}

impl Answer<pb::GetTenantRequest> for AdminApi {
    type Message = pb::GetTenantResponse;

    async fn answer(&self, request: pb::GetTenantRequest) -> Result<Self::Message, Failure> {
        let code = self.tenant(&request.tenant)?;
        let found = self.tenant_row(&code).await?;
        let revision = found.revision.0;
        Ok(pb::GetTenantResponse {
            tenant: Some(tenant(&found)),
            revision,
        })
    }
}

impl Answer<pb::ListTenantsRequest> for AdminApi {
    type Message = pb::ListTenantsResponse;

    async fn answer(&self, request: pb::ListTenantsRequest) -> Result<Self::Message, Failure> {
        let pb::ListTenantsRequest {
            page_size,
            page_token,
        } = request;
        let Listed {
            entries,
            next_page_token,
            revision,
        } = self.list_tenants_page(page_size, &page_token).await?;
        Ok(pb::ListTenantsResponse {
            tenants: entries.iter().map(tenant).collect(),
            next_page_token,
            revision,
        })
    }
}

fn tenant(row: &TenantRow) -> pb::Tenant {
    let edition = match row.edition {
        Edition::Community => pb::Edition::Community,
        Edition::Growth => pb::Edition::Growth,
        Edition::Enterprise => pb::Edition::Enterprise,
    };
    pb::Tenant {
        code: row.code.to_string(),
        edition: edition.into(),
    }
}

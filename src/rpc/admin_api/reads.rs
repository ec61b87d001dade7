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

/// The head of a list; with `codes`, of one that they filter.
macro_rules! head {
    ($request:ident $(, $codes:ident)?) => {
        ListHead {
            tenant: $request.tenant,
            page_size: $request.page_size,
            page_token: $request.page_token,
            $($codes: $request.$codes,)?
            ..ListHead::default()
        }
    };
}

/// Implements list calls: `listed` is the page of a request to `api`, and `entry`
/// renders each of its entries.
macro_rules! lists {
    ($($request:ident -> $response:ident.$field:ident:
        |$api:ident, $message:ident| $listed:expr, $entry:expr;)+) => {
        $(
            impl Answer<pb::$request> for AdminApi {
                type Message = pb::$response;

                async fn answer(&self, $message: pb::$request) -> Result<Self::Message, Failure> {
                    let $api = self;
                    let Listed { entries, next_page_token, revision } = $listed;
                    Ok(pb::$response {
                        $field: entries.iter().map($entry).collect(),
                        next_page_token,
                        revision,
                    })
                }
            }
        )+
    };
}

/// Implements the calls that list entries ordered by code.
macro_rules! coded_lists {
    ($($request:ident -> $response:ident.$field:ident: $entity:ty, $space:expr;)+) => {
        lists! {
            $($request -> $response.$field: |api, request| {
                let call = Binding::to(stringify!($request));
                api.list_coded::<$entity>(call, head!(request, codes), $space).await?
            }, Into::into;)+
        }
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

lists! {
    ListProfilesRequest -> ListProfilesResponse.profiles: |api, request| {
        let space = profile_kind(request.kind)?.map_or(PlainItems::Profiles, PlainItems::Of);
        let call = Binding::to("ListProfiles").with(space.into());
        api.list_coded::<PlainItem>(call, head!(request, codes), space).await?
    }, Into::into;
    ListProductsRequest -> ListProductsResponse.products: |api, request| {
        let kind = product_kind(request.kind)?;
        api.list_product_entries(head!(request, codes), kind).await?
    }, |(_, product)| product.into();
    ListAccessRequest -> ListAccessResponse.grants: |api, request| {
        let rights = rights_listed(&request.group, request.item)?;
        api.list_rights(head!(request), &rights).await?
    }, |(_, right)| right.into();
    GetEffectiveAccessRequest -> GetEffectiveAccessResponse.rights: |api, request| {
        // A tenant that the caller may not name is unknown, whatever else is wrong.
        api.tenant(&request.tenant)?;
        let subject = parse::required_subject(request.subject)?;
        let kind = (!request.item_type.is_empty())
            .then(|| parse::word("item_type", &request.item_type))
            .transpose()?;
        api.list_effective_rights(head!(request), &subject, kind).await?
    }, |(_, right)| right.into();
    ListTenantsRequest -> ListTenantsResponse.tenants: |api, request| {
        api.list_tenants_page(request.page_size, &request.page_token).await?
    }, tenant;
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

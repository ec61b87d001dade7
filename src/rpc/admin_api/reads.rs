use crate::{
    admin::{AdminError, Fault},
    domain::{Audience, CATALOGUE, Edition, EntityKind, ItemKind, Level, ProductKind, SubjectKind},
    pb,
    rpc::{failure::Failure, page_token::Binding, parse, render},
    store::{
        SelectionAxis, TenantRow,
        entries::{
            AppEntryRow, AttributeEntryRow, ChosenRow, Every, GridViewEntryRow, GroupEntryRow,
            ItemEntryRow, ItemSpace, ProductEntryRow, RightEntryRow, RoleEntryRow, SubjectEntryRow,
        },
    },
};

use super::{
    AdminApi, Answer,
    catalog_writes::{product_kind, profile_kind},
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
    ($($request:ident -> $response:ident.$field:ident: $row:ty, $space:expr, $render:expr;)+) => {
        $(
            impl Answer<pb::$request> for AdminApi {
                type Message = pb::$response;

                async fn answer(&self, request: pb::$request) -> Result<Self::Message, Failure> {
                    let call = Binding::to(stringify!($request));
                    let listed = self.list_coded::<$row>(call, head!(request), $space).await?;
                    let Listed { entries, next_page_token, revision } = listed;
                    Ok(pb::$response {
                        $field: entries.into_iter().map($render).collect(),
                        next_page_token,
                        revision,
                    })
                }
            }
        )+
    };
}

coded_lists! {
    ListUsersRequest -> ListUsersResponse.users: SubjectEntryRow, SubjectKind::User, user;
    ListConnectionsRequest -> ListConnectionsResponse.connections:
        SubjectEntryRow, SubjectKind::Connection, connection;
    ListUserGroupsRequest -> ListUserGroupsResponse.user_groups: GroupEntryRow, Every, group;
    ListRolesRequest -> ListRolesResponse.roles: RoleEntryRow, Every, role;
    ListChannelsRequest -> ListChannelsResponse.channels:
        ItemEntryRow, ItemSpace::Of(ItemKind::Channel), channel;
    ListLocalesRequest -> ListLocalesResponse.locales:
        ItemEntryRow, ItemSpace::Of(ItemKind::Locale), |item| pb::Locale { code: item.code.to_string() };
    ListCategoriesRequest -> ListCategoriesResponse.categories:
        ItemEntryRow, ItemSpace::Of(ItemKind::Category), category;
    ListAttributeGroupsRequest -> ListAttributeGroupsResponse.attribute_groups:
        ItemEntryRow, ItemSpace::Of(ItemKind::AttributeGroup),
        |item| pb::AttributeGroup { code: item.code.to_string() };
    ListAssetFamiliesRequest -> ListAssetFamiliesResponse.asset_families:
        ItemEntryRow, ItemSpace::Of(ItemKind::AssetFamily),
        |item| pb::AssetFamily { code: item.code.to_string() };
    ListReferenceEntitiesRequest -> ListReferenceEntitiesResponse.reference_entities:
        ItemEntryRow, ItemSpace::Of(ItemKind::ReferenceEntity),
        |item| pb::ReferenceEntity { code: item.code.to_string() };
    ListAttributesRequest -> ListAttributesResponse.attributes: AttributeEntryRow, Every, attribute;
    ListGridViewsRequest -> ListGridViewsResponse.grid_views: GridViewEntryRow, Every, grid_view;
    ListAppsRequest -> ListAppsResponse.apps: AppEntryRow, Every, app;
}

fn code_list(codes: Vec<String>) -> pb::CodeList {
    pb::CodeList { codes }
}

fn user(row: SubjectEntryRow) -> pb::User {
    pb::User {
        code: row.code.to_string(),
        groups: Some(code_list(row.groups)),
        roles: Some(code_list(row.roles)),
        enabled: Some(row.enabled),
    }
}

fn connection(row: SubjectEntryRow) -> pb::Connection {
    pb::Connection {
        code: row.code.to_string(),
        groups: Some(code_list(row.groups)),
        roles: Some(code_list(row.roles)),
        enabled: Some(row.enabled),
    }
}

fn group(row: GroupEntryRow) -> pb::UserGroup {
    pb::UserGroup {
        code: row.code.to_string(),
        label: row.label,
        private: row.private,
    }
}

fn role(row: RoleEntryRow) -> pb::Role {
    let audience = match row.audience {
        Audience::User => pb::Audience::User,
        Audience::Connection => pb::Audience::Connection,
    };
    let mut permissions = row.permissions;
    permissions.sort_by_key(|code| CATALOGUE.find_permission(code).map(|p| p.id));
    pb::Role {
        code: row.code.to_string(),
        label: row.label,
        audience: audience.into(),
        permissions: Some(code_list(permissions)),
    }
}

fn channel(row: ItemEntryRow) -> pb::Channel {
    pb::Channel {
        code: row.code.to_string(),
        tree: row.tree.unwrap_or_default(),
        locales: row.locales,
    }
}

fn category(row: ItemEntryRow) -> pb::Category {
    pb::Category {
        code: row.code.to_string(),
        parent: row.parent,
    }
}

fn attribute(row: AttributeEntryRow) -> pb::Attribute {
    pb::Attribute {
        code: row.code.to_string(),
        group: row.group,
        scopable: row.scopable,
        localizable: row.localizable,
    }
}

fn grid_view(row: GridViewEntryRow) -> pb::GridView {
    pb::GridView {
        code: row.code.to_string(),
        attribute_groups: row.attribute_groups,
    }
}

fn app(row: AppEntryRow) -> pb::App {
    let mut scopes = row.scopes;
    scopes.sort_by_key(|code| CATALOGUE.find_scope(code).map(|scope| scope.id));
    let rights = |axis| Some(app_rights(&row.chosen, axis));
    pb::App {
        code: row.code.to_string(),
        scopes,
        trees: rights(SelectionAxis::Tree),
        locales: rights(SelectionAxis::Locale),
        attribute_groups: rights(SelectionAxis::AttributeGroup),
        group: row.group,
        connected_by: row.connected_by,
        connected_at: Some(timestamp(row.connected_at)),
    }
}

/// Converts microseconds since 1970 to a timestamp message.
pub(super) fn timestamp(microseconds: i64) -> prost_types::Timestamp {
    let nanos = microseconds.rem_euclid(1_000_000) * 1_000;
    prost_types::Timestamp {
        seconds: microseconds.div_euclid(1_000_000),
        nanos: i32::try_from(nanos).unwrap_or_default(),
    }
}

fn app_rights(chosen: &[ChosenRow], axis: SelectionAxis) -> pb::AppRights {
    let at = |level: Level| {
        let here = chosen
            .iter()
            .filter(|row| row.axis == axis && row.level == level);
        let mut selection: Option<pb::AppSelection> = None;
        for row in here {
            let selection = selection.get_or_insert_default();
            match &row.item {
                None => selection.all = true,
                Some(code) => selection.codes.push(code.clone()),
            }
        }
        selection
    };
    pb::AppRights {
        own: at(Level::Own),
        edit: at(Level::Edit),
        view: at(Level::View),
    }
}

impl Answer<pb::ListProfilesRequest> for AdminApi {
    type Message = pb::ListProfilesResponse;

    async fn answer(&self, request: pb::ListProfilesRequest) -> Result<Self::Message, Failure> {
        let space = profile_kind(request.kind)?.map_or(ItemSpace::Profiles, ItemSpace::Of);
        let call = Binding::to("ListProfiles").with(space.into());
        let listed = self.list_coded::<ItemEntryRow>(call, head!(request), space);
        let Listed {
            entries,
            next_page_token,
            revision,
        } = listed.await?;
        let profile = |row: ItemEntryRow| pb::Profile {
            code: row.code.to_string(),
            kind: if row.kind == ItemKind::ExportProfile {
                pb::ProfileKind::Export.into()
            } else {
                pb::ProfileKind::Import.into()
            },
        };
        Ok(pb::ListProfilesResponse {
            profiles: entries.into_iter().map(profile).collect(),
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
        let rendered = match kind {
            ProductKind::Product => pb::ProductKind::Product,
            ProductKind::Model => pb::ProductKind::Model,
        };
        let product = |row: ProductEntryRow| pb::Product {
            code: row.code.to_string(),
            kind: rendered.into(),
            parent: row.parent,
            categories: Some(code_list(row.categories)),
        };
        Ok(pb::ListProductsResponse {
            products: entries.into_iter().map(product).collect(),
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
            grants: entries.into_iter().map(grant).collect(),
            next_page_token,
            revision,
        })
    }
}

fn grant(row: RightEntryRow) -> pb::AccessGrant {
    pb::AccessGrant {
        group: row.group,
        item: Some(pb::Item {
            r#type: row.kind.to_string(),
            id: row.item,
        }),
        level: render::level(Some(row.level)).into(),
        apply_to_children: None,
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
        let listed = self.list_coded::<AppEntryRow>(call, head, Every).await?;
        let Some(found) = listed.entries.into_iter().next() else {
            let fault = Fault::unknown("app", EntityKind::App, &code);
            return Err(AdminError::from(fault).into());
        };
        Ok(pb::GetAppResponse {
            app: Some(app(found)),
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

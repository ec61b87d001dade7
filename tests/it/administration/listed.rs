//! A snapshot of a tenant, built from its lists.

use pim_authz::{
    domain::{Code, ItemKind, Level},
    pb::{
        self, access_rights_service_client::AccessRightsServiceClient,
        app_service_client::AppServiceClient, catalog_service_client::CatalogServiceClient,
        directory_service_client::DirectoryServiceClient,
        tenant_service_client::TenantServiceClient,
    },
};
use tonic::transport::Channel;

use super::snapshot::{Selection, Snapshot};

/// Reads all entries of a list page by page; all pages have the same revision,
/// since nothing is written in the meantime.
macro_rules! all {
    ($client:expr, $list:ident($request:ident) -> $entries:ident, $of:expr) => {{
        let mut entries = Vec::new();
        let mut request = pb::$request {
            tenant: $of.tenant.to_owned(),
            page_size: $of.page_size,
            ..Default::default()
        };
        loop {
            let page = $client.$list(request.clone()).await;
            let page = page.unwrap_or_else(|status| panic!("{status:?} {request:#?}"));
            let page = page.into_inner();
            assert_eq!(page.revision, $of.revision, "{request:#?}");
            assert!(page.$entries.len() <= usize::try_from($of.page_size).unwrap());
            entries.extend(page.$entries);
            if page.next_page_token.is_empty() {
                break entries;
            }
            request.page_token = page.next_page_token;
        }
    }};
}

/// Which tenant is listed, at which revision, and with which page size.
pub(super) struct Of<'a> {
    pub(super) tenant: &'a str,
    pub(super) revision: u64,
    pub(super) page_size: i32,
}

/// Builds the snapshot from all lists.
pub(super) async fn snapshot(channel: &Channel, of: &Of<'_>) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let mut tenants = TenantServiceClient::new(channel.clone());
    let request = pb::GetTenantRequest {
        tenant: of.tenant.to_owned(),
    };
    let found = tenants.get_tenant(request).await.unwrap().into_inner();
    assert_eq!(found.revision, of.revision);
    let edition = found.tenant.unwrap().edition().as_str_name().to_lowercase();
    snapshot.tenant(edition.trim_start_matches("edition_"));
    show_directory(channel, of, &mut snapshot).await;
    show_items(channel, of, &mut snapshot).await;
    show_catalog(channel, of, &mut snapshot).await;
    show_apps(channel, of, &mut snapshot).await;
    let mut client = AccessRightsServiceClient::new(channel.clone());
    for right in all!(client, list_access(ListAccessRequest) -> grants, of) {
        let level = right.level().as_str_name().to_lowercase();
        let level = level.trim_start_matches("level_");
        assert_eq!(right.apply_to_children, None, "{right:?}");
        let item = right.item.unwrap();
        snapshot.right(&right.group, &item.r#type, &item.id, level);
    }
    snapshot
}

async fn show_directory(channel: &Channel, of: &Of<'_>, snapshot: &mut Snapshot) {
    let mut client = DirectoryServiceClient::new(channel.clone());
    for user in all!(client, list_users(ListUsersRequest) -> users, of) {
        let (groups, roles) = (user.groups.unwrap().codes, user.roles.unwrap().codes);
        snapshot.member("user", &user.code, &groups, &roles, user.enabled.unwrap());
    }
    for entry in all!(client, list_connections(ListConnectionsRequest) -> connections, of) {
        let (groups, roles) = (entry.groups.unwrap().codes, entry.roles.unwrap().codes);
        let enabled = entry.enabled.unwrap();
        snapshot.member("connection", &entry.code, &groups, &roles, enabled);
    }
    for group in all!(client, list_user_groups(ListUserGroupsRequest) -> user_groups, of) {
        snapshot.group(&group.code, &group.label, group.private);
    }
    for role in all!(client, list_roles(ListRolesRequest) -> roles, of) {
        let audience = role.audience().as_str_name().to_lowercase();
        let audience = audience.trim_start_matches("audience_");
        let permissions = role.permissions.unwrap().codes;
        snapshot.role(&role.code, &role.label, audience, &permissions);
    }
}

async fn show_items(channel: &Channel, of: &Of<'_>, snapshot: &mut Snapshot) {
    let mut client = CatalogServiceClient::new(channel.clone());
    for entry in all!(client, list_channels(ListChannelsRequest) -> channels, of) {
        snapshot.channel(&entry.code, &entry.tree, &entry.locales);
    }
    for entry in all!(client, list_locales(ListLocalesRequest) -> locales, of) {
        snapshot.plain("locale", &entry.code);
    }
    for entry in all!(client, list_categories(ListCategoriesRequest) -> categories, of) {
        snapshot.category(&entry.code, &entry.parent.unwrap_or_default());
    }
    for entry in
        all!(client, list_attribute_groups(ListAttributeGroupsRequest) -> attribute_groups, of)
    {
        snapshot.plain("attribute_group", &entry.code);
    }
    for entry in all!(client, list_asset_families(ListAssetFamiliesRequest) -> asset_families, of) {
        snapshot.plain("asset_family", &entry.code);
    }
    for entry in all!(client, list_reference_entities(ListReferenceEntitiesRequest) -> reference_entities, of)
    {
        snapshot.plain("reference_entity", &entry.code);
    }
    for entry in all!(client, list_profiles(ListProfilesRequest) -> profiles, of) {
        let kind = match entry.kind() {
            pb::ProfileKind::Import => "import_profile",
            pb::ProfileKind::Export => "export_profile",
            pb::ProfileKind::Unspecified => panic!("{entry:?}"),
        };
        snapshot.plain(kind, &entry.code);
    }
}

async fn show_catalog(channel: &Channel, of: &Of<'_>, snapshot: &mut Snapshot) {
    let mut client = CatalogServiceClient::new(channel.clone());
    for entry in all!(client, list_attributes(ListAttributesRequest) -> attributes, of) {
        let is = [entry.scopable, entry.localizable];
        snapshot.attribute(&entry.code, &entry.group, is);
    }
    for entry in all!(client, list_grid_views(ListGridViewsRequest) -> grid_views, of) {
        snapshot.grid_view(&entry.code, &entry.attribute_groups);
    }
    // An unspecified kind lists only products, unless the service lists both
    // kinds.
    let mut products = all!(client, list_products(ListProductsRequest) -> products, of);
    if products
        .iter()
        .all(|entry| entry.kind() != pb::ProductKind::Model)
    {
        products.extend(models(channel, of).await);
    }
    for entry in products {
        let entity = match entry.kind() {
            pb::ProductKind::Model => "product_model",
            pb::ProductKind::Product | pb::ProductKind::Unspecified => "product",
        };
        let parent = entry.parent.unwrap_or_default();
        let categories = entry.categories.unwrap().codes;
        snapshot.product(entity, &entry.code, &parent, &categories);
    }
}

async fn models(channel: &Channel, of: &Of<'_>) -> Vec<pb::Product> {
    let mut client = CatalogServiceClient::new(channel.clone());
    let mut models = Vec::new();
    let mut request = pb::ListProductsRequest {
        tenant: of.tenant.to_owned(),
        page_size: of.page_size,
        kind: pb::ProductKind::Model.into(),
        ..Default::default()
    };
    loop {
        let page = client.list_products(request.clone()).await;
        let page = page.unwrap().into_inner();
        models.extend(page.products);
        if page.next_page_token.is_empty() {
            return models;
        }
        request.page_token = page.next_page_token;
    }
}

async fn show_apps(channel: &Channel, of: &Of<'_>, snapshot: &mut Snapshot) {
    let mut client = AppServiceClient::new(channel.clone());
    for app in all!(client, list_apps(ListAppsRequest) -> apps, of) {
        assert_eq!(
            Code::fold(&app.group),
            Code::fold(&format!("app:{}", app.code))
        );
        let mut chosen = selections(ItemKind::Category, app.trees);
        chosen.extend(selections(ItemKind::Locale, app.locales));
        chosen.extend(selections(ItemKind::AttributeGroup, app.attribute_groups));
        snapshot.app(&app.code, &app.scopes, &chosen);
        snapshot.connected_by(&app.code, &app.connected_by);
    }
}

fn selections(axis: ItemKind, rights: Option<pb::AppRights>) -> Vec<Selection> {
    let rights = rights.unwrap_or_default();
    let levels = [
        (Level::Own, rights.own),
        (Level::Edit, rights.edit),
        (Level::View, rights.view),
    ];
    let mut chosen = Vec::new();
    for (level, selection) in levels {
        let selection = selection.unwrap_or_default();
        if selection.all {
            chosen.push((axis, level, None));
        }
        for code in selection.codes {
            chosen.push((axis, level, Some(code.parse().unwrap())));
        }
    }
    chosen
}

use pim_authz::pb::{
    self, Level, ProductKind, access_rights_service_client::AccessRightsServiceClient,
    app_service_client::AppServiceClient, catalog_service_client::CatalogServiceClient,
    directory_service_client::DirectoryServiceClient, tenant_service_client::TenantServiceClient,
};
use tonic::{Code, transport::Channel};

use super::{NO_REQUEST, rejection, small};

/// Sends each request, which has one fault, and compares its rejection.
macro_rules! refusals {
    ($channel:expr; $($client:ident.$call:ident($request:ident { $($field:ident: $value:expr),* $(,)? }) => $code:ident $reason:literal $at:literal;)+) => {
        $(
            let mut request = pb::$request {
                $($field: $value,)*
                ..Default::default()
            };
            fill_in_caller(&mut request.tenant, &mut request.actor);
            let status = $client::new($channel.clone()).$call(request).await.unwrap_err();
            let expected = (Code::$code, $reason.to_owned(), $at.to_owned());
            assert_eq!(rejection(&status), expected, "{}: {status:?}", stringify!($call));
        )+
    };
}

/// Fills in the tenant and the actor, unless the case sets them.
fn fill_in_caller(tenant: &mut String, actor: &mut String) {
    for (field, default) in [(tenant, "acme"), (actor, "user:admin")] {
        if field.is_empty() {
            default.clone_into(field);
        }
    }
}

fn codes(codes: &[&str]) -> Option<pb::CodeList> {
    Some(pb::CodeList {
        codes: codes.iter().map(|&code| code.into()).collect(),
    })
}

fn named(codes: &[&str]) -> Vec<String> {
    codes.iter().map(|&code| code.into()).collect()
}

fn user(code: &str, groups: &[&str], roles: &[&str]) -> pb::User {
    pb::User {
        code: code.into(),
        groups: codes(groups),
        roles: codes(roles),
        enabled: None,
    }
}

fn role(code: &str, audience: pb::Audience, permissions: &[&str]) -> pb::Role {
    pb::Role {
        code: code.into(),
        audience: audience.into(),
        permissions: codes(permissions),
        ..Default::default()
    }
}

fn group(code: &str, label: &str) -> pb::UserGroup {
    pb::UserGroup {
        code: code.into(),
        label: label.into(),
        private: false,
    }
}

#[tokio::test]
async fn invalid_writes_of_users_and_connections_are_rejected() {
    let (_server, channel) = small().await;
    let connection = |code: &str, roles: &[&str]| pb::Connection {
        code: code.into(),
        roles: codes(roles),
        ..Default::default()
    };
    let locked_out = pb::User {
        enabled: Some(false),
        code: "ADMIN".into(),
        ..Default::default()
    };
    refusals! { channel;
        DirectoryServiceClient.put_users(PutUsersRequest { users: vec![user("", &[], &[])] })
            => InvalidArgument "INVALID_REQUEST" "users[0].code";
        DirectoryServiceClient.put_users(PutUsersRequest { users: vec![user("a", &["\u{7}"], &[])] })
            => InvalidArgument "INVALID_REQUEST" "users[0].groups.codes[0]";
        DirectoryServiceClient.put_users(PutUsersRequest { users: vec![user("a", &["no"], &[])] })
            => NotFound "USER_GROUP_NOT_FOUND" "users[0].groups";
        DirectoryServiceClient.put_users(PutUsersRequest { users: vec![user("a", &[], &["no"])] })
            => NotFound "ROLE_NOT_FOUND" "users[0].roles";
        DirectoryServiceClient.put_users(PutUsersRequest { users: vec![user("a", &["app:shop"], &[])] })
            => FailedPrecondition "GROUP_IS_PRIVATE" "users[0].groups";
        DirectoryServiceClient.put_users(PutUsersRequest { users: vec![user("a", &[], &[]), user("A", &["editors"], &[])] })
            => InvalidArgument "INVALID_REQUEST" "users[1]";
        DirectoryServiceClient.put_users(PutUsersRequest { users: vec![locked_out] })
            => FailedPrecondition "LOCK_OUT_GUARD" "";
        DirectoryServiceClient.put_users(PutUsersRequest { users: vec![user("admin", &[], &[])] })
            => FailedPrecondition "LOCK_OUT_GUARD" "";
        DirectoryServiceClient.put_users(PutUsersRequest { users: Vec::new(), expected_revision: Some(7) })
            => Aborted "REVISION_CHANGED" "";
        DirectoryServiceClient.put_users(PutUsersRequest { users: vec![pb::User::default(); 100_001] })
            => ResourceExhausted "TOO_MANY_ENTRIES" "users";
        DirectoryServiceClient.delete_users(DeleteUsersRequest { codes: named(&["admin"]) })
            => FailedPrecondition "LOCK_OUT_GUARD" "";
        DirectoryServiceClient.delete_users(DeleteUsersRequest { codes: named(&["admin", "no"]) })
            => NotFound "USER_NOT_FOUND" "codes[1]";
        DirectoryServiceClient.put_connections(PutConnectionsRequest { connections: vec![connection("a", &["admin"])] })
            => FailedPrecondition "AUDIENCE_MISMATCH" "connections[0].roles";
        DirectoryServiceClient.delete_connections(DeleteConnectionsRequest { codes: named(&["no"]) })
            => NotFound "CONNECTION_NOT_FOUND" "codes[0]";
    }
}

#[tokio::test]
async fn invalid_writes_of_groups_and_roles_are_rejected() {
    let (_server, channel) = small().await;
    refusals! { channel;
        DirectoryServiceClient.put_user_groups(PutUserGroupsRequest { user_groups: vec![group("ALL", "Everyone")] })
            => FailedPrecondition "GROUP_ALL_IS_FIXED" "user_groups[0].code";
        DirectoryServiceClient.put_user_groups(PutUserGroupsRequest { user_groups: vec![group("app:x", "")] })
            => FailedPrecondition "GROUP_IS_PRIVATE" "user_groups[0].code";
        DirectoryServiceClient.put_user_groups(PutUserGroupsRequest { user_groups: vec![group("x", "a\nb")] })
            => InvalidArgument "INVALID_REQUEST" "user_groups[0].label";
        DirectoryServiceClient.delete_user_groups(DeleteUserGroupsRequest { codes: named(&["all"]), cascade: true })
            => FailedPrecondition "GROUP_ALL_IS_FIXED" "codes[0]";
        DirectoryServiceClient.delete_user_groups(DeleteUserGroupsRequest { codes: named(&["app:shop"]) })
            => FailedPrecondition "GROUP_IS_PRIVATE" "codes[0]";
        DirectoryServiceClient.delete_user_groups(DeleteUserGroupsRequest { codes: named(&["no"]) })
            => NotFound "USER_GROUP_NOT_FOUND" "codes[0]";
        DirectoryServiceClient.put_roles(PutRolesRequest { roles: vec![role("a", pb::Audience::User, &["fly"])] })
            => NotFound "PERMISSION_NOT_FOUND" "roles[0].permissions.codes[0]";
        DirectoryServiceClient.put_roles(PutRolesRequest { roles: vec![role("a", pb::Audience::Connection, &["role.edit"])] })
            => FailedPrecondition "AUDIENCE_MISMATCH" "roles[0].permissions";
        DirectoryServiceClient.put_roles(PutRolesRequest { roles: vec![role("admin", pb::Audience::Connection, &[])] })
            => FailedPrecondition "AUDIENCE_MISMATCH" "roles[0].audience";
        DirectoryServiceClient.delete_roles(DeleteRolesRequest { codes: named(&["admin"]) })
            => FailedPrecondition "ROLE_IN_USE" "codes[0]";
        DirectoryServiceClient.delete_roles(DeleteRolesRequest { codes: named(&["admin"]), cascade: true })
            => FailedPrecondition "LOCK_OUT_GUARD" "";
    }
}

fn category(code: &str, parent: Option<&str>) -> pb::Category {
    pb::Category {
        code: code.into(),
        parent: parent.map(Into::into),
    }
}

fn product(code: &str, kind: ProductKind, parent: &str) -> pb::Product {
    pb::Product {
        code: code.into(),
        kind: kind.into(),
        parent: Some(parent.into()),
        categories: None,
    }
}

#[tokio::test]
async fn invalid_catalog_writes_are_rejected() {
    let (_server, channel) = small().await;
    let web = |tree: &str, locales: &[&str]| pb::Channel {
        code: "web".into(),
        tree: tree.into(),
        locales: named(locales),
    };
    let attribute = |group: &str| pb::Attribute {
        code: "size".into(),
        group: group.into(),
        ..Default::default()
    };
    let profile = |code: &str, kind: pb::ProfileKind| pb::Profile {
        code: code.into(),
        kind: kind.into(),
    };
    let view = pb::GridView {
        code: "all".into(),
        attribute_groups: named(&["no"]),
    };
    refusals! { channel;
        CatalogServiceClient.put_channels(PutChannelsRequest { channels: vec![web("no", &[])] })
            => NotFound "CATEGORY_NOT_FOUND" "channels[0].tree";
        CatalogServiceClient.put_channels(PutChannelsRequest { channels: vec![web("shoes", &[])] })
            => InvalidArgument "INVALID_REQUEST" "channels[0].tree";
        CatalogServiceClient.put_channels(PutChannelsRequest { channels: vec![web("", &["no"])] })
            => NotFound "LOCALE_NOT_FOUND" "channels[0].locales";
        CatalogServiceClient.delete_locales(DeleteLocalesRequest { codes: named(&["en_US"]) })
            => FailedPrecondition "LOCALE_IN_USE" "codes[0]";
        CatalogServiceClient.put_categories(PutCategoriesRequest { categories: vec![category("a", Some("no"))] })
            => NotFound "CATEGORY_NOT_FOUND" "categories[0].parent";
        CatalogServiceClient.put_categories(PutCategoriesRequest { categories: vec![category("master", Some("shoes"))] })
            => FailedPrecondition "CATEGORY_LOOP" "categories[0].parent";
        CatalogServiceClient.delete_categories(DeleteCategoriesRequest { codes: named(&["shoes"]) })
            => FailedPrecondition "CATEGORY_IN_USE" "codes[0]";
        CatalogServiceClient.delete_categories(DeleteCategoriesRequest { codes: named(&["master"]) })
            => FailedPrecondition "CATEGORY_IN_USE" "codes[0]";
        CatalogServiceClient.delete_attribute_groups(DeleteAttributeGroupsRequest { codes: named(&["marketing"]) })
            => FailedPrecondition "ATTRIBUTE_GROUP_IN_USE" "codes[0]";
        CatalogServiceClient.put_attributes(PutAttributesRequest { attributes: vec![attribute("no")] })
            => NotFound "ATTRIBUTE_GROUP_NOT_FOUND" "attributes[0].group";
        CatalogServiceClient.put_attributes(PutAttributesRequest { attributes: vec![attribute("")] })
            => InvalidArgument "INVALID_REQUEST" "attributes[0].group";
        CatalogServiceClient.put_profiles(PutProfilesRequest { profiles: vec![profile("x", pb::ProfileKind::Unspecified)] })
            => InvalidArgument "INVALID_REQUEST" "profiles[0].kind";
        CatalogServiceClient.put_profiles(PutProfilesRequest { profiles: vec![profile("nightly", pb::ProfileKind::Import)] })
            => AlreadyExists "EXPORT_PROFILE_EXISTS" "profiles[0].code";
        CatalogServiceClient.put_grid_views(PutGridViewsRequest { grid_views: vec![view] })
            => NotFound "ATTRIBUTE_GROUP_NOT_FOUND" "grid_views[0].attribute_groups";
    }
}

#[tokio::test]
async fn invalid_product_writes_are_rejected() {
    let (_server, channel) = small().await;
    let misplaced = pb::Product {
        categories: codes(&["no"]),
        ..product("hat", ProductKind::Product, "")
    };
    refusals! { channel;
        CatalogServiceClient.put_products(PutProductsRequest { products: vec![misplaced] })
            => NotFound "CATEGORY_NOT_FOUND" "products[0].categories";
        CatalogServiceClient.put_products(PutProductsRequest { products: vec![product("a", ProductKind::Product, "no")] })
            => NotFound "PRODUCT_MODEL_NOT_FOUND" "products[0].parent";
        CatalogServiceClient.put_products(PutProductsRequest { products: vec![product("a", ProductKind::Product, "hat")] })
            => FailedPrecondition "PARENT_INVALID" "products[0].parent";
        CatalogServiceClient.put_products(PutProductsRequest { products: vec![product("a", ProductKind::Model, "low")] })
            => FailedPrecondition "PARENT_INVALID" "products[0].parent";
        CatalogServiceClient.put_products(PutProductsRequest { products: vec![product("boots", ProductKind::Model, "low")] })
            => FailedPrecondition "PARENT_INVALID" "products[0].parent";
        CatalogServiceClient.put_products(PutProductsRequest { products: vec![product("a", ProductKind::Product, ""), product("a", ProductKind::Product, "boots")] })
            => InvalidArgument "INVALID_REQUEST" "products[1]";
        CatalogServiceClient.delete_products(DeleteProductsRequest { codes: named(&["hat", "no"]) })
            => NotFound "PRODUCT_NOT_FOUND" "codes[1]";
        CatalogServiceClient.delete_products(DeleteProductsRequest { codes: named(&["boots"]), kind: ProductKind::Model.into() })
            => FailedPrecondition "PRODUCT_MODEL_IN_USE" "codes[0]";
    }
}

fn grant(group: &str, kind: &str, id: &str, level: Level) -> pb::AccessGrant {
    pb::AccessGrant {
        group: group.into(),
        item: Some(pb::Item {
            r#type: kind.into(),
            id: id.into(),
        }),
        level: level.into(),
        apply_to_children: None,
    }
}

#[tokio::test]
async fn invalid_access_right_writes_are_rejected() {
    let (_server, channel) = small().await;
    let with_children = pb::AccessGrant {
        apply_to_children: Some(false),
        ..grant("editors", "locale", "en_US", Level::View)
    };
    let twice = pb::ItemRights {
        item: grant("", "locale", "en_US", Level::View).item,
        rights: vec![
            pb::GroupLevel {
                group: "editors".into(),
                level: Level::None.into()
            };
            2
        ],
        apply_to_children: None,
    };
    refusals! { channel;
        AccessRightsServiceClient.grant_access(GrantAccessRequest { grants: vec![grant("no", "locale", "en_US", Level::View)] })
            => NotFound "USER_GROUP_NOT_FOUND" "grants[0].group";
        AccessRightsServiceClient.grant_access(GrantAccessRequest { grants: vec![grant("editors", "category", "no", Level::View)] })
            => NotFound "CATEGORY_NOT_FOUND" "grants[0].item.id";
        AccessRightsServiceClient.grant_access(GrantAccessRequest { grants: vec![grant("editors", "product", "hat", Level::View)] })
            => InvalidArgument "INVALID_REQUEST" "grants[0].item.type";
        AccessRightsServiceClient.grant_access(GrantAccessRequest { grants: vec![grant("editors", "locale", "en_US", Level::Own)] })
            => InvalidArgument "INVALID_REQUEST" "grants[0].level";
        AccessRightsServiceClient.grant_access(GrantAccessRequest { grants: vec![grant("editors", "export_profile", "nightly", Level::View)] })
            => InvalidArgument "INVALID_REQUEST" "grants[0].level";
        AccessRightsServiceClient.grant_access(GrantAccessRequest { grants: vec![grant("editors", "category", "shoes", Level::None)] })
            => InvalidArgument "INVALID_REQUEST" "grants[0].level";
        AccessRightsServiceClient.grant_access(GrantAccessRequest { grants: vec![with_children] })
            => InvalidArgument "INVALID_REQUEST" "grants[0].apply_to_children";
        AccessRightsServiceClient.revoke_access(RevokeAccessRequest { revocations: vec![grant("editors", "locale", "en_US", Level::Unspecified)] })
            => InvalidArgument "INVALID_REQUEST" "revocations[0].level";
        AccessRightsServiceClient.replace_access(ReplaceAccessRequest { items: vec![twice] })
            => InvalidArgument "INVALID_REQUEST" "items[0].rights[1].group";
    }
}

#[tokio::test]
async fn invalid_app_and_tenant_writes_are_rejected() {
    let (_server, channel) = small().await;
    let all = || {
        Some(pb::AppRights {
            own: Some(pb::AppSelection {
                all: true,
                codes: Vec::new(),
            }),
            ..Default::default()
        })
    };
    let request_id = begun(&channel).await;
    refusals! { channel;
        AppServiceClient.start_connection(StartConnectionRequest { app: String::new() })
            => InvalidArgument "INVALID_REQUEST" "app";
        AppServiceClient.start_connection(StartConnectionRequest { app: "x".into(), actor: "connection:erp".into() })
            => InvalidArgument "INVALID_REQUEST" "actor";
        AppServiceClient.start_connection(StartConnectionRequest { app: "x".into(), actor: "user:nobody".into() })
            => PermissionDenied "ACTOR_NOT_PERMITTED" "";
        AppServiceClient.authorize_scopes(AuthorizeScopesRequest { request_id: "x".into() })
            => InvalidArgument "INVALID_REQUEST" "request_id";
        AppServiceClient.authorize_scopes(AuthorizeScopesRequest { request_id: NO_REQUEST.into() })
            => NotFound "APP_REQUEST_NOT_FOUND" "request_id";
        AppServiceClient.set_permissions(SetPermissionsRequest { request_id: request_id.clone(), trees: all() })
            => FailedPrecondition "STEP_OUT_OF_ORDER" "";
        AppServiceClient.confirm_connection(ConfirmConnectionRequest { request_id: request_id.clone() })
            => FailedPrecondition "STEP_OUT_OF_ORDER" "";
        AppServiceClient.update_scopes(UpdateScopesRequest { app: "no".into() })
            => NotFound "APP_NOT_FOUND" "app";
        AppServiceClient.update_scopes(UpdateScopesRequest { app: "shop".into(), scopes: named(&["write_products"]) })
            => FailedPrecondition "STEP_OUT_OF_ORDER" "";
        AppServiceClient.disconnect(DisconnectRequest { app: "no".into() })
            => NotFound "APP_NOT_FOUND" "app";
        TenantServiceClient.create_tenant(CreateTenantRequest { edition: pb::Edition::Growth.into() })
            => AlreadyExists "TENANT_EXISTS" "";
        TenantServiceClient.create_tenant(CreateTenantRequest { edition: 0 })
            => InvalidArgument "INVALID_REQUEST" "edition";
        TenantServiceClient.update_tenant(UpdateTenantRequest { edition: 9 })
            => InvalidArgument "INVALID_REQUEST" "edition";
    }
    let request = pb::AuthorizeScopesRequest {
        tenant: "acme".into(),
        actor: "user:admin".into(),
        request_id: request_id.clone(),
        ..Default::default()
    };
    let mut client = AppServiceClient::new(channel.clone());
    client.authorize_scopes(request).await.unwrap();
    refusals! { channel;
        AppServiceClient.set_permissions(SetPermissionsRequest { request_id: request_id.clone(), trees: all() })
            => InvalidArgument "INVALID_REQUEST" "trees.own";
        AppServiceClient.set_permissions(SetPermissionsRequest { request_id: request_id.clone(), locales: all() })
            => InvalidArgument "INVALID_REQUEST" "locales.own";
    }
}

/// Starts the connection of an app that may only read products, and returns the
/// request id.
async fn begun(channel: &Channel) -> String {
    let request = pb::StartConnectionRequest {
        tenant: "acme".into(),
        actor: "user:admin".into(),
        app: "reader".into(),
        scopes: named(&["read_products"]),
        ..Default::default()
    };
    let mut client = AppServiceClient::new(channel.clone());
    let begun = client.start_connection(request).await.unwrap();
    begun.into_inner().request_id
}

#[tokio::test]
async fn rule_2_4_enterprise_permissions_are_granted_in_enterprise_only() {
    let (_server, channel) = small().await;
    let request = pb::CreateTenantRequest {
        tenant: "small".into(),
        edition: pb::Edition::Community.into(),
        ..Default::default()
    };
    let mut tenants = TenantServiceClient::new(channel.clone());
    tenants.create_tenant(request).await.unwrap();
    refusals! { channel;
        DirectoryServiceClient.put_roles(PutRolesRequest {
            tenant: "small".into(),
            roles: vec![role("a", pb::Audience::User, &["locale.manage_permissions"])]
        }) => FailedPrecondition "EDITION_REQUIRED" "roles[0].permissions";
    }
}

#[tokio::test]
async fn idempotency_key_is_bound_to_one_request() {
    let (_server, channel) = small().await;
    let mut client = DirectoryServiceClient::new(channel.clone());
    let request = |label: &str| pb::PutUserGroupsRequest {
        tenant: "acme".into(),
        idempotency_key: "today".into(),
        user_groups: vec![group("painters", label)],
        ..Default::default()
    };
    let first = client.put_user_groups(request("A")).await.unwrap();
    let again = client.put_user_groups(request("A")).await.unwrap();
    assert_eq!(first.into_inner(), again.into_inner());
    refusals! { channel;
        DirectoryServiceClient.put_user_groups(PutUserGroupsRequest {
            idempotency_key: "today".into(),
            user_groups: vec![group("painters", "B")]
        }) => AlreadyExists "IDEMPOTENCY_KEY_REUSED" "";
        DirectoryServiceClient.delete_user_groups(DeleteUserGroupsRequest {
            idempotency_key: "today".into(),
            codes: named(&["painters"])
        }) => AlreadyExists "IDEMPOTENCY_KEY_REUSED" "";
    }
}

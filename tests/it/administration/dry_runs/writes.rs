//! One or more of each write of the administration.

use pim_authz::pb::{self, Edition, Level};

use super::worlds::Start::{self, Gateless, Growth, Whole};
use crate::administration::calls::Call;

/// A write and the tenant on which it is rehearsed.
pub(super) type Rehearsed = (Start, Call);

/// Builds a call: `call!(PutLocales(PutLocalesRequest) { locales: … })`.
macro_rules! call {
    ($call:ident($request:ident) { $($field:ident: $value:expr),* $(,)? }) => {
        Call::$call(pb::$request { $($field: $value,)* ..Default::default() })
    };
}
pub(super) use call;

pub(super) fn codes(codes: &[&str]) -> Vec<String> {
    codes.iter().map(|code| (*code).to_owned()).collect()
}

fn list(listed: &[&str]) -> Option<pb::CodeList> {
    Some(pb::CodeList {
        codes: codes(listed),
    })
}

fn item(kind: &str, id: &str) -> Option<pb::Item> {
    Some(pb::Item {
        r#type: kind.into(),
        id: id.into(),
    })
}

fn right(
    group: &str,
    kind: &str,
    id: &str,
    level: Level,
    children: Option<bool>,
) -> Vec<pb::AccessGrant> {
    vec![pb::AccessGrant {
        group: group.into(),
        item: item(kind, id),
        level: level.into(),
        apply_to_children: children,
    }]
}

/// Pairs each write with each kind of tenant.
fn on(starts: &[Start], writes: Vec<Call>) -> Vec<Rehearsed> {
    let rehearsed = writes.into_iter().flat_map(|call| {
        let starts = starts.iter().copied();
        starts.map(move |start| (start, call.clone()))
    });
    rehearsed.collect()
}

pub(super) fn of_tenants() -> Vec<Rehearsed> {
    let edition =
        |edition: Edition| call!(UpdateTenant(UpdateTenantRequest) { edition: edition.into() });
    vec![
        (Whole, edition(Edition::Growth)),
        (Gateless, edition(Edition::Community)),
        (Growth, edition(Edition::Enterprise)),
        (Growth, edition(Edition::Community)),
        (Whole, edition(Edition::Enterprise)),
        (Whole, call!(DeleteTenant(DeleteTenantRequest) {})),
        (Growth, call!(DeleteTenant(DeleteTenantRequest) {})),
    ]
}

pub(super) fn of_the_directory() -> Vec<Rehearsed> {
    let user = |code: &str, change: fn(&mut pb::User)| {
        let mut user = pb::User {
            code: code.into(),
            ..Default::default()
        };
        change(&mut user);
        call!(PutUsers(PutUsersRequest) { users: vec![user] })
    };
    let connection = |code: &str, change: fn(&mut pb::Connection)| {
        let mut connection = pb::Connection {
            code: code.into(),
            ..Default::default()
        };
        change(&mut connection);
        call!(PutConnections(PutConnectionsRequest) { connections: vec![connection] })
    };
    let role = |code: &str, permissions: &[&str]| {
        let role = pb::Role {
            code: code.into(),
            permissions: list(permissions),
            ..Default::default()
        };
        call!(PutRoles(PutRolesRequest) { roles: vec![role] })
    };
    let group = pb::UserGroup {
        code: "new".into(),
        ..Default::default()
    };
    let writes = vec![
        user("new", |_| {}),
        user("new", |user| user.groups = list(&["editors"])),
        user("new", |user| user.enabled = Some(false)),
        user("julia", |user| user.groups = list(&[])),
        user("julia", |user| user.enabled = Some(false)),
        user("mary", |user| user.roles = list(&["editor"])),
        user("asleep", |user| user.enabled = Some(true)),
        user("asleep", |user| user.groups = list(&[])),
        call!(DeleteUsers(DeleteUsersRequest) { codes: codes(&["mary", "asleep"]) }),
        connection("new", |_| {}),
        connection("new", |connection| connection.groups = list(&[])),
        connection("erp", |connection| connection.groups = list(&[])),
        connection("feed", |connection| connection.roles = list(&["api"])),
        connection("feed", |connection| connection.enabled = Some(false)),
        call!(DeleteConnections(DeleteConnectionsRequest) { codes: codes(&["erp", "feed"]) }),
        call!(PutUserGroups(PutUserGroupsRequest) { user_groups: vec![group] }),
        call!(DeleteUserGroups(DeleteUserGroupsRequest) { codes: codes(&["readers"]), cascade: true }),
        call!(DeleteUserGroups(DeleteUserGroupsRequest) { codes: codes(&["editors"]), cascade: true }),
        role("new", &["product.list"]),
        role("editor", &["product.create"]),
        role(
            "api",
            &["api.overall_access", "api.product.list", "api.product.edit"],
        ),
        call!(DeleteRoles(DeleteRolesRequest) { codes: codes(&["editor"]), cascade: true }),
    ];
    on(&[Whole, Growth], writes)
}

/// Writes to channels and locales, the axes above product data: with and
/// without default rights; the first, the last and one of several.
pub(super) fn of_channels_and_locales() -> Vec<Rehearsed> {
    let channels = |code: &str, without: bool| {
        let channel = pb::Channel {
            code: code.into(),
            ..Default::default()
        };
        call!(PutChannels(PutChannelsRequest) { channels: vec![channel], without_default_rights: without })
    };
    let locales = |code: &str, without: bool| {
        let locales = vec![pb::Locale { code: code.into() }];
        call!(PutLocales(PutLocalesRequest) { locales: locales, without_default_rights: without })
    };
    let delete_locales = |gone: &[&str]| call!(DeleteLocales(DeleteLocalesRequest) { codes: codes(gone), cascade: true });
    let delete_channels =
        |gone: &[&str]| call!(DeleteChannels(DeleteChannelsRequest) { codes: codes(gone) });
    let mut rehearsed = Vec::new();
    for start in [Whole, Gateless, Growth] {
        for without in [false, true] {
            rehearsed.push((start, channels("new", without)));
            rehearsed.push((start, locales("new", without)));
        }
    }
    for start in [Whole, Growth] {
        rehearsed.push((start, delete_locales(&["en_US"])));
        rehearsed.push((start, delete_channels(&["web"])));
        // The tree and locales of a channel do not affect decisions.
        rehearsed.push((start, channels("web", false)));
    }
    rehearsed
}

pub(super) fn of_categories_and_products() -> Vec<Rehearsed> {
    let category = |code: &str, parent: Option<&str>, without: bool| {
        let category = pb::Category {
            code: code.into(),
            parent: parent.map(str::to_owned),
        };
        call!(PutCategories(PutCategoriesRequest) { categories: vec![category], without_default_rights: without })
    };
    let product = |code: &str,
                   kind: pb::ProductKind,
                   parent: Option<&str>,
                   categories: Option<&[&str]>| pb::Product {
        code: code.into(),
        kind: kind.into(),
        parent: parent.map(str::to_owned),
        categories: categories.and_then(list),
    };
    let put =
        |products: Vec<pb::Product>| call!(PutProducts(PutProductsRequest) { products: products });
    let delete = |gone: &[&str], kind: pb::ProductKind| call!(DeleteProducts(DeleteProductsRequest) { codes: codes(gone), cascade: true, kind: kind.into() });
    let categories = |gone: &[&str]| call!(DeleteCategories(DeleteCategoriesRequest) { codes: codes(gone), cascade: true });
    let (single, model) = (pb::ProductKind::Product, pb::ProductKind::Model);
    let writes = vec![
        category("new", None, false),
        category("new", None, true),
        category("new", Some("shoes"), false),
        category("new", Some("print"), false),
        category("shoes", Some("print"), false),
        categories(&["hats"]),
        categories(&["print"]),
        categories(&["master"]),
        put(vec![product("new", single, None, None)]),
        put(vec![product("new", single, None, Some(&["print"]))]),
        put(vec![product("new", single, Some("boots"), None)]),
        put(vec![product("new", model, None, Some(&["hats"]))]),
        put(vec![
            product("new", single, Some("new"), None),
            product("new", model, None, Some(&["shoes"])),
        ]),
        put(vec![product("hat", single, None, Some(&[]))]),
        put(vec![product("hat", single, None, Some(&["print"]))]),
        put(vec![product("boots", model, None, Some(&["hats"]))]),
        put(vec![product("boots", model, None, Some(&["print"]))]),
        put(vec![product("boot", single, Some(""), None)]),
        delete(&["hat", "free"], single),
        delete(&["boots"], model),
    ];
    on(&[Whole, Growth], writes)
}

pub(super) fn of_the_small_rest() -> Vec<Rehearsed> {
    let attribute = |code: &str, group: &str, scopable: bool, localizable: bool| {
        let attribute = pb::Attribute {
            code: code.into(),
            group: group.into(),
            scopable,
            localizable,
        };
        call!(PutAttributes(PutAttributesRequest) { attributes: vec![attribute] })
    };
    let view = |code: &str, groups: &[&str]| {
        let view = pb::GridView {
            code: code.into(),
            attribute_groups: codes(groups),
        };
        call!(PutGridViews(PutGridViewsRequest) { grid_views: vec![view] })
    };
    let group = |without| {
        let groups = vec![pb::AttributeGroup { code: "new".into() }];
        call!(PutAttributeGroups(PutAttributeGroupsRequest) { attribute_groups: groups, without_default_rights: without })
    };
    let groups = |gone: &[&str]| call!(DeleteAttributeGroups(DeleteAttributeGroupsRequest) { codes: codes(gone), cascade: true });
    let profile = pb::Profile {
        code: "new".into(),
        kind: pb::ProfileKind::Export.into(),
    };
    let writes = vec![
        group(false),
        group(true),
        groups(&["marketing"]),
        groups(&["tech"]),
        attribute("new", "tech", false, false),
        attribute("new", "marketing", true, true),
        attribute("sku", "tech", false, false),
        attribute("sku", "marketing", true, false),
        attribute("sku", "marketing", false, true),
        attribute("price", "tech", false, false),
        attribute("name", "marketing", false, false),
        call!(DeleteAttributes(DeleteAttributesRequest) { codes: codes(&["sku", "price"]) }),
        view("new", &[]),
        view("new", &["tech"]),
        view("all", &[]),
        view("plain", &["marketing"]),
        call!(DeleteGridViews(DeleteGridViewsRequest) { codes: codes(&["all"]) }),
        call!(DeleteGridViews(DeleteGridViewsRequest) { codes: codes(&["plain"]) }),
        call!(PutAssetFamilies(PutAssetFamiliesRequest) {
            asset_families: vec![pb::AssetFamily { code: "new".into() }],
        }),
        call!(DeleteAssetFamilies(DeleteAssetFamiliesRequest) { codes: codes(&["photos"]) }),
        call!(PutReferenceEntities(PutReferenceEntitiesRequest) {
            reference_entities: vec![pb::ReferenceEntity { code: "new".into() }],
            without_default_rights: true,
        }),
        call!(DeleteReferenceEntities(DeleteReferenceEntitiesRequest) { codes: codes(&["brands"]) }),
        call!(PutProfiles(PutProfilesRequest) { profiles: vec![profile] }),
        call!(DeleteProfiles(DeleteProfilesRequest) { codes: codes(&["in", "out"]) }),
    ];
    on(&[Whole, Gateless, Growth], writes)
}

pub(super) fn of_access_rights() -> Vec<Rehearsed> {
    let grant =
        |grants: Vec<pb::AccessGrant>| call!(GrantAccess(GrantAccessRequest) { grants: grants });
    let revoke = |revocations: Vec<pb::AccessGrant>| call!(RevokeAccess(RevokeAccessRequest) { revocations: revocations });
    let replace = |kind: &str, id: &str, rights: &[(&str, Level)], children: Option<bool>| {
        let rights = rights.iter().map(|(group, level)| pb::GroupLevel {
            group: (*group).into(),
            level: (*level).into(),
        });
        let replaced = pb::ItemRights {
            item: item(kind, id),
            rights: rights.collect(),
            apply_to_children: children,
        };
        call!(ReplaceAccess(ReplaceAccessRequest) { items: vec![replaced] })
    };
    let writes = vec![
        grant(right("readers", "category", "master", Level::Own, None)),
        grant(right("All", "category", "print", Level::View, Some(false))),
        grant(right("All", "locale", "en_US", Level::View, None)),
        grant(right("readers", "locale", "en_US", Level::Edit, None)),
        grant(right("app:reader", "locale", "en_US", Level::View, None)),
        grant(right("app:bare", "category", "shoes", Level::Own, None)),
        grant(right("All", "export_profile", "out", Level::Execute, None)),
        revoke(right("editors", "category", "shoes", Level::Edit, None)),
        revoke(right(
            "readers",
            "category",
            "master",
            Level::View,
            Some(false),
        )),
        revoke(right("All", "channel", "web", Level::View, None)),
        revoke(right("editors", "channel", "web", Level::Edit, None)),
        revoke(right("editors", "locale", "en_US", Level::View, None)),
        revoke(right("app:shop", "channel", "web", Level::View, None)),
        revoke(right("All", "export_profile", "out", Level::Edit, None)),
        replace("category", "master", &[("All", Level::View)], None),
        replace("locale", "en_US", &[("readers", Level::View)], None),
        replace("channel", "web", &[], None),
        replace("attribute_group", "tech", &[("readers", Level::Edit)], None),
    ];
    on(&[Whole, Growth], writes)
}

pub(super) fn of_apps() -> Vec<Rehearsed> {
    let scopes = |app: &str, scopes: &[&str]| call!(UpdateScopes(UpdateScopesRequest) { app: app.into(), scopes: codes(scopes) });
    let writes = vec![
        scopes("shop", &["read_products"]),
        scopes("shop", &["read_products", "write_products"]),
        scopes("shop", &[]),
        scopes("reader", &[]),
        scopes("bare", &[]),
        call!(Disconnect(DisconnectRequest) { app: "shop".into() }),
        call!(Disconnect(DisconnectRequest) { app: "bare".into() }),
    ];
    on(&[Whole, Gateless, Growth], writes)
}

//! The rules about writes, tested call by call.

use pim_authz::pb::{
    self, Edition, Level, access_rights_service_client::AccessRightsServiceClient,
    app_service_client::AppServiceClient, catalog_service_client::CatalogServiceClient,
};
use tonic::{Code, transport::Channel};

use crate::harness::{Steps, TestServer, file, refusal, resource, user, viewing_all};

async fn world() -> (TestServer, Channel) {
    let server = TestServer::start().await;
    let files = [
        file("user_roles.csv", &["role;permissions", "admin;*"]),
        file(
            "users.csv",
            &["username;roles;groups", "admin;admin;", "julia;;editors"],
        ),
        file("user_groups.csv", &["code;name", "editors;"]),
        file("locales.csv", &["code", "en_US"]),
    ];
    server.import("acme", Edition::Enterprise, &files).await;
    let channel = server.channel().await;
    (server, channel)
}

async fn level(server: &TestServer, subject: pb::Subject, category: &str) -> Level {
    let request = pb::CheckRequest {
        tenant: "acme".into(),
        subject: Some(subject),
        action: "view".into(),
        resource: resource("category", category),
        ..Default::default()
    };
    let answer = server.client().await.check(request).await.unwrap();
    answer.into_inner().level()
}

fn julia() -> pb::Subject {
    user("julia").unwrap()
}

fn app(code: &str) -> pb::Subject {
    pb::Subject {
        r#type: "app".into(),
        id: code.into(),
    }
}

fn tree(categories: usize) -> pb::PutCategoriesRequest {
    let entries = (0..categories).map(|number| pb::Category {
        code: format!("c{number}"),
        parent: number
            .checked_sub(1)
            .map(|before| format!("c{}", before / 7)),
    });
    pb::PutCategoriesRequest {
        tenant: "acme".into(),
        categories: entries.collect(),
        without_default_rights: true,
        ..Default::default()
    }
}

fn right(level: Level) -> pb::AccessGrant {
    pb::AccessGrant {
        group: "editors".into(),
        item: Some(pb::Item {
            r#type: "category".into(),
            id: "c0".into(),
        }),
        level: level.into(),
        apply_to_children: None,
    }
}

#[tokio::test]
async fn rule_3_7_one_write_changes_rights_on_15_000_categories() {
    const CATEGORIES: usize = 15_000;
    let (server, channel) = world().await;
    let mut catalog = CatalogServiceClient::new(channel.clone());
    let made = catalog.put_categories(tree(CATEGORIES)).await.unwrap();
    let made = made.into_inner();
    assert_eq!(made.effect.unwrap().created, CATEGORIES as u64);
    let mut access = AccessRightsServiceClient::new(channel);
    let grant = pb::GrantAccessRequest {
        tenant: "acme".into(),
        grants: vec![right(Level::Edit)],
        ..Default::default()
    };
    let granted = access.grant_access(grant).await.unwrap().into_inner();
    assert_eq!(granted.revision, made.revision + 1);
    assert_eq!(granted.effect.unwrap().created, CATEGORIES as u64);
    assert_eq!(level(&server, julia(), "c14999").await, Level::Edit);
    // Replacing sets the same rights on every category; revoking never raises a
    // level.
    let rights = vec![pb::GroupLevel {
        group: "editors".into(),
        level: Level::View.into(),
    }];
    let replace = pb::ReplaceAccessRequest {
        tenant: "acme".into(),
        items: vec![pb::ItemRights {
            item: right(Level::View).item,
            rights,
            apply_to_children: None,
        }],
        ..Default::default()
    };
    let replaced = access.replace_access(replace).await.unwrap().into_inner();
    assert_eq!(replaced.effect.unwrap().changed, CATEGORIES as u64);
    let revoke = pb::RevokeAccessRequest {
        tenant: "acme".into(),
        revocations: vec![right(Level::Own)],
        ..Default::default()
    };
    let revoked = access.revoke_access(revoke).await.unwrap().into_inner();
    assert_eq!(revoked.effect.unwrap().unchanged, CATEGORIES as u64);
    assert_eq!(level(&server, julia(), "c14999").await, Level::View);
}

async fn requests_left(server: &TestServer) -> i64 {
    let (client, _session) = server.database.connect().await;
    let sql = "SELECT count(*) FROM pim_authz.app_request";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn rule_5_1_app_connects_only_after_all_steps_in_order() {
    use pb::AppStep::{Authorize, Confirm, Permissions};
    let (server, channel) = world().await;
    let (mut app_steps, left) = Steps::start(&channel, "shop", &["read_products"]).await;
    assert_eq!(left, [Authorize, Permissions, Confirm]);
    let early = app_steps.confirm().await.unwrap_err();
    assert_eq!(refusal(&early).1, "STEP_OUT_OF_ORDER");
    let left = app_steps.authorize().await.unwrap();
    assert_eq!(left.steps().collect::<Vec<_>>(), [Permissions, Confirm]);
    // A step may be repeated until the last step is taken.
    app_steps.authorize().await.unwrap();
    app_steps.permit(viewing_all()).await.unwrap();
    assert_eq!(level(&server, app("shop"), "c0").await, Level::None);
    app_steps.confirm().await.unwrap();
    assert_eq!(requests_left(&server).await, 0);
    // `all` covers categories that are created later (rules 5.6).
    let mut catalog = CatalogServiceClient::new(channel.clone());
    let request = pb::PutCategoriesRequest {
        without_default_rights: false,
        ..tree(1)
    };
    catalog.put_categories(request).await.unwrap();
    assert_eq!(level(&server, app("shop"), "c0").await, Level::View);
    let (mut cancelled, _) = Steps::start(&channel, "other", &[]).await;
    cancelled.cancel().await.unwrap();
    let gone = cancelled.authorize().await.unwrap_err();
    assert_eq!(refusal(&gone).1, "APP_REQUEST_NOT_FOUND");
    assert_eq!(requests_left(&server).await, 0);
}

#[tokio::test]
async fn rule_5_1_an_unfinished_request_expires() {
    let (server, channel) = world().await;
    let (mut steps, _) = Steps::start(&channel, "shop", &[]).await;
    let expire = "SET pim_authz.door = 'test'; UPDATE pim_authz.app_request SET expires_at = now()";
    server.database.execute(expire).await;
    let (code, reason, _) = refusal(&steps.authorize().await.unwrap_err());
    assert_eq!(
        (code, reason.as_str()),
        (Code::NotFound, "APP_REQUEST_NOT_FOUND")
    );
    // The next connection that starts deletes the expired request.
    Steps::start(&channel, "other", &[]).await;
    assert_eq!(requests_left(&server).await, 1);
}

async fn connected(channel: &Channel, scopes: &[&str]) {
    let (mut steps, left) = Steps::start(channel, "shop", scopes).await;
    steps.finish(&left).await;
}

#[tokio::test]
async fn rule_5_8_scopes_shrink_at_once_and_grow_by_the_steps() {
    let (server, channel) = world().await;
    let mut catalog = CatalogServiceClient::new(channel.clone());
    catalog.put_categories(tree(1)).await.unwrap();
    connected(&channel, &["write_products"]).await;
    assert_eq!(level(&server, app("shop"), "c0").await, Level::View);
    let (none, left) = Steps::start(&channel, "shop", &["read_products"]).await;
    assert_eq!((none.request_id.as_str(), left.len()), ("", 0));
    let mut apps = AppServiceClient::new(channel.clone());
    let get = pb::GetAppRequest {
        tenant: "acme".into(),
        app: "SHOP".into(),
    };
    let stored = apps.get_app(get.clone()).await.unwrap().into_inner();
    assert_eq!(stored.app.unwrap().scopes, ["read_products"]);
    // The app keeps the rights that it holds.
    assert_eq!(level(&server, app("shop"), "c0").await, Level::View);
    let update = |scopes: &[&str]| pb::UpdateScopesRequest {
        tenant: "acme".into(),
        app: "shop".into(),
        scopes: scopes.iter().map(|&scope| scope.into()).collect(),
        ..Default::default()
    };
    let grown = apps.update_scopes(update(&["write_products"])).await;
    assert_eq!(refusal(&grown.unwrap_err()).1, "STEP_OUT_OF_ORDER");
    let shrunk = apps.update_scopes(update(&["fly"])).await.unwrap();
    let shrunk = shrunk.into_inner();
    assert_eq!(shrunk.ungranted_scopes, ["fly"]);
    assert!(shrunk.granted_scopes.is_empty());
    let (_, left) = Steps::start(&channel, "shop", &["read_products"]).await;
    assert_eq!(left.len(), 3);
}

#[tokio::test]
async fn rule_5_9_disconnecting_removes_the_app_its_group_and_rights() {
    let (server, channel) = world().await;
    let mut catalog = CatalogServiceClient::new(channel.clone());
    catalog.put_categories(tree(3)).await.unwrap();
    connected(&channel, &["read_products"]).await;
    let mut apps = AppServiceClient::new(channel.clone());
    let request = pb::DisconnectRequest {
        tenant: "acme".into(),
        app: "shop".into(),
        ..Default::default()
    };
    let gone = apps.disconnect(request).await.unwrap().into_inner();
    // The app, its group, and its rights: three categories and no channel.
    assert_eq!(gone.effect.unwrap().removed, 5);
    assert_eq!(level(&server, app("shop"), "c0").await, Level::None);
    let (client, _session) = server.database.connect().await;
    let sql = "SELECT (SELECT count(*) FROM pim_authz.app_scope) + (SELECT count(*) FROM pim_authz.app_selection)
                    + (SELECT count(*) FROM pim_authz.user_group WHERE private)";
    let left: i64 = client.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(left, 0);
}

fn chunk(number: u64, codes: &[&str]) -> pb::ImportProductsRequest {
    let products = codes.iter().map(|&code| pb::Product {
        code: code.into(),
        ..Default::default()
    });
    pb::ImportProductsRequest {
        products: products.collect(),
        chunk: number,
        ..Default::default()
    }
}

/// Sends chunks, the first with the key `night`; returns the number and
/// revision of each acknowledged chunk, and how the stream ended.
async fn stream(
    channel: &Channel,
    mut chunks: Vec<pb::ImportProductsRequest>,
) -> (Vec<(u64, u64)>, Result<(), tonic::Status>) {
    if let Some(first) = chunks.first_mut() {
        first.tenant = "acme".into();
        first.idempotency_key = "night".into();
    }
    let mut client = CatalogServiceClient::new(channel.clone());
    let events = client.import_products(tokio_stream::iter(chunks)).await;
    let mut events = events.unwrap().into_inner();
    let mut acknowledged = Vec::new();
    loop {
        match events.message().await {
            Ok(Some(event)) => acknowledged.push((event.chunk, event.revision)),
            Ok(None) => return (acknowledged, Ok(())),
            Err(status) => return (acknowledged, Err(status)),
        }
    }
}

#[tokio::test]
async fn product_stream_keeps_applied_chunks_and_can_be_resumed() {
    let (_server, channel) = world().await;
    let lost = pb::Product {
        code: "lost".into(),
        parent: Some("nowhere".into()),
        ..Default::default()
    };
    let mut bad = chunk(3, &[]);
    bad.products.push(lost);
    let chunks = vec![
        chunk(1, &["hat"]),
        chunk(2, &["cap", "tie"]),
        bad,
        chunk(4, &["x"]),
    ];
    let (acknowledged, ended) = stream(&channel, chunks).await;
    assert_eq!(acknowledged, [(1, 2), (2, 3)]);
    assert_eq!(refusal(&ended.unwrap_err()).1, "PRODUCT_MODEL_NOT_FOUND");
    // A chunk that was applied under the key returns its first answer.
    let chunks = vec![chunk(2, &["cap", "tie"]), chunk(3, &["boot"])];
    let (acknowledged, ended) = stream(&channel, chunks).await;
    assert_eq!(acknowledged, [(2, 3), (3, 4)]);
    ended.unwrap();
    let (_, ended) = stream(&channel, vec![chunk(2, &["other"])]).await;
    assert_eq!(refusal(&ended.unwrap_err()).1, "IDEMPOTENCY_KEY_REUSED");
    for (chunks, field) in [
        (vec![chunk(0, &[])], "chunk"),
        (vec![chunk(5, &[]), chunk(7, &[])], "chunk"),
        (
            vec![
                chunk(5, &[]),
                pb::ImportProductsRequest {
                    tenant: "acme".into(),
                    ..chunk(6, &[])
                },
            ],
            "tenant",
        ),
    ] {
        let (_, ended) = stream(&channel, chunks).await;
        let (code, _, path) = refusal(&ended.unwrap_err());
        assert_eq!(
            (code, path.as_deref()),
            (Code::InvalidArgument, Some(field))
        );
    }
}

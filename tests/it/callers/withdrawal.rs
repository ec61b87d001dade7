use std::time::Duration;

use pim_authz::pb::{
    self, CallerRight, audit_service_client::AuditServiceClient,
    authorization_service_client::AuthorizationServiceClient,
    catalog_service_client::CatalogServiceClient,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::world::{EVERY_RIGHT, Key, World, everywhere, guarded, of_tenants};
use crate::harness::{Database, TestServer, product, refusal, user};

/// How long a stream may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

async fn check(server: &TestServer, key: &Key) -> Result<(), Status> {
    let request = pb::CheckRequest {
        tenant: "acme".into(),
        subject: user("julia"),
        action: "view".into(),
        resource: product("hat"),
        ..Default::default()
    };
    let mut client = AuthorizationServiceClient::new(key.line(server).await);
    client.check(request).await.map(|_| ())
}

fn reason(answered: Result<(), Status>) -> String {
    refusal(&answered.unwrap_err()).1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn withdrawals_take_effect_on_another_server_at_next_call() {
    let world = World::start().await;
    for _ in 0..20 {
        let key = world.caller(everywhere("shop", &EVERY_RIGHT)).await;
        check(&world.guarded, &key).await.unwrap();
        world.withdraw(&key).await;
        assert_eq!(reason(check(&world.guarded, &key).await), "CALLER_UNKNOWN");

        let key = world.key("shop").await;
        check(&world.guarded, &key).await.unwrap();
        world.put(everywhere("shop", &[CallerRight::List])).await;
        let refused = check(&world.guarded, &key).await;
        assert_eq!(reason(refused), "CALLER_NOT_PERMITTED");
        world
            .put(of_tenants("shop", &["other"], &EVERY_RIGHT))
            .await;
        let refused = check(&world.guarded, &key).await;
        assert_eq!(reason(refused), "TENANT_NOT_FOUND");
        world.put(of_tenants("shop", &["ACME"], &EVERY_RIGHT)).await;
        check(&world.guarded, &key).await.unwrap();

        let request = pb::DeleteCallersRequest {
            names: vec!["Shop".into()],
            ..Default::default()
        };
        world.keeper().await.delete_callers(request).await.unwrap();
        assert_eq!(reason(check(&world.guarded, &key).await), "CALLER_UNKNOWN");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn withdrawn_key_is_refused_without_cache() {
    let open = TestServer::start().await;
    let mut config = TestServer::config(&open.database);
    config.cache.mode = pim_authz::cache::CacheMode::Off;
    config.callers = super::world::required();
    let without = TestServer::start_with(config, open.database.clone()).await;
    let guarded = guarded(&open.database).await;
    let world = World { open, guarded };
    let key = world.caller(everywhere("shop", &EVERY_RIGHT)).await;
    assert_eq!(reason(check(&without, &key).await), "TENANT_NOT_FOUND");
    world.withdraw(&key).await;
    assert_eq!(reason(check(&without, &key).await), "CALLER_UNKNOWN");
}

#[tokio::test]
async fn several_keys_of_a_caller_are_valid_together() {
    let world = World::start().await;
    let first = world.caller(everywhere("shop", &EVERY_RIGHT)).await;
    let second = world.key("shop").await;
    for key in [&first, &second] {
        check(&world.guarded, key).await.unwrap();
    }
    world.withdraw(&first).await;
    check(&world.guarded, &second).await.unwrap();
    let listed = world
        .keeper()
        .await
        .list_callers(pb::ListCallersRequest::default())
        .await;
    let listed = listed.unwrap().into_inner().callers;
    let keys: Vec<&str> = listed[0].keys.iter().map(|key| key.id.as_str()).collect();
    assert_eq!(keys, [second.id.as_str()]);
}

#[tokio::test]
async fn unknown_keys_are_refused_without_database_reads() {
    let world = World::start().await;
    let key = world.caller(everywhere("shop", &EVERY_RIGHT)).await;
    check(&world.guarded, &key).await.unwrap();
    let loads = async || {
        let mut client = pb::operations_service_client::OperationsServiceClient::new(
            key.line(&world.guarded).await,
        );
        let status = client.get_status(pb::GetStatusRequest::default()).await;
        status.unwrap().into_inner().loads
    };
    let before = loads().await;
    for number in 0..200 {
        let mut wrong = key.clone();
        wrong.key.replace_range(9..25, &format!("{number:016}"));
        assert_eq!(
            reason(check(&world.guarded, &wrong).await),
            "CALLER_UNKNOWN"
        );
    }
    assert_eq!(loads().await, before);
}

/// Reads a stream to its end, and returns how it ended.
async fn end<M: 'static>(mut stream: Streaming<M>) -> Status {
    let reading = async {
        loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended whole"),
                Err(status) => return status,
            }
        }
    };
    timeout(PATIENCE, reading).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_of_a_withdrawn_caller_ends() {
    let world = World::start().await;
    let key = world.caller(everywhere("shop", &EVERY_RIGHT)).await;
    let mut client = AuditServiceClient::new(key.line(&world.guarded).await);
    let request = pb::WatchChangesRequest {
        tenant: "acme".into(),
        ..Default::default()
    };
    let mut events = client.watch_changes(request).await.unwrap().into_inner();
    events.message().await.unwrap().unwrap();
    world.withdraw(&key).await;
    let status = end(events).await;
    assert_eq!(refusal(&status).1, "CALLER_UNKNOWN");
    assert_eq!(status.code(), Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watch_ends_when_its_caller_loses_the_tenant() {
    let world = World::start().await;
    let key = of_tenants("shop", &["acme"], &EVERY_RIGHT);
    let key = world.caller(key).await;
    let mut client = AuditServiceClient::new(key.line(&world.guarded).await);
    let request = pb::WatchChangesRequest {
        tenant: "acme".into(),
        ..Default::default()
    };
    let mut events = client.watch_changes(request).await.unwrap().into_inner();
    events.message().await.unwrap().unwrap();
    world
        .put(of_tenants("shop", &["other"], &EVERY_RIGHT))
        .await;
    let status = end(events).await;
    assert_eq!(refusal(&status).1, "TENANT_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_a_withdrawn_caller_ends() {
    let world = World::start().await;
    let products: Vec<String> = (0..20_000).map(|n| format!("{n:0>200}")).collect();
    let rows = std::iter::once("sku").chain(products.iter().map(String::as_str));
    let rows = crate::harness::file("products.csv", &rows.collect::<Vec<_>>());
    world
        .open
        .import("acme", pb::Edition::Unspecified, &[rows])
        .await;
    let key = world.caller(everywhere("shop", &EVERY_RIGHT)).await;
    let mut client = AuthorizationServiceClient::new(key.line(&world.guarded).await);
    let request = pb::StreamAllowedRequest {
        tenant: "acme".into(),
        subject: user("julia"),
        action: "view".into(),
        resource_type: "product".into(),
        batch_size: 100,
        ..Default::default()
    };
    let mut batches = client.stream_allowed(request).await.unwrap().into_inner();
    // The remaining messages exceed the connection's window, so they wait for
    // the reader.
    batches.message().await.unwrap().unwrap();
    world.withdraw(&key).await;
    let status = end(batches).await;
    assert_eq!(refusal(&status).1, "CALLER_UNKNOWN");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chunks_of_a_withdrawn_caller_are_refused() {
    let world = World::start().await;
    let key = world.caller(everywhere("shop", &EVERY_RIGHT)).await;
    let mut client = CatalogServiceClient::new(key.line(&world.guarded).await);
    let (chunks, sent) = mpsc::channel(1);
    let chunk = |number: u64| pb::ImportProductsRequest {
        tenant: if number == 1 {
            "acme".into()
        } else {
            String::new()
        },
        chunk: number,
        products: vec![pb::Product {
            code: format!("sku-{number}"),
            ..Default::default()
        }],
        ..Default::default()
    };
    chunks.send(chunk(1)).await.unwrap();
    let events = client.import_products(ReceiverStream::new(sent)).await;
    let mut events = events.unwrap().into_inner();
    assert_eq!(events.message().await.unwrap().unwrap().chunk, 1);
    world.withdraw(&key).await;
    chunks.send(chunk(2)).await.unwrap();
    let status = end(events).await;
    assert_eq!(refusal(&status).1, "CALLER_UNKNOWN");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_of_a_withdrawn_caller_changes_nothing() {
    use pim_authz::pb::import_service_client::ImportServiceClient;
    let world = World::start().await;
    let key = world.caller(everywhere("shop", &EVERY_RIGHT)).await;
    let mut client = ImportServiceClient::new(key.line(&world.guarded).await);
    let (parts, sent) = mpsc::channel(1);
    let mut of_import = crate::harness::parts(
        crate::harness::header("acme", pb::Edition::Unspecified),
        &[crate::harness::file("locales.csv", &["code", "sv_SE"])],
    )
    .into_iter()
    .map(|part| pb::ImportCatalogRequest { part: Some(part) });
    parts.send(of_import.next().unwrap()).await.unwrap();
    let events = client.import_catalog(ReceiverStream::new(sent)).await;
    let events = events.unwrap().into_inner();
    world.withdraw(&key).await;
    for part in of_import {
        parts.send(part).await.unwrap();
    }
    drop(parts);
    let status = end(events).await;
    assert_eq!(refusal(&status).1, "CALLER_UNKNOWN");
    let stored = world.open.database.clone();
    assert_eq!(locales(&stored).await, 0);
}

async fn locales(database: &Database) -> i64 {
    use secrecy::ExposeSecret as _;
    let url = database.url().expose_secret();
    let connected = tokio_postgres::connect(url, tokio_postgres::NoTls).await;
    let (client, connection) = connected.unwrap();
    tokio::spawn(connection);
    let sql = "SELECT count(*) FROM pim_authz.item WHERE type = 'locale'";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

//! Watches of committed changes: without gaps or duplicates.

use std::time::Duration;

use pim_authz::pb::{self, Edition, watch_changes_response::Event};
use tonic::Streaming;
use tonic_types::StatusExt as _;

use crate::{
    changes::{Places, all, audit, every_page, imported, places, watch},
    harness::{Database, TestServer, file, refusal},
};

/// Reads changes until the watch has reached a revision.
async fn read_to(
    events: &mut Streaming<pb::WatchChangesResponse>,
    revision: u64,
) -> Vec<pb::Change> {
    let mut changes = Vec::new();
    loop {
        match events.message().await.unwrap().unwrap().event.unwrap() {
            Event::Change(change) => {
                let is_end = change.revision == revision && change.last;
                changes.push(change);
                if is_end {
                    return changes;
                }
            }
            Event::Heartbeat(heartbeat) if heartbeat.revision >= revision => return changes,
            Event::Heartbeat(_) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watch_delivers_each_change_once_across_servers_and_reconnects() {
    const WRITES: u64 = 12;
    let server = imported().await;
    let other = TestServer::start_beside(&server).await;
    let writing = async {
        for number in 0..WRITES {
            let row = format!("locale_{number}");
            let rows = file("locales.csv", &["code", &row, &format!("{row}_b")]);
            let through = if number % 2 == 0 { &server } else { &other };
            through.import("acme", Edition::Unspecified, &[rows]).await;
        }
    };
    let watching = async {
        let (mut at, mut found) = ((0, 0), Vec::new());
        let mut turn = 0;
        while at.0 < 3 + WRITES {
            let through = if turn % 2 == 0 { &other } else { &server };
            turn += 1;
            let mut client = audit(through).await;
            let events = client.watch_changes(watch(at.0, at.1)).await;
            let mut events = events.unwrap().into_inner();
            // Reads a few events at a time, so that some writes are split
            // between two watches.
            for _ in 0..5 {
                if let Event::Change(change) =
                    events.message().await.unwrap().unwrap().event.unwrap()
                {
                    at = (change.revision, change.part);
                    found.push(at);
                }
            }
        }
        let mut client = audit(&server).await;
        let rest = client.watch_changes(watch(at.0, at.1)).await.unwrap();
        found.extend(places(&read_to(&mut rest.into_inner(), 3 + WRITES).await));
        found
    };
    let ((), found) = tokio::join!(writing, watching);
    let whole = places(&every_page(&server, &all(10_000)).await);
    assert_eq!(found, whole);
}

#[tokio::test]
async fn watch_sends_heartbeat_when_current_and_then_new_changes() {
    let server = imported().await;
    let mut client = audit(&server).await;
    let events = client.watch_changes(watch(2, 0)).await.unwrap();
    let mut events = events.into_inner();
    let changes = read_to(&mut events, 3).await;
    assert!(changes.iter().all(|change| change.revision == 3));
    let Event::Heartbeat(heartbeat) = events.message().await.unwrap().unwrap().event.unwrap()
    else {
        panic!("nothing is new");
    };
    assert_eq!(heartbeat.revision, 3);
    let rows = file("locales.csv", &["code", "it_IT"]);
    server.import("acme", Edition::Unspecified, &[rows]).await;
    let changes = read_to(&mut events, 4).await;
    assert_eq!(changes[0].kind, "locale.created");
}

#[tokio::test]
async fn slow_watcher_is_cut_off_and_resumes_without_gap() {
    let database = Database::create().await;
    let config = pim_authz::server::ServeConfig {
        watch_patience: Duration::from_millis(100),
        ..TestServer::config(&database)
    };
    let server = TestServer::start_with(config, database).await;
    // More rows than the window of the connection can hold.
    let rows: Vec<String> = (0..30_000).map(|n| format!("{n:0>200}")).collect();
    let rows = std::iter::once("sku").chain(rows.iter().map(String::as_str));
    let products = file("products.csv", &rows.collect::<Vec<_>>());
    server.import("acme", Edition::Growth, &[products]).await;
    let mut client = audit(&server).await;
    let events = client.watch_changes(watch(0, 0)).await.unwrap();
    let mut events = events.into_inner();
    // The watch is not read while other calls are answered, each of which takes
    // longer than the server's `watch_patience`.
    for _ in 0..5 {
        assert_eq!(every_page(&server, &all(10_000)).await.len(), 30_002);
    }
    let mut found: Places = Vec::new();
    let status = loop {
        match events.message().await {
            Ok(Some(message)) => {
                if let Event::Change(change) = message.event.unwrap() {
                    found.push((change.revision, change.part));
                }
            }
            Ok(None) => panic!("a watch ends with an error"),
            Err(status) => break status,
        }
    };
    assert_eq!(refusal(&status).1, "WATCH_TOO_SLOW", "{status:?}");
    let metadata = status.get_details_error_info().unwrap().metadata;
    let (revision, part) = *found.last().unwrap();
    assert_eq!(metadata["after_revision"], revision.to_string());
    assert_eq!(metadata["after_part"], part.to_string());
    let rest = client.watch_changes(watch(revision, part)).await.unwrap();
    found.extend(places(&read_to(&mut rest.into_inner(), 1).await));
    assert_eq!(found, places(&every_page(&server, &all(10_000)).await));
}

#[tokio::test]
async fn watch_ends_with_its_tenant_or_server() {
    let mut server = imported().await;
    let mut client = audit(&server).await;
    let events = client.watch_changes(watch(3, 0)).await.unwrap();
    let mut events = events.into_inner();
    assert!(events.message().await.unwrap().is_some(), "a heartbeat");
    let delete = pb::DeleteTenantRequest {
        tenant: "acme".into(),
        ..Default::default()
    };
    server
        .import(
            "spare",
            Edition::Growth,
            &[file("locales.csv", &["code", "en_US"])],
        )
        .await;
    let mut tenants = pb::tenant_service_client::TenantServiceClient::new(server.channel().await);
    tenants.delete_tenant(delete).await.unwrap();
    let status = loop {
        match events.message().await {
            Ok(event) => assert!(event.is_some()),
            Err(status) => break status,
        }
    };
    assert_eq!(refusal(&status).1, "TENANT_NOT_FOUND");
    let mut other = audit(&server).await;
    let spare = pb::WatchChangesRequest {
        tenant: "spare".into(),
        ..watch(0, 0)
    };
    let stopped = other.watch_changes(spare).await.unwrap();
    let mut stopped = stopped.into_inner();
    assert!(stopped.message().await.unwrap().is_some(), "a heartbeat");
    server.begin_stop();
    let status = loop {
        match stopped.message().await {
            Ok(event) => assert!(event.is_some()),
            Err(status) => break status,
        }
    };
    assert_eq!(refusal(&status).1, "SHUTTING_DOWN");
    server.ended().await.unwrap();
}

//! No call blocks another, and none takes unlimited resources: each test
//! overloads a server in one way while another tenant keeps calling it.

mod abuses;
mod imports;
pub(crate) mod others;

use std::time::Duration;

use pim_authz::{
    cache::{CacheMode, CacheSettings},
    pb::{
        self, Edition, audit_service_client::AuditServiceClient,
        authorization_service_client::AuthorizationServiceClient,
        operations_service_client::OperationsServiceClient,
    },
    server::Limits,
};
use tokio::{task::JoinSet, time::timeout};
use tokio_stream::StreamExt as _;
use tonic::{Code, Request, Status, codec::CompressionEncoding, transport::Channel};
use tonic_types::StatusExt as _;

use crate::harness::{Database, File, TestServer, file, refusal, resource, user};

use self::others::Others;

/// Longer than anything in these tests takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// A server with these limits and this size of cache, with a small tenant
/// `other`.
async fn served(limits: Limits, cache_bytes: u64) -> TestServer {
    let database = Database::create().await;
    let mut config = TestServer::config(&database);
    config.limits = limits;
    config.cache = CacheSettings {
        bytes: cache_bytes,
        ..CacheSettings::default()
    };
    let server = TestServer::start_with(config, database).await;
    others::create(&server).await;
    server
}

async fn served_as_usual() -> TestServer {
    served(Limits::default(), CacheSettings::default().bytes).await
}

/// A file with these rows below its header.
fn listed<R: AsRef<str>>(name: &str, header: &str, rows: impl Iterator<Item = R>) -> File {
    let mut content = format!("{header}\n");
    for row in rows {
        content.push_str(row.as_ref());
        content.push('\n');
    }
    (name.to_owned(), content)
}

/// Checks that a call was refused for lack of memory or of a free slot, with
/// the time after which to retry.
fn assert_overloaded(status: &Status) {
    let (code, reason, _) = refusal(status);
    assert_eq!(
        (code, reason.as_str()),
        (Code::ResourceExhausted, "OVERLOADED")
    );
    let wait = status.get_details_retry_info().unwrap().retry_delay;
    assert!(wait.is_some_and(|wait| !wait.is_zero()), "{status:?}");
}

/// Whether the deadline passed, by the server's clock or by the client's.
fn is_late(status: &Status) -> bool {
    matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled)
}

/// A batch of many empty items, each of which inherits the fields of the batch.
fn wide_batch(items: usize) -> pb::BatchCheckRequest {
    pb::BatchCheckRequest {
        tenant: "acme".into(),
        subject: user("julia"),
        action: "view".into(),
        resource: resource("product", &"x".repeat(250)),
        items: vec![pb::CheckItem::default(); items],
        ..Default::default()
    }
}

fn compressed(channel: Channel) -> AuthorizationServiceClient<Channel> {
    AuthorizationServiceClient::new(channel)
        .send_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(usize::MAX)
}

/// Refuses small compressed messages whose decoded size exceeds the memory of
/// calls (row 3).
#[tokio::test]
async fn small_messages_that_need_much_memory_are_refused() {
    let limits = Limits {
        call_bytes: 64 << 20,
        ..Limits::default()
    };
    let server = served(limits, CacheSettings::default().bytes).await;
    let others = Others::start(&server).await;
    let mut flood = JoinSet::new();
    for _ in 0..8 {
        let mut client = compressed(server.channel().await);
        flood.spawn(async move { client.batch_check(wide_batch(100_000)).await });
    }
    while let Some(answer) = flood.join_next().await {
        let status = answer.unwrap().unwrap_err();
        assert_overloaded(&status);
        let details = status.get_details_error_info().unwrap();
        let number = |key: &str| details.metadata[key].parse::<usize>().unwrap();
        assert_eq!(number("most"), 32 << 20, "half of it, for one tenant");
        assert!(number("bytes") > 64 << 20, "{details:?}");
    }
    // The memory of refused calls is released, and a smaller batch is answered.
    let mut client = compressed(server.channel().await);
    let status = client.batch_check(wide_batch(1_000)).await.unwrap_err();
    assert_eq!(refusal(&status).1, "TENANT_NOT_FOUND");
    others.were_all_answered().await;
}

/// Counts the bytes of an uncompressed message as they arrive, and nothing else
/// (row 3).
#[tokio::test]
async fn uncompressed_messages_are_counted_as_they_arrive() {
    let limits = Limits {
        call_bytes: 16 << 20,
        ..Limits::default()
    };
    let server = served(limits, CacheSettings::default().bytes).await;
    let mut client = server.client().await;
    let long = pb::CheckRequest {
        tenant: "other".into(),
        action: "x".repeat(5 << 20),
        subject: user("julia"),
        ..Default::default()
    };
    assert_overloaded(&client.check(long.clone()).await.unwrap_err());
    let shorter = pb::CheckRequest {
        action: "x".repeat(2 << 20),
        ..long
    };
    let status = client.check(shorter).await.unwrap_err();
    assert_eq!(refusal(&status).1, "INVALID_REQUEST");
}

/// Floods the server with checks of 6,000 unknown tenants (row 9).
#[tokio::test]
async fn questions_about_unknown_tenants_block_no_other_tenant() {
    let server = served_as_usual().await;
    let others = Others::start(&server).await;
    let mut flood = JoinSet::new();
    for number in 0..6_000 {
        let mut client = server.client().await;
        flood.spawn(async move {
            let mut request = Request::new(pb::CheckRequest {
                tenant: format!("stranger_{number}"),
                subject: user("julia"),
                action: "product.list".into(),
                ..Default::default()
            });
            request.set_timeout(Duration::from_millis(20));
            client.check(request).await
        });
    }
    while let Some(answer) = flood.join_next().await {
        let status = answer.unwrap().unwrap_err();
        let refused = [Code::NotFound, Code::ResourceExhausted];
        assert!(
            refused.contains(&status.code()) || is_late(&status),
            "{status:?}"
        );
    }
    others.were_all_answered().await;
}

/// Floods a server without a cache with checks of one tenant: a tenant waits
/// only for its own questions (row 9).
#[tokio::test]
async fn questions_of_one_tenant_block_no_other_without_cache() {
    let database = Database::create().await;
    let mut config = TestServer::config(&database);
    config.cache.mode = CacheMode::Off;
    let server = TestServer::start_with(config, database).await;
    others::create(&server).await;
    let users = file("users.csv", &["username;roles", "julia;"]);
    server.import("acme", Edition::Growth, &[users]).await;
    let others = Others::start(&server).await;
    let mut flood = JoinSet::new();
    for _ in 0..4_000 {
        let mut client = server.client().await;
        flood.spawn(async move {
            let request = pb::CheckRequest {
                tenant: "acme".into(),
                subject: user("julia"),
                action: "product.list".into(),
                ..Default::default()
            };
            client.check(request).await
        });
    }
    let mut answered = 0;
    while let Some(answer) = flood.join_next().await {
        match answer.unwrap() {
            Ok(answer) => {
                assert!(!answer.into_inner().allowed);
                answered += 1;
            }
            Err(status) => assert_overloaded(&status),
        }
    }
    assert!(answered > 0);
    others.were_all_answered().await;
}

/// The key that signs page tokens is read before the first call (row 16).
#[tokio::test]
async fn concurrent_first_pages_of_a_new_server_are_answered() {
    let database = Database::create().await;
    let first = TestServer::start_with(TestServer::config(&database), database.clone()).await;
    let categories = listed(
        "categories.csv",
        "code",
        (0..4_000).map(|n| format!("c{n}")),
    );
    first.import("acme", Edition::Growth, &[categories]).await;
    let fresh = TestServer::start_with(TestServer::config(&database), database).await;
    let mut pages = JoinSet::new();
    for _ in 0..32 {
        let mut client = AuditServiceClient::new(fresh.channel().await);
        pages.spawn(async move {
            let request = pb::ListChangesRequest {
                tenant: "acme".into(),
                page_size: 1_000,
                ..Default::default()
            };
            client.list_changes(request).await
        });
    }
    while let Some(page) = pages.join_next().await {
        let page = page.unwrap().unwrap().into_inner();
        assert_eq!(page.changes.len(), 1_000);
        assert!(!page.next_page_token.is_empty());
    }
}

/// Batches that wait for a revision read only the revision (row 10).
#[tokio::test]
async fn waiting_for_a_revision_reads_no_facts() {
    let server = served_as_usual().await;
    let codes: Vec<String> = (0..2_000).map(|n| format!("p{n}")).collect();
    let products = listed("products.csv", "sku", codes.iter().map(String::as_str));
    server
        .import("acme", Edition::Enterprise, &[products])
        .await;
    let others = Others::start(&server).await;
    let batch = pb::BatchCheckRequest {
        tenant: "acme".into(),
        subject: user("julia"),
        action: "view".into(),
        items: codes
            .iter()
            .map(|code| pb::CheckItem {
                resource: resource("product", code),
                ..Default::default()
            })
            .collect(),
        minimum_revision: 1 << 60,
        ..Default::default()
    };
    let before = server.loads().await;
    let mut waiting = JoinSet::new();
    for _ in 0..16 {
        let (mut client, batch) = (server.client().await, batch.clone());
        waiting.spawn(async move { client.batch_check(batch).await });
    }
    while let Some(answer) = waiting.join_next().await {
        let status = answer.unwrap().unwrap_err();
        assert_eq!(refusal(&status).1, "DEADLINE");
    }
    // Each read is shared between the waiting batches and reads only the
    // tenant's revision: about 25 reads in 5 s, and those for the questions of
    // the other tenant.
    let reads = server.loads().await - before;
    let answered = others.were_all_answered().await;
    assert!(
        reads < answered + 16 * 30,
        "{reads} looks, {answered} questions"
    );
}

/// A tenant with 200 watches is refused more, while another tenant can still
/// watch (row 12).
#[tokio::test]
async fn watch_limit_of_one_tenant_leaves_capacity_for_others() {
    let server = served_as_usual().await;
    let watch = |tenant: &str| pb::WatchChangesRequest {
        tenant: tenant.into(),
        ..Default::default()
    };
    let locales = file("locales.csv", &["code", "en_US"]);
    server.import("acme", Edition::Growth, &[locales]).await;
    let mut watches = Vec::new();
    let refused = loop {
        let mut client = AuditServiceClient::new(server.channel().await);
        match client.watch_changes(watch("acme")).await {
            Ok(events) => watches.push(events),
            Err(status) => break status,
        }
    };
    assert_eq!(watches.len(), 200);
    assert_overloaded(&refused);
    let mut client = AuditServiceClient::new(server.channel().await);
    let events = client.watch_changes(watch("other")).await.unwrap();
    let first = timeout(PATIENCE, events.into_inner().next()).await.unwrap();
    assert!(first.unwrap().is_ok());
}

/// Verifications have connections of their own, one per tenant, and those that
/// were given up are cancelled (row 8).
#[tokio::test]
async fn verifications_block_no_other_calls() {
    let server = served_as_usual().await;
    let products = listed("products.csv", "sku", (0..20_000).map(|n| format!("p{n}")));
    server
        .import("acme", Edition::Enterprise, &[products])
        .await;
    let others = Others::start(&server).await;
    let mut flood = JoinSet::new();
    for number in 0..160 {
        let mut client = OperationsServiceClient::new(server.channel().await);
        flood.spawn(async move {
            let mut request = Request::new(pb::VerifyAuditRequest {
                tenant: "acme".into(),
                facts: true,
                callers: false,
            });
            if number % 8 > 0 {
                request.set_timeout(Duration::from_millis(50));
            }
            client.verify_audit(request).await
        });
    }
    let mut verified = 0;
    while let Some(answer) = flood.join_next().await {
        match answer.unwrap() {
            Ok(report) => {
                assert!(report.into_inner().intact);
                verified += 1;
            }
            Err(status) => assert!(is_late(&status), "{status:?}"),
        }
    }
    assert!(verified >= 20, "{verified}");
    others.were_all_answered().await;
}

/// Unknown entities get only a small part of the cache, and the size of their
/// keys is counted (row 14).
#[tokio::test]
async fn unknown_names_evict_no_cached_facts() {
    const MEMORY: u64 = 2 << 20;
    let server = served(Limits::default(), MEMORY).await;
    let mut client = server.client().await;
    let warm = async |client: &mut AuthorizationServiceClient<Channel>| {
        for _ in 0..3 {
            for number in 0..others::USERS {
                others::check(client, number).await.unwrap();
            }
        }
    };
    warm(&mut client).await;
    for batch in 0..30 {
        let unknown = (0..1_000).map(|number| pb::CheckItem {
            subject: user(&format!("{batch}_{number}_{}", "x".repeat(240))),
            ..Default::default()
        });
        let batch = pb::BatchCheckRequest {
            tenant: "other".into(),
            action: "product.list".into(),
            items: unknown.collect(),
            ..Default::default()
        };
        client.batch_check(batch).await.unwrap();
    }
    let before = server.status().await;
    assert!(before.bytes <= MEMORY, "{before:?}");
    for number in 0..others::USERS {
        others::check(&mut client, number).await.unwrap();
    }
    let after = server.status().await;
    assert_eq!(after.misses - before.misses, 0, "{before:?} {after:?}");
}

/// A batch that takes long to compute does not delay other calls (row 4).
#[tokio::test]
async fn long_running_batch_blocks_no_checks() {
    let server = served_as_usual().await;
    let codes: Vec<String> = (0..1_000).map(|n| format!("c{n}")).collect();
    let categories = listed("categories.csv", "code", codes.iter().map(String::as_str));
    let users = file("users.csv", &["username;roles", "julia;"]);
    server
        .import("acme", Edition::Enterprise, &[categories, users])
        .await;
    let described = pb::Resource {
        r#type: "product".into(),
        categories: Some(pb::CategoryList {
            codes: codes.clone(),
        }),
        ..Default::default()
    };
    let batch = pb::BatchCheckRequest {
        tenant: "acme".into(),
        subject: user("julia"),
        action: "view".into(),
        items: vec![
            pb::CheckItem {
                resource: Some(described),
                ..Default::default()
            };
            300
        ],
        ..Default::default()
    };
    let others = Others::start(&server).await;
    let mut client = server.client().await;
    let answer = timeout(PATIENCE, client.batch_check(batch)).await.unwrap();
    assert_eq!(answer.unwrap().into_inner().results.len(), 300);
    let answered = others.were_all_answered().await;
    assert!(
        answered > 10,
        "{answered} questions were answered meanwhile"
    );
}

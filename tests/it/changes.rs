//! The audit log as listed to callers.

use pim_authz::pb::{self, Edition, audit_service_client::AuditServiceClient};
use tonic::{Code, transport::Channel};

use crate::harness::{TestServer, file, header, refusal};

pub(crate) type Places = Vec<(u64, u32)>;

pub(crate) async fn audit(server: &TestServer) -> AuditServiceClient<Channel> {
    AuditServiceClient::new(server.channel().await)
}

pub(crate) fn all(page_size: i32) -> pb::ListChangesRequest {
    pb::ListChangesRequest {
        tenant: "acme".into(),
        page_size,
        ..Default::default()
    }
}

pub(crate) fn watch(after_revision: u64, after_part: u32) -> pb::WatchChangesRequest {
    pb::WatchChangesRequest {
        tenant: "acme".into(),
        after_revision,
        after_part,
        callers: false,
    }
}

pub(crate) async fn every_page(
    server: &TestServer,
    request: &pb::ListChangesRequest,
) -> Vec<pb::Change> {
    let mut client = audit(server).await;
    let mut request = request.clone();
    let mut found = Vec::new();
    loop {
        let page = client.list_changes(request.clone()).await.unwrap();
        let page = page.into_inner();
        found.extend(page.changes);
        if page.next_page_token.is_empty() {
            return found;
        }
        request.page_token = page.next_page_token;
    }
}

pub(crate) fn places(changes: &[pb::Change]) -> Places {
    let place = |change: &pb::Change| (change.revision, change.part);
    changes.iter().map(place).collect()
}

/// Three imports: some users, locales and products.
pub(crate) async fn imported() -> TestServer {
    let server = TestServer::start().await;
    let users = file(
        "users.csv",
        &["username;roles", "Julia;", "mary;", "peter;"],
    );
    server.import("acme", Edition::Enterprise, &[users]).await;
    let locales = file("locales.csv", &["code", "en_US", "fr_FR"]);
    let by_mary = pb::ImportHeader {
        actor: "user:mary".into(),
        ..header("acme", Edition::Unspecified)
    };
    server.try_import(by_mary, &[locales]).await.ended.unwrap();
    let products = file("products.csv", &["sku", "hat", "cap", "tie"]);
    server
        .import("acme", Edition::Unspecified, &[products])
        .await;
    server
}

#[tokio::test]
async fn joined_pages_of_any_size_equal_the_ordered_log() {
    let server = imported().await;
    let whole = every_page(&server, &all(10_000)).await;
    let found = places(&whole);
    assert!(found.is_sorted() && found.len() > 10, "{found:?}");
    for revision in 1..=3 {
        let of_write: Vec<&pb::Change> = whole
            .iter()
            .filter(|change| change.revision == revision)
            .collect();
        let parts: Vec<u32> = of_write.iter().map(|change| change.part).collect();
        let count = u32::try_from(parts.len()).unwrap();
        assert_eq!(parts, (1..=count).collect::<Vec<_>>());
        for change in &of_write {
            assert_eq!(change.last, change.part == count);
            assert_eq!(change.hash.len(), if change.last { 32 } else { 0 });
            assert!(change.time.is_some() && !change.request_id.is_empty());
        }
    }
    for size in [1, 7] {
        assert_eq!(every_page(&server, &all(size)).await, whole, "{size}");
    }
}

/// A request with small pages and a filter.
fn filtered(filter: impl FnOnce(&mut pb::ListChangesRequest)) -> pb::ListChangesRequest {
    let mut request = all(2);
    filter(&mut request);
    request
}

fn subject(kind: &str, id: &str) -> Option<pb::Subject> {
    Some(pb::Subject {
        r#type: kind.into(),
        id: id.into(),
    })
}

fn item(kind: &str, id: &str) -> Option<pb::Item> {
    Some(pb::Item {
        r#type: kind.into(),
        id: id.into(),
    })
}

type Filter = Box<dyn Fn(&pb::Change) -> bool>;

/// Requests with a filter, and the changes that each must return.
fn filters(whole: &[pb::Change]) -> Vec<(pb::ListChangesRequest, Filter)> {
    let time_of = |revision: u64| {
        let written = whole.iter().find(|change| change.revision == revision);
        written.unwrap().time
    };
    vec![
        (
            filtered(|request| request.actor = "user:mary".into()),
            Box::new(|change| change.actor == "user:mary"),
        ),
        (
            filtered(|request| request.subject = subject("user", "JULIA")),
            Box::new(|change| change.subject.as_ref().is_some_and(|s| s.id == "Julia")),
        ),
        (
            filtered(|request| request.item = item("locale", "EN_us")),
            Box::new(|change| change.item.as_ref().is_some_and(|i| i.id == "en_US")),
        ),
        (
            filtered(|request| request.item = item("product", "")),
            Box::new(|change| change.item.as_ref().is_some_and(|i| i.r#type == "product")),
        ),
        (
            filtered(|request| (request.since, request.until) = (time_of(2), time_of(3))),
            Box::new(|change| change.revision == 2),
        ),
        (
            filtered(|request| request.after_revision = 1),
            Box::new(|change| change.revision > 1),
        ),
        (
            filtered(|request| (request.after_revision, request.after_part) = (2, 1)),
            Box::new(|change| (change.revision, change.part) > (2, 1)),
        ),
    ]
}

#[tokio::test]
async fn filters_return_exactly_the_matching_changes() {
    let server = imported().await;
    let whole = every_page(&server, &all(0)).await;
    for (request, is_meant) in filters(&whole) {
        let meant: Vec<pb::Change> = whole.iter().filter(|c| is_meant(c)).cloned().collect();
        assert!(
            !meant.is_empty() && meant.len() < whole.len(),
            "{request:?}"
        );
        assert_eq!(every_page(&server, &request).await, meant, "{request:?}");
    }
}

/// Requests with one invalid field each.
fn bad_requests(token: &str) -> Vec<(&'static str, pb::ListChangesRequest)> {
    let far = prost_types::Timestamp {
        seconds: i64::MAX,
        nanos: 0,
    };
    let of_another = |request: &mut pb::ListChangesRequest| {
        request.page_token = token.into();
        request.actor = "user:mary".into();
    };
    vec![
        ("page_size", filtered(|request| request.page_size = -1)),
        ("page_token", filtered(of_another)),
        (
            "page_token",
            filtered(|request| request.page_token = token[1..].into()),
        ),
        ("actor", filtered(|request| request.actor = "mary".into())),
        (
            "item.type",
            filtered(|request| request.item = item("user", "")),
        ),
        (
            "subject.type",
            filtered(|request| request.subject = subject("robot", "x")),
        ),
        ("since", filtered(|request| request.since = Some(far))),
    ]
}

#[tokio::test]
async fn list_changes_rejects_invalid_fields_and_unknown_tenants() {
    let server = imported().await;
    let mut client = audit(&server).await;
    let page = client.list_changes(all(1)).await.unwrap().into_inner();
    let token = page.next_page_token;
    for (field, request) in bad_requests(&token) {
        let status = client.list_changes(request).await.unwrap_err();
        let (code, reason, found) = refusal(&status);
        assert_eq!(
            (code, reason.as_str(), found.as_deref()),
            (Code::InvalidArgument, "INVALID_REQUEST", Some(field))
        );
    }
    let unknown = pb::ListChangesRequest {
        tenant: "nobody".into(),
        ..all(0)
    };
    let status = client.list_changes(unknown).await.unwrap_err();
    assert_eq!(refusal(&status).1, "TENANT_NOT_FOUND");
    let unknown = pb::WatchChangesRequest {
        tenant: "nobody".into(),
        ..watch(0, 0)
    };
    let status = client.watch_changes(unknown).await.unwrap_err();
    assert_eq!(refusal(&status).1, "TENANT_NOT_FOUND");
}

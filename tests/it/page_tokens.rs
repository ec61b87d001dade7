//! Page tokens: they are opaque, bound to their request, valid on every server
//! of the same database, and rejected otherwise.

use pim_authz::pb::{self, authorization_service_client::AuthorizationServiceClient};
use tonic::{Code, Status, transport::Channel};

use crate::harness::{TestServer, context, file, lists, refusal, resource, user};

type Client = AuthorizationServiceClient<Channel>;

const ENTERPRISE: pb::Edition = pb::Edition::Enterprise;

fn locales(prefix: &str, count: usize) -> crate::harness::File {
    let codes: Vec<String> = (0..count).map(|n| format!("{prefix}{n:05}")).collect();
    let lines = std::iter::once("code").chain(codes.iter().map(String::as_str));
    file("locales.csv", &lines.collect::<Vec<_>>())
}

async fn seeded() -> TestServer {
    let server = TestServer::start().await;
    for tenant in ["acme", "other"] {
        let files = [
            locales("l", 250),
            file("channels.csv", &["code", "web"]),
            file("categories.csv", &["code;parent", "shoes;"]),
            file("products.csv", &["sku", "hat", "cap", "belt"]),
            file(
                "users.csv",
                &["username;roles", "julia;", "mary;", "Robert;"],
            ),
        ];
        server.import(tenant, ENTERPRISE, &files).await;
    }
    server
}

fn listing() -> pb::ListAllowedRequest {
    pb::ListAllowedRequest {
        tenant: "acme".into(),
        subject: user("julia"),
        action: "view".into(),
        resource_type: "locale".into(),
        page_size: 10,
        ..Default::default()
    }
}

async fn token(client: &mut Client, request: &pb::ListAllowedRequest) -> String {
    let page = client.list_allowed(request.clone()).await.unwrap();
    let token = page.into_inner().next_page_token;
    assert!(!token.is_empty());
    token
}

fn assert_refused(refused: Result<impl std::fmt::Debug, Status>, field: &str) {
    let status = refused.unwrap_err();
    let expected = (
        Code::InvalidArgument,
        "INVALID_REQUEST".to_owned(),
        Some(field.to_owned()),
    );
    assert_eq!(refusal(&status), expected);
}

async fn with_token(
    client: &mut Client,
    request: pb::ListAllowedRequest,
    page_token: &str,
) -> Result<Vec<String>, Status> {
    let page_token = page_token.to_owned();
    let request = pb::ListAllowedRequest {
        page_token,
        ..request
    };
    let page = client.list_allowed(request).await?.into_inner();
    Ok(page.resources.into_iter().map(|found| found.id).collect())
}

#[tokio::test]
async fn truncated_or_modified_token_is_rejected() {
    let server = seeded().await;
    let mut client = server.client().await;
    let good = token(&mut client, &listing()).await;
    for length in 1..good.len() {
        let cut = with_token(&mut client, listing(), &good[..length]).await;
        assert_refused(cut, "page_token");
    }
    for place in 0..good.len() {
        let mut changed = good.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let answer = with_token(&mut client, listing(), &changed).await;
        assert_refused(answer, "page_token");
    }
    let long = "A".repeat(100_000);
    for garbage in [" ", "=", "é", "token", "\u{0}", &format!("{good}A"), &long] {
        assert_refused(
            with_token(&mut client, listing(), garbage).await,
            "page_token",
        );
    }
}

#[tokio::test]
async fn token_of_another_request_is_rejected() {
    let server = seeded().await;
    let mut client = server.client().await;
    let good = token(&mut client, &listing()).await;
    let filter = |fill: fn(&mut pb::ListFilter)| {
        let mut filter = pb::ListFilter::default();
        fill(&mut filter);
        Some(filter)
    };
    let changes: [fn(&mut pb::ListAllowedRequest); 5] = [
        |request| request.tenant = "other".into(),
        |request| request.subject = user("mary"),
        |request| request.action = "edit".into(),
        |request| request.resource_type = "channel".into(),
        |request| request.action = "locale.list".into(),
    ];
    for change in changes {
        let mut request = listing();
        change(&mut request);
        assert_refused(with_token(&mut client, request, &good).await, "page_token");
    }
    let mut of_some = listing();
    of_some.filter = filter(|filter| filter.ids = vec!["l00001".into()]);
    assert_refused(with_token(&mut client, of_some, &good).await, "page_token");

    let mut products = listing();
    products.resource_type = "product".into();
    products.page_size = 1;
    let good = token(&mut client, &products).await;
    let mut in_a_channel = products.clone();
    in_a_channel.context = context(|context| context.channel = "web".into());
    assert_refused(
        with_token(&mut client, in_a_channel, &good).await,
        "page_token",
    );
    for fill in [
        (|filter| filter.tree = "shoes".into()) as fn(&mut pb::ListFilter),
        |filter| filter.category = "shoes".into(),
    ] {
        let mut filtered = products.clone();
        filtered.filter = filter(fill);
        assert_refused(with_token(&mut client, filtered, &good).await, "page_token");
    }
}

#[tokio::test]
async fn token_of_another_call_is_rejected() {
    let server = seeded().await;
    let mut client = server.client().await;
    let page = token(&mut client, &listing()).await;
    let streamed = lists::stream(&mut client, lists::as_stream(&listing(), false, &page)).await;
    assert_refused(Err::<(), _>(streamed.status.unwrap()), "resume_token");

    let whole = lists::stream(&mut client, lists::as_stream(&listing(), false, "")).await;
    let resume = whole.last_token;
    assert_refused(
        with_token(&mut client, listing(), &resume).await,
        "page_token",
    );
    let ids = lists::stream(&mut client, lists::as_stream(&listing(), true, &resume)).await;
    assert_refused(Err::<(), _>(ids.status.unwrap()), "resume_token");

    let subjects = pb::ListSubjectsRequest {
        tenant: "acme".into(),
        action: "view".into(),
        resource: resource("locale", "l00001"),
        page_token: page,
        ..Default::default()
    };
    assert_refused(client.list_subjects(subjects).await, "page_token");
}

#[tokio::test]
async fn token_is_independent_of_spelling_page_size_and_revision() {
    let server = seeded().await;
    let mut client = server.client().await;
    let good = token(&mut client, &listing()).await;
    let next = with_token(&mut client, listing(), &good).await.unwrap();
    assert_eq!(next.first().map(String::as_str), Some("l00010"));
    let respelled = pb::ListAllowedRequest {
        tenant: "ACME".into(),
        subject: user("JULIA"),
        page_size: 3,
        minimum_revision: 1,
        ..listing()
    };
    let same = with_token(&mut client, respelled, &good).await.unwrap();
    assert_eq!(same, next[..3]);
}

#[tokio::test]
async fn token_is_valid_only_on_servers_of_its_database() {
    let mut first = seeded().await;
    let second = TestServer::start_beside(&first).await;
    let mut elsewhere = seeded().await;
    // The databases of tests are copies of one template and share its key. A
    // migration gives each database its own key, which a server reads when it
    // starts.
    let own_key = "UPDATE pim_authz.secret_key SET value = sha256('elsewhere')";
    elsewhere.database.execute(own_key).await;
    elsewhere.begin_stop();
    let elsewhere = TestServer::start_on(elsewhere.ended_with_its_database().await).await;
    let good = token(&mut first.client().await, &listing()).await;
    let next = with_token(&mut second.client().await, listing(), &good).await;
    assert_eq!(next.unwrap().len(), 10);
    let refused = with_token(&mut elsewhere.client().await, listing(), &good).await;
    assert_refused(refused, "page_token");
    // The token is also valid after a restart.
    first.begin_stop();
    let again = TestServer::start_on(first.ended_with_its_database().await).await;
    let next = with_token(&mut again.client().await, listing(), &good).await;
    assert_eq!(next.unwrap().len(), 10);
}

#[tokio::test]
async fn page_size_defaults_to_100_and_is_capped_at_10000() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let files = [
        locales("l", 10_050),
        file("users.csv", &["username;roles", "julia;"]),
    ];
    server.import("acme", ENTERPRISE, &files).await;
    for (page_size, found) in [
        (0, 100),
        (10_000, 10_000),
        (20_000, 10_000),
        (i32::MAX, 10_000),
    ] {
        let request = pb::ListAllowedRequest {
            page_size,
            ..listing()
        };
        let page = client.list_allowed(request).await.unwrap().into_inner();
        assert_eq!(page.resources.len(), found, "{page_size}");
    }
    let negative = pb::ListAllowedRequest {
        page_size: -1,
        ..listing()
    };
    assert_refused(client.list_allowed(negative.clone()).await, "page_size");
    let stream = lists::stream(&mut client, lists::as_stream(&negative, false, "")).await;
    assert_refused(Err::<(), _>(stream.status.unwrap()), "batch_size");
    let subjects = pb::ListSubjectsRequest {
        tenant: "acme".into(),
        action: "view".into(),
        resource: resource("locale", "l00001"),
        page_size: -1,
        ..Default::default()
    };
    assert_refused(client.list_subjects(subjects).await, "page_size");
}

#[tokio::test]
async fn stream_cut_by_deadline_resumes_from_last_batch() {
    let server = seeded().await;
    let mut client = server.client().await;
    server
        .import("acme", ENTERPRISE, &[locales("m", 4_750)])
        .await;
    let one_by_one = pb::ListAllowedRequest {
        page_size: 1,
        ..listing()
    };
    let mut request = tonic::Request::new(lists::as_stream(&one_by_one, false, ""));
    // The deadline allows some of the 5,000 batches, but never all.
    request.set_timeout(std::time::Duration::from_millis(150));
    let mut stream = client.stream_allowed(request).await.unwrap().into_inner();
    let mut cut = lists::Streamed::default();
    let status = loop {
        match stream.message().await {
            Ok(message) => cut.record(message.unwrap().event.unwrap()),
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert!(cut.end.is_none());
    let resumed = lists::as_stream(&listing(), false, &cut.last_token);
    let rest = lists::stream(&mut client, resumed).await;
    assert_eq!(cut.listed.len() + rest.listed.len(), 5_000);
    assert!(rest.end.is_some());
}

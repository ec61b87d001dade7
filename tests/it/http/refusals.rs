//! Credentials, rights and limits of calls over HTTP.

use http::StatusCode;
use pim_authz::{
    pb::CallerRight,
    server::{CallerRate, CallerSettings, Credentials},
};
use prost_reflect::DynamicMessage;
use serde_json::{Value, json};

use super::rpc;
use crate::{
    callers::{
        table::{Call, every_call},
        world::{EVERY_RIGHT, World, everywhere, of_tenants},
    },
    harness::{
        TestServer,
        http_client::{Answer, HttpClient, JSON, STREAM, framed, reason, unframed},
        methods,
    },
};

/// Makes a call with an `authorization` header, and returns the status of HTTP (200 for
/// a stream) and the error, if any.
async fn call(client: &HttpClient, of: &Call, tenant: &str, key: &str) -> (StatusCode, Value) {
    let method = methods()
        .into_iter()
        .chain(others())
        .find(|method| format!("{}/{}", method.parent_service().name(), method.name()) == of.name);
    let method = method.unwrap();
    let message = DynamicMessage::decode(method.input(), of.request(tenant).as_slice()).unwrap();
    let json = serde_json::to_vec(&message).unwrap();
    let (kind, body) = if method.is_server_streaming() {
        (STREAM, framed(0, &json))
    } else {
        (JSON, json)
    };
    let headers: Vec<_> = [kind]
        .into_iter()
        .chain((!key.is_empty()).then_some(("authorization", key)))
        .collect();
    let answer = client
        .send(http::Method::POST, &of.path(), &headers, body)
        .await;
    let error = if method.is_server_streaming() {
        let end: Value = serde_json::from_slice(&unframed(&answer.body)[0].1).unwrap();
        end["error"].clone()
    } else {
        answer.json()
    };
    (answer.status, error)
}

/// The calls that [`methods`] leaves out.
fn others() -> impl Iterator<Item = prost_reflect::MethodDescriptor> {
    let pool = prost_reflect::DescriptorPool::decode(pim_authz::pb::DESCRIPTORS).unwrap();
    let operations = pool.get_service_by_name("pim.authz.v1.OperationsService");
    let methods: Vec<_> = operations.unwrap().methods().collect();
    methods.into_iter()
}

/// The calls that HTTP can make: those of one request.
fn calls_of_one_request() -> Vec<Call> {
    let streams = [
        "ImportService/ImportCatalog",
        "CatalogService/ImportProducts",
    ];
    let calls = every_call().into_iter();
    calls.filter(|call| !streams.contains(&call.name)).collect()
}

fn is_stream(of: &Call) -> bool {
    [
        "AuditService/WatchChanges",
        "AuthorizationService/StreamAllowed",
    ]
    .contains(&of.name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_without_valid_credentials_is_refused() {
    let world = World::start().await;
    let good = world.caller(everywhere("good", &EVERY_RIGHT)).await;
    let withdrawn = world.key("good").await;
    world.withdraw(&withdrawn).await;
    let withdrawn = withdrawn.header().remove(0);
    let basic = format!("Basic {}", good.key);
    let cut = format!("Bearer {}", &good.key[..60]);
    let cases = ["", &withdrawn, "Bearer abc", "Bearer ", &basic, &cut];
    let client = world.guarded.http();
    for of in calls_of_one_request() {
        for case in cases {
            let (status, error) = call(&client, &of, "acme", case).await;
            assert_eq!(
                error["code"], "unauthenticated",
                "{} {case} {error}",
                of.name
            );
            let reason = reason(&error);
            assert_eq!(reason, "CALLER_UNKNOWN", "{} {case}", of.name);
            if !is_stream(&of) {
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{} {case}", of.name);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_needs_its_own_right() {
    let world = World::start().await;
    let client = world.guarded.http_2();
    for right in EVERY_RIGHT {
        let others: Vec<CallerRight> = EVERY_RIGHT.into_iter().filter(|it| *it != right).collect();
        let without = world.caller(everywhere("without", &others)).await;
        let without = without.header().remove(0);
        for of in calls_of_one_request()
            .into_iter()
            .filter(|of| of.right == right)
        {
            let (status, error) = call(&client, &of, "nobody", &without).await;
            assert_eq!(error["code"], "permission_denied", "{} {error}", of.name);
            let reason = reason(&error);
            assert_eq!(reason, "CALLER_NOT_PERMITTED", "{}", of.name);
            if !is_stream(&of) {
                assert_eq!(status, StatusCode::FORBIDDEN, "{}", of.name);
            }
        }
    }
}

/// A question of AuthZEN for each endpoint, and the right that it requires.
fn questions() -> [(&'static str, Value, CallerRight); 5] {
    let evaluation = json!({
        "subject": {"type": "user", "id": "julia"},
        "action": {"name": "view"},
        "resource": {"type": "product", "id": "hat"},
    });
    let (check, list) = (CallerRight::Check, CallerRight::List);
    [
        ("/access/v1/evaluation", evaluation.clone(), check),
        ("/access/v1/evaluations", evaluation.clone(), check),
        ("/access/v1/search/subject", evaluation.clone(), list),
        ("/access/v1/search/resource", evaluation.clone(), list),
        ("/access/v1/search/action", evaluation, check),
    ]
}

async fn ask(client: &HttpClient, path: &str, question: &Value, key: &str) -> Answer {
    let headers: Vec<_> = (!key.is_empty())
        .then_some(("authorization", key))
        .into_iter()
        .collect();
    client.post_with(path, &headers, question.to_string()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_of_authzen_need_credentials_and_rights() {
    let world = World::start().await;
    let client = world.guarded.http();
    for (path, question, right) in questions() {
        let path = format!("/tenants/acme{path}");
        for key in ["", "Bearer abc"] {
            let answer = ask(&client, &path, &question, key).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
            assert!(answer.header("content-type").starts_with("text/plain"));
            assert!(!answer.text().is_empty());
        }
        let others: Vec<CallerRight> = EVERY_RIGHT.into_iter().filter(|it| *it != right).collect();
        let without = world.caller(everywhere("without", &others)).await;
        let answer = ask(&client, &path, &question, &without.header()[0]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {answer:?}");
        let with = of_tenants("with", &["acme"], &[right]);
        let with = world.caller(with).await.header().remove(0);
        ask(&client, &path, &question, &with).await.ok();
        // A tenant of another is as unknown as one that does not exist.
        let other = path.replace("acme", "other");
        let nobody = path.replace("acme", "nobody");
        let (other, nobody) = (
            ask(&client, &other, &question, &with).await,
            ask(&client, &nobody, &question, &with).await,
        );
        assert_eq!(other.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(other.text().replace("other", "nobody"), nobody.text());
    }
}

#[tokio::test]
async fn withdrawn_key_is_refused_in_the_next_call() {
    let world = World::start().await;
    let key = world.caller(everywhere("shop", &EVERY_RIGHT)).await;
    let client = world.guarded.http();
    let (path, question, _) = &questions()[0];
    let path = format!("/tenants/acme{path}");
    for _ in 0..3 {
        ask(&client, &path, question, &key.header()[0]).await.ok();
    }
    world.withdraw(&key).await;
    let answer = ask(&client, &path, question, &key.header()[0]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn rate_of_a_caller_holds_over_http() {
    let world = World::start().await;
    let mut config = TestServer::config(&world.open.database);
    config.callers = CallerSettings {
        credentials: Some(Credentials::Required),
        ..CallerSettings::default()
    };
    config.limits.caller_rate = Some(CallerRate {
        calls_per_second: 1.try_into().unwrap(),
        burst: 3.try_into().unwrap(),
    });
    let server = TestServer::start_with(config, world.open.database.clone()).await;
    let key = world
        .caller(everywhere("shop", &EVERY_RIGHT))
        .await
        .header()
        .remove(0);
    let question = json!({"tenant": "acme", "subject": {"type": "user", "id": "julia"}, "action": "product.list"});
    let (check, client) = (rpc("Check"), server.http());
    let headers = [("authorization", key.as_str())];
    let question = question.to_string();
    let send = async || client.post_with(&check, &headers, question.clone()).await;
    for _ in 0..3 {
        send().await.ok();
    }
    let answer = send().await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(reason(&answer.json()), "RATE_LIMITED");
}

//! Pages of other origins, which may call only if it is configured.

use http::Method;
use pim_authz::server::CorsOrigins;
use serde_json::json;

use super::{fill, rpc};
use crate::harness::{Database, TestServer, http_client::JSON};

const PAGE: &str = "https://shop.example.com";
const ALLOW_ORIGIN: &str = "access-control-allow-origin";

#[tokio::test]
async fn no_page_may_call_unless_it_is_configured() {
    let server = TestServer::start().await;
    let asking = [("origin", PAGE), ("access-control-request-method", "POST")];
    let answer = server
        .http()
        .send(Method::OPTIONS, &rpc("Check"), &asking, "")
        .await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.header(ALLOW_ORIGIN), "");
    // Where calls need no credentials, a page must not even reach the server blindly, as
    // one whose name has been made to resolve to this machine does.
    for path in [rpc("Check"), "/access/v1/evaluation".to_owned()] {
        for origin in [PAGE, "null"] {
            let origin = [("origin", origin)];
            let answer = server.http().post_with(&path, &origin, "{}").await;
            assert_eq!(answer.status, 403, "{path}");
            assert_eq!(answer.header(ALLOW_ORIGIN), "");
            assert!(answer.text().contains("--cors-origin"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn configured_page_may_call() {
    let database = Database::create().await;
    let mut config = TestServer::config(&database);
    let origins = [PAGE.to_owned(), "http://localhost:3000".to_owned()];
    config.http.origins = CorsOrigins::new(&origins).unwrap();
    let server = TestServer::start_with(config, database).await;
    fill(&server).await;
    let question = json!({"subject": {"type": "user", "id": "julia"}, "action": "product.list"});
    for (origin, allowed) in [
        (PAGE, PAGE),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://evil.example.com", ""),
    ] {
        let asking = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "authorization,content-type,connect-timeout-ms",
            ),
        ];
        let answer = server
            .http()
            .send(Method::OPTIONS, &rpc("Check"), &asking, "")
            .await;
        assert_eq!(answer.header(ALLOW_ORIGIN), allowed, "{answer:?}");
        let origin = [JSON, ("origin", origin)];
        for (path, body) in [
            (rpc("Check"), question.to_string()),
            (rpc("Check"), "{".to_owned()),
            ("/nowhere".to_owned(), String::new()),
        ] {
            let answer = server.http().send(Method::POST, &path, &origin, body).await;
            assert_eq!(answer.header(ALLOW_ORIGIN), allowed, "{path}");
        }
    }
    let asking = [
        ("origin", PAGE),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization"),
    ];
    let answer = server
        .http()
        .send(Method::OPTIONS, &rpc("Check"), &asking, "")
        .await;
    assert_eq!(
        answer.header("access-control-allow-headers"),
        "authorization"
    );
    // gRPC itself is not a browser's.
    server
        .client()
        .await
        .check(pim_authz::pb::CheckRequest::default())
        .await
        .unwrap_err();
}

#[test]
fn origins_are_hosts_without_a_path() {
    let parse = |text: &str| CorsOrigins::new(&[text.to_owned()]).is_ok();
    assert!(parse("https://shop.example.com"));
    assert!(parse("http://localhost:3000"));
    for wrong in [
        "*",
        "null",
        "shop.example.com",
        "https://shop.example.com/",
        "https://shop.example.com/a",
        "file:///a",
    ] {
        assert!(!parse(wrong), "{wrong}");
    }
}

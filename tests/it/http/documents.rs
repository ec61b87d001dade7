//! Documents: the contract as OpenAPI, and the configuration of AuthZEN.

use http::StatusCode;
use pim_authz::server::{CallerSettings, Credentials};
use serde_json::json;

use crate::harness::{Database, TestServer};

const CONFIGURATION: &str = "/.well-known/authzen-configuration";

#[tokio::test]
async fn configuration_names_the_public_url_whatever_the_host() {
    let database = Database::create().await;
    let mut config = TestServer::config(&database);
    config.http.public_url = Some("https://authz.example.com/pim/".parse().unwrap());
    let server = TestServer::start_with(config, database).await;
    let of = |base: &str| {
        let at = |endpoint: &str| format!("{base}/access/v1/{endpoint}");
        json!({
            "policy_decision_point": base,
            "access_evaluation_endpoint": at("evaluation"),
            "access_evaluations_endpoint": at("evaluations"),
            "search_subject_endpoint": at("search/subject"),
            "search_resource_endpoint": at("search/resource"),
            "search_action_endpoint": at("search/action"),
        })
    };
    let default = of("https://authz.example.com/pim");
    let acme = of("https://authz.example.com/pim/tenants/ac%20me");
    let host = [("host", "evil.example.com")];
    let client = server.http();
    let found = client
        .send(http::Method::GET, CONFIGURATION, &host, "")
        .await;
    assert_eq!(found.ok(), default);
    for path in [
        format!("{CONFIGURATION}/tenants/ac%20me"),
        format!("/tenants/ac%20me{CONFIGURATION}"),
    ] {
        assert_eq!(client.get(&path).await.ok(), acme, "{path}");
    }
    for path in [
        format!("{CONFIGURATION}/tenants"),
        format!("{CONFIGURATION}/tenants/"),
        format!("{CONFIGURATION}/tenants/acme/more"),
        format!("{CONFIGURATION}s"),
    ] {
        assert_eq!(
            client.get(&path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let posted = client.post(CONFIGURATION, &json!({})).await;
    assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn configuration_on_loopback_names_the_address() {
    let server = TestServer::start().await;
    let found = server.http().get(CONFIGURATION).await.ok();
    let base = format!("http://{}", server.address);
    assert_eq!(found["policy_decision_point"], base);
}

#[tokio::test]
async fn contract_is_served_where_reflection_is() {
    let open = TestServer::start().await;
    let document = open.http().get("/openapi.json").await.ok();
    assert_eq!(document["openapi"], "3.1.0");
    let path = &document["paths"]["/pim.authz.v1.AuthorizationService/Check"];
    assert!(path["post"].is_object(), "{path}");
    let mut config = TestServer::config(&open.database);
    config.callers = CallerSettings {
        credentials: Some(Credentials::Required),
        ..CallerSettings::default()
    };
    let guarded = TestServer::start_with(config, open.database.clone()).await;
    let hidden = guarded.http().get("/openapi.json").await;
    assert_eq!(hidden.status, StatusCode::NOT_FOUND);
    // The configuration is public: it says what callers must know before they have a key.
    guarded.http().get(CONFIGURATION).await.ok();
}

//! Rules about the state after an import, checked over gRPC.

use pim_authz::pb::{self, Edition, authorization_service_client::AuthorizationServiceClient};
use tonic::transport::Channel;

use crate::harness::{TestServer, file, resource, words};

/// The answer, in words, to a question such as `user:julia edit
/// category:audio`.
async fn decision_of(client: &mut AuthorizationServiceClient<Channel>, question: &str) -> String {
    let mut words = question.split(' ');
    let (kind, id) = words.next().unwrap().split_once(':').unwrap();
    let action = words.next().unwrap();
    let target = words.next().map(|target| target.split_once(':').unwrap());
    let request = pb::CheckRequest {
        subject: Some(pb::Subject {
            r#type: kind.into(),
            id: id.into(),
        }),
        action: action.into(),
        resource: target.and_then(|(kind, id)| resource(kind, id)),
        ..Default::default()
    };
    let answer = client.check(request).await.unwrap().into_inner();
    words::decision_text(&words::decision(&answer))
}

async fn assert_decisions(server: &TestServer, cases: &[(&str, &str)]) {
    let mut client = server.client().await;
    for (question, expected) in cases {
        assert_eq!(
            decision_of(&mut client, question).await,
            *expected,
            "{question}"
        );
    }
}

#[tokio::test]
async fn rule_3_8_new_item_without_rights_row_gets_default_rights() {
    let server = TestServer::start().await;
    let files = [
        file("users.csv", &["username;roles", "julia;"]),
        file("user_groups.csv", &["code;name", "redactor;Redactor"]),
        file("channels.csv", &["code", "print"]),
        file("locales.csv", &["code", "en_US"]),
        file("attribute_groups.csv", &["code", "erp"]),
        file("asset_families.csv", &["code", "packshots"]),
        file("reference_entities.csv", &["code", "brands"]),
        file(
            "categories.csv",
            &[
                "code;parent",
                "tree;",
                "child;tree",
                "closed;",
                "hidden;closed",
            ],
        ),
        file(
            "product_category_accesses.csv",
            &[
                "category;view_items;edit_items;own_items",
                "closed;redactor;;",
            ],
        ),
    ];
    server.import("default", Edition::Enterprise, &files).await;
    let cases = [
        ("user:julia edit channel:print", "allowed at edit"),
        ("user:julia edit locale:en_US", "allowed at edit"),
        ("user:julia edit attribute_group:erp", "allowed at edit"),
        ("user:julia edit asset_family:packshots", "allowed at edit"),
        ("user:julia edit reference_entity:brands", "allowed at edit"),
        ("user:julia own category:tree", "allowed at own"),
        ("user:julia own category:child", "allowed at own"),
        (
            "user:julia view category:hidden",
            "denied at none: category hidden needs view, has none",
        ),
    ];
    assert_decisions(&server, &cases).await;
}

#[tokio::test]
async fn rule_5_3_scopes_include_implied_scopes_and_unknown_ones_cause_warnings() {
    let server = TestServer::start().await;
    let apps = file("apps.csv", &["code;scopes", "shop;write_products,fly"]);
    let summary = server.import("default", Edition::Growth, &[apps]).await;
    let warnings = &summary.files[0].warnings;
    assert!(
        warnings.iter().any(|warning| warning.contains("fly")),
        "{warnings:?}"
    );
    let cases = [
        ("app:shop api.product.list", "allowed"),
        ("app:shop api.product.edit", "allowed"),
        ("app:shop api.overall_access", "allowed"),
        (
            "app:shop api.product.remove",
            "denied: scope api.product.remove",
        ),
    ];
    assert_decisions(&server, &cases).await;
}

#[tokio::test]
async fn rule_5_4_app_without_scopes_may_only_read_the_version() {
    let server = TestServer::start().await;
    let files = [
        file("apps.csv", &["code;scopes", "bare;", "login;openid,email"]),
        file("channels.csv", &["code", "print"]),
    ];
    server.import("default", Edition::Enterprise, &files).await;
    let cases = [
        ("app:bare system_version.read", "allowed"),
        (
            "app:bare api.overall_access",
            "denied: scope api.overall_access",
        ),
        (
            "app:bare view channel:print",
            "denied at edit: scope api.product.list",
        ),
        ("app:login system_version.read", "allowed"),
        (
            "app:login api.overall_access",
            "denied: scope api.overall_access",
        ),
    ];
    assert_decisions(&server, &cases).await;
}

#[tokio::test]
async fn rule_5_7_app_may_edit_existing_and_later_channels() {
    let server = TestServer::start().await;
    let first = [
        file("apps.csv", &["code;scopes", "shop;write_products"]),
        file("channels.csv", &["code", "print"]),
    ];
    server.import("default", Edition::Enterprise, &first).await;
    let later = [
        file("channels.csv", &["code", "mobile"]),
        file(
            "channel_accesses.csv",
            &["channel;view_products;edit_products", "print;;", "mobile;;"],
        ),
    ];
    server.import("default", Edition::Unspecified, &later).await;
    let cases = [
        ("app:shop edit channel:print", "allowed at edit"),
        ("app:shop edit channel:mobile", "allowed at edit"),
    ];
    assert_decisions(&server, &cases).await;
}

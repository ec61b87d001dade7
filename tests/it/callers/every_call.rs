use pim_authz::pb::CallerRight;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{
    table::{Call, every_call},
    world::{EVERY_RIGHT, Key, World, call, everywhere, guarded, of_tenants},
};
use crate::harness::refusal;

fn unknown() -> (Code, String, Option<String>) {
    (Code::Unauthenticated, "CALLER_UNKNOWN".to_owned(), None)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_without_valid_credentials_is_refused() {
    let world = World::start().await;
    let good = world.caller(everywhere("good", &EVERY_RIGHT)).await;
    let withdrawn = world.key("good").await;
    world.withdraw(&withdrawn).await;
    let expired = world.key("good").await;
    world
        .open
        .database
        .execute(&format!(
            "SET pim_authz.door = 'test';
             UPDATE pim_authz.caller_key SET expires_at = now() WHERE id = '{}'",
            expired.id
        ))
        .await;
    // A new server, which reads the callers again.
    let guarded = guarded(&world.open.database).await;
    let (_, secret) = good.key.rsplit_once('_').unwrap();
    let (of_another, _) = withdrawn.key.rsplit_once('_').unwrap();
    let swapped = Key {
        id: String::new(),
        key: format!("{of_another}_{secret}"),
    };
    let wrong_secret = format!(
        "Bearer {}{}",
        &good.key[..75],
        other_last_character(&good.key)
    );
    let cases: [(&str, Vec<String>); 12] = [
        ("none", Vec::new()),
        ("withdrawn", withdrawn.header()),
        ("expired", expired.header()),
        ("the secret of another key", swapped.header()),
        ("one letter wrong", vec![wrong_secret]),
        ("no key", vec!["Bearer abc".to_owned()]),
        ("empty", vec!["Bearer ".to_owned()]),
        ("cut", vec![format!("Bearer {}", &good.key[..60])]),
        ("longer", vec![format!("Bearer {}x", good.key)]),
        ("another scheme", vec![format!("Basic {}", good.key)]),
        ("no scheme", vec![good.key.clone()]),
        ("twice", [good.header(), good.header()].concat()),
    ];
    let channel = guarded.channel().await;
    for of in every_call() {
        for (case, authorization) in &cases {
            let answered = call(&channel, &of.path(), of.request("acme"), authorization).await;
            let status = answered.expect_err(&format!("{} {case}", of.name));
            assert_eq!(refusal(&status), unknown(), "{} {case}", of.name);
            let printed = format!("{status:?}");
            assert!(!printed.contains(secret), "{} {case}: {printed}", of.name);
        }
    }
}

/// A character that differs from the last one.
fn other_last_character(key: &str) -> char {
    if key.ends_with('x') { 'y' } else { 'x' }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_needs_its_own_right() {
    let world = World::start().await;
    let channel = world.guarded.channel().await;
    for right in EVERY_RIGHT {
        let others: Vec<CallerRight> = EVERY_RIGHT.into_iter().filter(|it| *it != right).collect();
        let without = world.caller(everywhere("without", &others)).await;
        let with = world.caller(everywhere("with", &[right])).await;
        for of in every_call().into_iter().filter(|of| of.right == right) {
            let (path, request) = (of.path(), of.request("nobody"));
            let status = call(&channel, &path, request.clone(), &without.header()).await;
            let status = status.expect_err(of.name);
            let (code, reason, _) = refusal(&status);
            assert_eq!(code, Code::PermissionDenied, "{}", of.name);
            assert_eq!(reason, "CALLER_NOT_PERMITTED", "{}", of.name);
            let info = status.get_details_error_info().unwrap();
            let name = right.as_str_name().to_lowercase();
            let name = name.strip_prefix("caller_right_").unwrap();
            assert_eq!(info.metadata["right"], name, "{}", of.name);
            assert!(status.message().contains(name), "{status}");
            // With this right alone the call is authorized, whatever its
            // result.
            if let Err(status) = call(&channel, &path, request, &with.header()).await {
                let refused = [Code::Unauthenticated, Code::PermissionDenied];
                assert!(!refused.contains(&status.code()), "{}: {status}", of.name);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn installation_wide_calls_require_the_right_on_all_tenants() {
    let world = World::start().await;
    let channel = world.guarded.channel().await;
    let one = of_tenants("one", &["acme"], &EVERY_RIGHT);
    let one = world.caller(one).await;
    for of in every_call().into_iter().filter(|of| of.is_everywhere) {
        let status = call(&channel, &of.path(), of.request("acme"), &one.header()).await;
        let status = status.expect_err(of.name);
        assert_eq!(status.code(), Code::PermissionDenied, "{}", of.name);
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.metadata["tenants"], "all", "{}", of.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forbidden_tenant_is_reported_as_unknown() {
    let world = World::start().await;
    let channel = world.guarded.channel().await;
    let one = of_tenants("one", &["acme"], &EVERY_RIGHT);
    let one = world.caller(one).await;
    let everywhere = world.caller(everywhere("all", &EVERY_RIGHT)).await;
    for of in every_call().into_iter().filter(Call::names_a_tenant) {
        let send = async |tenant: &str, key: &Key| {
            let request = of.request(tenant);
            let answered = call(&channel, &of.path(), request, &key.header()).await;
            answered.map_err(|status| {
                let details = status.get_error_details();
                let text = format!("{status} {details:?}");
                text.replace("nobody", "TENANT").replace("other", "TENANT")
            })
        };
        let of_another = send("other", &one).await.expect_err(of.name);
        assert!(of_another.contains("TENANT_NOT_FOUND"), "{of_another}");
        assert_eq!(send("nobody", &one).await.unwrap_err(), of_another);
        // The same answer as for a tenant that does not exist on the server,
        // unless another error comes first.
        let missing = send("nobody", &everywhere).await.expect_err(of.name);
        if missing.contains("TENANT_NOT_FOUND") {
            assert_eq!(missing, of_another, "{}", of.name);
        }
        // The caller's own tenant is found.
        if let Err(own) = send("acme", &one).await {
            assert!(!own.contains("TENANT_NOT_FOUND"), "{} {own}", of.name);
        }
    }
}

#[tokio::test]
async fn health_needs_no_credentials_and_reflection_is_hidden() {
    let world = World::start().await;
    let guarded = world.guarded.channel().await;
    let open = world.open.channel().await;
    let health = "/grpc.health.v1.Health/Check";
    call(&guarded, health, Vec::new(), &[]).await.unwrap();
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        call(&open, &path, Vec::new(), &[]).await.unwrap();
        let status = call(&guarded, &path, Vec::new(), &[]).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
    }
    // A path without a configured right is not served, whoever calls it.
    for path in [
        "/pim.authz.v1.AuthorizationService/Guess",
        "/other.Service/Call",
    ] {
        let status = call(&open, path, Vec::new(), &[]).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{path}");
    }
}

#[tokio::test]
async fn bearer_token_is_enforced_where_none_is_required() {
    let world = World::start().await;
    let reader = everywhere("reader", &[CallerRight::Check]);
    let reader = world.caller(reader).await;
    let channel = world.open.channel().await;
    let write = "/pim.authz.v1.DirectoryService/PutUsers";
    let request = || {
        use prost::Message as _;
        pim_authz::pb::PutUsersRequest {
            tenant: "acme".to_owned(),
            ..Default::default()
        }
        .encode_to_vec()
    };
    call(&channel, write, request(), &[]).await.unwrap();
    let status = call(&channel, write, request(), &reader.header()).await;
    assert_eq!(status.unwrap_err().code(), Code::PermissionDenied);
    let wrong = vec!["Bearer nonsense".to_owned()];
    let status = call(&channel, write, request(), &wrong).await.unwrap_err();
    assert_eq!(refusal(&status), unknown());
}

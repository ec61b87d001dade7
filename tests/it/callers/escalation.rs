use pim_authz::pb::{self, CallerRight, caller_service_client::CallerServiceClient};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::world::{EVERY_RIGHT, Key, Line, World, everywhere, of_tenants};
use crate::harness::refusal;

async fn keeper(world: &World, key: &Key) -> CallerServiceClient<Line> {
    CallerServiceClient::new(key.line(&world.guarded).await)
}

async fn put(
    client: &mut CallerServiceClient<Line>,
    caller: pb::Caller,
) -> Result<pb::Effect, Status> {
    let request = pb::PutCallersRequest {
        callers: vec![caller],
        ..Default::default()
    };
    let answered = client.put_callers(request).await?;
    Ok(answered.into_inner().effect.unwrap())
}

async fn create_key(
    client: &mut CallerServiceClient<Line>,
    caller: &str,
) -> Result<pb::CreateCallerKeyResponse, Status> {
    let request = pb::CreateCallerKeyRequest {
        caller: caller.into(),
        ..Default::default()
    };
    Ok(client.create_caller_key(request).await?.into_inner())
}

fn lacking(status: &Status) -> (Code, String) {
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.reason, "CALLER_NOT_PERMITTED");
    (status.code(), info.metadata["right"].clone())
}

#[tokio::test]
async fn no_caller_grants_a_right_that_it_lacks() {
    let world = World::start().await;
    let strong = world.caller(everywhere("strong", &EVERY_RIGHT)).await;
    let operator = everywhere("operator", &[CallerRight::Operate, CallerRight::Check]);
    let operator = world.caller(operator).await;
    let mut client = keeper(&world, &operator).await;
    let denied = (Code::PermissionDenied, "administer".to_owned());

    let new = everywhere("new", &[CallerRight::Check, CallerRight::Administer]);
    let status = put(&mut client, new).await.unwrap_err();
    assert_eq!(lacking(&status), denied);
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.metadata["field"], "callers[0].rights");
    // Nor can a caller grant the right to itself.
    let more = everywhere("operator", &[CallerRight::Operate, CallerRight::Administer]);
    let status = put(&mut client, more).await.unwrap_err();
    assert_eq!(lacking(&status), denied);
    // A credential conveys the rights of its caller, so a caller with fewer rights
    // can add neither a key nor a certificate name.
    let status = create_key(&mut client, "strong").await.unwrap_err();
    assert_eq!(lacking(&status).0, Code::PermissionDenied);
    let stolen = pb::Caller {
        subject_alternative_names: vec!["eve.example".into()],
        ..everywhere("strong", &EVERY_RIGHT)
    };
    let status = put(&mut client, stolen).await.unwrap_err();
    assert_eq!(lacking(&status).0, Code::PermissionDenied);

    // A caller can grant the rights that it has, and can withdraw any right.
    let equal = everywhere("equal", &[CallerRight::Operate, CallerRight::Check]);
    put(&mut client, equal).await.unwrap();
    create_key(&mut client, "equal").await.unwrap();
    let same = put(&mut client, everywhere("strong", &EVERY_RIGHT)).await;
    assert_eq!(same.unwrap().unchanged, 1);
    let fewer = everywhere("strong", &[CallerRight::Check]);
    put(&mut client, fewer).await.unwrap();
    let request = pb::DeleteCallerKeyRequest {
        key_id: strong.id.clone(),
        ..Default::default()
    };
    client.delete_caller_key(request).await.unwrap();
    let request = pb::DeleteCallersRequest {
        names: vec!["strong".into()],
        ..Default::default()
    };
    client.delete_callers(request).await.unwrap();
}

#[tokio::test]
async fn caller_without_operate_everywhere_cannot_manage_callers() {
    let world = World::start().await;
    let reader = everywhere("reader", &[CallerRight::Check, CallerRight::List]);
    let reader = world.caller(reader).await;
    let of_acme = world
        .caller(of_tenants("of_acme", &["acme"], &EVERY_RIGHT))
        .await;
    for key in [reader, of_acme] {
        let mut client = keeper(&world, &key).await;
        let status = put(&mut client, everywhere("x", &[])).await.unwrap_err();
        assert_eq!(lacking(&status), (Code::PermissionDenied, "operate".into()));
        let status = create_key(&mut client, "reader").await.unwrap_err();
        assert_eq!(lacking(&status).0, Code::PermissionDenied);
        let listed = client.list_callers(pb::ListCallersRequest::default()).await;
        assert_eq!(listed.unwrap_err().code(), Code::PermissionDenied);
    }
}

/// A caller without rights.
fn named(name: &str) -> pb::Caller {
    everywhere(name, &[])
}

fn with_names(names: Vec<String>) -> pb::Caller {
    pb::Caller {
        subject_alternative_names: names,
        ..named("a")
    }
}

fn with_identity(issuer: &str, subject: &str) -> pb::Caller {
    pb::Caller {
        oidc_identities: vec![pb::OidcIdentity {
            issuer: issuer.into(),
            subject: subject.into(),
        }],
        ..named("a")
    }
}

/// Invalid callers, and the field that the refusal names.
fn invalid_callers() -> [(pb::Caller, &'static str); 13] {
    [
        (named(""), "callers[0].name"),
        (named(&"x".repeat(256)), "callers[0].name"),
        (named("a\u{7}"), "callers[0].name"),
        (named(" a"), "callers[0].name"),
        (of_tenants("a", &["acme", ""], &[]), "callers[0].tenants[1]"),
        (
            of_tenants("a", &[], &[CallerRight::Unspecified]),
            "callers[0].rights[0]",
        ),
        (
            with_names(vec![String::new()]),
            "callers[0].subject_alternative_names[0]",
        ),
        (
            with_names(vec!["x".repeat(256)]),
            "callers[0].subject_alternative_names[0]",
        ),
        (
            with_names((0..101).map(|n| n.to_string()).collect()),
            "callers[0].subject_alternative_names",
        ),
        (
            with_names(vec!["taken.example".into()]),
            "callers[0].subject_alternative_names",
        ),
        (
            with_identity("", "a"),
            "callers[0].oidc_identities[0].issuer",
        ),
        (
            with_identity("https://id", ""),
            "callers[0].oidc_identities[0].subject",
        ),
        (
            with_identity("https://id", "taken"),
            "callers[0].oidc_identities",
        ),
    ]
}

#[tokio::test]
async fn invalid_caller_is_rejected_with_the_field_named() {
    let world = World::start().await;
    let mut client = world.keeper().await;
    world
        .put(pb::Caller {
            subject_alternative_names: vec!["taken.example".into()],
            oidc_identities: with_identity("https://id", "taken").oidc_identities,
            ..named("first")
        })
        .await;
    for (caller, field) in invalid_callers() {
        let request = pb::PutCallersRequest {
            callers: vec![caller],
            ..Default::default()
        };
        let status = client.put_callers(request).await.unwrap_err();
        let expected = (
            Code::InvalidArgument,
            "INVALID_REQUEST".to_owned(),
            Some(field.to_owned()),
        );
        assert_eq!(refusal(&status), expected, "{status}");
    }
    let request = pb::PutCallersRequest {
        callers: vec![named("a"), everywhere("A", &[CallerRight::Check])],
        ..Default::default()
    };
    let status = client.put_callers(request).await.unwrap_err();
    assert_eq!(refusal(&status).2.as_deref(), Some("callers[1]"));
    let request = pb::PutCallersRequest {
        tenant: "acme".into(),
        ..Default::default()
    };
    let status = client.put_callers(request).await.unwrap_err();
    assert_eq!(refusal(&status).2.as_deref(), Some("tenant"));
}

#[tokio::test]
async fn unknown_callers_and_keys_are_not_found() {
    let world = World::start().await;
    let mut client = world.keeper().await;
    let request = pb::DeleteCallersRequest {
        names: vec!["nobody".into()],
        ..Default::default()
    };
    let status = client.delete_callers(request).await.unwrap_err();
    assert_eq!(refusal(&status).1, "CALLER_NOT_FOUND");
    let request = pb::CreateCallerKeyRequest {
        caller: "nobody".into(),
        ..Default::default()
    };
    let status = client.create_caller_key(request).await.unwrap_err();
    assert_eq!(refusal(&status).1, "CALLER_NOT_FOUND");
    let request = pb::DeleteCallerKeyRequest {
        key_id: "0123456789abcdef".into(),
        ..Default::default()
    };
    let status = client.delete_caller_key(request).await.unwrap_err();
    assert_eq!(refusal(&status).1, "CALLER_KEY_NOT_FOUND");
    for seconds in [0, -1, 864_000_001] {
        let request = pb::CreateCallerKeyRequest {
            caller: "nobody".into(),
            valid_for: Some(prost_types::Duration { seconds, nanos: 0 }),
            ..Default::default()
        };
        let status = client.create_caller_key(request).await.unwrap_err();
        assert_eq!(refusal(&status).2.as_deref(), Some("valid_for"));
    }
}

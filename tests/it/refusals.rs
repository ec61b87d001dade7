//! Requests that are rejected, with their code, reason and field (`api.md`,
//! "Errors").

use pim_authz::pb;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::harness::{TestServer, context, product, refusal, resource, user};

fn good_check() -> pb::CheckRequest {
    pb::CheckRequest {
        subject: user("julia"),
        action: "view".into(),
        resource: product("hat"),
        ..Default::default()
    }
}

#[tokio::test]
async fn invalid_check_field_is_reported_before_unknown_tenant() {
    type Change = fn(&mut pb::CheckRequest);
    // The path of the field, and a change that invalidates it.
    let cases: [(&str, Change); 11] = [
        ("tenant", |r| r.tenant = "x".repeat(256)),
        ("subject", |r| r.subject = None),
        ("subject.type", |r| {
            r.subject.as_mut().unwrap().r#type = "robot".into();
        }),
        ("subject.id", |r| r.subject = user("")),
        ("action", |r| r.action.clear()),
        ("action", |r| r.action = "fly".into()),
        ("resource.type", |r| r.resource = resource("hat", "x")),
        ("resource.id", |r| r.resource = product("")),
        ("resource.parent", |r| {
            r.resource = resource("asset", "logo");
        }),
        ("context.channel", |r| {
            r.context = context(|context| context.channel = "\n".into());
        }),
        ("context.attribute_group", |r| {
            r.resource = resource("channel", "print");
            r.context = context(|context| context.attribute_group = "erp".into());
        }),
    ];
    let server = TestServer::start().await;
    let mut client = server.client().await;
    for (path, change) in cases {
        let mut request = good_check();
        change(&mut request);
        let status = client.check(request.clone()).await.unwrap_err();
        let expected = (
            Code::InvalidArgument,
            "INVALID_REQUEST".to_owned(),
            Some(path.to_owned()),
        );
        assert_eq!(refusal(&status), expected, "{status:?}");

        let pb::CheckRequest {
            tenant,
            subject,
            action,
            resource,
            context,
            minimum_revision,
        } = request;
        let request = pb::ExplainRequest {
            tenant,
            subject,
            action,
            resource,
            context,
            minimum_revision,
        };
        let status = client.explain(request).await.unwrap_err();
        assert_eq!(refusal(&status), expected, "{status:?}");
    }
}

#[tokio::test]
async fn invalid_field_of_action_list_is_reported() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let cases = [
        ("subject", None, None, None),
        ("resource.type", user("julia"), resource("", "x"), None),
        ("resource.id", user("julia"), product(""), None),
        (
            "context.locale",
            user("julia"),
            None,
            context(|context| context.locale = "en_US".into()),
        ),
    ];
    for (path, subject, resource, context) in cases {
        let request = pb::ListActionsRequest {
            subject,
            resource,
            context,
            ..Default::default()
        };
        let status = client.list_actions(request).await.unwrap_err();
        let expected = (
            Code::InvalidArgument,
            "INVALID_REQUEST".to_owned(),
            Some(path.to_owned()),
        );
        assert_eq!(refusal(&status), expected, "{status:?}");
    }
}

#[tokio::test]
async fn unknown_tenant_is_reported_as_not_found() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let tenant = || "Nowhere".to_owned();
    let check = pb::CheckRequest {
        tenant: tenant(),
        ..good_check()
    };
    let batch = pb::BatchCheckRequest {
        tenant: tenant(),
        ..Default::default()
    };
    let list = pb::ListActionsRequest {
        tenant: tenant(),
        subject: user("julia"),
        ..Default::default()
    };
    let explain = pb::ExplainRequest {
        tenant: tenant(),
        subject: user("julia"),
        action: "view".into(),
        resource: product("hat"),
        ..Default::default()
    };
    let statuses = [
        client.check(check).await.unwrap_err(),
        client.batch_check(batch).await.unwrap_err(),
        client.list_actions(list).await.unwrap_err(),
        client.explain(explain).await.unwrap_err(),
    ];
    for status in statuses {
        assert_eq!(
            refusal(&status),
            (Code::NotFound, "TENANT_NOT_FOUND".to_owned(), None)
        );
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.metadata["tenant"], "Nowhere");
        let resource = status.get_details_resource_info().unwrap();
        assert_eq!(
            (
                resource.resource_type.as_str(),
                resource.resource_name.as_str()
            ),
            ("tenant", "Nowhere")
        );
    }
}

#[tokio::test]
async fn batch_with_invalid_common_fields_or_size_is_rejected() {
    type Change = fn(&mut pb::BatchCheckRequest);
    let invalid = |path: &str| {
        (
            Code::InvalidArgument,
            "INVALID_REQUEST".to_owned(),
            Some(path.to_owned()),
        )
    };
    let cases: [(_, Change); 6] = [
        (invalid("tenant"), |b| b.tenant = "\u{7f}".into()),
        (invalid("mode"), |b| b.mode = 9),
        (invalid("subject.id"), |b| b.subject = user("")),
        (invalid("action"), |b| b.action = "fly".into()),
        (invalid("resource.type"), |b| {
            b.resource = resource("hat", "x");
        }),
        (
            (Code::ResourceExhausted, "TOO_MANY_ENTRIES".to_owned(), None),
            |b| b.items = vec![pb::CheckItem::default(); 100_001],
        ),
    ];
    let server = TestServer::start().await;
    let mut client = server.client().await;
    for (expected, change) in cases {
        let mut request = pb::BatchCheckRequest::default();
        change(&mut request);
        let status = client.batch_check(request).await.unwrap_err();
        assert_eq!(refusal(&status), expected, "{status:?}");
    }
}

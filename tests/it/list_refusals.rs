//! Requests that the list calls reject, with their code, reason and field
//! (`api.md`, "Errors").

use pim_authz::pb;
use tonic::{Code, Status};

use crate::harness::{TestServer, context, lists, product, refusal, resource, user};

type Change = fn(&mut pb::ListAllowedRequest);

/// A valid request; each case invalidates one field of it.
fn good() -> pb::ListAllowedRequest {
    pb::ListAllowedRequest {
        subject: user("julia"),
        action: "view".into(),
        resource_type: "product".into(),
        ..Default::default()
    }
}

/// The path of a field and a change that invalidates it; the same for three
/// calls.
fn bad_questions() -> Vec<(&'static str, Change)> {
    vec![
        ("tenant", |r| r.tenant = "x".repeat(256)),
        ("subject", |r| r.subject = None),
        ("subject.type", |r| {
            r.subject.as_mut().unwrap().r#type = "robot".into();
        }),
        ("subject.id", |r| r.subject = user("")),
        ("action", |r| r.action.clear()),
        ("action", |r| r.action = "fly".into()),
        ("action", |r| r.action = "locale.list".into()),
        ("action", |r| r.action = "system_version.read".into()),
        ("resource_type", |r| r.resource_type.clear()),
        ("resource_type", |r| r.resource_type = "hat".into()),
        ("resource_type", |r| r.resource_type = "asset".into()),
        ("resource_type", |r| {
            r.resource_type = "reference_entity_record".into();
        }),
        ("resource_type", |r| {
            r.action = "system_version.read".into();
            r.resource_type = "system_version".into();
        }),
        ("context.locale", |r| {
            r.context = context(|context| context.locale = "\n".into());
        }),
        ("context.attribute", |r| {
            r.resource_type = "channel".into();
            r.context = context(|context| context.attribute = "name".into());
        }),
    ]
}

/// The paths of filter fields and changes that invalidate them.
fn bad_filters() -> Vec<(&'static str, Change)> {
    fn filter(request: &mut pb::ListAllowedRequest) -> &mut pb::ListFilter {
        request.filter.get_or_insert_default()
    }
    vec![
        ("filter.tree", |r| filter(r).tree = "x".repeat(256)),
        ("filter.category", |r| filter(r).category = "\t".into()),
        ("filter.ids[1]", |r| {
            filter(r).ids = vec!["hat".into(), String::new()];
        }),
        ("filter.tree", |r| {
            r.resource_type = "locale".into();
            filter(r).tree = "shoes".into();
        }),
        ("filter.category", |r| {
            r.resource_type = "attribute_group".into();
            filter(r).category = "shoes".into();
        }),
    ]
}

fn assert_invalid(status: &Status, path: &str) {
    let expected = (
        Code::InvalidArgument,
        "INVALID_REQUEST".to_owned(),
        Some(path.to_owned()),
    );
    assert_eq!(refusal(status), expected, "{status:?}");
}

fn as_filter_request(request: pb::ListAllowedRequest) -> pb::GetAccessFilterRequest {
    pb::GetAccessFilterRequest {
        tenant: request.tenant,
        subject: request.subject,
        action: request.action,
        resource_type: request.resource_type,
        context: request.context,
        minimum_revision: request.minimum_revision,
    }
}

#[tokio::test]
async fn invalid_list_field_is_reported_before_unknown_tenant() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let with_filter = bad_questions().into_iter().chain(bad_filters());
    for (path, change) in with_filter {
        let mut request = good();
        change(&mut request);
        let status = client.list_allowed(request.clone()).await.unwrap_err();
        assert_invalid(&status, path);
        let stream = lists::as_stream(&request, false, "");
        let streamed = lists::stream(&mut client, stream).await;
        assert_invalid(&streamed.status.unwrap(), path);
    }
    let more: [(&str, Change); 2] = [
        ("resource_type", |r| r.resource_type = "category".into()),
        ("resource_type", |r| {
            r.resource_type = "enriched_category".into();
        }),
    ];
    for (path, change) in bad_questions().into_iter().chain(more) {
        let mut request = good();
        change(&mut request);
        let request = as_filter_request(request);
        let status = client.get_access_filter(request).await.unwrap_err();
        assert_invalid(&status, path);
    }
}

#[tokio::test]
async fn invalid_field_of_subject_list_is_reported() {
    type Change = fn(&mut pb::ListSubjectsRequest);
    let cases: [(&str, Change); 10] = [
        ("tenant", |r| r.tenant = "x".repeat(256)),
        ("action", |r| r.action.clear()),
        ("action", |r| r.action = "fly".into()),
        ("action", |r| r.resource = None),
        ("resource.type", |r| r.resource = resource("hat", "x")),
        ("resource.id", |r| r.resource = product("")),
        ("resource.parent", |r| {
            r.resource = resource("asset", "logo");
        }),
        ("context.channel", |r| {
            r.context = context(|context| context.channel = "\n".into());
        }),
        ("context.attribute", |r| {
            r.resource = resource("channel", "print");
            r.context = context(|context| context.attribute = "name".into());
        }),
        ("subject_type", |r| r.subject_type = "robot".into()),
    ];
    let server = TestServer::start().await;
    let mut client = server.client().await;
    for (path, change) in cases {
        let mut request = pb::ListSubjectsRequest {
            action: "view".into(),
            resource: product("hat"),
            ..Default::default()
        };
        change(&mut request);
        let status = client.list_subjects(request).await.unwrap_err();
        assert_invalid(&status, path);
    }
}

#[tokio::test]
async fn lists_of_unknown_tenant_return_not_found() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    for minimum_revision in [0, 3] {
        let request = pb::ListAllowedRequest {
            minimum_revision,
            ..good()
        };
        let subjects = pb::ListSubjectsRequest {
            action: "view".into(),
            resource: product("hat"),
            minimum_revision,
            ..Default::default()
        };
        let streamed = lists::stream(&mut client, lists::as_stream(&request, true, "")).await;
        let refused = [
            client.list_allowed(request.clone()).await.unwrap_err(),
            streamed.status.unwrap(),
            client.list_subjects(subjects).await.unwrap_err(),
            client
                .get_access_filter(as_filter_request(request))
                .await
                .unwrap_err(),
        ];
        for status in refused {
            let expected = (Code::NotFound, "TENANT_NOT_FOUND".to_owned(), None);
            assert_eq!(refusal(&status), expected, "{status:?}");
        }
    }
}

#[tokio::test]
async fn list_waits_for_revision_until_the_callers_deadline() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let files = [crate::harness::file("products.csv", &["sku", "hat"])];
    server
        .import("default", pb::Edition::Community, &files)
        .await;
    let request = pb::ListAllowedRequest {
        minimum_revision: 1,
        ..good()
    };
    let page = client.list_allowed(request.clone()).await.unwrap();
    assert_eq!(page.into_inner().revision, 1);
    let mut never = tonic::Request::new(pb::ListAllowedRequest {
        minimum_revision: 2,
        ..request
    });
    never.set_timeout(std::time::Duration::from_millis(200));
    let status = client.list_allowed(never).await.unwrap_err();
    let expected = (Code::DeadlineExceeded, "DEADLINE".to_owned(), None);
    assert_eq!(refusal(&status), expected, "{status:?}");
}

#[tokio::test]
async fn filter_with_too_many_codes_is_rejected() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let request = pb::ListAllowedRequest {
        filter: Some(pb::ListFilter {
            ids: vec!["x".into(); 100_001],
            ..Default::default()
        }),
        ..good()
    };
    let status = client.list_allowed(request).await.unwrap_err();
    let expected = (Code::ResourceExhausted, "TOO_MANY_ENTRIES".to_owned(), None);
    assert_eq!(refusal(&status), expected, "{status:?}");
}

#[tokio::test]
async fn stream_ends_with_shutting_down_and_resumes_after_restart() {
    let mut server = TestServer::start().await;
    let mut client = server.client().await;
    let codes: Vec<String> = (0..2_000).map(|number| format!("p{number}")).collect();
    let lines: Vec<&str> = std::iter::once("sku")
        .chain(codes.iter().map(String::as_str))
        .collect();
    let files = [
        crate::harness::file("products.csv", &lines),
        crate::harness::file("users.csv", &["username;roles", "julia;"]),
    ];
    server
        .import("default", pb::Edition::Community, &files)
        .await;
    let one_by_one = pb::ListAllowedRequest {
        page_size: 1,
        ..good()
    };
    let stream = lists::as_stream(&one_by_one, true, "");
    let mut stream = client.stream_allowed(stream).await.unwrap().into_inner();
    let mut listed = lists::Streamed::default();
    listed.record(stream.message().await.unwrap().unwrap().event.unwrap());
    server.begin_stop();
    let status = loop {
        match stream.message().await {
            Ok(message) => listed.record(message.unwrap().event.unwrap()),
            Err(status) => break status,
        }
    };
    let expected = (Code::Unavailable, "SHUTTING_DOWN".to_owned(), None);
    assert_eq!(refusal(&status), expected, "{status:?}");
    let again = TestServer::start_on(server.ended_with_its_database().await).await;
    let rest = lists::as_stream(&good(), true, &listed.last_token);
    let rest = lists::stream(&mut again.client().await, rest).await;
    assert_eq!(listed.listed.len() + rest.listed.len(), 2_000);
    assert!(rest.end.is_some());
}

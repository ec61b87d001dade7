//! Traces, as an OpenTelemetry collector receives them.

use std::{net::SocketAddr, time::Duration};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::Span,
};
use pim_authz::pb::{self, authorization_service_client::AuthorizationServiceClient};
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

use super::{Watched, terminate};
use crate::harness::{product, user};

/// A collector that forwards spans to the test.
struct Collector(UnboundedSender<Span>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            for scope in resource.scope_spans {
                for span in scope.spans {
                    self.0.send(span).unwrap();
                }
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn collector() -> (SocketAddr, UnboundedReceiver<Span>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (spans, received) = unbounded_channel();
    let service = TraceServiceServer::new(Collector(spans));
    let serving = Server::builder()
        .add_service(service)
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(serving);
    (address, received)
}

/// Every span that a server exports for two calls before it ends: a `Check` of
/// a tenant that is not cached yet, and a list, both with this `traceparent`.
async fn traced(share: &str, parent: Option<&str>) -> Vec<Span> {
    let (address, mut received) = collector().await;
    let watched = Watched::start(|command| {
        command.env("PIM_AUTHZ_OTLP_ENDPOINT", format!("http://{address}"));
        command.env("PIM_AUTHZ_TRACE_SHARE", share);
    })
    .await;
    let mut client = AuthorizationServiceClient::new(watched.channel.clone());
    let mut check = Request::new(pb::CheckRequest {
        subject: user("secret-julia"),
        action: "view".into(),
        resource: product("secret-hat"),
        ..Default::default()
    });
    let mut list = Request::new(pb::ListSubjectsRequest {
        action: "view".into(),
        resource: product("secret-hat"),
        ..Default::default()
    });
    if let Some(parent) = parent {
        for metadata in [check.metadata_mut(), list.metadata_mut()] {
            metadata.insert("traceparent", parent.parse().unwrap());
        }
    }
    client.check(check).await.unwrap();
    client.list_subjects(list).await.unwrap();
    // The remaining spans are sent before the server ends.
    let mut child = watched.program.without_log_reader();
    let ended = timeout(Duration::from_mins(1), terminate(&mut child)).await;
    assert_eq!(ended.unwrap(), Some(0));
    let mut spans = Vec::new();
    while let Ok(span) = received.try_recv() {
        spans.push(span);
    }
    spans
}

fn attribute<'s>(span: &'s Span, key: &str) -> Option<&'s str> {
    let found = span.attributes.iter().find(|found| found.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

const TRACE: [u8; 16] = *b"sixteen bytes!!!";

fn parent(flags: &str) -> String {
    let trace = u128::from_be_bytes(TRACE);
    format!("00-{trace:032x}-00f067aa0ba902b7-{flags}")
}

#[tokio::test]
async fn traced_call_has_span_with_child_spans_of_statements() {
    let spans = traced("0", Some(&parent("01"))).await;
    assert!(spans.iter().all(|span| span.trace_id == TRACE));
    let list = spans
        .iter()
        .find(|span| span.name.ends_with("/ListSubjects"));
    let list = list.unwrap();
    assert_eq!(list.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    assert_eq!(attribute(list, "rpc.grpc.status_code"), Some("OK"));
    let below: Vec<&Span> = spans
        .iter()
        .filter(|span| span.parent_span_id == list.span_id)
        .collect();
    assert!(!below.is_empty(), "its statements: {spans:?}");
    for statement in below {
        assert_eq!(attribute(statement, "db.system.name"), Some("postgresql"));
        assert!(statement.start_time_unix_nano >= list.start_time_unix_nano);
        assert!(statement.end_time_unix_nano <= list.end_time_unix_nano);
    }
    let named = |name: &str| {
        spans
            .iter()
            .filter(|span| span.name.ends_with(name))
            .count()
    };
    assert_eq!((named("/Check"), named("/ListSubjects")), (1, 1));
}

#[tokio::test]
async fn call_with_unsampled_traceparent_has_no_span() {
    assert_eq!(traced("1", Some(&parent("00"))).await, []);
}

#[tokio::test]
async fn configured_share_of_calls_without_traceparent_is_traced() {
    let spans = traced("0.5", None).await;
    let calls: Vec<&str> = spans
        .iter()
        .filter(|span| span.parent_span_id.is_empty())
        .map(|span| span.name.as_str())
        .collect();
    assert_eq!(calls, ["AuthorizationService/ListSubjects"]);
}

//! Observation of every call: metrics, the log of slow calls, and the request ID
//! by which caller and operator identify it.

use std::{
    cell::OnceCell,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::Frame;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::{
    Code, Status,
    body::Body,
    codegen::http::{HeaderMap, HeaderName, HeaderValue, Request, Response},
};
use uuid::Uuid;

use crate::{
    pb,
    telemetry::{
        RequestMeter, RequestMeters, code_name,
        traces::{self, CallSpan, Sent},
    },
};

/// Metadata key of the request ID: the caller may send one, and a response that
/// begins with an error status carries it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request ID accepted from a caller, in bytes; longer ones are ignored.
const LONGEST_REQUEST_ID: usize = 128;

/// The calls of other contracts; true if the response is a stream.
const OTHERS: [(&str, bool); 2] = [
    ("/grpc.health.v1.Health/Check", false),
    ("/grpc.health.v1.Health/Watch", true),
];

/// Records metrics, logs and spans of every call.
#[derive(Clone, Debug)]
pub struct Observer {
    meters: RequestMeters,
    /// Minimum duration at which a call is logged as slow; `None`: never.
    slow: Option<Duration>,
}

impl Observer {
    /// Creates an observer that logs calls which take `slow` or longer; `None`:
    /// none.
    #[must_use]
    pub fn new(slow: Option<Duration>) -> Self {
        let others = OTHERS.map(|(path, is_stream)| (path.to_owned(), is_stream));
        Self {
            meters: RequestMeters::new(others.into_iter().chain(calls_of_contract())),
            slow,
        }
    }

    /// Starts observing a call.
    pub(super) fn begin(&self, request: &Request<Body>) -> Observed {
        Observed {
            meter: self.meters.begin(request.uri().path()),
            slow: self.slow,
            id: RequestId::of(request.headers()),
            span: None,
        }
        .traced(request.headers())
    }
}

impl Default for Observer {
    fn default() -> Self {
        Self::new(None)
    }
}

/// Returns the paths of the contract's calls; true if the response is a stream.
pub(super) fn calls_of_contract() -> Vec<(String, bool)> {
    // These bytes were compiled in, so decoding does not fail.
    let contract = FileDescriptorSet::decode(pb::DESCRIPTORS).unwrap_or_default();
    let mut calls = Vec::new();
    for file in &contract.file {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                calls.push((path, method.server_streaming()));
            }
        }
    }
    calls
}

/// The request ID: sent by the caller, else the trace ID, else a UUID generated
/// on first use.
#[derive(Clone, Debug, Default)]
struct RequestId {
    given: Option<HeaderValue>,
    /// The trace ID, if the call is traced.
    trace: Option<String>,
    made: OnceCell<HeaderValue>,
}

impl RequestId {
    /// Reads the caller's request ID: up to [`LONGEST_REQUEST_ID`] visible ASCII
    /// characters.
    fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(REQUEST_ID).filter(|given| {
            let is_short = (1..=LONGEST_REQUEST_ID).contains(&given.len());
            is_short && given.as_bytes().iter().all(u8::is_ascii_graphic)
        });
        Self {
            given: given.cloned(),
            trace: None,
            made: OnceCell::new(),
        }
    }

    fn value(&self) -> &HeaderValue {
        if let Some(given) = &self.given {
            return given;
        }
        self.made.get_or_init(|| {
            let made = self.trace.clone();
            let made = made.unwrap_or_else(|| Uuid::now_v7().to_string());
            HeaderValue::from_str(&made).unwrap_or(HeaderValue::from_static("unknown"))
        })
    }

    fn text(&self) -> &str {
        self.value().to_str().unwrap_or_default()
    }
}

/// A pending call under observation.
#[derive(Debug)]
pub(super) struct Observed {
    meter: RequestMeter,
    slow: Option<Duration>,
    id: RequestId,
    /// The span, if the call is sampled.
    span: Option<CallSpan>,
}

impl Observed {
    /// Starts the call's span, if it is sampled.
    fn traced(mut self, headers: &HeaderMap) -> Self {
        if traces::is_on() {
            let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
            let sent = Sent {
                parent: header("traceparent"),
                state: header("tracestate"),
            };
            self.span = CallSpan::begin(self.meter.rpc(), sent);
            self.id.trace = self.span.as_ref().map(CallSpan::trace_id);
        }
        self
    }

    /// True if the response is a stream.
    pub(super) fn is_stream(&self) -> bool {
        self.meter.is_stream()
    }

    /// Returns the span of a sampled call.
    pub(super) fn span(&self) -> Option<&CallSpan> {
        self.span.as_ref()
    }

    /// Records the response, or wraps its body if it is a stream.
    pub(super) fn answered(self, mut answer: Response<Body>) -> Response<Body> {
        let code = code_of(answer.headers());
        match code {
            Some(Code::Ok) | None if self.meter.is_stream() => answer.map(|body| {
                Body::new(ObservedBody {
                    body,
                    observed: Some(self),
                })
            }),
            // For a unary call the status follows in the trailers, and is OK.
            Some(Code::Ok) | None => {
                self.end(Code::Ok);
                answer
            }
            Some(code) => {
                answer
                    .headers_mut()
                    .insert(REQUEST_ID, self.id.value().clone());
                self.end(code);
                answer
            }
        }
    }

    fn end(self, code: Code) {
        let name = code_name(code.into());
        let took = self.meter.elapsed();
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let slow = self.slow.filter(|_| !self.meter.is_stream());
        if slow.is_some_and(|slow| took >= slow) {
            tracing::warn!(
                rpc.method = self.meter.rpc(),
                rpc.code = name,
                rpc.duration_ms = took_ms,
                request.id = self.id.text(),
                "a call was slow: {} took {took_ms} ms",
                self.meter.rpc()
            );
        } else {
            tracing::debug!(
                rpc.method = self.meter.rpc(),
                rpc.code = name,
                rpc.duration_ms = took_ms,
                request.id = self.id.text(),
                "a call has ended"
            );
        }
        if matches!(code, Code::Internal | Code::Unknown | Code::DataLoss) {
            tracing::error!(
                rpc.method = self.meter.rpc(),
                rpc.code = name,
                request.id = self.id.text(),
                "{} failed with {name}; the line before gives the reason",
                self.meter.rpc()
            );
        }
        self.meter.end(code.into());
        if let Some(span) = self.span {
            span.end(name);
        }
    }
}

/// Parses the status code in headers or trailers.
fn code_of(headers: &HeaderMap) -> Option<Code> {
    let value = headers.get(Status::GRPC_STATUS)?;
    Some(Code::from_bytes(value.as_bytes()))
}

/// The body of a streamed response, which records the end of the stream.
#[derive(Debug)]
struct ObservedBody {
    body: Body,
    /// `None`: the stream has ended.
    observed: Option<Observed>,
}

impl http_body::Body for ObservedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let code = match &frame {
            Some(Ok(frame)) => match frame.trailers_ref() {
                Some(trailers) => code_of(trailers).or(Some(Code::Unknown)),
                None => None,
            },
            Some(Err(status)) => Some(status.code()),
            None => Some(Code::Unknown),
        };
        if let Some(code) = code
            && let Some(observed) = self.observed.take()
        {
            observed.end(code);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

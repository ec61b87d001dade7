//! OpenTelemetry traces of calls: a span for each sampled call, and one for each
//! statement that the call's own task runs.
//!
//! A call that is not sampled creates no span.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use opentelemetry::{
    Context, KeyValue,
    context::FutureExt as _,
    propagation::{Extractor, TextMapPropagator as _},
    time::now,
    trace::{SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _},
};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};

use super::sampling::is_in_sample;

/// Name of the service in every span.
const SERVICE: &str = "pim-authz";

/// Destination of traces, and which calls are traced.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSettings {
    /// URL of a collector that accepts OTLP over gRPC.
    pub endpoint: String,
    /// Share of calls to sample if the caller has not decided, from 0 to 1.
    pub share: f64,
}

/// Tracer of this process, once started.
static TRACES: OnceLock<Traces> = OnceLock::new();

#[derive(Debug)]
struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    share: f64,
    /// Number of calls so far whose caller had not decided.
    undecided: AtomicU64,
}

/// The URL of the collector is invalid.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct InvalidCollector(#[from] ExporterBuildError);

/// Starts tracing calls. Further calls have no effect. While the collector is
/// unreachable, spans are dropped and nothing blocks.
///
/// # Errors
///
/// Returns what is wrong with the URL.
pub fn start(settings: &TraceSettings) -> Result<(), InvalidCollector> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(&settings.endpoint)
        .build()?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder()
        .with_service_name(SERVICE)
        .with_attribute(version)
        .build();
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        // Spans are created for sampled calls only.
        .with_sampler(Sampler::AlwaysOn)
        .build();
    let tracer = provider.tracer(SERVICE);
    let _first_wins = TRACES.set(Traces {
        provider,
        tracer,
        share: settings.share,
        undecided: AtomicU64::new(0),
    });
    Ok(())
}

/// Sends the remaining spans; waits 5 s at most.
pub fn finish() {
    if let Some(traces) = TRACES.get()
        && let Err(error) = traces.provider.shutdown()
    {
        tracing::warn!(%error, "the last traces were not sent");
    }
}

/// W3C trace context of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent<'r> {
    /// `traceparent`.
    pub parent: Option<&'r str>,
    /// `tracestate`.
    pub state: Option<&'r str>,
}

impl Extractor for Sent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.parent,
            "tracestate" => self.state,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

/// True if tracing has started.
#[must_use]
pub fn is_on() -> bool {
    TRACES.get().is_some()
}

/// The span of a call that is sampled.
#[derive(Clone, Debug)]
pub struct CallSpan(Context);

impl CallSpan {
    /// Starts the span of a call; `None` if it is not sampled. A valid
    /// `traceparent` of the caller decides, otherwise the share of the settings.
    #[must_use]
    pub fn begin(rpc: &str, sent: Sent<'_>) -> Option<Self> {
        let traces = TRACES.get()?;
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &sent);
        let remote = parent.span().span_context().clone();
        let is_sampled = if remote.is_valid() {
            remote.is_sampled()
        } else {
            is_in_sample(
                traces.undecided.fetch_add(1, Ordering::Relaxed),
                traces.share,
            )
        };
        if !is_sampled {
            return None;
        }
        let attributes = [
            KeyValue::new("rpc.system", "grpc"),
            KeyValue::new("rpc.method", rpc.to_owned()),
        ];
        let span = traces
            .tracer
            .span_builder(rpc.to_owned())
            .with_kind(SpanKind::Server)
            .with_attributes(attributes)
            .start_with_context(&traces.tracer, &parent);
        Some(Self(parent.with_span(span)))
    }

    /// Returns the span of the call that the current task serves; `None` if it is
    /// not sampled.
    #[must_use]
    pub fn current() -> Option<Self> {
        TRACES.get()?;
        let context = Context::current();
        let is_sampled = context.span().span_context().is_sampled();
        is_sampled.then_some(Self(context))
    }

    /// Wraps a part of the call so that the spans of its statements become
    /// children of this span.
    pub fn follow<F: Future>(&self, part: F) -> impl Future<Output = F::Output> + use<F> {
        part.with_context(self.0.clone())
    }

    /// Returns the trace id in the W3C format.
    #[must_use]
    pub fn trace_id(&self) -> String {
        self.0.span().span_context().trace_id().to_string()
    }

    /// Ends the span, with the name of a gRPC status code.
    pub fn end(self, code: &'static str) {
        let span = self.0.span();
        span.set_attribute(KeyValue::new("rpc.grpc.status_code", code));
        // Failures of the server, by the conventions of OpenTelemetry.
        let is_failure = [
            "UNKNOWN",
            "DEADLINE_EXCEEDED",
            "UNIMPLEMENTED",
            "INTERNAL",
            "UNAVAILABLE",
            "DATA_LOSS",
        ];
        if is_failure.contains(&code) {
            span.set_status(Status::error(code));
        }
        span.end();
    }
}

/// Records a statement that has just ended as a child of the span of the current
/// task's call.
pub fn note_statement(name: &'static str, took: Duration) {
    let (Some(traces), Some(CallSpan(call))) = (TRACES.get(), CallSpan::current()) else {
        return;
    };
    let end = now();
    let begun = end.checked_sub(took).unwrap_or(end);
    let span = traces
        .tracer
        .span_builder(name)
        .with_kind(SpanKind::Client)
        .with_start_time(begun)
        .with_attributes([KeyValue::new("db.system.name", "postgresql")])
        .start_with_context(&traces.tracer, &call);
    call.with_span(span).span().end_with_timestamp(end);
}

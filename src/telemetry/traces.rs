//! Traces of calls, as OpenTelemetry has them: a span for each call that is
//! sampled, and one for each statement that its own task runs.
//!
//! Of a call that is not sampled nothing is made.

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

use super::decision_log::is_drawn;

/// The name of the service in every span.
const SERVICE: &str = "pim-authz";

/// Where traces go, and which calls are traced.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSettings {
    /// The URL of a collector that speaks OTLP over gRPC.
    pub endpoint: String,
    /// The share of the calls whose caller has not decided, from 0 to 1.
    pub share: f64,
}

/// The tracer of this process, once there is one.
static TRACES: OnceLock<Traces> = OnceLock::new();

#[derive(Debug)]
struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    share: f64,
    /// How many calls came whose caller had not decided.
    undecided: AtomicU64,
}

/// Why traces cannot be sent to the URL of a collector.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct InvalidCollector(#[from] ExporterBuildError);

/// Traces calls from now on. Only the first call counts. A collector that is away
/// loses spans, and holds nobody up.
///
/// # Errors
///
/// What is wrong with the URL.
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
        // Spans are made of sampled calls alone.
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

/// Sends the spans that are left; waits 5 s at most.
pub fn finish() {
    if let Some(traces) = TRACES.get()
        && let Err(error) = traces.provider.shutdown()
    {
        tracing::warn!(%error, "the last traces were not sent");
    }
}

/// The W3C trace context that a caller sent.
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

/// Whether calls are traced at all.
#[must_use]
pub fn is_on() -> bool {
    TRACES.get().is_some()
}

/// The span of a call that is sampled.
#[derive(Clone, Debug)]
pub struct CallSpan(Context);

impl CallSpan {
    /// Begins the span of a call; `None`: it is not sampled. Its caller decides by
    /// its `traceparent`, else the share of the settings.
    #[must_use]
    pub fn begin(rpc: &str, sent: Sent<'_>) -> Option<Self> {
        let traces = TRACES.get()?;
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &sent);
        let remote = parent.span().span_context().clone();
        let is_sampled = if remote.is_valid() {
            remote.is_sampled()
        } else {
            is_drawn(
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

    /// The span of the call that this task answers; `None`: it is not sampled.
    #[must_use]
    pub fn current() -> Option<Self> {
        TRACES.get()?;
        let context = Context::current();
        let is_sampled = context.span().span_context().is_sampled();
        is_sampled.then_some(Self(context))
    }

    /// Runs a part of the call, whose statements get spans below this one.
    pub fn follow<F: Future>(&self, part: F) -> impl Future<Output = F::Output> + use<F> {
        part.with_context(self.0.clone())
    }

    /// The number of the trace, as W3C writes it.
    #[must_use]
    pub fn trace_id(&self) -> String {
        self.0.span().span_context().trace_id().to_string()
    }

    /// Ends the span, with the name of a code of gRPC.
    pub fn end(self, code: &'static str) {
        let span = self.0.span();
        span.set_attribute(KeyValue::new("rpc.grpc.status_code", code));
        // The server's own failures, as the conventions of OpenTelemetry have it.
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

/// Notes a statement that has just ended, below the span of the call whose task ran
/// it.
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

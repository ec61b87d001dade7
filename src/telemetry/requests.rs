use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use hashbrown::HashMap;
use metrics::{Counter, Gauge, Histogram};

use super::metrics::{REQUEST_DURATION, REQUESTS, REQUESTS_IN_FLIGHT};

/// Names of the gRPC status codes, by number.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Number of `CANCELLED`.
const CANCELLED: usize = 1;

/// Label of calls to unknown paths.
const OTHER: &str = "other";

/// Counts calls by RPC and status code, and records their durations.
#[derive(Clone, Debug)]
pub struct RequestMeters(Arc<Meters>);

#[derive(Debug)]
struct Meters {
    in_flight: Gauge,
    by_path: HashMap<String, Arc<RpcMeter>>,
    other: Arc<RpcMeter>,
}

/// Metrics of one RPC. Handles are cached because a look-up by name costs more
/// than the counting.
#[derive(Debug)]
struct RpcMeter {
    rpc: String,
    is_stream: bool,
    duration: Histogram,
    /// By the numbers of [`CODES`]; set once the code has occurred.
    codes: [OnceLock<Counter>; CODES.len()],
}

impl RpcMeter {
    fn new(rpc: &str, is_stream: bool) -> Arc<Self> {
        Arc::new(Self {
            rpc: rpc.to_owned(),
            is_stream,
            duration: metrics::histogram!(REQUEST_DURATION.name, "rpc" => rpc.to_owned()),
            codes: Default::default(),
        })
    }

    fn count(&self, code: usize, took: Duration) {
        self.duration.record(took.as_secs_f64());
        let (Some(counter), Some(name)) = (self.codes.get(code), CODES.get(code)) else {
            return;
        };
        let counter = counter.get_or_init(
            || metrics::counter!(REQUESTS.name, "rpc" => self.rpc.clone(), "code" => *name),
        );
        counter.increment(1);
    }
}

impl RequestMeters {
    /// Counts calls of the RPCs with these paths, such as
    /// `/pim.authz.v1.AuthorizationService/Check`; the flag is true if the
    /// response is a stream. All other calls count as `other`.
    pub fn new(paths: impl IntoIterator<Item = (String, bool)>) -> Self {
        let meter = |(path, is_stream): (String, bool)| {
            let meter = RpcMeter::new(rpc_of(&path), is_stream);
            (path, meter)
        };
        Self(Arc::new(Meters {
            in_flight: metrics::gauge!(REQUESTS_IN_FLIGHT.name),
            by_path: paths.into_iter().map(meter).collect(),
            other: RpcMeter::new(OTHER, false),
        }))
    }

    /// Counts the start of a call.
    #[must_use]
    pub fn begin(&self, path: &str) -> RequestMeter {
        self.0.in_flight.increment(1);
        let rpc = self.0.by_path.get(path).unwrap_or(&self.0.other);
        RequestMeter {
            in_flight: self.0.in_flight.clone(),
            rpc: Arc::clone(rpc),
            begun: Instant::now(),
            code: CANCELLED,
        }
    }
}

/// Returns the RPC of a path: `AuthorizationService/Check`.
fn rpc_of(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    match path.split_once('/') {
        Some((service, _)) => {
            let package = service.rfind('.').map_or(0, |dot| dot + 1);
            path.get(package..).unwrap_or(path)
        }
        None => path,
    }
}

/// A call in flight. If it is dropped before [`Self::end`], it counts as
/// `CANCELLED`: the caller has disconnected.
#[derive(Debug)]
pub struct RequestMeter {
    in_flight: Gauge,
    rpc: Arc<RpcMeter>,
    begun: Instant,
    code: usize,
}

impl RequestMeter {
    /// Returns the RPC: `AuthorizationService/Check`, or `other`.
    #[must_use]
    pub fn rpc(&self) -> &str {
        &self.rpc.rpc
    }

    /// True if the response is a stream.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.rpc.is_stream
    }

    /// Returns the duration of the call so far.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Counts the call as completed, with the number of a gRPC status code.
    pub fn end(mut self, code: i32) {
        self.code = usize::try_from(code).unwrap_or(usize::MAX);
    }
}

impl Drop for RequestMeter {
    fn drop(&mut self) {
        self.in_flight.decrement(1);
        self.rpc.count(self.code, self.begun.elapsed());
    }
}

/// Returns the name of a gRPC status code, as in metrics and log lines; `UNKNOWN`
/// for an unknown number.
#[must_use]
pub fn code_name(code: i32) -> &'static str {
    let code = usize::try_from(code).ok();
    let known = code.and_then(|code| CODES.get(code));
    known.copied().unwrap_or("UNKNOWN")
}

#[cfg(test)]
mod tests {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    use super::*;

    const CHECK: &str = "/pim.authz.v1.AuthorizationService/Check";

    #[test]
    fn a_call_is_counted_by_rpc_and_code() {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        metrics::with_local_recorder(&recorder, || {
            let meters = RequestMeters::new([(CHECK.to_owned(), false)]);
            meters.begin(CHECK).end(0);
            meters.begin("/x.Y/Z").end(12);
            // The caller has disconnected.
            drop(meters.begin(CHECK));
            let _under_way = meters.begin(CHECK);
        });
        let mut counted = Vec::new();
        for (key, _, _, value) in snapshotter.snapshot().into_vec() {
            let labels = key.key().labels().map(|label| label.value().to_owned());
            let labels: Vec<String> = labels.collect();
            if let DebugValue::Counter(count) = value {
                counted.push((labels.join(" "), count));
            }
        }
        counted.sort();
        let expected = [
            ("AuthorizationService/Check CANCELLED".to_owned(), 2),
            ("AuthorizationService/Check OK".to_owned(), 1),
            ("other UNIMPLEMENTED".to_owned(), 1),
        ];
        assert_eq!(counted, expected);
    }
}

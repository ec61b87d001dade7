use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use futures_util::future::Either;
use tokio::time::{Instant, timeout_at};
use tonic::{Status, body::Body, codegen::http};

use super::{
    failure::Failure,
    layers::{Behind, Handler},
    observing::Observer,
    status,
};

/// Time limit until a call begins its response, where the caller sets no deadline
/// or a later one.
const LONGEST_CALL: Duration = Duration::from_mins(1);

/// The same limit for a call that reads or removes everything in a tenant.
const LONGEST_OF_WHOLE_TENANT: Duration = Duration::from_mins(30);

/// The calls that read or remove everything in a tenant.
const WHOLE_TENANT: [&str; 2] = [
    "/pim.authz.v1.OperationsService/VerifyAudit",
    "/pim.authz.v1.TenantService/DeleteTenant",
];

/// Upper bound of the margin by which a response precedes the caller's deadline,
/// so that it still arrives in time. The margin is a tenth of the given timeout.
const LONGEST_MARGIN: Duration = Duration::from_millis(50);

/// Largest metadata of a call, in bytes as HTTP/2 counts them: names, values, and
/// 32 bytes for each pair.
const MAX_METADATA_BYTES: usize = 16 << 10;

/// Path prefix of the health service, which is served also during startup and
/// shutdown.
const HEALTH_PATH: &str = "/grpc.health.v1.Health/";

/// First layer before all services: rejects calls until it is opened, makes
/// streams end once it is closed, ends calls at their deadline with
/// `DEADLINE_EXCEEDED` and error details, and reports them to an [`Observer`].
#[derive(Clone, Debug, Default)]
pub struct Gate {
    /// [`STARTING`], [`OPEN`] or [`CLOSED`].
    state: Arc<AtomicU8>,
    observer: Observer,
}

/// The server is not ready yet.
const STARTING: u8 = 0;
/// Calls are accepted.
const OPEN: u8 = 1;
/// The server is shutting down.
const CLOSED: u8 = 2;

impl Gate {
    /// Creates a gate that is not open yet, and reports its calls to `observer`.
    #[must_use]
    pub fn new(observer: Observer) -> Self {
        Self {
            state: Arc::default(),
            observer,
        }
    }

    /// Accepts calls from now on; until then all but health checks are rejected.
    pub fn open(&self) {
        self.state.store(OPEN, Ordering::Release);
    }

    /// Ends streams that can be resumed on another server. Pending and new calls
    /// are still answered: callers notice the shutdown when the connection
    /// closes.
    pub fn close(&self) {
        self.state.store(CLOSED, Ordering::Release);
    }

    /// True if calls that can be resumed on another server should end.
    pub(super) fn is_closed(&self) -> bool {
        self.state.load(Ordering::Acquire) == CLOSED
    }

    /// Returns why a call is currently not accepted.
    fn refusal(&self, path: &str) -> Option<Failure> {
        if path.starts_with(HEALTH_PATH) {
            return None;
        }
        (self.state.load(Ordering::Acquire) == STARTING).then_some(Failure::Starting)
    }
}

/// When a call arrived and by when it must begin its response; an extension of its
/// request.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// The instant; `None`: the caller set no deadline.
    at: Option<Instant>,
    arrived: Instant,
}

impl Deadline {
    /// Returns the deadline of a call that has just arrived.
    #[must_use]
    pub fn on_arrival(headers: &http::HeaderMap) -> Self {
        let arrived = Instant::now();
        let given = given_time(headers);
        Self {
            at: given.and_then(|given| arrived.checked_add(given)),
            arrived,
        }
    }

    /// Returns when the call arrived.
    #[must_use]
    pub fn arrived(&self) -> Instant {
        self.arrived
    }

    /// Returns the end of the time limit that holds for every call that does not
    /// read or remove everything in a tenant.
    #[must_use]
    pub fn end(&self) -> Instant {
        self.end_of(LONGEST_CALL)
    }

    /// Returns the same deadline of a call that arrived `by` earlier.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn earlier(self, by: Duration) -> Self {
        Self {
            at: self.at.map(|at| at - by),
            arrived: self.arrived - by,
        }
    }

    fn end_of(&self, longest: Duration) -> Instant {
        let end = self.arrived + longest;
        self.at.map_or(end, |at| at.min(end))
    }

    /// Reads the caller's deadline from a request's extensions; `None`: the caller
    /// set none.
    pub(super) fn of(extensions: &tonic::Extensions) -> Option<Instant> {
        extensions.get::<Self>().and_then(|deadline| deadline.at)
    }
}

impl<S: Handler> Handler for Behind<Gate, S> {
    async fn handle(&self, mut request: http::Request<Body>) -> http::Response<Body> {
        let observed = self.layer.observer.begin(&request);
        let path = request.uri().path();
        let refusal = self.layer.refusal(path);
        if let Some(failure) = refusal.or_else(|| check_metadata(request.headers()).err()) {
            return observed.answered(Status::from(failure).into_http());
        }
        let longest = longest(path);
        let deadline = request.extensions().get().copied();
        let deadline = deadline.unwrap_or_else(|| {
            let deadline = Deadline::on_arrival(request.headers());
            request.extensions_mut().insert(deadline);
            deadline
        });
        let end = deadline.end_of(longest);
        if end <= Instant::now() {
            // It waited for its turn too long: work on it would delay others.
            let passed = Status::from(Failure::DeadlinePassed).into_http();
            return observed.answered(passed);
        }
        if observed.is_stream() {
            request.extensions_mut().insert(self.layer.clone());
        }
        // Not moved any more: it is large.
        let answering = pin!(self.inner.handle(request));
        let answering = match observed.span() {
            // Layers behind this one spawn tasks in the span.
            Some(span) => Either::Left(span.follow(answering)),
            None => Either::Right(answering),
        };
        let answer = match timeout_at(end, answering).await {
            Ok(answer) => readable(answer),
            Err(_) => Status::from(Failure::DeadlinePassed).into_http(),
        };
        observed.answered(answer)
    }
}

/// Returns the time limit until a call begins its response.
fn longest(path: &str) -> Duration {
    if WHOLE_TENANT.contains(&path) {
        return LONGEST_OF_WHOLE_TENANT;
    }
    LONGEST_CALL
}

/// Replaces the statuses that tonic itself returns for messages it cannot decode
/// by statuses with this service's codes and details.
fn readable(answer: http::Response<Body>) -> http::Response<Body> {
    let headers = answer.headers();
    if !headers.contains_key(Status::GRPC_STATUS)
        || headers.contains_key(Status::GRPC_STATUS_DETAILS)
    {
        return answer;
    }
    let status = Status::from_header_map(headers)
        .as_ref()
        .and_then(status::of_unreadable);
    status.map_or(answer, Status::into_http)
}

fn check_metadata(headers: &http::HeaderMap) -> Result<(), Failure> {
    let sizes = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 32);
    let found = sizes.sum();
    if found > MAX_METADATA_BYTES {
        return Err(Failure::TooMuchMetadata {
            found,
            most: MAX_METADATA_BYTES,
        });
    }
    Ok(())
}

/// Returns the caller's timeout, less the time reserved for the response to
/// arrive.
pub(super) fn given_time(headers: &http::HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let given = parse_timeout(text)?;
    Some(given.saturating_sub((given / 10).min(LONGEST_MARGIN)))
}

/// Parses a timeout of at most eight digits and a unit, as the gRPC protocol
/// defines it.
pub(super) fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::observing::calls_of_contract, *};

    #[test]
    fn grpc_timeouts_are_parsed() {
        let cases = [
            ("2H", Some(Duration::from_hours(2))),
            ("3M", Some(Duration::from_mins(3))),
            ("5S", Some(Duration::from_secs(5))),
            ("250m", Some(Duration::from_millis(250))),
            ("10u", Some(Duration::from_micros(10))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("100000000n", None),
            ("m", None),
            ("", None),
            ("5", None),
            ("+5S", None),
            ("5é", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_timeout(text), expected, "{text}");
        }
    }

    #[test]
    fn whole_tenant_calls_exist_in_the_contract() {
        let calls = calls_of_contract();
        for path in WHOLE_TENANT {
            assert!(calls.iter().any(|(known, _)| known == path), "{path}");
            assert_eq!(longest(path), LONGEST_OF_WHOLE_TENANT);
        }
        assert_eq!(
            longest("/pim.authz.v1.AuthorizationService/Check"),
            LONGEST_CALL
        );
    }

    /// Counts the calls.
    #[derive(Default)]
    struct Counting(AtomicU8);

    impl Handler for Counting {
        async fn handle(&self, _: http::Request<Body>) -> http::Response<Body> {
            self.0.fetch_add(1, Ordering::Relaxed);
            http::Response::new(Body::empty())
        }
    }

    #[tokio::test]
    async fn call_whose_deadline_passed_while_it_waited_is_not_made() {
        let gate = Gate::default();
        gate.open();
        let service = Behind::new(gate, Counting::default());
        for (waited_ms, calls) in [(100, 1), (1_000, 1)] {
            let mut request = http::Request::new(Body::empty());
            let headers = request.headers_mut();
            headers.insert("grpc-timeout", "1S".parse().unwrap());
            let deadline = Deadline::on_arrival(headers);
            let deadline = deadline.earlier(Duration::from_millis(waited_ms));
            request.extensions_mut().insert(deadline);
            let response = service.handle(request).await;
            assert_eq!(
                service.inner.0.load(Ordering::Relaxed),
                calls,
                "{waited_ms}"
            );
            let status = response.headers().get(Status::GRPC_STATUS);
            let is_late = status.is_some_and(|code| code == "4");
            assert_eq!(is_late, waited_ms == 1_000);
        }
    }

    #[test]
    fn deadline_leaves_time_for_the_response() {
        let given = |text: &str| {
            let mut headers = http::HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().unwrap());
            given_time(&headers)
        };
        assert_eq!(given("100m"), Some(Duration::from_millis(90)));
        assert_eq!(given("10S"), Some(Duration::from_millis(9950)));
    }
}

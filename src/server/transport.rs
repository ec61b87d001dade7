//! Serves HTTP/2 on the accepted connections, and HTTP/1.1 for callers without gRPC.
//!
//! The calls of a connection are begun by the task of the connection, two at a time,
//! and then the next connection has its turn: a caller that sends many calls at once
//! delays another by a few of them, not by all. A call that has to wait
//! for something continues in a task of its own.
//!
//! Which call of a connection is begun next, and when it runs on other threads, is up
//! to its queue (`call_queue`).
//!
//! A connection with more calls than can be answered is read every few milliseconds
//! only, so that more of them can be answered.
//!
//! Most calls are answered when they are begun: such a call needs neither a task
//! nor a turn of its own, and the responses of a turn are written together.

use std::{
    convert::Infallible, future::poll_fn, io, pin::pin, sync::Arc, task::Poll, time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt as _, Stream, StreamExt as _, future::Either};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, sleep},
};
use tonic::{body::Body, codegen::http, transport::server::Connected as _};

use super::{
    call_kind::CallKind, call_queue::CallQueue, connection::Connection, limits::Limits,
    places::Places, request_body::RequestBody, work::WorkThreads,
};
use crate::{
    http::{Bindings, Dialect, Received},
    rpc::{Deadline, Handler},
    tls::Peer,
};

/// Largest metadata that is read at all, in bytes.
const MAX_HEADER_BYTES: u32 = 1 << 20;

/// Largest HTTP/2 frame that is accepted, in bytes: the lowest limit that HTTP/2
/// allows.
const MAX_FRAME_BYTES: u32 = 16 << 10;

/// Number of calls that a connection begins before other connections have their
/// turns.
const CALLS_A_TURN: usize = 2;

/// How long responses may wait to be written together with those of the next calls of
/// the connection: a write costs as much as several decisions.
const LONGEST_UNWRITTEN: Duration = Duration::from_micros(500);

/// How long a connection with more calls than can be answered is not read, nor written to:
/// to read several calls at once costs little more than to read one.
const PAUSE: Duration = Duration::from_millis(20);

/// Number of calls that a caller may have reset before they were accepted, for each call
/// that its connection may have in progress.
const RESETS_A_CALL: usize = 8;

/// Timeout of the head of an HTTP/1.1 request, the wait for it included.
const HTTP_1_HEAD: Duration = Duration::from_mins(1);

/// Largest head of an HTTP/1.1 request that is read at all, in bytes.
const HTTP_1_HEAD_BYTES: usize = 64 << 10;

/// Number of turns before the runtime looks for new calls on idle connections.
const TURNS_BETWEEN_LOOKS: u32 = 2;

/// Creates the runtime for connections, on which turns are short.
///
/// # Errors
///
/// The error of the operating system if a thread cannot be created.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        // By default a call that arrives while others run waits for up to 61 turns
        // before its connection is queued for one.
        .event_interval(TURNS_BETWEEN_LOOKS)
        .enable_all()
        .build()
}

/// Serves connections until `stopped` completes; then accepts no more and waits
/// for the calls in progress.
pub(super) async fn serve(
    (service, bindings): (impl Handler, Bindings),
    connections: impl Stream<Item = Connection>,
    work: &WorkThreads,
    limits: Limits,
    stopped: impl Future<Output = ()>,
) {
    let service = Arc::new(service);
    let shutdown = GracefulShutdown::new();
    {
        // Dropped at the end of the block, so that the port is closed.
        let mut connections = pin!(connections);
        let mut stopped = pin!(stopped);
        loop {
            let connection = tokio::select! {
                () = &mut stopped => break,
                next = connections.next() => next,
            };
            let Some(connection) = connection else {
                break;
            };
            let calls = CallQueue::default();
            let answering = Arc::new(Answering {
                service: Arc::clone(&service),
                bindings: bindings.clone(),
                peer: connection.connect_info(),
                calls: calls.clone(),
            });
            let answer = service_fn(move |request| answering.clone().accept(request));
            let http = http(limits, calls.clone());
            let serving = http.serve_connection(TokioIo::new(connection), answer);
            let serving = shutdown.watch(serving.into_owned());
            tokio::spawn(in_turns(serving, calls, work.places()));
        }
    }
    shutdown.shutdown().await;
}

/// What the calls of a connection have in common.
struct Answering<S> {
    service: Arc<S>,
    bindings: Bindings,
    peer: Peer,
    calls: CallQueue,
}

/// The response to a request.
type Answer = Result<http::Response<Body>, Infallible>;

impl<S: Handler> Answering<S> {
    /// Accepts a call that has arrived, and answers it once it is begun. Many calls
    /// are given up before: until then it does and holds as little as possible.
    fn accept(
        self: Arc<Self>,
        request: http::Request<Incoming>,
    ) -> impl Future<Output = Answer> + Send {
        let Received { request, dialect } = self.bindings.receive(request);
        let deadline = Deadline::on_arrival(request.headers());
        let kind = if dialect.is_call() {
            CallKind::of(request.uri().path())
        } else {
            CallKind::Short
        };
        self.calls.expect(deadline, kind);
        let is_multiplexed = request.version() == http::Version::HTTP_2;
        if is_multiplexed {
            Either::Left(self.answer(request, dialect, deadline))
        } else {
            let (head, body) = request.into_parts();
            let (body, rest) = RequestBody::shared(body);
            let request = http::Request::from_parts(head, body);
            let answering = self.clone().answer(request, dialect, deadline);
            let answered = self.calls.answer_of(async move {
                let answer = answering.await;
                rest.discard().await;
                answer
            });
            Either::Right(answered.map(|answer| {
                answer.unwrap_or_else(|| {
                    let mut failed = http::Response::new(Body::empty());
                    *failed.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
                    Ok(failed)
                })
            }))
        }
    }

    async fn answer<B>(
        self: Arc<Self>,
        request: http::Request<B>,
        dialect: Dialect,
        deadline: Deadline,
    ) -> Answer
    where
        B: http_body::Body<Data = Bytes, Error = hyper::Error> + Send + 'static,
    {
        let place = self.calls.begun().await;
        let mut request = request.map(Body::new);
        let extensions = request.extensions_mut();
        extensions.insert(deadline);
        extensions.insert(self.peer.clone());
        if place.is_held() {
            extensions.insert(place);
        }
        let service = &*self.service;
        Ok(match dialect {
            Dialect::Grpc => Box::pin(service.handle(request)).await,
            Dialect::Http(dialect) => {
                Box::pin(self.bindings.answer(*dialect, request, service)).await
            }
        })
    }
}

/// Configures HTTP: limits that hyper leaves unset, and limits whose defaults may
/// change.
///
/// h2 itself limits header blocks of more frames than `MAX_HEADER_BYTES` needs,
/// endless empty data frames, and settings and pings that are not read.
fn http(limits: Limits, calls: CallQueue) -> auto::Builder<CallQueue> {
    let calls_a_connection = usize::try_from(limits.calls_a_connection).unwrap_or(usize::MAX);
    let mut http = auto::Builder::new(calls);
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HTTP_1_HEAD)
        .max_buf_size(HTTP_1_HEAD_BYTES);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.calls_a_connection)
        // Limits on calls reset before they were accepted, and on resets caused
        // by this server; beyond them the connection is closed. While the server is
        // overloaded, a connection waits to be read until several times its calls
        // have been sent and given up at their deadlines.
        .max_pending_accept_reset_streams(calls_a_connection.saturating_mul(RESETS_A_CALL))
        .max_local_error_reset_streams(1024)
        .max_frame_size(MAX_FRAME_BYTES)
        // The gate already rejects metadata beyond a lower limit, with a status;
        // HTTP/2 has none.
        .max_header_list_size(MAX_HEADER_BYTES)
        .keep_alive_interval(limits.ping_after)
        .keep_alive_timeout(limits.ping_answer)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20);
    http
}

/// Serves a connection until it is closed, in turns with other connections.
async fn in_turns(connection: impl Future, calls: CallQueue, mut places: Places) {
    let mut connection = pin!(connection);
    let mut read_at = Instant::now();
    let mut pause = pin!(sleep(PAUSE));
    // Since when calls have been begun whose responses may not be written yet.
    let mut unwritten_since: Option<Instant> = None;
    poll_fn(|context| {
        loop {
            let is_read = if calls.is_overloaded() {
                pause.as_mut().reset(read_at + PAUSE);
                pause.as_mut().poll(context).is_ready()
            } else {
                unwritten_since.is_none_or(|since| since.elapsed() >= LONGEST_UNWRITTEN)
            };
            if is_read {
                unwritten_since = None;
                read_at = Instant::now();
                // It reads calls, and writes the responses of those begun before.
                if connection.as_mut().poll(context).is_ready() {
                    return Poll::Ready(());
                }
            }
            let turn = calls.begin(CALLS_A_TURN, &mut places, context);
            if !turn.is_idle() {
                unwritten_since.get_or_insert_with(Instant::now);
            }
            if turn.is_over(CALLS_A_TURN) {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            // No more may be begun: what was is written before it waits.
            if unwritten_since.take().is_none() {
                return Poll::Pending;
            }
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::{
            Arc, Mutex,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use hyper::rt::Executor as _;
    use tokio::{
        sync::{Semaphore, oneshot},
        time::{interval, timeout},
    };

    use super::*;

    fn places() -> Places {
        let one = Arc::new(Semaphore::new(1));
        Places::new(&one, &one)
    }

    /// The names of the calls answered so far.
    #[derive(Clone, Default)]
    struct Answered(Arc<Mutex<String>>);

    impl Answered {
        fn names(&self) -> String {
            self.0.lock().unwrap().clone()
        }

        fn add(&self, name: char) {
            self.0.lock().unwrap().push(name);
        }

        /// Returns a connection that is closed once `count` calls of that name are
        /// answered.
        fn connection(&self, name: char, count: usize) -> impl Future<Output = ()> + use<> {
            let answered = self.clone();
            poll_fn(move |_| {
                let so_far = answered.names();
                if so_far.matches(name).count() == count {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
        }
    }

    #[tokio::test]
    async fn connections_take_turns_of_two_calls() {
        let answered = Answered::default();
        let serve = |name, count| {
            let calls = CallQueue::default();
            for _ in 0..count {
                let answered = answered.clone();
                calls.execute(async move { answered.add(name) });
            }
            tokio::spawn(in_turns(answered.connection(name, count), calls, places()))
        };
        let (many, few) = (serve('m', 10), serve('f', 2));
        many.await.unwrap();
        few.await.unwrap();
        assert_eq!(answered.names(), "mmffmmmmmmmm");
    }

    #[tokio::test(start_paused = true)]
    async fn responses_of_several_turns_are_written_together() {
        let answered = Answered::default();
        let calls = CallQueue::default();
        for _ in 0..10 {
            let answered = answered.clone();
            calls.execute(async move { answered.add('m') });
        }
        let connection = answered.connection('m', 10);
        let polls = Arc::new(Mutex::new(Vec::new()));
        let (seen, names) = (Arc::clone(&polls), answered.clone());
        let mut connection = Box::pin(connection);
        let counting = poll_fn(move |context| {
            seen.lock().unwrap().push(names.names().len());
            connection.as_mut().poll(context)
        });
        in_turns(counting, calls, places()).await;
        assert_eq!(*polls.lock().unwrap(), [0, 10]);
    }

    /// Returns how often a connection is read in 100 ms that has something to read every
    /// millisecond, while so many calls wait since 200 ms for their turn.
    async fn reads_of_a_connection_with(waiting: usize) -> usize {
        let taken = Arc::new(Semaphore::new(0));
        let calls = CallQueue::default();
        for _ in 0..waiting {
            let deadline = Deadline::on_arrival(&http::HeaderMap::new());
            let deadline = deadline.earlier(Duration::from_millis(200));
            calls.expect(deadline, CallKind::Decision);
            calls.execute(pending());
        }
        let reads = AtomicUsize::new(0);
        let mut arrivals = interval(Duration::from_millis(1));
        let connection = poll_fn(|context| {
            reads.fetch_add(1, Ordering::Relaxed);
            while arrivals.poll_tick(context).is_ready() {}
            Poll::<()>::Pending
        });
        let turns = in_turns(connection, calls, Places::new(&taken, &taken));
        timeout(Duration::from_millis(100), turns)
            .await
            .unwrap_err();
        reads.into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn connection_with_too_many_calls_is_read_every_20_ms() {
        let (few, many) = (
            reads_of_a_connection_with(1).await,
            reads_of_a_connection_with(20).await,
        );
        assert!((99..=101).contains(&few), "{few} reads");
        assert!((4..=6).contains(&many), "{many} reads");
    }

    #[tokio::test]
    async fn a_call_that_waits_delays_no_other() {
        let answered = Answered::default();
        let calls = CallQueue::default();
        let (go_on, waiting) = oneshot::channel();
        let (slow, quick) = (answered.clone(), answered.clone());
        let (ended, end) = oneshot::channel();
        calls.execute(async move {
            waiting.await.unwrap();
            slow.add('s');
            ended.send(()).unwrap();
        });
        calls.execute(async move { quick.add('q') });
        in_turns(answered.connection('q', 1), calls, places()).await;
        assert_eq!(answered.names(), "q");
        go_on.send(()).unwrap();
        end.await.unwrap();
        assert_eq!(answered.names(), "qs");
    }

    #[tokio::test]
    async fn a_call_that_panics_ends_alone() {
        let answered = Answered::default();
        let calls = CallQueue::default();
        calls.execute(async { panic!("on purpose") });
        let other = answered.clone();
        calls.execute(async move { other.add('o') });
        in_turns(answered.connection('o', 1), calls, places()).await;
        assert_eq!(answered.names(), "o");
    }
}

//! Threads for what computes or reads much, apart from those that keep
//! connections, answer single questions and tell health.
//!
//! The first thread to compute for a second would otherwise hold up every
//! connection that happens to be served by it. Here it holds up other calls of
//! its kind at most, and the operating system shares the cores between both.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    thread::available_parallelism,
};

use futures_util::future::Either;
use http_body::Body as _;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::mpsc,
};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Status, body::Body, codegen::http};
use tower::{Layer, Service};

use crate::telemetry::traces::CallSpan;

/// How many threads there are for each core. A large message is decoded in one go:
/// with as many threads as cores, a few of them would hold up every other call,
/// where the operating system shares the cores fairly.
const THREADS_A_CORE: usize = 2;

/// The fewest threads, whatever the machine.
const FEWEST_THREADS: usize = 4;

/// How much lower their priority is than that of the threads for connections.
const NICENESS: i32 = 5;

/// What is answered by the threads of the connections: it costs less than the way
/// to another thread.
const SHORT: [&str; 3] = [
    "/pim.authz.v1.AuthorizationService/Check",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
];

/// The threads for work, until this is dropped: what runs then is cancelled.
#[derive(Debug)]
pub(super) struct WorkThreads {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    handle: Handle,
}

impl WorkThreads {
    /// Starts twice as many threads as there are cores.
    ///
    /// # Errors
    ///
    /// What the operating system says when it gives no thread.
    pub(super) fn start() -> io::Result<Self> {
        let cores = available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads((cores * THREADS_A_CORE).max(FEWEST_THREADS))
            .thread_name("pim-authz-work")
            .on_thread_start(|| {
                // Where it is not allowed, the cores are shared evenly.
                let _evenly = rustix::process::nice(NICENESS);
            })
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        Ok(Self {
            runtime: Some(runtime),
            handle,
        })
    }

    /// To run something there.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for WorkThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A runtime cannot be waited for by a task.
            runtime.shutdown_background();
        }
    }
}

/// Runs all but short calls on the threads for work, what their answers are made
/// of included. A call whose caller has left is cancelled.
#[derive(Clone, Debug)]
pub(super) struct OnWorkThreads {
    handle: Handle,
}

impl OnWorkThreads {
    pub(super) fn new(threads: &WorkThreads) -> Self {
        Self {
            handle: threads.handle.clone(),
        }
    }
}

impl<S> Layer<S> for OnWorkThreads {
    type Service = Worked<S>;

    fn layer(&self, inner: S) -> Worked<S> {
        Worked {
            handle: self.handle.clone(),
            inner,
        }
    }
}

/// The services whose calls run on the threads for work.
#[derive(Clone, Debug)]
pub(super) struct Worked<S> {
    handle: Handle,
    inner: S,
}

type Answer<E> = Result<http::Response<Body>, E>;

impl<S> Service<http::Request<Body>> for Worked<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Error: Send + 'static,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Pin<Box<dyn Future<Output = Answer<S::Error>> + Send>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if SHORT.contains(&request.uri().path()) {
            return Either::Left(self.inner.call(request));
        }
        let handle = self.handle.clone();
        let answering = spanned(self.inner.call(request));
        let answered = AbortOnDropHandle::new(handle.spawn(answering));
        Either::Right(Box::pin(async move {
            match answered.await {
                Ok(answer) => Ok(answer?.map(|body| made_on(&handle, body))),
                Err(error) => {
                    tracing::error!(%error, "a call was ended by a bug of the service");
                    Ok(Status::internal("internal error").into_http())
                }
            }
        }))
    }
}

/// The same work, as a part of the call that this task answers.
fn spanned<F: Future>(work: F) -> impl Future<Output = F::Output> + use<F> {
    match CallSpan::current() {
        Some(span) => Either::Left(span.follow(work)),
        None => Either::Right(work),
    }
}

/// The same body, each part of which is made on the threads for work while the
/// one before is sent.
fn made_on(handle: &Handle, mut body: Body) -> Body {
    if body.is_end_stream() {
        return body;
    }
    let (parts, sent) = mpsc::channel(1);
    let making = AbortOnDropHandle::new(handle.spawn(spanned(async move {
        while let Some(part) = body.frame().await {
            if parts.send(part).await.is_err() {
                return;
            }
        }
    })));
    let parts = ReceiverStream::new(sent).map(move |part| {
        // Dropped with the body, which ends the making.
        let _making = &making;
        part
    });
    Body::new(StreamBody::new(parts))
}

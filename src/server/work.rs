//! Threads for calls that compute or read much, separate from those that serve
//! connections, single questions and health checks.
//!
//! Without them a call that computes for a second would delay every connection
//! served by the same thread. With them it delays at most other calls of its
//! kind, and the operating system shares the cores between both groups of
//! threads.
//!
//! Writes and reads of the administration have threads of their own among them: a
//! write awaits dozens of round trips, and after each would queue behind batches
//! that compute.

use std::{
    future::poll_fn,
    io,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    thread::available_parallelism,
};

use futures_util::future::Either;
use http_body::Body as _;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Status, body::Body, codegen::http};
use tower::Service;

use super::{
    call_kind::CallKind,
    places::{Place, Places},
};
use crate::{
    rpc::{Answering, Behind, layer},
    telemetry::traces::CallSpan,
};

/// Number of threads per core. A large message is decoded without yielding: with
/// one thread per core a few such messages would block all other calls, whereas
/// the operating system shares the cores fairly between threads.
const THREADS_A_CORE: usize = 2;

/// Smallest number of threads on any machine.
const FEWEST_THREADS: usize = 4;

/// Number of calls per thread that may wait for the threads; others wait in the
/// queues of their connections, where one that is given up costs nothing.
const PLACES_A_THREAD: usize = 16;

/// Niceness added to these threads, which lowers their priority below that of the
/// threads for connections.
const NICENESS: i32 = 5;

/// The work threads. When dropped, running tasks are canceled.
#[derive(Debug)]
pub(super) struct WorkThreads {
    decisions: Threads,
    administration: Threads,
}

/// The threads for one kind of calls.
#[derive(Debug)]
struct Threads {
    /// `None` only during drop.
    runtime: Option<Runtime>,
    handle: Handle,
    /// Permits for calls that are handed to these threads and wait for them.
    places: Arc<Semaphore>,
}

impl WorkThreads {
    /// Starts twice as many threads as there are cores for decisions, lists and
    /// imports, and as many for the administration, but at least
    /// [`FEWEST_THREADS`] each.
    ///
    /// # Errors
    ///
    /// The error of the operating system if a thread cannot be created.
    pub(super) fn start() -> io::Result<Self> {
        Ok(Self {
            decisions: Threads::start("pim-authz-work")?,
            administration: Threads::start("pim-authz-admin")?,
        })
    }

    /// Returns the places of a connection.
    pub(super) fn places(&self) -> Places {
        Places::new(&self.decisions.places, &self.administration.places)
    }

    /// Returns the handle for spawning tasks on the threads for decisions.
    pub(super) fn handle(&self) -> &Handle {
        &self.decisions.handle
    }
}

impl Threads {
    fn start(name: &str) -> io::Result<Self> {
        let cores = available_parallelism().map_or(1, usize::from);
        let threads = (cores * THREADS_A_CORE).max(FEWEST_THREADS);
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name(name)
            .on_thread_start(|| {
                // Where raising it is not permitted, the cores are shared evenly.
                let _evenly = rustix::process::nice(NICENESS);
            })
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        Ok(Self {
            runtime: Some(runtime),
            handle,
            places: Arc::new(Semaphore::new(threads * PLACES_A_THREAD)),
        })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A task cannot block until a runtime has shut down.
            runtime.shutdown_background();
        }
    }
}

/// Runs all but short calls, including the generation of their response bodies,
/// on the work threads. A call is canceled when its caller disconnects.
#[derive(Clone, Debug)]
pub(super) struct OnWorkThreads {
    decisions: Handle,
    administration: Handle,
}

impl OnWorkThreads {
    pub(super) fn new(threads: &WorkThreads) -> Self {
        Self {
            decisions: threads.decisions.handle.clone(),
            administration: threads.administration.handle.clone(),
        }
    }

    /// Returns the threads that a call runs on; `None`: those for connections.
    fn of(&self, path: &str) -> Option<&Handle> {
        match CallKind::of(path) {
            CallKind::Short => None,
            CallKind::Decision => Some(&self.decisions),
            CallKind::Administration => Some(&self.administration),
        }
    }
}

layer!(OnWorkThreads);

impl<S> Service<http::Request<Body>> for Behind<OnWorkThreads, S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Error: Send + 'static,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Answering<S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let Some(handle) = self.layer.of(request.uri().path()).cloned() else {
            return Either::Left(self.inner.call(request));
        };
        let place = request.extensions().get().and_then(Place::take);
        let answering = in_place(place, spanned(self.inner.call(request)));
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

/// Gives the place of a call back once the call has run for the first time.
async fn in_place<F: Future>(place: Option<OwnedSemaphorePermit>, call: F) -> F::Output {
    let mut call = pin!(call);
    let polled = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
    drop(place);
    match polled {
        Poll::Ready(output) => output,
        Poll::Pending => call.await,
    }
}

/// Returns the future, attached to the span of the call that this task answers.
fn spanned<F: Future>(work: F) -> impl Future<Output = F::Output> + use<F> {
    match CallSpan::current() {
        Some(span) => Either::Left(span.follow(work)),
        None => Either::Right(work),
    }
}

/// Returns the same body, each part of which is generated on the work threads
/// while the previous one is sent.
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
        // Dropped with the body, which aborts the task.
        let _making = &making;
        part
    });
    Body::new(StreamBody::new(parts))
}

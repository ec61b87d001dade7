//! The body of an HTTP/1.1 request, of which a call may leave a part unread: the
//! connection could not carry another request then and would be closed, perhaps while
//! the caller still sends, which would not see the response.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::timeout;

/// Most bytes that are read to be discarded.
const MOST_BYTES: usize = 1 << 20;

/// How long the rest may take to arrive.
const LONGEST: Duration = Duration::from_millis(500);

/// A body that two read: the call, and what discards the rest.
#[derive(Debug)]
pub(super) struct RequestBody<B>(Arc<Mutex<B>>);

impl<B: Body<Data = Bytes> + Unpin> RequestBody<B> {
    /// Returns the body for the call, and its rest.
    pub(super) fn shared(body: B) -> (Self, Self) {
        let body = Arc::new(Mutex::new(body));
        (Self(Arc::clone(&body)), Self(body))
    }

    fn body(&self) -> MutexGuard<'_, B> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the rest and discards it, if it is short and arrives soon.
    pub(super) async fn discard(self) {
        let reading = async {
            let mut read = 0_usize;
            while read <= MOST_BYTES {
                let frame = poll_fn(|context| Pin::new(&mut *self.body()).poll_frame(context));
                match frame.await {
                    Some(Ok(frame)) => read += frame.data_ref().map_or(0, Bytes::len),
                    Some(Err(_)) | None => return,
                }
            }
        };
        // Otherwise the connection is closed after the response.
        let _in_time = timeout(LONGEST, reading).await;
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut *self.body()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body().size_hint()
    }
}

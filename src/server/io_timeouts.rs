//! Closes connections that occupy a slot without using it: the client does not
//! begin HTTP, or reads nothing of what is sent to it.
//!
//! HTTP/2 itself has a limit for neither. Once HTTP/2 has begun, its pings end
//! connections that do not respond; HTTP/1.1 has a timeout for the head of the next
//! request.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// Bytes that every HTTP/2 client sends first: the preface, and the header of its
/// SETTINGS frame. A call of HTTP/1.1 has more.
const BEGINNING_BYTES: usize = 24 + 9;

/// Timeouts of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IoTimeouts {
    /// Until the whole beginning of HTTP has been received.
    pub(super) beginning: Duration,
    /// While the caller reads nothing.
    pub(super) stalled: Duration,
}

/// A stream that fails with [`io::ErrorKind::TimedOut`] when a caller exceeds a
/// timeout.
#[derive(Debug)]
pub(super) struct TimeoutStream<S> {
    stream: S,
    /// `None`: HTTP has begun.
    beginning: Option<Beginning>,
    /// Set while nothing can be written.
    stalled: Option<Pin<Box<Sleep>>>,
    timeouts: IoTimeouts,
}

#[derive(Debug)]
struct Beginning {
    missing_bytes: usize,
    end: Pin<Box<Sleep>>,
}

impl<S> TimeoutStream<S> {
    /// Creates a stream, and starts the timeout of its beginning.
    pub(super) fn new(stream: S, timeouts: IoTimeouts) -> Self {
        Self {
            stream,
            beginning: Some(Beginning {
                missing_bytes: BEGINNING_BYTES,
                end: Box::pin(sleep(timeouts.beginning)),
            }),
            stalled: None,
            timeouts,
        }
    }

    /// Counts bytes read, `None` while the read is pending, and checks the
    /// timeout.
    fn count_read(&mut self, read: Option<usize>, context: &mut Context<'_>) -> io::Result<()> {
        let Some(beginning) = &mut self.beginning else {
            return Ok(());
        };
        beginning.missing_bytes = beginning.missing_bytes.saturating_sub(read.unwrap_or(0));
        if beginning.missing_bytes == 0 {
            self.beginning = None;
            return Ok(());
        }
        match beginning.end.as_mut().poll(context) {
            Poll::Ready(()) => Err(timed_out("it did not begin to speak HTTP")),
            Poll::Pending => Ok(()),
        }
    }

    /// Returns the result of a write, or fails if it has stalled too long.
    fn in_time<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let timeouts = self.timeouts.stalled;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(sleep(timeouts)));
        match stalled.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(timed_out("it took nothing of what was sent"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

fn timed_out(what: &'static str) -> io::Error {
    tracing::debug!("a connection was closed: {what} in time");
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl<S: AsyncRead + Unpin> AsyncRead for TimeoutStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = outcome
            .is_ready()
            .then(|| buffer.filled().len().saturating_sub(before));
        self.count_read(read, context)?;
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimeoutStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.in_time(written, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.in_time(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.in_time(shut, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.in_time(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
        time::Instant,
    };

    use super::*;

    const PATIENCE: IoTimeouts = IoTimeouts {
        beginning: Duration::from_secs(10),
        stalled: Duration::from_secs(40),
    };

    fn connected() -> (TimeoutStream<DuplexStream>, DuplexStream) {
        let (server, caller) = duplex(64);
        (TimeoutStream::new(server, PATIENCE), caller)
    }

    #[tokio::test(start_paused = true)]
    async fn slow_beginning_of_http2_times_out() {
        // Nothing at all, all but one byte at once, and one byte after another.
        for (first, pause) in [(0, None), (32, None), (0, Some(Duration::from_secs(1)))] {
            let (mut server, mut caller) = connected();
            let begun = Instant::now();
            let sending = tokio::spawn(async move {
                caller.write_all(&vec![0; first]).await.unwrap();
                while let Some(pause) = pause {
                    tokio::time::sleep(pause).await;
                    if caller.write_all(&[0]).await.is_err() {
                        return;
                    }
                }
                std::future::pending::<()>().await;
            });
            let read = server.read_exact(&mut [0; 33]).await;
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert_eq!(begun.elapsed(), PATIENCE.beginning);
            sending.abort();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connection_stays_open_after_http2_begins() {
        let (mut server, mut caller) = connected();
        caller.write_all(&[0; 33]).await.unwrap();
        server.read_exact(&mut [0; 33]).await.unwrap();
        let silent = tokio::time::timeout(Duration::from_hours(1), server.read_u8()).await;
        assert!(silent.is_err(), "still open");
        caller.write_all(&[7]).await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn stalled_writes_time_out() {
        let (mut server, mut caller) = connected();
        server.write_all(&[0; 64]).await.unwrap();
        let begun = Instant::now();
        // The caller reads a little, which restarts the timeout, and then
        // nothing.
        let slow = async {
            tokio::time::sleep(Duration::from_secs(39)).await;
            caller.read_exact(&mut [0; 32]).await.unwrap();
        };
        let (written, ()) = tokio::join!(server.write_all(&[0; 64]), slow);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed(), Duration::from_secs(39 + 40));
    }
}

//! Accepts connections without exhausting the process's open files.

use std::{io, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt as _, stream};
use rustix::process::{Resource, getrlimit};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::sleep,
};
use tonic::transport::server::TcpIncoming;

use super::connection::Accepted;
use crate::telemetry::LogThrottle;

/// Open files reserved for other uses: connections to the database, the listener,
/// the runtimes and the private PostgreSQL.
const RESERVED_FILES: u64 = 64;

/// Smallest number of connections accepted, however low the limit of open files.
const FEWEST_CONNECTIONS: usize = 8;

/// Delay after a failed accept: initial and maximum.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// The limit on connections of callers.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    /// Largest number of open connections.
    pub(super) most: usize,
    /// One permit for each further connection.
    pub(super) turns: Arc<Semaphore>,
}

impl Connections {
    /// Limits connections to `configured`, or to fewer if `RLIMIT_NOFILE`, less
    /// the files that the server itself needs, is lower.
    pub(super) fn up_to(configured: usize) -> Self {
        let most = most_connections(configured);
        Self {
            most,
            turns: Arc::new(Semaphore::new(most)),
        }
    }

    /// Returns the number of open connections.
    pub(super) fn open(&self) -> usize {
        self.most.saturating_sub(self.turns.available_permits())
    }
}

fn most_connections(configured: usize) -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = usize::try_from(files.saturating_sub(RESERVED_FILES)).unwrap_or(usize::MAX);
    let most = most.max(FEWEST_CONNECTIONS).min(configured);
    most.clamp(1, Semaphore::MAX_PERMITS)
}

/// Returns the accepted connections, at most as many at once as there are
/// permits. Further ones are closed at once, so that their callers can use
/// another server.
pub(super) fn connections(
    listener: TcpListener,
    Connections { most, turns }: Connections,
) -> impl Stream<Item = Accepted> + Send {
    let incoming = TcpIncoming::from(listener)
        .with_nodelay(Some(true))
        .with_keepalive(Some(Duration::from_mins(1)));
    let accepting = Accepting {
        incoming,
        most,
        turns,
        full: LogThrottle::default(),
        failing: LogThrottle::default(),
    };
    stream::unfold(accepting, Accepting::next)
}

#[derive(Debug)]
struct Accepting<I> {
    incoming: I,
    most: usize,
    turns: Arc<Semaphore>,
    full: LogThrottle,
    failing: LogThrottle,
}

impl<I: Stream<Item = io::Result<TcpStream>> + Unpin> Accepting<I> {
    /// Returns the next connection; `None`: the listener is closed.
    async fn next(mut self) -> Option<(Accepted, Self)> {
        let [mut pause, longest] = PAUSES;
        loop {
            match self.incoming.next().await? {
                Ok(stream) => match Arc::clone(&self.turns).try_acquire_owned() {
                    Ok(turn) => return Some((Accepted { stream, turn }, self)),
                    Err(_) => self.refuse(stream),
                },
                // The caller disconnected before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    self.log_failure(&error);
                    sleep(pause).await;
                    pause = (pause * 2).min(longest);
                }
            }
        }
    }

    fn refuse(&mut self, stream: TcpStream) {
        drop(stream);
        if let Some(refused) = self.full.again() {
            tracing::warn!(
                connections.limit = self.most,
                connections.refused = refused,
                "{} connections are open, as many as `--max-connections` or the limit of open files \
                 (`ulimit -n`) allows: new ones are closed at once; raise it, or add servers",
                self.most
            );
        }
    }

    fn log_failure(&mut self, error: &io::Error) {
        if let Some(failures) = self.failing.again() {
            tracing::error!(
                %error,
                accept.failures = failures,
                "connections cannot be accepted; tried again each second. Where files are used \
                 up, raise the limit (`ulimit -n`)"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn accepting<I>(incoming: I) -> Accepting<I> {
        Accepting {
            incoming,
            most: 1,
            turns: Arc::new(Semaphore::new(1)),
            full: LogThrottle::default(),
            failing: LogThrottle::default(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failed_accepts_are_retried_once_a_second() {
        const TOO_MANY_OPEN_FILES: i32 = 24;
        let tries = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&tries);
        let incoming = stream::repeat_with(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Err(io::Error::from_raw_os_error(TOO_MANY_OPEN_FILES))
        });
        let next = accepting(incoming).next();
        let minute = tokio::time::timeout(Duration::from_mins(1), next).await;
        assert!(minute.is_err(), "nothing was accepted");
        let tries = tries.load(Ordering::Relaxed);
        assert!((55..=70).contains(&tries), "{tries}");
    }
}

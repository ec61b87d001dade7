use std::{
    future::Future,
    pin::pin,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};

use deadpool_postgres::{ClientWrapper, Object};
use tokio::{runtime::Handle, time::timeout};

use crate::telemetry::metrics as meter;

use super::{StoreError, connector::Connector, outage_log};

/// Time limits for a connection whose statement was abandoned: first until the
/// statement is canceled, then until the connection is closed.
const SETTLE_TIMEOUTS: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];

/// Responses that a connection has not received yet.
#[derive(Debug, Default)]
pub(super) struct Owed {
    in_flight: AtomicU32,
    unusable: AtomicBool,
    /// The last transaction may be retried at once.
    is_retryable: AtomicBool,
}

/// A pooled connection while it is in use.
///
/// A connection that timed out is closed, because its next user would wait behind
/// the late response. One that was dropped in the middle of a statement returns
/// to the pool once PostgreSQL has responded; a statement that takes long is
/// canceled.
#[derive(Debug)]
pub(super) struct Loan {
    /// `None` only during the drop.
    client: Option<Object>,
    owed: Owed,
    /// Opens the connection that cancels a statement.
    connector: Connector,
}

impl Owed {
    /// Awaits one response of PostgreSQL, for at most `bound`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the response times out, which makes the
    /// connection unusable; otherwise the error of `round_trip`.
    pub(super) async fn within<T>(
        &self,
        name: &'static str,
        bound: Duration,
        round_trip: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let Ok(answer) = timeout(bound, round_trip).await else {
            self.unusable.store(true, Ordering::Relaxed);
            meter::count_failure(name);
            let error = StoreError::timed_out(name, bound);
            outage_log::failed(name, &error);
            return Err(error);
        };
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        if answer.as_ref().is_err_and(StoreError::ends_connection) {
            // Otherwise the pool could hand it out again before it detects this.
            self.abandon();
        }
        answer
    }

    /// Marks the connection unusable: the rest of a response will not be read, or
    /// PostgreSQL has closed it.
    pub(super) fn abandon(&self) {
        self.unusable.store(true, Ordering::Relaxed);
    }

    /// Notes that a transaction was aborted that may succeed when retried.
    pub(super) fn note_may_run_again(&self) {
        self.is_retryable.store(true, Ordering::Relaxed);
    }

    fn is_unusable(&self) -> bool {
        self.unusable.load(Ordering::Relaxed)
    }

    /// Returns the number of statements that are not answered yet.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }
}

impl Loan {
    pub(super) fn new(client: Object, connector: Connector) -> Self {
        Self {
            client: Some(client),
            owed: Owed::default(),
            connector,
        }
    }

    /// Returns the connection and its outstanding responses; `None` only during the
    /// drop.
    pub(super) fn parts(&mut self) -> Option<(&mut ClientWrapper, &Owed)> {
        let client = self.client.as_mut()?;
        Some((client, &self.owed))
    }

    /// Returns whether the last transaction may succeed when retried, and resets the
    /// note.
    pub(super) fn take_may_run_again(&mut self) -> bool {
        std::mem::take(self.owed.is_retryable.get_mut())
    }

    /// True if statements can still be sent.
    pub(super) fn is_usable(&self) -> bool {
        let is_open = self
            .client
            .as_ref()
            .is_some_and(|client| !client.is_closed());
        is_open && !self.owed.is_unusable()
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else {
            return;
        };
        if self.owed.is_unusable() {
            drop(Object::take(client));
        } else if self.owed.in_flight() > 0 {
            match Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(settle(client, self.connector.clone()))),
                Err(_) => drop(Object::take(client)),
            }
        }
    }
}

/// Awaits the responses to abandoned statements, then returns the connection to
/// the pool, or closes it if they do not arrive in time.
async fn settle(client: Object, connector: Connector) {
    let [by_itself, cancelled] = SETTLE_TIMEOUTS;
    let answered = {
        let mut answer = pin!(client.simple_query(""));
        if let Ok(answer) = timeout(by_itself, &mut answer).await {
            answer.is_ok()
        } else {
            let cancelling = client.cancel_token();
            // The response is awaited even if the cancellation cannot be sent.
            let _sent = timeout(cancelled, connector.cancel(&cancelling)).await;
            matches!(timeout(cancelled, answer).await, Ok(Ok(_)))
        }
    };
    if !answered {
        drop(Object::take(client));
    }
}

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

/// How long a connection whose work was given up may take to answer by itself
/// before PostgreSQL is asked to cancel it, and then before it is closed.
const SETTLING: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];

/// The answers that a connection still owes.
#[derive(Debug, Default)]
pub(super) struct Owed {
    under_way: AtomicU32,
    overdue: AtomicBool,
    /// What was read last may be read again at once.
    may_run_again: AtomicBool,
}

/// A connection of the pool while it is in use.
///
/// A connection that did not answer in time is closed: its next user would wait
/// behind the late answer. One whose work was given up in the middle of a
/// statement returns to the pool once PostgreSQL has answered, which is asked to
/// cancel what takes long.
#[derive(Debug)]
pub(super) struct Loan {
    /// `None` only while it is dropped.
    client: Option<Object>,
    owed: Owed,
    /// How a statement is cancelled.
    connector: Connector,
}

impl Owed {
    /// Awaits one answer of PostgreSQL, for at most `bound`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when it does not come in time; the
    /// connection is of no more use then. Else the error of `round_trip`.
    pub(super) async fn within<T>(
        &self,
        name: &'static str,
        bound: Duration,
        round_trip: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let Ok(answer) = timeout(bound, round_trip).await else {
            self.overdue.store(true, Ordering::Relaxed);
            meter::count_failure(name);
            let error = StoreError::overdue(name, bound);
            outage_log::failed(name, &error);
            return Err(error);
        };
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        if answer.as_ref().is_err_and(StoreError::ends_connection) {
            // The pool would lend it again before it notices.
            self.abandon();
        }
        answer
    }

    /// Notes that the connection is of no more use: the rest of an answer will
    /// not be read, or PostgreSQL has ended it.
    pub(super) fn abandon(&self) {
        self.overdue.store(true, Ordering::Relaxed);
    }

    /// Notes that a transaction was aborted which may succeed when it is begun
    /// again.
    pub(super) fn note_may_run_again(&self) {
        self.may_run_again.store(true, Ordering::Relaxed);
    }

    fn is_overdue(&self) -> bool {
        self.overdue.load(Ordering::Relaxed)
    }

    fn is_under_way(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > 0
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

    /// The connection and its owed answers; `None` only while it is dropped.
    pub(super) fn parts(&mut self) -> Option<(&mut ClientWrapper, &Owed)> {
        let client = self.client.as_mut()?;
        Some((client, &self.owed))
    }

    /// Whether the last transaction may succeed when it is begun again; only
    /// once.
    pub(super) fn take_may_run_again(&mut self) -> bool {
        std::mem::take(self.owed.may_run_again.get_mut())
    }

    /// Whether statements can still be sent.
    pub(super) fn is_usable(&self) -> bool {
        let is_open = self
            .client
            .as_ref()
            .is_some_and(|client| !client.is_closed());
        is_open && !self.owed.is_overdue()
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else {
            return;
        };
        if self.owed.is_overdue() {
            drop(Object::take(client));
        } else if self.owed.is_under_way() {
            match Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(settle(client, self.connector.clone()))),
                Err(_) => drop(Object::take(client)),
            }
        }
    }
}

/// Awaits the answers to what was given up, then returns the connection.
async fn settle(client: Object, connector: Connector) {
    let [by_itself, cancelled] = SETTLING;
    let answered = {
        let mut answer = pin!(client.simple_query(""));
        if let Ok(answer) = timeout(by_itself, &mut answer).await {
            answer.is_ok()
        } else {
            let cancelling = client.cancel_token();
            // Where it cannot be asked, the answer is awaited all the same.
            let _asked = timeout(cancelled, connector.cancel(&cancelling)).await;
            matches!(timeout(cancelled, answer).await, Ok(Ok(_)))
        }
    };
    if !answered {
        drop(Object::take(client));
    }
}

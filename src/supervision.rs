//! Detects the end of essential tasks.
//!
//! A server that no longer renews its lease, or no longer updates its health,
//! would keep running although every call fails, and nothing would restart it.
//! Essential tasks therefore run under [`Supervisor::supervise`]; the server
//! awaits [`Supervisor::first_ended`], shuts down, and exits with an error, so
//! that the process is restarted.
//!
//! A task ends by returning, by a panic or by being aborted: each drops its
//! future, and with it the guard that reports the end. Tasks that belong to one
//! call are not supervised: the caller receives the error.

use std::future::Future;

use tokio::sync::watch;

/// An essential task of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "snake_case")]
pub enum Task {
    /// Renews the lease and follows the log of announcements.
    Lease,
    /// Announces the writes of this server.
    Announcer,
    /// Sends heartbeats of pending writes; removes abandoned ones and old rows.
    Maintenance,
    /// Reloads changed products into the product indexes.
    ProductIndex,
    /// Updates the health service from the lease.
    Health,
    /// Serves metrics and probes over HTTP.
    HttpListener,
    /// Reloads the TLS files for callers when they change.
    Certificates,
    /// Reloads the keys of the OIDC issuer.
    IssuerKeys,
    /// Polls the revisions of watched tenants, while there are any.
    WatchedRevisions,
}

/// Reports the first supervised task that ends unexpectedly.
#[derive(Clone, Debug)]
pub struct Supervisor {
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No task may end.
    Running,
    /// A task ended.
    Ended(Task),
    /// The server is shutting down: tasks may end.
    Stopping,
}

impl Default for Supervisor {
    fn default() -> Self {
        Self {
            state: watch::Sender::new(State::Running),
        }
    }
}

impl Supervisor {
    /// Wraps the future of a task that lasts as long as the server; any end is
    /// reported.
    pub fn supervise<W: Future<Output = ()>>(
        &self,
        task: Task,
        work: W,
    ) -> impl Future<Output = ()> + use<W> {
        // Created outside the future, so that dropping it before its first poll
        // is reported.
        let guard = self.guard(task);
        async move {
            // Held until the end, whatever its cause.
            let _guard = guard;
            work.await;
        }
    }

    /// Wraps the future of a task that may return: only a panic or an abort is
    /// reported.
    pub fn supervise_until_done<W: Future<Output = ()>>(
        &self,
        task: Task,
        work: W,
    ) -> impl Future<Output = ()> + use<W> {
        let guard = self.guard(task);
        async move {
            work.await;
            guard.done();
        }
    }

    fn guard(&self, task: Task) -> Guard {
        Guard {
            supervisor: self.clone(),
            task,
            is_done: false,
        }
    }

    /// Allows every task to end from now on, for shutdown.
    pub fn release(&self) {
        self.state.send_replace(State::Stopping);
    }

    /// Completes with the first task that ended before [`Supervisor::release`];
    /// never, if none did.
    pub async fn first_ended(&self) -> Task {
        let mut states = self.state.subscribe();
        loop {
            let state = *states.borrow_and_update();
            if let State::Ended(task) = state {
                return task;
            }
            // `self` holds the sender, so the channel is never closed.
            let _always_open = states.changed().await;
        }
    }

    fn report(&self, task: Task) {
        self.state.send_if_modified(|state| {
            let is_first = *state == State::Running;
            if is_first {
                *state = State::Ended(task);
            }
            is_first
        });
    }
}

/// Reports the end of a task when it is dropped.
#[derive(Debug)]
struct Guard {
    supervisor: Supervisor,
    task: Task,
    is_done: bool,
}

impl Guard {
    fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.is_done {
            self.supervisor.report(self.task);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt as _;

    use super::*;

    fn panicking() -> impl Future<Output = ()> {
        ready(()).map(|()| panic!("of a test"))
    }

    #[tokio::test]
    async fn return_panic_or_abort_of_a_task_is_reported() {
        let supervisor = Supervisor::default();
        tokio::spawn(supervisor.supervise(Task::Lease, ready(())));
        assert_eq!(supervisor.first_ended().await, Task::Lease);

        let supervisor = Supervisor::default();
        tokio::spawn(supervisor.supervise(Task::Health, panicking()));
        assert_eq!(supervisor.first_ended().await, Task::Health);

        let supervisor = Supervisor::default();
        tokio::spawn(supervisor.supervise(Task::Announcer, pending())).abort();
        assert_eq!(supervisor.first_ended().await, Task::Announcer);
    }

    #[tokio::test]
    async fn only_the_first_end_is_reported() {
        let supervisor = Supervisor::default();
        drop(supervisor.supervise(Task::Maintenance, pending()));
        drop(supervisor.supervise(Task::Lease, pending()));
        assert_eq!(supervisor.first_ended().await, Task::Maintenance);
    }

    #[tokio::test]
    async fn returning_task_is_reported_only_on_panic() {
        let supervisor = Supervisor::default();
        let task = Task::WatchedRevisions;
        supervisor.supervise_until_done(task, ready(())).await;
        assert_eq!(supervisor.first_ended().now_or_never(), None);
        tokio::spawn(supervisor.supervise_until_done(task, panicking()));
        assert_eq!(supervisor.first_ended().await, task);
    }

    #[tokio::test]
    async fn ended_tasks_are_not_reported_during_shutdown() {
        let supervisor = Supervisor::default();
        supervisor.release();
        drop(supervisor.supervise(Task::Lease, pending()));
        assert_eq!(supervisor.first_ended().now_or_never(), None);
    }
}

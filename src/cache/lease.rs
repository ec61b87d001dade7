use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{sync::watch, time::timeout};

use crate::store::LeaseId;

use super::clock::{Clock, Moment};

/// The end of the lease and its epoch in one value, so that both come from the
/// same renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) until: Moment,
    pub(super) epoch: u64,
}

/// The lease of this server, shared by the calls and the thread that renews it.
#[derive(Debug)]
pub(super) struct Lease {
    clock: Clock,
    hold: ArcSwap<Hold>,
    id: Mutex<Option<LeaseId>>,
    renewed: watch::Sender<u64>,
}

const NONE: Hold = Hold {
    until: Moment::NEVER,
    epoch: 0,
};

impl Lease {
    /// Creates a lease that does not run yet.
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            hold: ArcSwap::from_pointee(NONE),
            id: Mutex::new(None),
            renewed: watch::Sender::new(0),
        }
    }

    /// Returns the end and the epoch of the lease.
    pub(super) fn hold(&self) -> Hold {
        **self.hold.load()
    }

    /// True if the lease runs now.
    pub(super) fn is_running(&self) -> bool {
        self.clock.now() < self.hold().until
    }

    /// True if the lease ran and was not renewed in time; false if it was ended
    /// or never ran.
    pub(super) fn has_run_out(&self) -> bool {
        let until = self.hold().until;
        until != Moment::NEVER && until <= self.clock.now()
    }

    /// Returns the remaining time of the lease; zero if it does not run.
    pub(super) fn remaining(&self) -> Duration {
        self.hold().until.since(self.clock.now())
    }

    /// Returns the id of the lease. `None`: this server has not joined.
    pub(super) fn id(&self) -> Option<LeaseId> {
        *self.id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that this server joined; it may not answer yet.
    pub(super) fn set_joined(&self, id: LeaseId) {
        *self.id.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
    }

    /// Ends the lease: nothing is answered from now on.
    pub(super) fn end(&self) {
        self.hold.store(Arc::new(NONE));
        *self.id.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Extends the lease to the end in `hold`. Must be called last, after the log
    /// was applied.
    pub(super) fn extend(&self, hold: Hold) {
        self.hold.store(Arc::new(hold));
        self.renewed.send_modify(|count| *count += 1);
    }

    /// Waits at most `patience` until the lease runs. True if it does.
    pub(super) async fn wait(&self, patience: Duration) -> bool {
        let mut renewed = self.renewed.subscribe();
        let running = async {
            while !self.is_running() {
                if renewed.changed().await.is_err() {
                    return;
                }
            }
        };
        timeout(patience, running).await.is_ok() && self.is_running()
    }
}

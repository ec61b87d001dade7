use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{domain::FactKey, store::Announcement};

use super::{
    clock::{Clock, Moment},
    error::CacheError,
};

/// A write that waits to be announced.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) keys: Vec<FactKey>,
    pub(super) answer: oneshot::Sender<Result<Announced, CacheError>>,
}

/// The announced writes of this server that are under way, and the intents that
/// they may have left in the database.
#[derive(Debug)]
pub(super) struct LiveWrites {
    live: Mutex<BTreeSet<Announcement>>,
    /// Time until which unused intents of this server may appear in the database.
    leftovers: Mutex<Option<Moment>>,
    /// How long an unused intent may take to appear.
    patience: Duration,
    clock: Clock,
}

impl LiveWrites {
    /// Creates the empty set. An unused intent appears within `patience`.
    pub(super) fn new(patience: Duration, clock: Clock) -> Self {
        Self {
            live: Mutex::default(),
            leftovers: Mutex::default(),
            patience,
            clock,
        }
    }

    /// Returns the announced writes that are under way.
    pub(super) fn live(&self) -> MutexGuard<'_, BTreeSet<Announcement>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the write of an announcement that is in [`live`](Self::live).
    pub(super) fn announced(self: &Arc<Self>, announcement: Announcement) -> Announced {
        Announced {
            writes: Arc::clone(self),
            announcement,
            is_over: false,
        }
    }

    /// Records that an unused intent of this server may be in the database, now
    /// or soon, so that the upkeep removes it.
    pub(super) fn expect_leftovers(&self) {
        *self.leftovers() = Some(self.clock.now().plus(self.patience));
    }

    /// True if unused intents may have to be removed.
    pub(super) fn expects_leftovers(&self) -> bool {
        let until = *self.leftovers();
        until.is_some_and(|until| self.clock.now() < until)
    }

    fn leftovers(&self) -> MutexGuard<'_, Option<Moment>> {
        self.leftovers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A write that was announced and that every server which may answer from memory
/// has acknowledged: it may be committed. While this value exists the write
/// counts as under way.
#[derive(Debug)]
pub struct Announced {
    writes: Arc<LiveWrites>,
    announcement: Announcement,
    is_over: bool,
}

impl Announced {
    /// Returns the announcement whose intent the commit deletes.
    #[must_use]
    pub fn announcement(&self) -> Announcement {
        self.announcement
    }

    /// Ends the write: its intent was used or withdrawn.
    pub fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.writes.live().remove(&self.announcement);
        // The receiver is gone or its write has failed: the intent is left over.
        if !self.is_over {
            self.writes.expect_leftovers();
        }
    }
}

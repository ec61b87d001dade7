//! Places of calls among those that wait for the work threads.
//!
//! As many calls as have a place wait there, in the order in which they were begun; all
//! others wait in the queues of their connections (`call_queue`). The connections take
//! places in turn.

use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;

use super::call_kind::CallKind;

/// The places of the work threads, as one connection takes them.
#[derive(Debug)]
pub(super) struct Places {
    decisions: Offer,
    administration: Offer,
}

/// The places of the threads of one kind.
#[derive(Debug)]
struct Offer {
    places: PollSemaphore,
    /// A place that no call has taken yet.
    free: Option<OwnedSemaphorePermit>,
    /// True while the connection waits for a place.
    waits: bool,
}

/// The place of a call among those that wait for the work threads; an extension of its
/// request. A call that runs on other threads has none.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    taken: Option<Arc<Mutex<Option<OwnedSemaphorePermit>>>>,
}

impl Offer {
    fn of(places: &Arc<Semaphore>) -> Self {
        Self {
            places: PollSemaphore::new(Arc::clone(places)),
            free: None,
            waits: false,
        }
    }
}

impl Places {
    /// Returns the places of a connection, of the threads for decisions and of those for
    /// the administration.
    pub(super) fn new(decisions: &Arc<Semaphore>, administration: &Arc<Semaphore>) -> Self {
        Self {
            decisions: Offer::of(decisions),
            administration: Offer::of(administration),
        }
    }

    fn of(&mut self, kind: CallKind) -> Option<&mut Offer> {
        match kind {
            CallKind::Short => None,
            CallKind::Decision => Some(&mut self.decisions),
            CallKind::Administration => Some(&mut self.administration),
        }
    }

    /// True if a call of a kind has a place; otherwise the connection is woken when
    /// there may be one.
    pub(super) fn is_free(&mut self, kind: CallKind, context: &mut Context<'_>) -> bool {
        let Some(offer) = self.of(kind) else {
            return true;
        };
        if offer.free.is_none() {
            let polled = offer.places.poll_acquire(context);
            offer.waits = polled.is_pending();
            if let Poll::Ready(permit) = polled {
                offer.free = permit;
            }
        }
        offer.free.is_some()
    }

    /// Takes the free place of a kind for a call.
    pub(super) fn take(&mut self, kind: CallKind) -> Place {
        let free = self.of(kind).and_then(|offer| offer.free.take());
        Place {
            taken: free.map(|permit| Arc::new(Mutex::new(Some(permit)))),
        }
    }

    /// Returns the kinds for which the connection has a free place, or waits for one.
    pub(super) fn held(&self) -> impl Iterator<Item = CallKind> + use<> {
        let offers = [
            (CallKind::Decision, &self.decisions),
            (CallKind::Administration, &self.administration),
        ];
        let held =
            offers.map(|(kind, offer)| (offer.waits || offer.free.is_some()).then_some(kind));
        held.into_iter().flatten()
    }

    /// Gives back a free place, and, unless one `is_wanted`, stops waiting for it.
    pub(super) fn give_back(&mut self, kind: CallKind, is_wanted: bool) {
        let Some(offer) = self.of(kind) else {
            return;
        };
        offer.free = None;
        if offer.waits && !is_wanted {
            *offer = Offer::of(&offer.places.clone_inner());
        }
    }
}

impl Place {
    /// True unless the call needs no place, or none was taken for it.
    pub(super) fn is_held(&self) -> bool {
        self.taken.is_some()
    }

    /// Takes the place, which is given back when the result is dropped.
    pub(super) fn take(&self) -> Option<OwnedSemaphorePermit> {
        let taken = self.taken.as_ref()?.lock();
        taken.unwrap_or_else(PoisonError::into_inner).take()
    }
}

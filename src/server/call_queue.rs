//! The calls of one connection that have arrived and are not begun.
//!
//! Calls are begun in the order in which they arrived. When a queue has not been
//! empty for [`BRIEF`], more calls arrive than can be answered; then the last one is
//! begun first: it is answered in time, where each would be answered too late if all
//! waited for their turn. Calls that their caller gave up meanwhile are dropped without
//! work, and those whose deadline has passed are rejected by the gate.
//!
//! Calls of each kind have their own queue. One that runs on the work threads is begun
//! when it has a place there, so that those threads do not have a long queue of their
//! own, in which calls would wait that nobody waits for anymore.

use std::{
    collections::VecDeque,
    future::poll_fn,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::rt::Executor;
use tokio::{sync::oneshot, time::Instant};
use tonic::codegen::http;

use super::{
    call_kind::CallKind,
    places::{Place, Places},
};
use crate::rpc::Deadline;

/// How long a queue may be not empty before the last call is begun first.
const BRIEF: Duration = Duration::from_millis(100);

/// How long after its deadline a call is rejected if many wait: most callers have given
/// up theirs by then, which needs no response.
const GRACE: Duration = Duration::from_millis(50);

/// Number of waiting calls of a kind from which on each is examined, before it is begun,
/// whether its caller has given it up.
const FEW: usize = 16;

/// Number of calls given up that are dropped in one turn.
const DROPPED_A_TURN: usize = 1024;

/// Number of calls whose deadline has passed that are rejected in one turn.
const REJECTED_A_TURN: usize = 32;

/// A call that answers its request.
type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The calls of one connection that have arrived and are not begun; hyper executes
/// each call that arrives by it.
#[derive(Clone)]
pub(super) struct CallQueue {
    shared: Arc<Shared>,
}

struct Shared {
    arrived: Mutex<Arrived>,
    /// True while a call is begun: one that is polled otherwise only finds out whether
    /// its caller has given it up.
    begins: AtomicBool,
    /// The place of the call that is begun.
    place: Mutex<Place>,
}

#[derive(Default)]
struct Arrived {
    /// The queues of each kind, in the order of [`CallKind::ALL`].
    queues: [Queue; CallKind::ALL.len()],
    /// The call that is being accepted.
    next: Option<Expected>,
    /// The index of the kind whose turn it is.
    turn: usize,
}

/// What is known of a call before it is executed.
struct Expected {
    deadline: Deadline,
    kind: CallKind,
}

#[derive(Default)]
struct Queue {
    calls: VecDeque<Waiting>,
    /// Since when there have always been calls in the queue.
    busy_since: Option<Instant>,
}

struct Waiting {
    deadline: Deadline,
    call: Call,
}

/// A call that is begun next.
struct Next {
    kind: CallKind,
    /// Many others wait.
    is_crowded: bool,
    /// Its deadline has passed.
    is_late: bool,
    waiting: Waiting,
}

/// The number of calls that a turn has dealt with.
#[derive(Default)]
pub(super) struct Turn {
    begun: usize,
    rejected: usize,
    dropped: usize,
}

impl Turn {
    /// True if no call could be begun, nor rejected or dropped.
    pub(super) fn is_idle(&self) -> bool {
        self.begun + self.rejected + self.dropped == 0
    }

    /// True if the turn has dealt with as many calls as it may: `most` that were begun,
    /// or many that were rejected or dropped.
    pub(super) fn is_over(&self, most: usize) -> bool {
        self.begun >= most || self.rejected >= REJECTED_A_TURN || self.dropped >= DROPPED_A_TURN
    }
}

impl<F> Executor<F> for CallQueue
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, call: F) {
        let mut arrived = self.arrived();
        // hyper executes a call as soon as the service has accepted its request.
        let expected = arrived.next.take().unwrap_or_else(|| Expected {
            deadline: Deadline::on_arrival(&http::HeaderMap::new()),
            kind: CallKind::Short,
        });
        arrived.queue(expected.kind).push(Waiting {
            deadline: expected.deadline,
            call: Box::pin(call),
        });
    }
}

impl Arrived {
    /// Returns the call that is begun next, of each kind in turn.
    fn next(
        &mut self,
        now: Instant,
        places: &mut Places,
        context: &mut Context<'_>,
    ) -> Option<Next> {
        let [short, decisions, administration] = CallKind::ALL;
        let kinds = match self.turn {
            0 => [short, decisions, administration],
            1 => [decisions, administration, short],
            _ => [administration, short, decisions],
        };
        for kind in kinds {
            let queue = self.queue(kind);
            let is_crowded = queue.is_crowded();
            let next = queue.next(now, || places.is_free(kind, context));
            if let Some((waiting, is_late)) = next {
                self.turn = (self.turn + 1) % CallKind::ALL.len();
                return Some(Next {
                    kind,
                    is_crowded,
                    is_late,
                    waiting,
                });
            }
        }
        None
    }

    fn queue(&mut self, kind: CallKind) -> &mut Queue {
        let [short, decisions, administration] = &mut self.queues;
        match kind {
            CallKind::Short => short,
            CallKind::Decision => decisions,
            CallKind::Administration => administration,
        }
    }
}

impl Queue {
    fn push(&mut self, waiting: Waiting) {
        if self.calls.is_empty() {
            self.busy_since = Some(waiting.deadline.arrived());
        }
        self.calls.push_back(waiting);
    }

    /// Returns the first call if many wait.
    fn pop_if_crowded(&mut self) -> Option<Waiting> {
        if self.is_crowded() {
            self.calls.pop_front()
        } else {
            None
        }
    }

    /// Returns the next call, and whether it is late; another only if it `may_begin`.
    fn next(&mut self, now: Instant, may_begin: impl FnOnce() -> bool) -> Option<(Waiting, bool)> {
        let first = self.calls.front()?;
        let grace = if self.is_crowded() {
            GRACE
        } else {
            Duration::ZERO
        };
        if first.deadline.end() + grace <= now {
            return self.calls.pop_front().map(|waiting| (waiting, true));
        }
        if !may_begin() {
            return None;
        }
        let next = if self.is_brief(now) {
            self.calls.pop_front()
        } else {
            self.calls.pop_back()
        };
        next.map(|waiting| (waiting, false))
    }

    /// True unless there have always been calls in the queue for long.
    fn is_brief(&self, now: Instant) -> bool {
        self.busy_since
            .is_none_or(|since| now.duration_since(since) <= BRIEF)
    }

    fn is_crowded(&self) -> bool {
        self.calls.len() > FEW
    }
}

impl Default for CallQueue {
    fn default() -> Self {
        Self {
            shared: Arc::new(Shared {
                arrived: Mutex::default(),
                begins: AtomicBool::new(false),
                place: Mutex::default(),
            }),
        }
    }
}

impl CallQueue {
    fn arrived(&self) -> MutexGuard<'_, Arrived> {
        let arrived = self.shared.arrived.lock();
        arrived.unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what is known of the call that is executed next.
    pub(super) fn expect(&self, deadline: Deadline, kind: CallKind) {
        self.arrived().next = Some(Expected { deadline, kind });
    }

    /// Executes a call of HTTP/1.1, which hyper does not execute itself, and returns its
    /// answer; `None` if it panicked. Dropping the result gives the call up.
    pub(super) fn answer_of<F>(
        &self,
        call: F,
    ) -> impl Future<Output = Option<F::Output>> + Send + use<F>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (mut sender, answer) = oneshot::channel();
        self.execute(async move {
            let answered = tokio::select! {
                biased;
                () = sender.closed() => None,
                answer = call => Some(answer),
            };
            if let Some(answer) = answered {
                // The caller may have given it up at the same time.
                let _given_up = sender.send(answer);
            }
        });
        async move { answer.await.ok() }
    }

    /// Completes when the call that awaits it is begun; returns its place.
    pub(super) async fn begun(&self) -> Place {
        poll_fn(|_| {
            if self.shared.begins.load(Ordering::Relaxed) {
                Poll::Ready(self.place().clone())
            } else {
                Poll::Pending
            }
        })
        .await
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        let place = self.shared.place.lock();
        place.unwrap_or_else(PoisonError::into_inner)
    }

    /// True if more calls of a kind have arrived than can be answered, for some time.
    pub(super) fn is_overloaded(&self) -> bool {
        let arrived = self.arrived();
        let mut crowded = arrived.queues.iter().filter(|queue| queue.is_crowded());
        crowded.any(|queue| !queue.is_brief(Instant::now()))
    }

    /// Begins up to `most` calls. Drops those given up, and rejects those whose deadline
    /// has passed.
    pub(super) fn begin(
        &self,
        most: usize,
        places: &mut Places,
        context: &mut Context<'_>,
    ) -> Turn {
        let now = Instant::now();
        let mut turn = Turn {
            dropped: self.drop_given_up(context),
            ..Turn::default()
        };
        while !turn.is_over(most) {
            // The lock is not held while a call is polled.
            let next = self.arrived().next(now, places, context);
            let Some(mut next) = next else {
                break;
            };
            if (next.is_late || next.is_crowded) && is_given_up(&mut next.waiting.call, context) {
                turn.dropped += 1;
                continue;
            }
            let place = if next.is_late {
                turn.rejected += 1;
                Place::default()
            } else {
                turn.begun += 1;
                places.take(next.kind)
            };
            self.begin_one(next.waiting.call, place, context);
        }
        for kind in places.held() {
            let is_wanted = !self.arrived().queue(kind).calls.is_empty();
            places.give_back(kind, is_wanted);
        }
        turn
    }

    /// Drops the first calls of a long queue as far as they were given up, which they
    /// are in the order in which they arrived if all have the same timeout; returns
    /// their number. They would hold memory until their deadline otherwise.
    fn drop_given_up(&self, context: &mut Context<'_>) -> usize {
        let mut dropped = 0;
        for kind in CallKind::ALL {
            while dropped < DROPPED_A_TURN {
                let Some(mut first) = self.arrived().queue(kind).pop_if_crowded() else {
                    break;
                };
                if !is_given_up(&mut first.call, context) {
                    self.arrived().queue(kind).calls.push_front(first);
                    break;
                }
                dropped += 1;
            }
        }
        dropped
    }

    /// Begins a call. If it is not answered at once, it continues in a task.
    fn begin_one(&self, mut call: Call, place: Place, context: &mut Context<'_>) {
        *self.place() = place;
        self.shared.begins.store(true, Ordering::Relaxed);
        let polled = poll(&mut call, context);
        self.shared.begins.store(false, Ordering::Relaxed);
        // A call that waits for something before it runs on the work threads must not
        // keep others from their places.
        drop(mem::take(&mut *self.place()).take());
        if polled == Some(Poll::Pending) {
            tokio::spawn(call);
        }
    }
}

/// Tests whether the caller of a call that is not begun has given it up.
fn is_given_up(call: &mut Call, context: &mut Context<'_>) -> bool {
    poll(call, context) != Some(Poll::Pending)
}

/// Polls a call; `None`: it panicked. A panic ends the call, as it would in a task,
/// and not the connection.
fn poll(call: &mut Call, context: &mut Context<'_>) -> Option<Poll<()>> {
    let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context)));
    if polled.is_err() {
        tracing::error!("a call was ended by a bug of the service");
    }
    polled.ok()
}

#[cfg(test)]
mod tests;

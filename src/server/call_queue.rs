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
use tokio::time::Instant;
use tonic::codegen::http;

use super::work::{CallKind, Place, Places};
use crate::rpc::Deadline;

/// How long a queue may be not empty before the last call is begun first.
const BRIEF: Duration = Duration::from_millis(100);

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
}

#[derive(Default)]
struct Arrived {
    /// The queues of each kind, in the order of [`CallKind::ALL`].
    queues: [Queue; CallKind::ALL.len()],
    /// The call that is being accepted.
    next: Option<Expected>,
    /// Number of turns so far: each begins with another kind.
    turns: usize,
}

/// What is known of a call before it is executed.
struct Expected {
    deadline: Deadline,
    kind: CallKind,
    place: Place,
}

#[derive(Default)]
struct Queue {
    calls: VecDeque<Waiting>,
    /// When the queue was last empty.
    empty: Option<Instant>,
}

struct Waiting {
    deadline: Deadline,
    place: Place,
    call: Call,
}

/// Which call of a queue is begun next.
enum Next {
    /// One that may be answered in time.
    Timely(Waiting),
    /// One whose deadline has passed.
    Late(Waiting),
}

/// The number of calls that a turn has dealt with.
#[derive(Default)]
struct Turn {
    begun: usize,
    rejected: usize,
    dropped: usize,
}

impl Turn {
    fn is_over(&self, most: usize) -> bool {
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
            place: Place::default(),
        });
        arrived.queue(expected.kind).push(Waiting {
            deadline: expected.deadline,
            place: expected.place,
            call: Box::pin(call),
        });
    }
}

impl Arrived {
    /// Returns the kinds, first the one whose turn it is.
    fn kinds_in_turn(&mut self) -> [CallKind; CallKind::ALL.len()] {
        let mut kinds = CallKind::ALL;
        self.turns = self.turns.wrapping_add(1);
        kinds.rotate_left(self.turns % CallKind::ALL.len());
        kinds
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
            self.empty = Some(waiting.deadline.arrived());
        }
        self.calls.push_back(waiting);
    }

    /// Returns the next call; a timely one only if it `may_begin`.
    fn next(&mut self, now: Instant, may_begin: impl FnOnce() -> bool) -> Option<Next> {
        let first = self.calls.front()?;
        if first.deadline.end() <= now {
            return self.calls.pop_front().map(Next::Late);
        }
        if !may_begin() {
            return None;
        }
        let is_brief = self
            .empty
            .is_none_or(|empty| now.duration_since(empty) <= BRIEF);
        let next = if is_brief {
            self.calls.pop_front()
        } else {
            self.calls.pop_back()
        };
        next.map(Next::Timely)
    }
}

impl Default for CallQueue {
    fn default() -> Self {
        Self {
            shared: Arc::new(Shared {
                arrived: Mutex::default(),
                begins: AtomicBool::new(false),
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
    pub(super) fn expect(&self, deadline: Deadline, kind: CallKind, place: Place) {
        self.arrived().next = Some(Expected {
            deadline,
            kind,
            place,
        });
    }

    /// Completes when the call that awaits it is begun.
    pub(super) async fn begun(&self) {
        poll_fn(|_| {
            if self.shared.begins.load(Ordering::Relaxed) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Begins up to `most` calls and returns their number. Drops those given up, and
    /// rejects those whose deadline has passed: all these count as one.
    pub(super) fn begin(
        &self,
        most: usize,
        places: &mut Places,
        context: &mut Context<'_>,
    ) -> usize {
        let now = Instant::now();
        let mut turn = Turn::default();
        let kinds = self.arrived().kinds_in_turn();
        let mut has_next = true;
        while has_next {
            has_next = false;
            for kind in kinds {
                has_next |= !turn.is_over(most) && self.begin_next(kind, now, &mut turn, places, context);
            }
        }
        for kind in kinds {
            let is_wanted = !self.arrived().queue(kind).calls.is_empty();
            places.give_back(kind, is_wanted);
        }
        turn.begun + usize::from(turn.rejected + turn.dropped > 0)
    }

    /// Begins, rejects or drops the next call of a kind; false: no call may be begun.
    fn begin_next(
        &self,
        kind: CallKind,
        now: Instant,
        turn: &mut Turn,
        places: &mut Places,
        context: &mut Context<'_>,
    ) -> bool {
        // The lock is not held while a call is polled.
        let (next, is_crowded) = {
            let mut arrived = self.arrived();
            let queue = arrived.queue(kind);
            let is_crowded = queue.calls.len() > FEW;
            (queue.next(now, || places.is_free(kind, context)), is_crowded)
        };
        let (mut waiting, is_late) = match next {
            Some(Next::Timely(waiting)) => (waiting, false),
            Some(Next::Late(waiting)) => (waiting, true),
            None => return false,
        };
        if (is_late || is_crowded) && is_given_up(&mut waiting.call, context) {
            turn.dropped += 1;
            return true;
        }
        if is_late {
            turn.rejected += 1;
        } else {
            places.take(kind, &waiting.place);
            turn.begun += 1;
        }
        self.begin_one(waiting, context);
        true
    }

    /// Begins a call. If it is not answered at once, it continues in a task.
    fn begin_one(&self, mut waiting: Waiting, context: &mut Context<'_>) {
        self.shared.begins.store(true, Ordering::Relaxed);
        let polled = poll(&mut waiting.call, context);
        self.shared.begins.store(false, Ordering::Relaxed);
        // A call that waits for something before it runs on the work threads must not
        // keep others from their places.
        waiting.place.clear();
        if polled == Some(Poll::Pending) {
            tokio::spawn(waiting.call);
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

//! Points at which a test intercepts statements, and the actions there.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use tokio::sync::{oneshot, watch};

use super::conversation::RequestKind;

/// A statement, or the begin or end of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Named(&'static str),
    /// A statement of a transaction: the transaction's first named statement, and this one.
    Within(&'static str, &'static str),
    Begin,
    BeginOf(&'static str),
    CommitOf(&'static str),
    RollbackOf(&'static str),
}

impl From<&'static str> for Place {
    fn from(name: &'static str) -> Self {
        Self::Named(name)
    }
}

/// Returns the place of a statement in a transaction whose first named statement is
/// `first`.
pub(crate) fn within(first: &'static str, name: &'static str) -> Place {
    Place::Within(first, name)
}

/// Returns the place of any BEGIN.
pub(crate) fn begin() -> Place {
    Place::Begin
}

/// Returns the place of the BEGIN of the transaction whose first named statement
/// is `name`.
///
/// Only that statement identifies the BEGIN, and the server sends it behind the
/// BEGIN: what is intercepted is the request of that statement.
pub(crate) fn begin_of(name: &'static str) -> Place {
    Place::BeginOf(name)
}

/// Returns the place of the COMMIT of a transaction in which `name` ran, as its
/// last statement or before.
pub(crate) fn commit_of(name: &'static str) -> Place {
    Place::CommitOf(name)
}

/// Returns the place of the ROLLBACK of a transaction in which `name` ran.
pub(crate) fn rollback_of(name: &'static str) -> Place {
    Place::RollbackOf(name)
}

/// The request or the reply of a place; its next occurrence unless set otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    place: Place,
    side: Side,
    times: Times,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Request,
    Reply,
}

#[derive(Clone, Copy, Debug)]
enum Times {
    /// Once, after this number of further occurrences.
    Once(usize),
    Every,
}

/// Returns the point before a statement is forwarded. A prepared statement is
/// intercepted when it is executed, not when it is prepared.
pub(crate) fn request(place: impl Into<Place>) -> Point {
    Point {
        place: place.into(),
        side: Side::Request,
        times: Times::Once(0),
    }
}

/// Returns the point after the whole reply has arrived, before any of it is
/// forwarded: PostgreSQL has executed the request.
pub(crate) fn reply(place: impl Into<Place>) -> Point {
    let place = place.into();
    let is_known_too_late = matches!(place, Place::BeginOf(_));
    assert!(!is_known_too_late, "a BEGIN's reply goes before its name");
    Point {
        place,
        side: Side::Reply,
        times: Times::Once(0),
    }
}

impl Point {
    /// Selects the n-th occurrence from now on: 1 is the next.
    pub(crate) fn nth(self, number: usize) -> Self {
        let times = Times::Once(number.checked_sub(1).unwrap());
        Self { times, ..self }
    }

    /// Selects every occurrence, until [`Fault::release`].
    pub(crate) fn every(self) -> Self {
        let times = Times::Every;
        Self { times, ..self }
    }

    fn is_at(&self, kind: &RequestKind, side: Side) -> bool {
        let is_among = |names: &[String], name| names.iter().any(|known| known == name);
        let is_place = match (self.place, kind) {
            (Place::Named(wanted), RequestKind::Statement { name, .. }) => {
                name.as_deref() == Some(wanted)
            }
            (
                Place::Within(wanted_first, wanted),
                RequestKind::Statement {
                    name, transaction, ..
                },
            ) => name.as_deref() == Some(wanted) && transaction.as_deref() == Some(wanted_first),
            (
                Place::BeginOf(wanted),
                RequestKind::Statement {
                    name,
                    is_first_in_transaction: true,
                    ..
                },
            ) => name.as_deref() == Some(wanted),
            (Place::Begin, RequestKind::Begin) => true,
            (Place::CommitOf(name), RequestKind::Commit(names))
            | (Place::RollbackOf(name), RequestKind::Rollback(names)) => is_among(names, name),
            _ => false,
        };
        is_place && self.side == side
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Hold,
    Cut,
    Swallow,
    Observe,
}

/// Whether a message is forwarded when its turn comes, or its connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Pass,
    Cut,
}

/// Decides, by the name of each request or reply, when its turn comes; `None`: at once.
pub(crate) type Turns = Arc<dyn Fn(String) -> Option<oneshot::Receiver<Turn>> + Send + Sync>;

/// A fault at a point, with the number of requests or replies that reached it.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    faults: Arc<Mutex<Vec<Armed>>>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    arrived: watch::Sender<usize>,
    is_released: watch::Sender<bool>,
}

#[derive(Debug)]
struct Armed {
    point: Point,
    action: Action,
    state: Arc<State>,
}

/// A request or reply that reached a point, and the action there.
pub(super) struct Stopped {
    pub(super) action: Action,
    state: Arc<State>,
}

/// The faults of one proxy, and the statements that passed it.
#[derive(Default)]
pub(super) struct Faults {
    armed: Arc<Mutex<Vec<Armed>>>,
    seen: Mutex<BTreeSet<String>>,
    turns: Mutex<Option<Turns>>,
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Faults").field(&self.armed).finish()
    }
}

impl Faults {
    pub(super) fn add(&self, point: Point, action: Action) -> Fault {
        let state = Arc::new(State::default());
        let armed = Armed {
            point,
            action,
            state: Arc::clone(&state),
        };
        self.armed.lock().unwrap().push(armed);
        let faults = Arc::clone(&self.armed);
        Fault { faults, state }
    }

    /// Lets every message wait for its turn; `None`: none waits.
    pub(super) fn take_turns(&self, turns: Option<Turns>) {
        *self.turns.lock().unwrap() = turns;
    }

    /// Returns when the turn of a message comes; `None`: at once.
    pub(super) fn turn(&self, kind: &RequestKind, side: Side) -> Option<oneshot::Receiver<Turn>> {
        let turns = self.turns.lock().unwrap().clone()?;
        let side = match side {
            Side::Request => "",
            Side::Reply => "reply of ",
        };
        turns(format!("{side}{}", kind.name()?))
    }

    /// Returns the names of the statements that passed.
    pub(super) fn seen(&self) -> BTreeSet<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Returns the actions at a point: all that only observe, then at most one
    /// other.
    pub(super) fn at(&self, kind: &RequestKind, side: Side) -> Vec<Stopped> {
        if let RequestKind::Statement {
            name: Some(name), ..
        } = kind
        {
            self.seen.lock().unwrap().insert(name.clone());
        }
        let (mut watched, mut stopped) = (Vec::new(), None);
        self.armed.lock().unwrap().retain_mut(|armed| {
            let observes = armed.action == Action::Observe;
            if !armed.point.is_at(kind, side) || (stopped.is_some() && !observes) {
                return true;
            }
            if let Times::Once(more @ 1..) = &mut armed.point.times {
                *more -= 1;
                return true;
            }
            let (action, state) = (armed.action, Arc::clone(&armed.state));
            let found = Stopped { action, state };
            if observes {
                watched.push(found);
            } else {
                stopped = Some(found);
            }
            matches!(armed.point.times, Times::Every)
        });
        watched.extend(stopped);
        watched
    }
}

impl Stopped {
    /// Notifies the test that the point was reached.
    pub(super) fn arrive(&self) {
        self.state.arrived.send_modify(|count| *count += 1);
    }

    /// Waits until the test releases the fault.
    pub(super) async fn released(&self) {
        let mut released = self.state.is_released.subscribe();
        let _never_closed = released.wait_for(|is_released| *is_released).await;
    }
}

impl Fault {
    /// Waits until the point has been reached.
    pub(crate) async fn arrived(&self) {
        self.arrived_times(1).await;
    }

    /// Waits until the point has been reached this number of times.
    pub(crate) async fn arrived_times(&self, times: usize) {
        let mut arrived = self.state.arrived.subscribe();
        let wait = arrived.wait_for(|count| *count >= times);
        let _never_closed = tokio::time::timeout(LONGEST, wait)
            .await
            .expect("nothing came to the point in time");
    }

    /// Returns how often the point has been reached.
    pub(crate) fn count(&self) -> usize {
        *self.state.arrived.borrow()
    }

    /// Ends the fault: held messages are forwarded, connections of swallowed ones
    /// are closed, and nothing more is intercepted here.
    pub(crate) fn release(&self) {
        let mut faults = self.faults.lock().unwrap();
        faults.retain(|armed| !Arc::ptr_eq(&armed.state, &self.state));
        self.state.is_released.send_replace(true);
    }
}

/// Maximum time that a test waits for a point to be reached.
const LONGEST: std::time::Duration = std::time::Duration::from_mins(1);

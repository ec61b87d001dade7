use std::task::Waker;

use tokio::sync::{Semaphore, oneshot};

use super::*;

/// A queue, and the names of the calls that were made.
struct Made {
    calls: CallQueue,
    names: Arc<Mutex<String>>,
    decisions: Arc<Semaphore>,
    places: Places,
}

impl Made {
    fn none() -> Self {
        let decisions = Arc::new(Semaphore::new(1));
        Self {
            calls: CallQueue::default(),
            names: Arc::default(),
            places: Places::new(&decisions, &Arc::new(Semaphore::new(1))),
            decisions,
        }
    }

    /// A call arrives that has waited for so long, of a caller who gives it a second;
    /// returns how to give it up.
    fn arrives(&self, name: char, kind: CallKind, waited_ms: u64) -> oneshot::Sender<()> {
        let mut headers = http::HeaderMap::new();
        headers.insert("grpc-timeout", "1S".parse().unwrap());
        let deadline = Deadline::on_arrival(&headers);
        let deadline = deadline.earlier(Duration::from_millis(waited_ms));
        self.calls.expect(deadline, kind);
        let (calls, names) = (self.calls.clone(), Arc::clone(&self.names));
        let (give_up, mut end) = oneshot::channel();
        self.calls.execute(async move {
            tokio::select! {
                biased;
                _ = calls.begun() => names.lock().unwrap().push(name),
                _ = &mut end => {}
            }
        });
        give_up
    }

    /// Begins all calls that may begin, and returns the names of those made so far.
    fn begin_all(&mut self) -> String {
        let mut context = Context::from_waker(Waker::noop());
        while !self
            .calls
            .begin(1, &mut self.places, &mut context)
            .is_idle()
        {}
        self.names.lock().unwrap().clone()
    }

    fn waiting(&self, kind: CallKind) -> usize {
        self.calls.arrived().queue(kind).calls.len()
    }
}

/// Returns the order in which calls are begun that have waited for so many
/// milliseconds, of callers who give them a second.
fn order_of(waited: &[(char, u64)]) -> String {
    let mut made = Made::none();
    let calls: Vec<_> = waited
        .iter()
        .map(|(name, waited_ms)| made.arrives(*name, CallKind::Short, *waited_ms))
        .collect();
    let order = made.begin_all();
    drop(calls);
    order
}

#[test]
fn calls_are_begun_in_their_order_when_the_queue_is_brief() {
    assert_eq!(order_of(&[('a', 80), ('b', 20), ('c', 0)]), "abc");
}

#[test]
fn last_call_is_first_when_the_queue_is_never_empty() {
    let waited = [('a', 1_100), ('b', 700), ('c', 600), ('d', 50), ('e', 0)];
    // `a` is too late: it is begun at once, and the gate rejects it.
    assert_eq!(order_of(&waited), "aedcb");
}

#[test]
fn late_calls_are_given_time_to_be_given_up_when_many_wait() {
    for (waited_ms, begun) in [(970, 0), (1_010, FEW + 1)] {
        let mut made = Made::none();
        let taken = Arc::clone(&made.decisions).try_acquire_owned().unwrap();
        let calls: Vec<_> = (0..=FEW)
            .map(|_| made.arrives('l', CallKind::Decision, waited_ms))
            .collect();
        assert_eq!(made.begin_all().len(), begun);
        drop((taken, calls));
    }
}

#[test]
fn late_call_that_is_given_up_is_not_begun() {
    let mut made = Made::none();
    let late = made.arrives('l', CallKind::Short, 1_100);
    let timely = made.arrives('t', CallKind::Short, 0);
    late.send(()).unwrap();
    assert_eq!(made.begin_all(), "t");
    drop(timely);
}

#[test]
fn calls_given_up_are_not_begun_when_many_wait() {
    let mut made = Made::none();
    let calls: Vec<_> = ('a'..='z')
        .map(|name| (name, made.arrives(name, CallKind::Short, 0)))
        .collect();
    let mut kept = Vec::new();
    for (name, call) in calls {
        if name <= 'd' {
            call.send(()).unwrap();
        } else {
            kept.push(call);
        }
    }
    assert_eq!(made.begin_all(), "efghijklmnopqrstuvwxyz");
}

#[test]
fn first_calls_of_a_long_queue_are_dropped_when_given_up() {
    let mut made = Made::none();
    let taken = Arc::clone(&made.decisions).try_acquire_owned().unwrap();
    let mut calls: VecDeque<_> = (0..FEW + 4)
        .map(|_| made.arrives('d', CallKind::Decision, 0))
        .collect();
    for given_up in calls.drain(..3) {
        given_up.send(()).unwrap();
    }
    assert_eq!(made.begin_all(), "");
    assert_eq!(made.waiting(CallKind::Decision), FEW + 1);
    drop((taken, calls));
}

#[test]
fn queue_is_overloaded_when_many_calls_have_waited_for_long() {
    for (count, waited_ms, is_overloaded) in [
        (FEW + 1, 150, true),
        (FEW, 150, false),
        (FEW + 1, 50, false),
    ] {
        let made = Made::none();
        let calls: Vec<_> = (0..count)
            .map(|_| made.arrives('d', CallKind::Decision, waited_ms))
            .collect();
        assert_eq!(made.calls.is_overloaded(), is_overloaded);
        drop(calls);
    }
}

#[test]
fn decisions_wait_for_a_place_and_short_calls_do_not() {
    let mut made = Made::none();
    let taken = Arc::clone(&made.decisions).try_acquire_owned().unwrap();
    let calls = [
        made.arrives('d', CallKind::Decision, 0),
        made.arrives('s', CallKind::Short, 0),
        made.arrives('a', CallKind::Administration, 0),
    ];
    assert_eq!(made.begin_all(), "sa");
    assert_eq!(made.waiting(CallKind::Decision), 1);
    drop(taken);
    assert_eq!(made.begin_all(), "sad");
    drop(calls);
}

#[test]
fn late_call_is_rejected_without_a_place() {
    let mut made = Made::none();
    let taken = Arc::clone(&made.decisions).try_acquire_owned().unwrap();
    let calls = [
        made.arrives('l', CallKind::Decision, 1_100),
        made.arrives('t', CallKind::Decision, 0),
    ];
    assert_eq!(made.begin_all(), "l");
    drop((taken, calls));
}

#[test]
fn place_is_given_back_when_a_call_does_not_reach_the_work_threads() {
    let mut made = Made::none();
    let calls = [
        made.arrives('a', CallKind::Decision, 0),
        made.arrives('b', CallKind::Decision, 0),
    ];
    assert_eq!(made.begin_all(), "ab");
    assert_eq!(made.decisions.available_permits(), 1);
    drop(calls);
}

#[test]
fn connection_without_calls_does_not_keep_a_place() {
    let mut made = Made::none();
    let taken = Arc::clone(&made.decisions).try_acquire_owned().unwrap();
    let late = made.arrives('l', CallKind::Decision, 850);
    assert_eq!(made.begin_all(), "");
    // It waits for a place, and then its only call is too late to need one.
    let mut arrived = made.calls.arrived();
    let queue = arrived.queue(CallKind::Decision);
    for waiting in &mut queue.calls {
        waiting.deadline = waiting.deadline.earlier(Duration::from_millis(100));
    }
    drop(arrived);
    assert_eq!(made.begin_all(), "l");
    drop(taken);
    assert_eq!(made.decisions.available_permits(), 1);
    drop(late);
}

#[test]
fn call_of_http_1_is_begun_like_others_and_answers() {
    let mut made = Made::none();
    let deadline = Deadline::on_arrival(&http::HeaderMap::new());
    made.calls.expect(deadline, CallKind::Short);
    let calls = made.calls.clone();
    let mut answer = Box::pin(made.calls.answer_of(async move {
        calls.begun().await;
        7
    }));
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(answer.as_mut().poll(&mut context), Poll::Pending);
    made.begin_all();
    assert_eq!(answer.as_mut().poll(&mut context), Poll::Ready(Some(7)));
}

#[test]
fn call_of_http_1_that_is_given_up_is_not_made() {
    let mut made = Made::none();
    let deadline = Deadline::on_arrival(&http::HeaderMap::new());
    made.calls.expect(deadline, CallKind::Short);
    let (calls, names) = (made.calls.clone(), Arc::clone(&made.names));
    drop(made.calls.answer_of(async move {
        calls.begun().await;
        names.lock().unwrap().push('h');
    }));
    assert_eq!(made.begin_all(), "");
    assert_eq!(made.waiting(CallKind::Short), 0);
}

#[test]
fn call_of_http_1_that_panics_has_no_answer() {
    let mut made = Made::none();
    let deadline = Deadline::on_arrival(&http::HeaderMap::new());
    made.calls.expect(deadline, CallKind::Short);
    let call = async { panic!("on purpose") };
    let mut answer = Box::pin(made.calls.answer_of::<_>(call));
    made.begin_all();
    let mut context = Context::from_waker(Waker::noop());
    let answered: Poll<Option<()>> = answer.as_mut().poll(&mut context);
    assert_eq!(answered, Poll::Ready(None));
}

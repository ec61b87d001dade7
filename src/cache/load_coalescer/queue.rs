use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hashbrown::{HashMap, HashSet};
use tokio::sync::oneshot;

use crate::{
    cache::error::CacheError,
    domain::{Code, Facts, FactsNeeded},
    store::ReadAsOf,
};

/// Maximum number of questions of a server that wait for a statement.
const MAX_WAITING: usize = 4_096;

/// Maximum number of questions in one lane: of one tenant.
const MAX_WAITING_PER_LANE: usize = 1_024;

/// Maximum number of names that one shared statement reads: subjects, items,
/// products, attributes and grid views.
const NAMES_AT_ONCE: usize = 2_000;

/// The facts read for some questions.
pub(in crate::cache) type Read = Arc<ReadAsOf<Option<Facts>>>;

/// Reads facts for questions that memory cannot answer, and coalesces the reads.
///
/// Questions that arrive while all statements are running share the next one with
/// all others of the tenant. So a statement always begins after the questions
/// that it answers: it may be shared even if a write is pending.
///
/// The number of waiting questions is bounded, tenants take turns, and questions
/// of callers that are gone are skipped.
#[derive(Debug, Default)]
pub(in crate::cache) struct LoadCoalescer {
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) waiting: Lanes,
    pub(super) statements: usize,
    pub(super) stalled: usize,
}

impl LoadCoalescer {
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lane of a question: its tenant, or `None` for all tenants that are not
/// known to exist.
pub(super) type Lane = Option<Code>;

/// A question that waits for a statement. A caller that goes away drops the
/// receiver of `answer`.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) tenant: Code,
    pub(super) needed: FactsNeeded,
    pub(super) answer: oneshot::Sender<Result<Read, CacheError>>,
}

/// The waiting questions, in bounded number. The lanes take turns, so that no
/// tenant waits behind all questions of another one; questions whose caller is
/// gone are skipped.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    waiting: HashMap<Lane, VecDeque<Waiting>>,
    /// The lanes that are not empty, the next one first.
    turns: VecDeque<Lane>,
}

/// The facts that one statement reads, and the questions that wait for them.
pub(super) type Together = (Code, FactsNeeded, Vec<Waiting>);

impl Lanes {
    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Enqueues a question.
    ///
    /// # Errors
    ///
    /// [`CacheError::Overloaded`] if too many questions wait, of the server or of
    /// the lane.
    pub(super) fn push(&mut self, lane: Lane, waiting: Waiting) -> Result<(), CacheError> {
        if self.is_full(&lane) {
            self.drop_closed();
            if self.is_full(&lane) {
                return Err(CacheError::Overloaded);
            }
        }
        let questions = self.waiting.entry(lane.clone()).or_default();
        if questions.is_empty() {
            self.turns.push_back(lane);
        }
        questions.push_back(waiting);
        Ok(())
    }

    fn is_full(&self, lane: &Lane) -> bool {
        let in_lane = self.waiting.get(lane).map_or(0, VecDeque::len);
        let all: usize = self.waiting.values().map(VecDeque::len).sum();
        in_lane >= MAX_WAITING_PER_LANE || all >= MAX_WAITING
    }

    /// Removes questions whose caller is gone.
    fn drop_closed(&mut self) {
        self.waiting.retain(|_, questions| {
            questions.retain(|one| !one.answer.is_closed());
            !questions.is_empty()
        });
        let kept: HashSet<&Lane> = self.waiting.keys().collect();
        self.turns.retain(|lane| kept.contains(lane));
    }

    /// Returns the next statement: the first question of the next lane, with
    /// others of its tenant.
    pub(super) fn next(&mut self) -> Option<Together> {
        while let Some(lane) = self.turns.pop_front() {
            let mut questions = self.waiting.remove(&lane).unwrap_or_default();
            questions.retain(|one| !one.answer.is_closed());
            let Some(first) = questions.pop_front() else {
                continue;
            };
            let together = with_others(first, &mut questions);
            if !questions.is_empty() {
                self.waiting.insert(lane.clone(), questions);
                self.turns.push_back(lane);
            }
            return Some(together);
        }
        None
    }

    /// Removes and returns the questions that need exactly these facts.
    pub(super) fn take(&mut self, tenant: &Code, needed: &FactsNeeded) -> Vec<Waiting> {
        let mut taken = Vec::new();
        for questions in self.waiting.values_mut() {
            let (same, others): (Vec<Waiting>, Vec<Waiting>) = questions
                .drain(..)
                .partition(|one| one.tenant == *tenant && one.needed == *needed);
            taken.extend(same);
            questions.extend(others);
        }
        self.drop_closed();
        taken
    }
}

/// Combines a question with those of the same tenant that one statement can read.
fn with_others(first: Waiting, questions: &mut VecDeque<Waiting>) -> Together {
    let (tenant, mut needed) = (first.tenant.clone(), first.needed.clone());
    let mut together = vec![first];
    let mut others = VecDeque::new();
    for one in questions.drain(..) {
        let fits = one.tenant == tenant
            && one.needed.groups == needed.groups
            && names(&needed) + names(&one.needed) <= NAMES_AT_ONCE;
        if !fits {
            others.push_back(one);
            continue;
        }
        needed.subjects.extend(one.needed.subjects.iter().cloned());
        needed.items.extend(one.needed.items.iter().cloned());
        needed.products.extend(one.needed.products.iter().cloned());
        needed
            .attributes
            .extend(one.needed.attributes.iter().cloned());
        needed
            .grid_views
            .extend(one.needed.grid_views.iter().cloned());
        together.push(one);
    }
    *questions = others;
    (tenant, needed, together)
}

fn names(needed: &FactsNeeded) -> usize {
    needed.subjects.len()
        + needed.items.len()
        + needed.products.len()
        + needed.attributes.len()
        + needed.grid_views.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ProductKind, ProductRef};

    type Caller = oneshot::Receiver<Result<Read, CacheError>>;

    fn code(code: &str) -> Code {
        code.parse().unwrap()
    }

    fn waiting(tenant: &str, product: &str) -> (Waiting, Caller) {
        let (answer, caller) = oneshot::channel();
        let product = ProductRef {
            kind: ProductKind::Product,
            code: code(product),
        };
        let needed = FactsNeeded {
            products: [product].into(),
            ..FactsNeeded::default()
        };
        let tenant = code(tenant);
        let waiting = Waiting {
            tenant,
            needed,
            answer,
        };
        (waiting, caller)
    }

    /// Enqueues a question of a known tenant.
    fn push(lanes: &mut Lanes, tenant: &str, product: &str) -> Result<Caller, CacheError> {
        let (waiting, caller) = waiting(tenant, product);
        lanes.push(Some(code(tenant)), waiting)?;
        Ok(caller)
    }

    #[test]
    fn tenants_take_turns() {
        let mut lanes = Lanes::default();
        let mut callers = Vec::new();
        for number in 0..5_000 {
            let Ok(caller) = push(&mut lanes, "busy", &number.to_string()) else {
                assert_eq!(number, MAX_WAITING_PER_LANE);
                break;
            };
            callers.push(caller);
        }
        callers.push(push(&mut lanes, "calm", "hat").unwrap());
        let order: Vec<String> = std::iter::from_fn(|| lanes.next())
            .map(|(tenant, _, together)| format!("{tenant} {}", together.len()))
            .collect();
        assert_eq!(order, ["busy 1024", "calm 1"]);
    }

    #[test]
    fn questions_of_departed_callers_are_skipped() {
        let mut lanes = Lanes::default();
        let stays = push(&mut lanes, "acme", "hat").unwrap();
        for number in 0..3 * MAX_WAITING_PER_LANE {
            drop(push(&mut lanes, "acme", &number.to_string()).unwrap());
        }
        let (_, needed, together) = lanes.next().unwrap();
        assert_eq!((needed.products.len(), together.len()), (1, 1));
        drop(stays);
        assert!(lanes.next().is_none() && lanes.is_empty());
    }

    #[test]
    fn unknown_tenants_share_one_lane() {
        let mut lanes = Lanes::default();
        let mut callers = Vec::new();
        loop {
            let (waiting, caller) = waiting(&format!("stranger_{}", callers.len()), "hat");
            if lanes.push(None, waiting).is_err() {
                break;
            }
            callers.push(caller);
        }
        assert_eq!(callers.len(), MAX_WAITING_PER_LANE);
        callers.push(push(&mut lanes, "acme", "hat").unwrap());
        let tenants = std::iter::from_fn(|| lanes.next()).map(|(tenant, _, _)| tenant);
        let place = tenants
            .into_iter()
            .position(|tenant| tenant == code("acme"));
        assert_eq!(place, Some(1));
    }

    #[test]
    fn questions_beyond_the_limit_of_a_server_are_rejected() {
        let mut lanes = Lanes::default();
        let mut callers = Vec::new();
        let refused = loop {
            let tenant = format!("tenant_{}", callers.len() / 100);
            match push(&mut lanes, &tenant, "hat") {
                Ok(caller) => callers.push(caller),
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, CacheError::Overloaded));
        assert_eq!(callers.len(), MAX_WAITING);
        callers.truncate(MAX_WAITING - 1);
        push(&mut lanes, "tenant_0", "hat").unwrap();
    }
}

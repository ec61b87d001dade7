use std::collections::{HashMap, HashSet, VecDeque};

use tokio::sync::oneshot;

use crate::{
    cache::error::CacheError,
    domain::{Code, FactsNeeded},
};

use super::Read;

/// How many questions of a server may wait for a statement.
const MOST: usize = 4_096;

/// How many of them in one lane: of one tenant.
const MOST_OF_A_LANE: usize = 1_024;

/// The most subjects, items and products that one shared statement asks for.
const NAMES_AT_ONCE: usize = 2_000;

/// Where a question waits: by tenant, or with all whose tenant is not known to
/// be there.
pub(super) type Lane = Option<Code>;

/// A question that waits for a statement. Whoever has gone away drops the other
/// end of `answer`.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) tenant: Code,
    pub(super) needed: FactsNeeded,
    pub(super) answer: oneshot::Sender<Result<Read, CacheError>>,
}

/// The questions that wait, in bounded number. The lanes take turns, so that no
/// tenant waits behind all questions of another one; those who have gone away are
/// passed over.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    waiting: HashMap<Lane, VecDeque<Waiting>>,
    /// The lanes with somebody in them, the next one first.
    turns: VecDeque<Lane>,
}

/// What one statement reads, for whom.
pub(super) type Together = (Code, FactsNeeded, Vec<Waiting>);

impl Lanes {
    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Lets a question wait.
    ///
    /// # Errors
    ///
    /// [`CacheError::Overloaded`] when too many wait, of the server or of the
    /// lane.
    pub(super) fn push(&mut self, lane: Lane, waiting: Waiting) -> Result<(), CacheError> {
        if self.is_full(&lane) {
            self.drop_departed();
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
        in_lane >= MOST_OF_A_LANE || all >= MOST
    }

    fn drop_departed(&mut self) {
        self.waiting.retain(|_, questions| {
            questions.retain(|one| !one.answer.is_closed());
            !questions.is_empty()
        });
        let kept: HashSet<&Lane> = self.waiting.keys().collect();
        self.turns.retain(|lane| kept.contains(lane));
    }

    /// The next statement, and who waits for it: the first question of the next
    /// lane, with others of its tenant.
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

    /// Takes out who waits for just this.
    pub(super) fn take(&mut self, tenant: &Code, needed: &FactsNeeded) -> Vec<Waiting> {
        let mut taken = Vec::new();
        for questions in self.waiting.values_mut() {
            let (same, others): (Vec<Waiting>, Vec<Waiting>) = questions
                .drain(..)
                .partition(|one| one.tenant == *tenant && one.needed == *needed);
            taken.extend(same);
            questions.extend(others);
        }
        self.drop_departed();
        taken
    }
}

/// Joins a question with those of the same tenant that one statement can read.
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

    type Asker = oneshot::Receiver<Result<Read, CacheError>>;

    fn code(code: &str) -> Code {
        code.parse().unwrap()
    }

    fn waiting(tenant: &str, product: &str) -> (Waiting, Asker) {
        let (answer, asker) = oneshot::channel();
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
        (waiting, asker)
    }

    /// Lets a question of a known tenant wait.
    fn push(lanes: &mut Lanes, tenant: &str, product: &str) -> Result<Asker, CacheError> {
        let (waiting, asker) = waiting(tenant, product);
        lanes.push(Some(code(tenant)), waiting)?;
        Ok(asker)
    }

    #[test]
    fn tenants_take_turns() {
        let mut lanes = Lanes::default();
        let mut askers = Vec::new();
        for number in 0..5_000 {
            let Ok(asker) = push(&mut lanes, "busy", &number.to_string()) else {
                assert_eq!(number, MOST_OF_A_LANE);
                break;
            };
            askers.push(asker);
        }
        askers.push(push(&mut lanes, "calm", "hat").unwrap());
        let order: Vec<String> = std::iter::from_fn(|| lanes.next())
            .map(|(tenant, _, together)| format!("{tenant} {}", together.len()))
            .collect();
        assert_eq!(order, ["busy 1024", "calm 1"]);
    }

    #[test]
    fn whoever_has_gone_away_is_passed_over() {
        let mut lanes = Lanes::default();
        let stays = push(&mut lanes, "acme", "hat").unwrap();
        for number in 0..3 * MOST_OF_A_LANE {
            drop(push(&mut lanes, "acme", &number.to_string()).unwrap());
        }
        let (_, needed, together) = lanes.next().unwrap();
        assert_eq!((needed.products.len(), together.len()), (1, 1));
        drop(stays);
        assert!(lanes.next().is_none() && lanes.is_empty());
    }

    #[test]
    fn strangers_share_one_lane() {
        let mut lanes = Lanes::default();
        let mut askers = Vec::new();
        loop {
            let (waiting, asker) = waiting(&format!("stranger_{}", askers.len()), "hat");
            if lanes.push(None, waiting).is_err() {
                break;
            }
            askers.push(asker);
        }
        assert_eq!(askers.len(), MOST_OF_A_LANE);
        askers.push(push(&mut lanes, "acme", "hat").unwrap());
        let tenants = std::iter::from_fn(|| lanes.next()).map(|(tenant, _, _)| tenant);
        let place = tenants
            .into_iter()
            .position(|tenant| tenant == code("acme"));
        assert_eq!(place, Some(1));
    }

    #[test]
    fn a_server_lets_only_so_many_wait() {
        let mut lanes = Lanes::default();
        let mut askers = Vec::new();
        let refused = loop {
            let tenant = format!("tenant_{}", askers.len() / 100);
            match push(&mut lanes, &tenant, "hat") {
                Ok(asker) => askers.push(asker),
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, CacheError::Overloaded));
        assert_eq!(askers.len(), MOST);
        askers.truncate(MOST - 1);
        push(&mut lanes, "tenant_0", "hat").unwrap();
    }
}

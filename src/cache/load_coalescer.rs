pub(super) mod queue;

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{sync::oneshot, time::timeout};

use crate::{
    domain::{Code, FactKey, FactsNeeded, Section},
    failpoints::{Gate, mistakes, reach},
};

use super::{
    core::Core,
    error::CacheError,
    memory::{Entry, Fact},
    turns::STALL,
};

pub(super) use self::queue::Read;
use self::queue::{Lane, Queue, Together, Waiting};

/// Number of statements that read facts at once, not counting stalled ones; more
/// questions share the next one.
const STATEMENTS_AT_ONCE: usize = 4;

/// Maximum number of statements, including stalled ones.
pub(super) const MOST_STATEMENTS: usize = STATEMENTS_AT_ONCE + STALLED_AT_ONCE;

/// Maximum number of stalled statements beside them, so that some connections are
/// left for everything else.
const STALLED_AT_ONCE: usize = 6;

/// Interval at which a caller that waits for a statement checks that the lease
/// still runs.
const LEASE_CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// Reads the facts that some questions need, by a statement that begins after
/// this call.
pub(super) async fn read(
    core: &Arc<Core>,
    tenant: &Code,
    needed: &FactsNeeded,
) -> Result<Read, CacheError> {
    let (answer, mut answered) = oneshot::channel();
    let lane = lane(core, tenant);
    let begins = {
        let mut queue = core.coalescer.queue();
        let waiting = Waiting {
            tenant: tenant.clone(),
            needed: needed.clone(),
            answer,
        };
        queue.waiting.push(lane, waiting)?;
        let begins = queue.statements < mistakes::fewer_statements(STATEMENTS_AT_ONCE);
        queue.statements += usize::from(begins);
        begins
    };
    if begins {
        core.runtimes.questions.spawn(serve(Slot::of(core)));
    }
    reach(Gate::LoadQueued);
    loop {
        match timeout(LEASE_CHECK_INTERVAL, &mut answered).await {
            Ok(read) => return read.map_err(|_| CacheError::LeaseLost)?,
            Err(_) if core.lease.is_running() => {}
            Err(_) => return Err(CacheError::LeaseLost),
        }
    }
}

/// Returns the lane in which the questions of a tenant wait. Tenants that this
/// server has never seen share one lane, however many codes are named. A server
/// without a cache knows no tenant: there each tenant has a lane of its own.
fn lane(core: &Core, tenant: &Code) -> Lane {
    let key = FactKey::Section(tenant.clone(), Section::Vocabulary);
    let is_known = !core.keeps()
        || matches!(
            core.memory.get(&key),
            Some(Entry {
                fact: Fact::Vocabulary(Some(_)),
                ..
            })
        );
    is_known.then(|| tenant.clone())
}

/// One of the statements that may run at once. Dropping it releases the slot,
/// after a panic too: otherwise four panics would block every question.
#[derive(Debug)]
struct Slot {
    core: Arc<Core>,
    state: SlotState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SlotState {
    /// It counts as a running statement.
    Held,
    /// It was released for waiting questions and counts as a stalled one.
    Stalled,
    /// It is no longer counted.
    Free,
}

impl Slot {
    fn of(core: &Arc<Core>) -> Self {
        Self {
            core: Arc::clone(core),
            state: SlotState::Held,
        }
    }

    /// Releases the slot for waiting questions, unless too many are stalled
    /// already.
    fn stall(&mut self) {
        let mut queue = self.core.coalescer.queue();
        if queue.stalled < STALLED_AT_ONCE {
            queue.stalled += 1;
            self.state = SlotState::Stalled;
            pass_on(&self.core, &mut queue);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut queue = self.core.coalescer.queue();
        match self.state {
            SlotState::Held => pass_on(&self.core, &mut queue),
            SlotState::Stalled => queue.stalled -= 1,
            SlotState::Free => {}
        }
    }
}

/// Hands the slot to waiting questions, or releases it if there are none.
fn pass_on(core: &Arc<Core>, queue: &mut Queue) {
    if queue.waiting.is_empty() {
        queue.statements -= 1;
    } else {
        core.runtimes.questions.spawn(serve(Slot::of(core)));
    }
}

/// Runs statement after statement until no question waits.
async fn serve(mut slot: Slot) {
    let core = Arc::clone(&slot.core);
    while let Some((tenant, needed, waiting)) = next(&core) {
        let mut reading = pin!(core.store.facts(&tenant, &needed));
        let (read, keeps_slot) = if let Ok(read) = timeout(STALL, &mut reading).await {
            (read, true)
        } else {
            // A statement that hangs for one question blocks no other.
            slot.stall();
            (reading.await, slot.state == SlotState::Held)
        };
        let read = read.map(Arc::new).map_err(CacheError::from);
        if let Ok(taken) = &read {
            core.cache_facts(&tenant, &needed, taken);
        }
        reach(Gate::LoadEnded);
        let late = mistakes::latecomers(|| core.coalescer.queue().waiting.take(&tenant, &needed));
        for one in waiting.into_iter().chain(late) {
            // Callers that are gone need no answer.
            let _gone = one.answer.send(read.clone());
        }
        if !keeps_slot {
            return;
        }
    }
    // `next` has released the slot with its last read of the queue.
    slot.state = SlotState::Free;
}

/// Returns the next statement and the questions that wait for it.
fn next(core: &Core) -> Option<Together> {
    let mut queue = core.coalescer.queue();
    let next = queue.waiting.next();
    if next.is_none() {
        queue.statements -= 1;
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_statement_whose_task_panics_frees_its_slot() {
        let core = Arc::new(Core::of_test());
        core.coalescer.queue().statements += 1;
        let slot = Slot::of(&core);
        let panicked = tokio::spawn(async move {
            let _slot = slot;
            panic!("of a test");
        });
        panicked.await.unwrap_err();
        assert_eq!(core.coalescer.queue().statements, 0);
    }
}

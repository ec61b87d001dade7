mod queue;

use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use crate::{
    domain::{Code, FactKey, Facts, FactsNeeded, Section},
    failpoints::{Rule, is_disabled, pause_long},
    store::Taken,
};

use super::{
    core::Core,
    error::CacheError,
    memory::{Entry, Fact},
    turns::STALL,
};

use self::queue::{Lane, Lanes, Together, Waiting};

/// How many statements read facts at once, but for those that pause_long; more questions share the next one.
const STATEMENTS_AT_ONCE: usize = 4;

/// How many statements run at most, those that stall included.
pub(super) const MOST_STATEMENTS: usize = STATEMENTS_AT_ONCE + STALLED_AT_ONCE;

/// How many statements that stall may run beside them, so that some connections
/// are left for everything else.
const STALLED_AT_ONCE: usize = 6;

/// How often someone who waits for a statement looks whether the lease still
/// runs.
const LOOK: Duration = Duration::from_millis(250);

/// What was read for some questions.
pub(super) type Read = Arc<Taken<Option<Facts>>>;

/// Reads facts for questions that memory cannot answer.
///
/// Whoever asks while all statements are under way shares the next one with all
/// others of the tenant. So a statement always begins after the questions that
/// it answers: it may be shared even where a write is under way.
///
/// Those who wait are bounded in number, take turns by tenant, and are passed
/// over once they have gone away.
#[derive(Debug, Default)]
pub(super) struct LoadCoalescer {
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Lanes,
    statements: usize,
    stalled: usize,
}

impl LoadCoalescer {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads what some questions need, by a statement that begins after this call.
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
        let most = if is_disabled(Rule::ShareYoungLoadsOnly) {
            1
        } else {
            STATEMENTS_AT_ONCE
        };
        let begins = queue.statements < most;
        queue.statements += usize::from(begins);
        begins
    };
    if begins {
        core.runtimes.questions.spawn(serve(Slot::of(core)));
    }
    loop {
        match timeout(LOOK, &mut answered).await {
            Ok(read) => return read.map_err(|_| CacheError::LeaseLost)?,
            Err(_) if core.lease.is_running() => {}
            Err(_) => return Err(CacheError::LeaseLost),
        }
    }
}

/// Where the questions of a tenant wait: those of tenants that this server has
/// never seen share one lane, however many codes they name. A server that keeps
/// nothing has seen none: there each tenant has a lane of its own.
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

/// One of the statements that may run at once. It is freed when this is dropped,
/// after a panic too: else four of them would hold up every question.
#[derive(Debug)]
struct Slot {
    core: Arc<Core>,
    state: SlotState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SlotState {
    /// It counts among the statements.
    Held,
    /// It was freed for those who wait, and counts among the stalled ones.
    Stalled,
    /// It counts no more.
    Free,
}

impl Slot {
    fn of(core: &Arc<Core>) -> Self {
        Self {
            core: Arc::clone(core),
            state: SlotState::Held,
        }
    }

    /// Frees it for those who wait, unless too many stall already.
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

/// Gives a slot to those who wait, or frees it.
fn pass_on(core: &Arc<Core>, queue: &mut Queue) {
    if queue.waiting.is_empty() {
        queue.statements -= 1;
    } else {
        core.runtimes.questions.spawn(serve(Slot::of(core)));
    }
}

/// Asks statement after statement until nobody waits.
async fn serve(mut slot: Slot) {
    let core = Arc::clone(&slot.core);
    while let Some((tenant, needed, waiting)) = next(&core) {
        let mut reading = pin!(core.store.facts(&tenant, &needed));
        let (read, keeps_slot) = if let Ok(read) = timeout(STALL, &mut reading).await {
            (read, true)
        } else {
            // What hangs for one question blocks no other.
            slot.stall();
            (reading.await, slot.state == SlotState::Held)
        };
        let read = read.map(Arc::new).map_err(CacheError::from);
        if let Ok(taken) = &read {
            core.learn(&tenant, &needed, taken);
        }
        pause_long();
        let late = if is_disabled(Rule::ShareYoungLoadsOnly) {
            latecomers(&core, &tenant, &needed)
        } else {
            Vec::new()
        };
        for one in waiting.into_iter().chain(late) {
            // Whoever has gone away needs no answer.
            let _gone = one.answer.send(read.clone());
        }
        if !keeps_slot {
            return;
        }
    }
    // The last look at the queue has freed it.
    slot.state = SlotState::Free;
}

/// Who came after the statement had begun, and would be content with what it
/// read: what the rule forbids.
fn latecomers(core: &Core, tenant: &Code, needed: &FactsNeeded) -> Vec<Waiting> {
    core.coalescer.queue().waiting.take(tenant, needed)
}

/// The next statement, and who waits for it.
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
    use tokio::sync::mpsc;

    use super::*;
    use crate::{
        cache::{CacheSettings, runtimes::Runtimes},
        store::Store,
    };

    #[tokio::test]
    async fn a_statement_whose_task_panics_frees_its_slot() {
        // Nothing of this test connects.
        let url = String::from("postgresql://nobody@127.0.0.1:1/none").into();
        let store = Store::new(&url, 1).unwrap();
        let stores = [store.clone(), store];
        let runtimes = Runtimes::of_test();
        let core = Core::new(
            stores,
            runtimes,
            CacheSettings::default(),
            mpsc::channel(1).0,
        );
        let core = Arc::new(core);
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

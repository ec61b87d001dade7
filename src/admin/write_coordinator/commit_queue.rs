//! Writes of one tenant that wait for the same commit: the next ones are queued while one
//! is committed.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hashbrown::HashMap;
use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, timeout},
};

use crate::{
    domain::{Code, FactKey},
    store::{Announcement, Planning},
};

use super::{
    super::{
        change::{Change, Pass, Size},
        error::AdminError,
        run::Run,
        write_context::WriteContext,
    },
    Tried, Write, WriteCoordinator,
    commit::{Committed, make},
    rehearsal::TenantVersion,
    slot::{LONGEST_WAIT_IN_TURN, LentSlot, Wait, WriteSlot},
};

/// Maximum number of writes that are committed together.
const MAX_MEMBERS: usize = 64;

/// Maximum number of keys that a write which is committed with others may invalidate.
const MAX_KEYS: usize = 100;

/// The longest time for which a commit may not proceed before it counts as stalled.
const LONGEST_STALL: Duration = Duration::from_secs(2);

/// A change, shared by the task of its write with the one that commits it.
pub(super) type SharedRun<C> = Arc<tokio::sync::Mutex<Run<C>>>;

pub(super) type Making<'a> =
    Pin<Box<dyn Future<Output = Result<Committed, AdminError>> + Send + 'a>>;

/// A change of any kind.
pub(super) trait AnyRun: Send + Sync {
    /// Makes the change ([`make`]).
    fn make<'a>(
        &'a self,
        pass: Pass<'a>,
        rehearsed: TenantVersion,
        announced: (Announcement, &'a [FactKey]),
    ) -> Making<'a>;
}

impl<C: Change> AnyRun for tokio::sync::Mutex<Run<C>> {
    fn make<'a>(
        &'a self,
        pass: Pass<'a>,
        rehearsed: TenantVersion,
        announced: (Announcement, &'a [FactKey]),
    ) -> Making<'a> {
        Box::pin(async move {
            let mut run = self.lock().await;
            let now = TenantVersion {
                id: pass.tenant.id,
                revision: pass.tenant.revision,
            };
            make(&mut run, pass, rehearsed.compared_with(now), announced).await
        })
    }
}

/// A rehearsed write that waits to be committed with others.
pub(super) struct Member {
    number: u64,
    pub(super) run: Arc<dyn AnyRun>,
    pub(super) context: Arc<WriteContext>,
    pub(super) rehearsed: TenantVersion,
    pub(super) keys: Vec<FactKey>,
    ended: oneshot::Sender<Ended>,
}

impl Member {
    pub(super) fn end(self, ended: Ended) {
        // A write waits for its end, unless its task was ended with the process.
        let _gone = self.ended.send(ended);
    }
}

/// How the wait of a member ended.
pub(super) enum Ended {
    /// The result of this try.
    Tried(Result<Tried, AdminError>),
    /// Nothing was committed, perhaps because of another member: it is to be committed
    /// alone.
    Alone,
}

/// The commit of a tenant that is under way, and the writes that wait for its end.
struct Queue {
    /// When the commit last proceeded.
    proceeded: Instant,
    /// How many members the next commit takes.
    next_members: usize,
    members: VecDeque<Member>,
}

impl Queue {
    fn new() -> Self {
        Self {
            proceeded: Instant::now(),
            next_members: MAX_MEMBERS,
            members: VecDeque::new(),
        }
    }
}

/// The writes that wait to be committed, by tenant. A tenant is present while one of its
/// writes is being committed.
#[derive(Clone)]
pub(super) struct CommitQueues {
    tenants: Arc<Mutex<HashMap<Code, Queue>>>,
    last: Arc<AtomicU64>,
    /// For how long a commit may not proceed before no other write waits for it.
    patience: Duration,
}

impl fmt::Debug for CommitQueues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CommitQueues")
    }
}

impl CommitQueues {
    /// Creates empty queues. A commit is stalled if it does not proceed for as long as a
    /// write waits for the row of its tenant in its turn; with a long lease for up to
    /// [`LONGEST_STALL`].
    pub(super) fn new(lease: Duration) -> Self {
        Self {
            tenants: Arc::default(),
            last: Arc::default(),
            patience: (lease / 10).clamp(LONGEST_WAIT_IN_TURN, LONGEST_STALL),
        }
    }

    fn tenants(&self) -> MutexGuard<'_, HashMap<Code, Queue>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the next members of a tenant from its queue.
    pub(super) fn next(&self, tenant: &Code) -> Vec<Member> {
        let mut tenants = self.tenants();
        let queue = tenants.get_mut(tenant);
        queue.map_or_else(Vec::new, |queue| {
            let next = queue.next_members.min(queue.members.len());
            queue.members.drain(..next).collect()
        })
    }

    /// Puts the members for which there was no time first in the queue again. The next
    /// commit takes as many as there was time for; more, if there was time for all.
    pub(super) fn put_back(&self, tenant: &Code, postponed: Vec<Member>, in_time: usize) {
        if let Some(queue) = self.tenants().get_mut(tenant) {
            queue.next_members = if postponed.is_empty() {
                MAX_MEMBERS.min(queue.next_members.saturating_mul(2))
            } else {
                in_time.max(1)
            };
            for member in postponed.into_iter().rev() {
                queue.members.push_front(member);
            }
        }
    }

    /// Removes one member; returns false if its commit has begun.
    fn leave(&self, tenant: &Code, number: u64) -> bool {
        let mut tenants = self.tenants();
        let Some(queue) = tenants.get_mut(tenant) else {
            return false;
        };
        let before = queue.members.len();
        queue.members.retain(|member| member.number != number);
        queue.members.len() < before
    }

    /// Returns how long a member waits for the commit that is under way to proceed.
    fn patience(&self, tenant: &Code) -> Duration {
        let tenants = self.tenants();
        let queue = tenants.get(tenant);
        queue.map_or(Duration::ZERO, |queue| self.patience_with(queue))
    }

    fn patience_with(&self, queue: &Queue) -> Duration {
        self.patience.saturating_sub(queue.proceeded.elapsed())
    }

    /// Notes that the commit of a tenant proceeds.
    pub(super) fn proceed(&self, tenant: &Code) {
        if let Some(queue) = self.tenants().get_mut(tenant) {
            queue.proceeded = Instant::now();
        }
    }

    /// Ends the commit of a tenant. Returns true if writes were queued meanwhile: the
    /// tenant's next commit has begun.
    fn end(&self, tenant: &Code) -> bool {
        let mut tenants = self.tenants();
        match tenants.get_mut(tenant) {
            Some(queue) if !queue.members.is_empty() => {
                queue.proceeded = Instant::now();
                true
            }
            Some(_) | None => {
                tenants.remove(tenant);
                false
            }
        }
    }
}

/// The only commit of a tenant that other writes wait for. When it is over, those that
/// were queued meanwhile are committed together.
pub(super) struct Committing {
    coordinator: WriteCoordinator,
    tenant: Code,
}

impl Drop for Committing {
    fn drop(&mut self) {
        if !self.coordinator.commits.end(&self.tenant) {
            return;
        }
        let (coordinator, tenant) = (self.coordinator.clone(), self.tenant.clone());
        // Without a runtime the process ends, and so do the tasks of the members. A task that
        // is never polled must not end a commit, either: it would begin the next one.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let next = Self {
                    coordinator,
                    tenant,
                };
                next.coordinator.commit_queued(&next.tenant).await;
            });
        }
    }
}

/// What becomes of a write that is ready to be committed.
pub(super) enum Entered {
    /// It is committed alone, and those that enter after it wait for its end.
    First(Box<Committing>),
    /// It waits for the commit that is under way, and is committed with others.
    Queued(Queued),
    /// It is committed alone, and no other waits for it.
    Alone,
}

/// A write in the queue of its tenant.
pub(super) struct Queued {
    queues: CommitQueues,
    tenant: Code,
    number: u64,
    ended: oneshot::Receiver<Ended>,
}

impl Queued {
    /// Waits until the write was committed with others, or not. It leaves the queue when
    /// its time is over, or the commit that it waits for is stalled.
    async fn ended(mut self, wait: &mut Wait) -> Ended {
        loop {
            let left = match self.wait(wait).await {
                Ok(ended) => return ended,
                Err(left) => left,
            };
            if self.queues.leave(&self.tenant, self.number) {
                return left;
            }
            // Its commit is under way, and may put it back into the queue.
            let waiting = timeout(LONGEST_WAIT_IN_TURN, &mut self.ended);
            if let Ok(ended) = wait.counting(waiting).await {
                return ended.unwrap_or_else(interrupted);
            }
        }
    }

    /// Waits as long as that is worth it; fails with how the write ends if it leaves the
    /// queue.
    async fn wait(&mut self, wait: &mut Wait) -> Result<Ended, Ended> {
        loop {
            let patience = self.queues.patience(&self.tenant);
            if patience.is_zero() {
                return Err(Ended::Alone);
            }
            let left = wait.left().map_err(|late| Ended::Tried(Err(late)))?;
            let waiting = timeout(left.min(patience), &mut self.ended);
            if let Ok(ended) = wait.counting(waiting).await {
                return Ok(ended.unwrap_or_else(interrupted));
            }
        }
    }
}

/// The task that committed it has panicked, or ends with the process.
fn interrupted(_: oneshot::error::RecvError) -> Ended {
    Ended::Tried(Err(AdminError::OutcomeUnknown))
}

impl WriteCoordinator {
    /// Enters a rehearsed write into the queue of its tenant, if it may be committed with
    /// others: small, of a tenant that exists.
    pub(super) fn enter<C: Change>(
        &self,
        slot: &WriteSlot,
        write: &Write<C>,
        run: &Run<C>,
        rehearsed: TenantVersion,
    ) -> Entered {
        let (change, keys) = (run.change(), run.keys());
        let may_be_shared = change.size() == Size::Small
            && change.planning() == Planning::ByIndex
            && keys.len() <= MAX_KEYS
            && rehearsed.id.is_some()
            && slot.is_returnable();
        if write.is_alone || !may_be_shared {
            return Entered::Alone;
        }
        let tenant = write.context.tenant.clone();
        let mut tenants = self.commits.tenants();
        let Some(queue) = tenants.get_mut(&tenant) else {
            tenants.insert(tenant.clone(), Queue::new());
            return Entered::First(Box::new(Committing {
                coordinator: self.clone(),
                tenant,
            }));
        };
        // A write that is not queued keeps its turn: that limits how many are rehearsed.
        let is_full = queue.members.len() >= MAX_MEMBERS;
        if is_full || self.commits.patience_with(queue).is_zero() {
            return Entered::Alone;
        }
        let number = self.commits.last.fetch_add(1, Ordering::Relaxed);
        let (sender, ended) = oneshot::channel();
        queue.members.push_back(Member {
            number,
            run: Arc::clone(&write.run) as Arc<dyn AnyRun>,
            context: Arc::clone(&write.context),
            rehearsed,
            keys: keys.to_vec(),
            ended: sender,
        });
        Entered::Queued(Queued {
            queues: self.commits.clone(),
            tenant,
            number,
            ended,
        })
    }

    /// Waits for the end of a queued write, which has given back its slot.
    pub(super) async fn ended<C: Change>(
        &self,
        queued: Queued,
        slot: &mut LentSlot,
        write: &mut Write<C>,
    ) -> Result<Tried, AdminError> {
        let tried = match queued.ended(slot.wait()).await {
            Ended::Tried(tried) => tried,
            Ended::Alone => {
                write.is_alone = true;
                Ok(Tried::Again)
            }
        };
        if !matches!(tried, Ok(Tried::Committed(_))) {
            // It is compared anew, and may wait for long before.
            write.run.lock().await.forget_comparison();
        }
        tried
    }
}

#[cfg(test)]
mod tests;

use std::{io, sync::Arc, thread, time::Duration};

use tokio::{
    runtime::{Builder, Handle},
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    store::{PoolName, Store},
    supervision::{Supervisor, Task},
};

use super::{
    announcer,
    core::{Cache, Core},
    follower::Follower,
    load_coalescer, products,
    runtimes::Runtimes,
    settings::CacheSettings,
    upkeep,
};

/// The connections of the thread beside that of the lease: announcements,
/// acknowledgements, upkeep.
const CONNECTIONS: usize = 6;

/// The connections for what is read beside the questions. They are apart: loads
/// that hang take no connection from a question or a write.
const BACKGROUND_CONNECTIONS: usize = 4;

/// The connections for questions that memory cannot answer: those of the
/// statements that run at once, and of as many that stall as may run beside them.
/// They are apart: no list, page or write keeps one from a question.
const QUESTION_CONNECTIONS: usize = load_coalescer::MOST_STATEMENTS;

/// How long a statement of these and of questions may take outside a transaction.
const BACKGROUND_PATIENCE: Duration = Duration::from_secs(10);

/// How long a statement of the thread may take at least, however short the
/// lease: half a lease is enough on an idle machine.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(2);

/// How long a server waits at its start for its first lease before it goes on
/// without.
const FIRST_LEASE: Duration = Duration::from_secs(10);

/// How long a server that stops waits until its lease is given back; without an
/// answer of the database the lease runs out by itself.
const LEAVING: Duration = Duration::from_secs(3);

/// The thread that keeps the lease, follows the log, announces writes and does
/// the upkeep, on a runtime and connections of its own: no flood of calls holds
/// it up.
///
/// Dropped, it gives the lease back without being waited for.
#[derive(Debug)]
pub struct CoherenceThread {
    stop: CancellationToken,
    /// Closed when the thread ends, however it does.
    ended: oneshot::Receiver<()>,
    _patching: AbortOnDropHandle<()>,
}

impl Drop for CoherenceThread {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl CoherenceThread {
    /// Gives the lease back, so that no write waits for this server, and ends.
    ///
    /// It is waited for 3 s at most: where the database does not answer, the
    /// lease runs out by itself.
    pub async fn leave(mut self) {
        self.stop.cancel();
        // Nothing is sent: the thread drops its half when it ends.
        if timeout(LEAVING, &mut self.ended).await.is_err() {
            tracing::warn!(
                limit_s = LEAVING.as_secs(),
                "the database did not answer in time: the next write waits until the lease of \
                 this server has run out"
            );
        }
    }
}

impl Cache {
    /// Starts the memory of a server on a database, and waits for its first
    /// lease; where that takes too long, answers begin later. What computes much
    /// beside the questions runs on `work`; what questions wait for, here.
    /// `supervisor` reports if one of its tasks ends.
    ///
    /// # Errors
    ///
    /// What the operating system says when it gives no thread.
    pub async fn start(
        store: Store,
        settings: CacheSettings,
        work: Handle,
        supervisor: &Supervisor,
    ) -> io::Result<(Self, CoherenceThread)> {
        let (announcements, wanted) = mpsc::channel(announcer::QUEUE);
        let patience = settings.patience().max(SHORTEST_PATIENCE);
        let apart = store
            .apart(PoolName::Coherence, CONNECTIONS, patience)
            .map_err(io::Error::other)?;
        let pool = |name, size| {
            let pool = store.apart(name, size, BACKGROUND_PATIENCE);
            pool.map(Store::at_home).map_err(io::Error::other)
        };
        let background = pool(PoolName::Background, BACKGROUND_CONNECTIONS)?;
        let questions = pool(PoolName::Questions, QUESTION_CONNECTIONS)?;
        let runtimes = Runtimes {
            questions: Handle::current(),
            work,
        };
        let core = Core::new([questions, background], runtimes, settings, announcements);
        let core = Arc::new(core);
        let patching = products::patch_all(Arc::clone(&core));
        let patching = core
            .runtimes
            .work
            .spawn(supervisor.supervise(Task::ProductIndex, patching));
        let stop = CancellationToken::new();
        let (first, joined) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (ending, ended) = oneshot::channel::<()>();
        let work = {
            let announcing = announcer::announce_all(Arc::clone(&core), apart.clone(), wanted);
            let announcing = supervisor.supervise(Task::Announcer, announcing);
            let upkeep = upkeep::keep_up(Arc::clone(&core), apart.clone());
            let upkeep = supervisor.supervise(Task::Maintenance, upkeep);
            let following = Follower::new(Arc::clone(&core), apart).run(stop.clone(), first);
            let following = Box::pin(supervisor.supervise(Task::Lease, following));
            async move {
                let _ending = ending;
                let announcing = tokio::spawn(announcing);
                let upkeep = tokio::spawn(upkeep);
                following.await;
                announcing.abort();
                upkeep.abort();
            }
        };
        thread::Builder::new()
            .name("pim-authz-lease".to_owned())
            .spawn(move || runtime.block_on(work))?;
        // Before the wait: where that is given up, the thread ends.
        let coherence = CoherenceThread {
            stop,
            ended,
            _patching: AbortOnDropHandle::new(patching),
        };
        if timeout(FIRST_LEASE, joined).await.is_err() {
            tracing::error!("no lease yet: questions are answered once there is one");
        }
        Ok((Self { core }, coherence))
    }
}

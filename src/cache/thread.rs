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

/// Connections of the thread beside that of the lease: announcements,
/// acknowledgements, upkeep.
const CONNECTIONS: usize = 6;

/// Connections for background loads. They have a pool of their own: loads that
/// hang take no connection from a question or a write.
const BACKGROUND_CONNECTIONS: usize = 4;

/// Connections for questions that memory cannot answer: one for each running
/// statement and each stalled one beside them. They have a pool of their own: no
/// list, page or write takes one from a question.
const QUESTION_CONNECTIONS: usize = load_coalescer::MOST_STATEMENTS;

/// Time-out of a statement on these two pools outside a transaction.
const BACKGROUND_PATIENCE: Duration = Duration::from_secs(10);

/// Minimum time-out of a statement of the thread, however short the lease: half a
/// lease is enough on an idle machine.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(2);

/// Maximum time that a server waits at its start for its first lease before it
/// continues without one.
const FIRST_LEASE: Duration = Duration::from_secs(10);

/// Maximum time that a server waits at shutdown until its lease is released; if
/// the database does not answer, the lease expires by itself.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(3);

/// The thread that renews the lease, reads the log, announces writes and does the
/// upkeep. It has its own runtime and connections, so that no flood of calls
/// delays it.
///
/// Dropping it releases the lease without waiting for the release.
#[derive(Debug)]
pub struct CoherenceThread {
    stop: CancellationToken,
    /// Closed when the thread ends, for whatever reason.
    ended: oneshot::Receiver<()>,
    _patching: AbortOnDropHandle<()>,
}

impl Drop for CoherenceThread {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl CoherenceThread {
    /// Releases the lease, so that no write waits for this server, and shuts the
    /// thread down.
    ///
    /// Waits 3 s at most: if the database does not answer, the lease expires by
    /// itself.
    pub async fn leave(mut self) {
        self.stop.cancel();
        // Nothing is sent: the thread drops the sender when it ends.
        if timeout(SHUTDOWN_LIMIT, &mut self.ended).await.is_err() {
            tracing::warn!(
                limit_s = SHUTDOWN_LIMIT.as_secs(),
                "the database did not answer in time: the next write waits until the lease of \
                 this server has run out"
            );
        }
    }
}

impl Cache {
    /// Starts the cache of a server on a database, and waits for its first lease;
    /// if that takes too long, answers begin later. Background work with much
    /// computation runs on `work`; work that questions wait for runs on the
    /// current runtime. `supervisor` reports if one of its tasks ends.
    ///
    /// # Errors
    ///
    /// The error of the operating system if the thread cannot be started.
    pub async fn start(
        store: Store,
        settings: CacheSettings,
        work: Handle,
        supervisor: &Supervisor,
    ) -> io::Result<(Self, CoherenceThread)> {
        let (announcements, wanted) = mpsc::channel(announcer::QUEUE);
        let patience = settings.patience().max(SHORTEST_PATIENCE);
        let apart = store
            .separate_pool(PoolName::Coherence, CONNECTIONS, patience)
            .map_err(io::Error::other)?;
        let pool = |name, size| {
            let pool = store.separate_pool(name, size, BACKGROUND_PATIENCE);
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
        // Created before the wait: if the wait is canceled, the thread ends.
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

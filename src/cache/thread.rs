use std::{io, sync::Arc, thread, time::Duration};

use tokio::{
    runtime::Builder,
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::store::Store;

use super::{
    announcer,
    core::{Cache, Core},
    follower::Follower,
    products,
    settings::CacheSettings,
    upkeep,
};

/// The connections of the thread beside that of the lease: announcements,
/// acknowledgements, upkeep.
const CONNECTIONS: usize = 6;

/// The connections for what is read beside the questions. They are apart: loads
/// that hang take no connection from a question or a write.
const BACKGROUND_CONNECTIONS: usize = 4;

/// How long a statement of them may take outside a transaction.
const BACKGROUND_PATIENCE: Duration = Duration::from_secs(10);

/// How long a statement of the thread may take at least, however short the
/// lease: half a lease is enough on an idle machine.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(2);

/// How long a server waits at its start for its first lease before it goes on
/// without.
const FIRST_LEASE: Duration = Duration::from_secs(10);

/// The thread that keeps the lease, follows the log, announces writes and does
/// the upkeep, on a runtime and connections of its own: no flood of calls holds
/// it up.
///
/// Dropped, it gives the lease back without being waited for.
#[derive(Debug)]
pub struct CoherenceThread {
    stop: CancellationToken,
    thread: Option<thread::JoinHandle<()>>,
    _patching: AbortOnDropHandle<()>,
}

impl Drop for CoherenceThread {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl CoherenceThread {
    /// Gives the lease back, so that no write waits for this server, and ends.
    pub async fn leave(mut self) {
        self.stop.cancel();
        let Some(thread) = self.thread.take() else {
            return;
        };
        let ended = tokio::task::spawn_blocking(|| thread.join()).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::error!("the thread of the lease did not end in order");
        }
    }
}

impl Cache {
    /// Starts the memory of a server on a database, and waits for its first
    /// lease; where that takes too long, answers begin later.
    ///
    /// # Errors
    ///
    /// What the operating system says when it gives no thread.
    pub async fn start(
        store: Store,
        settings: CacheSettings,
    ) -> io::Result<(Self, CoherenceThread)> {
        let (announcements, wanted) = mpsc::channel(announcer::QUEUE);
        let patience = settings.patience().max(SHORTEST_PATIENCE);
        let apart = store
            .apart(CONNECTIONS, patience)
            .map_err(io::Error::other)?;
        let background = store
            .apart(BACKGROUND_CONNECTIONS, BACKGROUND_PATIENCE)
            .map_err(io::Error::other)?;
        let core = Arc::new(Core::new([store, background], settings, announcements));
        let patching = tokio::spawn(products::patch_all(Arc::clone(&core)));
        let stop = CancellationToken::new();
        let (first, joined) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let thread = {
            let (core, stop) = (Arc::clone(&core), stop.clone());
            let work = async move {
                let announcing = announcer::announce_all(Arc::clone(&core), apart.clone(), wanted);
                let announcing = tokio::spawn(announcing);
                let upkeep = tokio::spawn(upkeep::keep_up(Arc::clone(&core), apart.clone()));
                Follower::new(core, apart).run(stop, first).await;
                announcing.abort();
                upkeep.abort();
            };
            thread::Builder::new()
                .name("pim-authz-lease".to_owned())
                .spawn(move || runtime.block_on(work))?
        };
        if timeout(FIRST_LEASE, joined).await.is_err() {
            tracing::error!("no lease yet: questions are answered once there is one");
        }
        let coherence = CoherenceThread {
            stop,
            thread: Some(thread),
            _patching: AbortOnDropHandle::new(patching),
        };
        Ok((Self { core }, coherence))
    }
}

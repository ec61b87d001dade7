use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hashbrown::HashMap;
use tokio::{sync::watch, time::sleep};

use crate::{
    domain::{Code, Revision},
    store::{Store, TenantId, TenantRow},
    supervision::{Supervisor, Task},
};

/// Interval at which the revisions of all watched tenants are polled by one
/// statement.
const PERIOD: Duration = Duration::from_millis(200);

/// Notifies watchers of new revisions of tenants. One statement is executed per
/// period, however many watchers and tenants there are, and none while there are
/// no watchers.
#[derive(Clone, Debug)]
pub(super) struct Revisions {
    store: Store,
    supervisor: Supervisor,
    watched: Arc<Mutex<Watched>>,
}

#[derive(Debug, Default)]
struct Watched {
    tenants: HashMap<Code, watch::Sender<Seen>>,
    is_polling: bool,
}

/// The result of the last poll of a tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Seen {
    /// Not polled yet.
    #[default]
    NotYet,
    /// The tenant that has the code, and its revision.
    At(TenantId, Revision),
    /// No tenant has the code.
    Gone,
}

impl Revisions {
    /// Creates the notifier; `supervisor` reports if polling ends while there are
    /// watchers.
    pub(super) fn new(store: Store, supervisor: Supervisor) -> Self {
        Self {
            store,
            supervisor,
            watched: Arc::default(),
        }
    }

    /// Subscribes to the revision of a tenant.
    pub(super) fn follow(&self, tenant: &Code) -> watch::Receiver<Seen> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = watched.tenants.entry(tenant.clone()).or_default();
        let follower = sender.subscribe();
        if !watched.is_polling {
            watched.is_polling = true;
            let polling = self.clone().poll();
            let task = Task::WatchedRevisions;
            tokio::spawn(self.supervisor.supervise_until_done(task, polling));
        }
        follower
    }

    async fn poll(self) {
        while let Some(tenants) = self.tenants() {
            // Nothing is published while the database is unavailable.
            if let Ok(found) = self.store.revisions_of(&tenants).await {
                self.publish(&tenants, &found);
            }
            sleep(PERIOD).await;
        }
    }

    /// Returns the tenants with subscribers; `None`: there are none, and polling
    /// ends.
    fn tenants(&self) -> Option<Vec<Code>> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched
            .tenants
            .retain(|_, sender| sender.receiver_count() > 0);
        watched.is_polling = !watched.tenants.is_empty();
        watched
            .is_polling
            .then(|| watched.tenants.keys().cloned().collect())
    }

    fn publish(&self, tenants: &[Code], found: &[TenantRow]) {
        let found: HashMap<&Code, Seen> = found
            .iter()
            .map(|row| (&row.code, Seen::At(row.id, row.revision)))
            .collect();
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        for tenant in tenants {
            let seen = found.get(tenant).copied().unwrap_or(Seen::Gone);
            if let Some(sender) = watched.tenants.get(tenant) {
                sender.send_if_modified(|last| {
                    let is_new = *last != seen;
                    *last = seen;
                    is_new
                });
            }
        }
    }
}

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::sleep};

use crate::{
    domain::{Code, Revision},
    store::{Store, TenantId, TenantRow},
    supervision::{Supervisor, Task},
};

/// How often the revisions of the tenants that are watched are looked up, all
/// of them by one statement.
const PERIOD: Duration = Duration::from_millis(200);

/// Tells watchers when a tenant has a new revision. However many watch however
/// many tenants, one statement a period is asked, and none while nobody does.
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

/// What the last look at a tenant found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nobody has looked yet.
    #[default]
    NotYet,
    /// The tenant that has the code, and its revision.
    At(TenantId, Revision),
    /// It is not there.
    Gone,
}

impl Revisions {
    /// `supervisor` reports if the looking up ends while somebody watches.
    pub(super) fn new(store: Store, supervisor: Supervisor) -> Self {
        Self {
            store,
            supervisor,
            watched: Arc::default(),
        }
    }

    /// Follows the revision of a tenant.
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
            // While the database is away there is nothing to tell.
            if let Ok(found) = self.store.revisions_of(&tenants).await {
                self.tell(&tenants, &found);
            }
            sleep(PERIOD).await;
        }
    }

    /// The tenants that somebody follows; `None`: the polling is over.
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

    fn tell(&self, tenants: &[Code], found: &[TenantRow]) {
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

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::Code;

/// How many pieces of work of one kind run at once; more wait for their turn, in
/// the order in which they came, and no longer than somebody waits for them.
///
/// One tenant has only some of the turns, and no more places in the queue for the
/// rest: whatever one tenant asks for holds up no other.
#[derive(Clone, Debug)]
pub struct Turns {
    server: Arc<Semaphore>,
    tenants: Arc<Mutex<HashMap<Code, Weak<Semaphore>>>>,
    of_one_tenant: usize,
}

/// The turn of one piece of work, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _of_server: OwnedSemaphorePermit,
    _of_tenant: OwnedSemaphorePermit,
}

impl Turns {
    /// Turns for `at_once` pieces of work, of which one tenant has
    /// `of_one_tenant`.
    #[must_use]
    pub fn new(at_once: usize, of_one_tenant: usize) -> Self {
        Self {
            server: Arc::new(Semaphore::new(at_once)),
            tenants: Arc::default(),
            of_one_tenant,
        }
    }

    /// Waits for the next turn of a tenant. `None` never happens: nobody closes
    /// the turns.
    pub async fn next(&self, tenant: &Code) -> Option<Turn> {
        // The tenant's first: whoever waits for it holds no turn of the server.
        let of_tenant = self.of_tenant(tenant).acquire_owned().await.ok()?;
        let of_server = Arc::clone(&self.server).acquire_owned().await.ok()?;
        Some(Turn {
            _of_server: of_server,
            _of_tenant: of_tenant,
        })
    }

    /// A turn that is free now.
    #[must_use]
    pub fn try_next(&self, tenant: &Code) -> Option<Turn> {
        let of_tenant = self.of_tenant(tenant).try_acquire_owned().ok()?;
        let of_server = Arc::clone(&self.server).try_acquire_owned().ok()?;
        Some(Turn {
            _of_server: of_server,
            _of_tenant: of_tenant,
        })
    }

    fn of_tenant(&self, tenant: &Code) -> Arc<Semaphore> {
        let tenants = self.tenants.lock();
        let mut tenants = tenants.unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = tenants.get(tenant).and_then(Weak::upgrade) {
            return turns;
        }
        // What is left has work that runs or waits.
        tenants.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(self.of_one_tenant));
        tenants.insert(tenant.clone(), Arc::downgrade(&turns));
        turns
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;

    fn code(code: &str) -> Code {
        code.parse().unwrap()
    }

    #[tokio::test]
    async fn one_tenant_has_only_some_of_the_turns() {
        let turns = Turns::new(3, 2);
        let busy = [
            turns.next(&code("acme")).await,
            turns.next(&code("ACME")).await,
        ];
        let mut waiting = JoinSet::new();
        for _ in 0..3 {
            let turns = turns.clone();
            waiting.spawn(async move { turns.next(&code("acme")).await });
        }
        tokio::task::yield_now().await;
        let other = turns.next(&code("other")).await;
        assert!(waiting.try_join_next().is_none());
        drop((busy, other));
        assert!(waiting.join_next().await.unwrap().unwrap().is_some());
    }

    #[tokio::test]
    async fn tenants_without_work_are_forgotten() {
        let turns = Turns::new(2, 1);
        for tenant in ["one", "two", "three"] {
            drop(turns.next(&code(tenant)).await);
        }
        assert_eq!(turns.tenants.lock().unwrap().len(), 1);
    }
}

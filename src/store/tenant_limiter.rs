use std::sync::{Arc, Mutex, PoisonError, Weak};

use hashbrown::HashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::Code;

/// Limit of concurrent work of one kind, for the server and for each tenant. Further
/// work waits in FIFO order until its future is dropped.
///
/// A tenant can neither take all turns nor fill the queue for them: a busy tenant
/// does not block others.
#[derive(Clone, Debug)]
pub struct TenantLimiter {
    server: Arc<Semaphore>,
    tenants: Arc<Mutex<HashMap<Code, Weak<Semaphore>>>>,
    of_one_tenant: usize,
}

/// Permit of one piece of work; released when dropped.
#[derive(Debug)]
pub struct Permit {
    _of_server: OwnedSemaphorePermit,
    _of_tenant: OwnedSemaphorePermit,
}

impl TenantLimiter {
    /// Creates turns for `at_once` concurrent pieces of work, at most
    /// `of_one_tenant` of each tenant.
    #[must_use]
    pub fn new(at_once: usize, of_one_tenant: usize) -> Self {
        Self {
            server: Arc::new(Semaphore::new(at_once)),
            tenants: Arc::default(),
            of_one_tenant,
        }
    }

    /// Waits for the next turn of a tenant. `None` cannot occur, because the
    /// semaphores are never closed.
    pub async fn next(&self, tenant: &Code) -> Option<Permit> {
        // The tenant's permit first: a task that waits for it holds no server permit.
        let of_tenant = self.of_tenant(tenant).acquire_owned().await.ok()?;
        let of_server = Arc::clone(&self.server).acquire_owned().await.ok()?;
        Some(Permit {
            _of_server: of_server,
            _of_tenant: of_tenant,
        })
    }

    /// Returns a turn if one is free now; does not wait.
    #[must_use]
    pub fn try_next(&self, tenant: &Code) -> Option<Permit> {
        let of_tenant = self.of_tenant(tenant).try_acquire_owned().ok()?;
        let of_server = Arc::clone(&self.server).try_acquire_owned().ok()?;
        Some(Permit {
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
        // Keep only tenants with running or waiting work.
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
    async fn one_tenant_cannot_take_all_turns() {
        let turns = TenantLimiter::new(3, 2);
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
    async fn idle_tenants_are_removed() {
        let turns = TenantLimiter::new(2, 1);
        for tenant in ["one", "two", "three"] {
            drop(turns.next(&code(tenant)).await);
        }
        assert_eq!(turns.tenants.lock().unwrap().len(), 1);
    }
}

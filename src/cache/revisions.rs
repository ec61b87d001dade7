use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use hashbrown::HashMap;

use crate::{domain::Revision, store::TenantId};

/// The highest known revision of each tenant, of this epoch.
#[derive(Debug, Default)]
pub(super) struct Revisions(RwLock<HashMap<TenantId, Arc<AtomicU64>>>);

impl Revisions {
    /// Records that a tenant has reached a revision. The returned counter is
    /// shared by all callers and never decreases.
    pub(super) fn record(&self, tenant: TenantId, revision: Revision) -> Arc<AtomicU64> {
        let known = {
            let revisions = self.0.read().unwrap_or_else(PoisonError::into_inner);
            revisions.get(&tenant).cloned()
        };
        let known = known.unwrap_or_else(|| {
            let mut revisions = self.0.write().unwrap_or_else(PoisonError::into_inner);
            revisions.entry(tenant).or_default().clone()
        });
        known.fetch_max(revision.0, Ordering::SeqCst);
        known
    }

    /// Drops the revisions of all tenants: in a new epoch a restored database may be
    /// behind them.
    pub(super) fn clear(&self) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use hashbrown::HashMap;
use tokio::sync::{Notify, Semaphore};

use crate::{
    domain::{Code, FactKey, Section},
    store::TenantId,
};

use super::tenant::TenantProducts;

/// The product indexes of all tenants that were requested.
#[derive(Debug)]
pub(crate) struct Products {
    tenants: RwLock<HashMap<Code, Arc<TenantProducts>>>,
    /// Maximum size of all indexes together, in bytes.
    pub(super) limit: usize,
    /// All announcements below this number are committed or withdrawn.
    settled: AtomicU64,
    /// Notified when marked products may be settled.
    pub(super) settling: Notify,
    /// Permits for loading: one index at a time, not counting stalled loads.
    pub(super) turns: Semaphore,
}

impl Products {
    pub(crate) fn of(limit: usize) -> Self {
        Self {
            tenants: RwLock::default(),
            limit,
            settled: AtomicU64::new(0),
            settling: Notify::new(),
            turns: Semaphore::new(1),
        }
    }

    /// Returns the products of a tenant, and creates their entry if it is new.
    pub(crate) fn of_tenant(&self, tenant: &Code, id: TenantId) -> Arc<TenantProducts> {
        let known = self.find(tenant).filter(|known| known.id() == id);
        known.unwrap_or_else(|| {
            let tenants = self.tenants.write();
            let mut tenants = tenants.unwrap_or_else(PoisonError::into_inner);
            let made = || Arc::new(TenantProducts::new(tenant.clone(), id));
            let known = tenants.entry(tenant.clone()).or_insert_with(made);
            if known.id() != id {
                *known = made();
            }
            Arc::clone(known)
        })
    }

    fn find(&self, tenant: &Code) -> Option<Arc<TenantProducts>> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants.get(tenant).cloned()
    }

    /// Returns the products of all tenants.
    pub(super) fn all(&self) -> Vec<Arc<TenantProducts>> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants.values().cloned().collect()
    }

    /// Applies an announcement of `key`. Must be called before it is
    /// acknowledged.
    pub(crate) fn announce(&self, key: &FactKey, seq: u64) {
        match key {
            FactKey::Everything => self.void(seq),
            FactKey::Tenant(tenant) | FactKey::Section(tenant, Section::Products) => {
                if let Some(products) = self.find(tenant) {
                    products.announce(None, seq);
                }
            }
            FactKey::Product(tenant, product) => {
                if let Some(products) = self.find(tenant) {
                    products.announce(Some(product), seq);
                }
            }
            FactKey::Section(..)
            | FactKey::Subject(..)
            | FactKey::Role(..)
            | FactKey::Rights(..)
            | FactKey::Nothing(_)
            | FactKey::Callers => {}
        }
    }

    /// Invalidates all indexes as of `seq`.
    pub(crate) fn void(&self, seq: u64) {
        for products in self.all() {
            products.announce(None, seq);
        }
    }

    /// Records that all announcements below `settled` are committed or withdrawn.
    pub(crate) fn settle(&self, settled: u64) {
        self.settled.store(settled, Ordering::Relaxed);
        let is_marked = |products: &Arc<TenantProducts>| !products.shown().marks.is_empty();
        if self.all().iter().any(is_marked) {
            self.settling.notify_one();
        }
    }

    /// Returns the number below which all announcements are committed or
    /// withdrawn.
    pub(super) fn settled(&self) -> u64 {
        self.settled.load(Ordering::Relaxed)
    }

    /// Returns the number of products in all indexes, and their bytes.
    pub(crate) fn size(&self) -> (u64, u64) {
        let mut size = (0, 0);
        for products in self.all() {
            if let Some(current) = &products.shown().view {
                size.0 += u64::try_from(current.view.len()).unwrap_or_default();
                size.1 += u64::try_from(current.view.bytes()).unwrap_or_default();
            }
        }
        size
    }

    /// Returns the number of bytes that the index of `tenant` may take beside the
    /// others. Evicts indexes that were not requested for a minute.
    pub(super) fn room_for(&self, tenant: &TenantProducts) -> usize {
        /// Time without a request after which an index is evicted, in seconds.
        const IDLE: u64 = 60;
        let mut taken = 0;
        for other in self.all() {
            if other.id() == tenant.id() {
                continue;
            }
            if other.idle() > IDLE {
                other.forget();
            }
            let shown = other.shown();
            taken += shown
                .view
                .as_ref()
                .map_or(0, |current| current.view.bytes());
        }
        self.limit.saturating_sub(taken)
    }
}

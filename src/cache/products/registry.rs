use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::{Notify, Semaphore};

use crate::{
    domain::{Code, FactKey, Section},
    store::TenantId,
};

use super::tenant::TenantProducts;

/// The products of every tenant that was asked for.
#[derive(Debug)]
pub(crate) struct Products {
    tenants: RwLock<HashMap<Code, Arc<TenantProducts>>>,
    /// The most bytes that all of them may take.
    pub(super) limit: usize,
    /// Announcements below it are committed or withdrawn.
    settled: AtomicU64,
    /// Woken when marked products may be settled.
    pub(super) settling: Notify,
    /// One index is loaded at a time, but for those whose load stalls.
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

    /// The products of a tenant.
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

    /// All of them.
    pub(super) fn all(&self) -> Vec<Arc<TenantProducts>> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants.values().cloned().collect()
    }

    /// Hears that something was announced. To be called before the
    /// acknowledgement.
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
            | FactKey::Rights(..)
            | FactKey::Callers => {}
        }
    }

    /// Hears that anything may be different from `seq` on.
    pub(crate) fn void(&self, seq: u64) {
        for products in self.all() {
            products.announce(None, seq);
        }
    }

    /// Hears that all announcements below `settled` are committed or withdrawn.
    pub(crate) fn settle(&self, settled: u64) {
        self.settled.store(settled, Ordering::Relaxed);
        let is_marked = |products: &Arc<TenantProducts>| !products.shown().marks.is_empty();
        if self.all().iter().any(is_marked) {
            self.settling.notify_one();
        }
    }

    /// Below it announcements are committed or withdrawn.
    pub(super) fn settled(&self) -> u64 {
        self.settled.load(Ordering::Relaxed)
    }

    /// How many products are at hand, and their bytes.
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

    /// How many bytes `tenant` may take beside the others; those that nobody
    /// asked for lately make space.
    pub(super) fn room_for(&self, tenant: &TenantProducts) -> usize {
        /// How long others are let alone, in seconds.
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

use std::sync::Arc;

use crate::{
    domain::{CallerDirectory, FactKey},
    store::AsOf,
};

use super::{
    caller_loads::{CachedCallers, CallerLoad},
    core::{Cache, Core},
    error::CacheError,
};

/// Number of attempts to read the callers if the primary changes meanwhile.
const TRIES: u32 = 2;

impl Cache {
    /// Returns all callers if they are cached and current at this moment. A
    /// decision made with them at once is never older than a write that had
    /// returned (rules 6.1).
    #[must_use]
    pub fn cached_callers(&self) -> Option<Arc<CallerDirectory>> {
        self.core.cached_callers()
    }

    /// Returns all callers as they are at a moment after this call, from memory
    /// or by one statement, which all waiting calls share.
    ///
    /// # Errors
    ///
    /// [`CacheError::LeaseLost`], [`CacheError::Store`]: this server cannot read
    /// them; another server may.
    pub async fn callers(&self) -> Result<Arc<CallerDirectory>, CacheError> {
        let core = &self.core;
        for _ in 0..TRIES {
            core.require_lease().await?;
            if let Some(callers) = core.cached_callers() {
                return Ok(callers);
            }
            let load = core.load_callers().await?;
            if self.confirm_snapshot(load.epoch).await.is_ok() {
                return Ok(load.callers);
            }
        }
        Err(CacheError::LeaseLost)
    }
}

impl Core {
    fn cached_callers(&self) -> Option<Arc<CallerDirectory>> {
        let kept = self.callers.0.load();
        let kept = kept.as_ref()?;
        self.is_confirmed(&kept.position)
            .then(|| Arc::clone(&kept.callers))
    }

    /// Reads the callers by a statement that begins after this call.
    async fn load_callers(&self) -> Result<CallerLoad, CacheError> {
        let begun_before = self.caller_loads.begun();
        let mut last = self.caller_loads.last.lock().await;
        if let Some(load) = last.as_ref().filter(|load| load.number > begun_before) {
            return Ok(load.clone());
        }
        let number = self.caller_loads.begin();
        self.counters.loads.add(1);
        let taken = self.store.callers().await?;
        let load = CallerLoad {
            number,
            epoch: taken.as_of.epoch,
            callers: Arc::new(taken.found),
        };
        if self.keeps() {
            self.cache_callers(&taken.as_of, Arc::clone(&load.callers));
        }
        *last = Some(load.clone());
        Ok(load)
    }

    fn cache_callers(&self, as_of: &AsOf, callers: Arc<CallerDirectory>) {
        if let Some(position) = self.position(&FactKey::Callers, as_of) {
            self.callers
                .0
                .store(Some(Arc::new(CachedCallers { position, callers })));
        }
    }
}

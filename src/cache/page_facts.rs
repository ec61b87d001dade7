use crate::{
    domain::{Code, Facts, FactsNeeded},
    failpoints::mistakes,
    store::TenantId,
};

use super::{
    background_loads::{self, Misses},
    core::{Cache, Unconfirmed},
    error::CacheError,
    fact_lookup, load_coalescer,
    memory::ReadPositions,
    products::{self, ListedProducts},
};

/// Builds a page of a list from cached facts that are confirmed to be current:
/// takes the facts `$needed` (with the product index if `$with_products`), evaluates
/// `$build` to the page, or to `None` if it cannot be built from memory, and confirms
/// the facts; if they were invalidated meanwhile, repeats all of it, a few times.
///
/// Evaluates to the page and its facts. `None`: the page must be read from a snapshot
/// of the database, because facts are not cached or are invalidated faster than the
/// page is built. Returns from the caller with a [`CacheError`].
macro_rules! with_page_facts {
    ($cache:expr, $tenant:expr, $needed:expr, $with_products:expr, |$cached:ident| $build:expr) => {{
        let mut tries = 0;
        loop {
            tries += 1;
            if tries > $crate::cache::PAGE_TRIES {
                break None;
            }
            let cached = $cache.page_facts($tenant, $needed, $with_products).await?;
            let Some($cached) = cached else {
                break None;
            };
            let built = $build;
            let Some(page) = built else {
                break None;
            };
            if $cache.confirm_page(&$cached)? {
                break Some((page, $cached));
            }
        }
    }};
}
pub(crate) use with_page_facts;

/// Number of attempts to build a page from memory while its facts are being
/// written.
pub(crate) const PAGE_TRIES: usize = 3;

/// The facts from which a page of a list is built without a database snapshot.
#[derive(Debug)]
pub(crate) struct CachedPageFacts {
    /// The tenant that the facts belong to.
    pub(crate) tenant: TenantId,
    /// The facts, with the whole vocabulary.
    pub(crate) facts: Facts,
    /// All products, if they were requested.
    pub(crate) products: Option<ListedProducts>,
    positions: ReadPositions,
}

impl Cache {
    /// Returns the cached facts for one page of a list: the facts `needed`, the
    /// whole vocabulary, and all products if `with_products`.
    ///
    /// `None`: some of them are not cached, or the tenant does not exist. A load
    /// of what is missing is started for the next page.
    pub(crate) async fn page_facts(
        &self,
        tenant: &Code,
        needed: &FactsNeeded,
        with_products: bool,
    ) -> Result<Option<CachedPageFacts>, CacheError> {
        let core = &self.core;
        core.require_lease().await?;
        if !core.keeps() {
            return Ok(None);
        }
        let mut cached = fact_lookup::look_up(core, tenant, needed);
        if cached.as_ref().is_err_and(Misses::is_empty) {
            // Only the subject is missing: the read caches it.
            load_coalescer::read(core, tenant, needed).await?;
            cached = fact_lookup::look_up(core, tenant, needed);
        }
        let (facts, known, mut positions) = match cached {
            Ok(cached) => cached,
            Err(missing) => {
                background_loads::start(core, tenant, missing);
                return Ok(None);
            }
        };
        let (Some(mut facts), Some(known)) = (facts, known) else {
            return Ok(None);
        };
        let mut listed = None;
        if with_products {
            products::want(core, &known.products);
            mistakes::compare_no_more(&mut positions.facts);
            // The epoch of the lease, in which the facts were compared, is
            // checked again when the page is confirmed.
            let epoch = core.lease.hold().epoch;
            let taken = ListedProducts::take(core, &known.products, epoch).await?;
            let Some((products, position)) = taken else {
                return Ok(None);
            };
            (facts, positions) = mistakes::found_last((facts, positions), || {
                let (facts, _, positions) = fact_lookup::look_up(core, tenant, needed).ok()?;
                Some((facts?, positions))
            });
            listed = Some(products);
            positions.list = Some(position);
        }
        Ok(Some(CachedPageFacts {
            tenant: known.products.id(),
            facts,
            products: listed,
            positions,
        }))
    }

    /// Confirms a page that was built from `cached`; must be called when the page
    /// is ready. False: the page must be built again.
    pub(crate) fn confirm_page(&self, cached: &CachedPageFacts) -> Result<bool, CacheError> {
        match self.core.confirm(&cached.positions) {
            Ok(()) => {
                self.core.counters.pages.add(1);
                Ok(true)
            }
            Err(Unconfirmed::Stale) => {
                self.core.counters.stale_answers_refused.add(1);
                Ok(false)
            }
            Err(Unconfirmed::NoLease) => Err(CacheError::LeaseLost),
        }
    }
}

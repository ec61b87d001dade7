//! Read-ahead of a stream: resources that were read before their message is due.
//!
//! A page needs all facts of its subject, whether it holds one resource or a
//! thousand. So a stream of small messages reads several hundred resources at
//! once. Each message is confirmed when it is sent, as if it had just been read
//! (`docs/coherence.md`): facts from memory are compared with their watermarks
//! once more; a database snapshot is compared with the tenant's revision, which a
//! second snapshot reads. Resources that are not confirmed are dropped and read
//! again.

use std::collections::VecDeque;

use tokio::task::yield_now;

use crate::{
    cache::{Cache, CacheError, CachedPageFacts},
    domain::{AllowedResource, Revision},
    store::{Bounds, Store, StoreError, TenantId, read_tenant},
};

use super::{Page, Place, PlacedPage, ResourceList, ResourcePage};

/// Minimum number of resources that a stream reads at once.
const FEWEST_AT_ONCE: usize = 512;

/// Resources that were read and not returned yet.
#[derive(Debug)]
pub(super) struct Ahead {
    tenant: TenantId,
    revision: Revision,
    rest: VecDeque<(AllowedResource, Place)>,
    /// True if there are more resources after `rest`.
    more: bool,
    proof: Proof,
}

/// The facts that a page was built from, for confirming it once more.
#[derive(Debug)]
pub(super) enum Proof {
    /// Facts from memory, without the rights and the product index.
    Memory(Box<CachedPageFacts>),
    /// A snapshot of the database in this epoch: current as long as the tenant's
    /// revision is the same.
    Snapshot { epoch: u64 },
    /// Facts of which some cannot be confirmed a second time.
    Once,
}

impl Proof {
    /// Returns the proof of a page that was built from `cached`.
    pub(super) fn of(mut cached: CachedPageFacts) -> Self {
        // The rights and the index may be large and replaced meanwhile, so they
        // are dropped.
        let products = cached.products.take();
        cached.facts.groups.clear();
        if products.is_none_or(|products| products.is_settled) {
            Self::Memory(Box::new(cached))
        } else {
            Self::Once
        }
    }
}

impl Ahead {
    /// Removes the next `size` resources and returns them as a page.
    fn take(&mut self, size: usize) -> ResourcePage {
        let found = self.rest.drain(..size.min(self.rest.len()));
        let found: Vec<(AllowedResource, Place)> = found.collect();
        let page: PlacedPage = Page {
            last: found.last().map(|(_, place)| place.clone()),
            found,
            more: self.more || !self.rest.is_empty(),
            revision: self.revision,
        };
        page.without_places()
    }
}

impl ResourceList {
    /// Returns the next `size` resources of a stream; `after` is where the batch
    /// before ended. The result is that of [`ResourceList::page`]; more is read
    /// at once, for the batches to come.
    ///
    /// # Errors
    ///
    /// As [`ResourceList::page`].
    pub async fn batch(
        &mut self,
        cache: &Cache,
        store: &Store,
        after: Option<Place>,
        size: usize,
    ) -> Result<Option<(TenantId, ResourcePage)>, CacheError> {
        if let Some(mut ahead) = self.ahead.take() {
            // A message costs little, so other calls run between two of them.
            yield_now().await;
            let is_last = !ahead.more && ahead.rest.len() <= size;
            if self.is_confirmed(&mut ahead, is_last, cache, store).await? {
                let page = ahead.take(size);
                let tenant = ahead.tenant;
                self.keep(ahead);
                return Ok(Some((tenant, page)));
            }
        }
        let size = size.max(1);
        let at_once = size.saturating_mul(FEWEST_AT_ONCE.div_ceil(size));
        let read = self.placed_page(cache, store, after.as_ref(), at_once);
        let Some((tenant, page, proof)) = read.await? else {
            return Ok(None);
        };
        let mut ahead = Ahead {
            tenant,
            revision: page.revision,
            rest: page.found.into(),
            more: page.more,
            proof,
        };
        let page = ahead.take(size);
        self.keep(ahead);
        Ok(Some((tenant, page)))
    }

    fn keep(&mut self, ahead: Ahead) {
        let can_be_confirmed = !matches!(ahead.proof, Proof::Once);
        self.ahead = Some(ahead).filter(|ahead| can_be_confirmed && !ahead.rest.is_empty());
    }

    /// True if the resources read ahead are still current.
    ///
    /// The last batch of a list is returned with the current revision, which is
    /// no older than one that an earlier call has returned.
    async fn is_confirmed(
        &self,
        ahead: &mut Ahead,
        is_last: bool,
        cache: &Cache,
        store: &Store,
    ) -> Result<bool, CacheError> {
        match &ahead.proof {
            Proof::Once => Ok(false),
            Proof::Memory(cached) => {
                if is_last {
                    let needed = self.needed().0;
                    let now = cache.page_facts(&self.tenant, &needed, false).await?;
                    let Some(now) = now.filter(|now| now.tenant == ahead.tenant) else {
                        return Ok(false);
                    };
                    ahead.revision = now.facts.revision;
                }
                cache.confirm_page(cached)
            }
            Proof::Snapshot { epoch } => {
                let read_at = (ahead.tenant, ahead.revision, *epoch);
                let read = read_tenant!(store, &self.tenant, Bounds::READ, |snapshot| {
                    let (tenant, revision) = snapshot.version();
                    Ok::<_, StoreError>((tenant, revision, snapshot.epoch()))
                })?;
                Ok(cache.confirmed(read).await? == Some(read_at))
            }
        }
    }
}

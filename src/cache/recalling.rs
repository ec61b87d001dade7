use crate::{
    domain::{Code, Facts, FactsNeeded},
    store::TenantId,
};

use super::{
    asking,
    core::{Cache, Unconfirmed},
    desk,
    error::CacheError,
    fills::{self, Missing},
    memory::Stamps,
    products::{self, ListedProducts},
};

/// What a page of a list is made from without a snapshot of the database.
#[derive(Debug)]
pub struct Recalled {
    /// The tenant that they are of.
    pub tenant: TenantId,
    /// The facts, of the whole vocabulary.
    pub facts: Facts,
    /// All products, where they were asked for.
    pub products: Option<ListedProducts>,
    stamps: Stamps,
}

impl Cache {
    /// Gives what memory holds for one page of a list: the facts `needed`, the
    /// whole vocabulary, and all products if `with_products`. `None`: not all of
    /// it is at hand, or there is no such tenant; it is on its way for the next
    /// page.
    ///
    /// # Errors
    ///
    /// [`CacheError::LeaseLost`], [`CacheError::Store`].
    pub async fn recall(
        &self,
        tenant: &Code,
        needed: &FactsNeeded,
        with_products: bool,
    ) -> Result<Option<Recalled>, CacheError> {
        let core = &self.core;
        core.require_lease().await?;
        if !core.keeps() {
            return Ok(None);
        }
        let mut recalled = asking::recall(core, tenant, needed);
        if recalled.as_ref().is_err_and(Missing::is_empty) {
            // Only the subject is missing: whoever reads it keeps it.
            desk::read(core, tenant, needed).await?;
            recalled = asking::recall(core, tenant, needed);
        }
        let (facts, known, mut stamps) = match recalled {
            Ok(recalled) => recalled,
            Err(missing) => {
                fills::fill(core, tenant, missing);
                return Ok(None);
            }
        };
        let (Some(facts), Some(known)) = (facts, known) else {
            return Ok(None);
        };
        let mut listed = None;
        if with_products {
            products::want(core, &known.products);
            // The lease's epoch, as of which the facts were compared, is asked
            // for once more when the page is confirmed.
            let epoch = core.lease.hold().epoch;
            let taken = ListedProducts::take(core, &known.products, epoch).await?;
            let Some((products, stamp)) = taken else {
                return Ok(None);
            };
            listed = Some(products);
            stamps.list = Some(stamp);
        }
        Ok(Some(Recalled {
            tenant: known.products.id(),
            facts,
            products: listed,
            stamps,
        }))
    }

    /// Whether a page that was made from `recalled` may be given; to be asked
    /// when it is ready. If not, it is to be made again.
    ///
    /// # Errors
    ///
    /// [`CacheError::LeaseLost`] when this server cannot tell at the moment.
    pub fn confirm_recalled(&self, recalled: &Recalled) -> Result<bool, CacheError> {
        match self.core.confirm(&recalled.stamps) {
            Ok(()) => {
                self.core.figures.pages.add(1);
                Ok(true)
            }
            Err(Unconfirmed::Stale) => {
                self.core.figures.stale_answers_refused.add(1);
                Ok(false)
            }
            Err(Unconfirmed::NoLease) => Err(CacheError::LeaseLost),
        }
    }
}

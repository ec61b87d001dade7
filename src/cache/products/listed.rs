use std::sync::Arc;

use crate::{
    cache::core::Core,
    failpoints::{Rule, is_disabled, mistakes},
    store::StoreError,
};

use super::{
    tenant::{ProductsReadPosition, TenantProducts},
    view::View,
};

/// Maximum number of pending products that a list reads from the database.
const MARKED_AT_MOST: usize = 500;

/// All products of a tenant for one page of a list: pending products as one
/// statement has just read them, the others from memory.
#[derive(Debug)]
pub(crate) struct ListedProducts {
    /// The products.
    pub(crate) view: View,
    /// True if no product was pending. A pending write may commit at any time
    /// without another announcement, so facts that were read during it are
    /// current when they are read, but cannot be confirmed again later.
    pub(crate) is_settled: bool,
}

impl ListedProducts {
    /// Reads the products of a tenant; must be called after all other facts were
    /// collected. `None`: the index is not loaded, or too many products are
    /// pending.
    pub(in crate::cache) async fn take(
        core: &Core,
        products: &Arc<TenantProducts>,
        epoch: u64,
    ) -> Result<Option<(Self, ProductsReadPosition)>, StoreError> {
        // Taken before the view is loaded, so that an announcement in between is
        // noticed.
        let position = ProductsReadPosition::of(products, epoch);
        let shown = Arc::clone(&products.shown());
        let current = shown.view.as_ref().filter(|view| view.epoch == epoch);
        let Some(current) = current.filter(|_| shown.marks.len() <= MARKED_AT_MOST) else {
            return Ok(None);
        };
        let mut view = current.view.clone();
        let is_settled = shown.marks.is_empty();
        if !shown.marks.is_empty() && !is_disabled(Rule::MarkedReadLast) {
            for marked in mistakes::statements(shown.marks.keys().cloned()) {
                let read = core
                    .background
                    .indexed_products(products.tenant(), marked.iter().cloned());
                let read = read.await?;
                if read.as_of.epoch != epoch {
                    return Ok(None);
                }
                for product in &marked {
                    let found = read.found.iter().find(|found| found.product == *product);
                    view.patch(product, read.as_of.seq, found);
                }
            }
        }
        Ok(Some((Self { view, is_settled }, position)))
    }
}

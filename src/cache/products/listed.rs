use std::sync::Arc;

use crate::{
    cache::core::Core,
    domain::{Code, ItemId, ProductId, ProductKind, ProductRef},
    failpoints::{Rule, is_disabled},
    store::StoreError,
};

use super::{
    tenant::{ProductsReadPosition, TenantProducts},
    view::{SeenProduct, View},
};

/// Maximum number of pending products that a list reads from the database.
const MARKED_AT_MOST: usize = 500;

/// All products of a tenant for one page of a list: pending products as one
/// statement has just read them, the others from memory.
#[derive(Debug)]
pub(crate) struct ListedProducts {
    view: View,
    is_settled: bool,
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
            let marked = shown.marks.keys().cloned();
            let read = core.background.indexed_products(products.tenant(), marked);
            let read = read.await?;
            if read.as_of.epoch != epoch {
                return Ok(None);
            }
            for product in shown.marks.keys() {
                let found = read.found.iter().find(|found| found.product == *product);
                view.patch(product, read.as_of.seq, found);
            }
        }
        Ok(Some((Self { view, is_settled }, position)))
    }

    /// True if no product was pending. A pending write may commit at any time
    /// without another announcement, so facts that were read during it are
    /// current when they are read, but cannot be confirmed again later.
    #[must_use]
    pub(crate) fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// Returns the approximate number of products and models.
    #[must_use]
    pub(crate) fn count(&self) -> usize {
        self.view.len()
    }

    /// Returns the number of a product or model; `None` if it is not stored.
    #[must_use]
    pub(crate) fn number_of(&self, kind: ProductKind, code: &Code) -> Option<ProductId> {
        let code = code.clone();
        self.view.number_of(&ProductRef { kind, code })
    }

    /// Returns the product or model with a number, if it is of this kind.
    #[must_use]
    pub(crate) fn at(&self, kind: ProductKind, id: ProductId) -> Option<SeenProduct<'_>> {
        self.view.seen_at(kind, id)
    }

    /// Visits the products of a kind with numbers after `after`, in ascending
    /// order. It ends when `each` returns false or `limit` products of any kind
    /// were visited.
    ///
    /// Returns the last number visited. `None`: there are no more.
    pub(crate) fn visit<'v>(
        &'v self,
        kind: ProductKind,
        after: ProductId,
        limit: usize,
        each: impl FnMut(SeenProduct<'v>) -> bool,
    ) -> Option<ProductId> {
        self.view.visit(kind, after, limit, each)
    }

    /// Returns the numbers after `after`, in ascending order, of all products
    /// that may be in one of the categories. With `uncategorised` it includes
    /// those that may be in none. Other products may be among them. `None`: there
    /// are more than `limit`.
    #[must_use]
    pub(crate) fn nominate(
        &self,
        categories: impl IntoIterator<Item = ItemId>,
        uncategorised: bool,
        after: ProductId,
        limit: usize,
    ) -> Option<Vec<ProductId>> {
        self.view.nominate(categories, uncategorised, after, limit)
    }
}

use std::sync::Arc;

use crate::{
    cache::core::Core,
    domain::{Code, ItemId, ProductKind, ProductRef},
    failpoints::{Rule, is_disabled},
    store::StoreError,
};

use super::{
    tenant::TenantProducts,
    view::{SeenProduct, View},
};

/// The most products with writes under way that a list reads beside its own.
const MARKED_AT_MOST: usize = 500;

/// All products of a tenant for one page of a list: those with writes under way
/// as one statement has just read them, the others from memory.
#[derive(Debug)]
pub struct ListedProducts {
    view: View,
    is_settled: bool,
}

/// As of when the products of a list were taken.
#[derive(Debug)]
pub(crate) struct ProductsReadPosition {
    products: Arc<TenantProducts>,
    watermark: u64,
    marked: u64,
    epoch: u64,
}

impl ListedProducts {
    /// Takes the products of a tenant, after all other facts were collected;
    /// `None`: they are not at hand.
    pub(in crate::cache) async fn take(
        core: &Core,
        products: &Arc<TenantProducts>,
        epoch: u64,
    ) -> Result<Option<(Self, ProductsReadPosition)>, StoreError> {
        // Before what it is to tell of: an announcement in between is noticed.
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

    /// Whether no product had a write under way. Such a write may be committed
    /// at any time without another announcement, so what was read beside it is
    /// true when it is read, and cannot be confirmed again later.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// How many products and models there are, about.
    #[must_use]
    pub fn count(&self) -> usize {
        self.view.len()
    }

    /// The number of a product or model.
    #[must_use]
    pub fn number_of(&self, kind: ProductKind, code: &Code) -> Option<i32> {
        let code = code.clone();
        self.view.number_of(&ProductRef { kind, code })
    }

    /// The product or model of a number, if it is of this kind.
    #[must_use]
    pub fn at(&self, kind: ProductKind, id: i32) -> Option<SeenProduct<'_>> {
        self.view.seen_at(kind, id)
    }

    /// Shows those of a kind with numbers after `after`, in order, until `each`
    /// says that it has seen enough, or `limit` of any kind were looked at. The
    /// last number that was looked at; `None`: there are no more.
    pub fn visit<'v>(
        &'v self,
        kind: ProductKind,
        after: i32,
        limit: usize,
        each: impl FnMut(SeenProduct<'v>) -> bool,
    ) -> Option<i32> {
        self.view.visit(kind, after, limit, each)
    }

    /// The numbers after `after`, in order, of all that may lie in one of some
    /// categories (or in none, if `uncategorised`), and of others; `None`: they
    /// are more than `limit`.
    #[must_use]
    pub fn nominate(
        &self,
        categories: impl IntoIterator<Item = ItemId>,
        uncategorised: bool,
        after: i32,
        limit: usize,
    ) -> Option<Vec<i32>> {
        self.view.nominate(categories, uncategorised, after, limit)
    }
}

impl ProductsReadPosition {
    /// The products as they are now.
    pub(super) fn of(products: &Arc<TenantProducts>, epoch: u64) -> Self {
        let shown = products.shown();
        Self {
            products: Arc::clone(products),
            watermark: shown.watermark,
            marked: shown.marked,
            epoch,
        }
    }

    /// Whether no product was announced since they were taken.
    pub(crate) fn counts(&self, epoch: u64) -> bool {
        let shown = self.products.shown();
        self.epoch == epoch && shown.watermark == self.watermark && shown.marked == self.marked
    }
}

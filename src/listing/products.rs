mod cached_pages;
mod candidates;
mod database_filter;

use tokio::task::yield_now;

use crate::{
    cache::CachedPageFacts,
    domain::{AllowedResource, FactsNeeded, ListFilter, ListingQuestion, ProductId, ProductKind},
    engine,
    store::{ListedProduct, Snapshot, StoreError},
};

use self::{candidates::Candidates, database_filter::DatabaseFilter};
use super::{Page, Place, PlacedPage};

/// Minimum and maximum number of products that one statement reads.
const FEWEST_AT_ONCE: usize = 64;
const MOST_AT_ONCE: usize = 2_048;

/// The products or models that a subject may do an action on (rules 4.1, 4.3).
#[derive(Debug)]
pub(super) struct ProductList {
    kind: ProductKind,
    question: ListingQuestion,
    filter: ListFilter,
    known: Option<DatabaseFilter>,
}

impl ProductList {
    pub(super) fn new(kind: ProductKind, question: ListingQuestion, filter: ListFilter) -> Self {
        Self {
            kind,
            question,
            filter,
            known: None,
        }
    }

    /// Returns the facts that a page needs beside the products.
    pub(super) fn needed(&self) -> FactsNeeded {
        engine::needs([&self.question.without_categories()])
    }

    /// Builds the next `size` products after a place from memory. `None`: the
    /// product index is not loaded.
    pub(super) async fn page_from_memory(
        &self,
        cached: &CachedPageFacts,
        after: Option<&Place>,
        size: usize,
    ) -> Option<PlacedPage> {
        let products = &cached.products.as_ref()?.view;
        let known =
            cached_pages::CachedFilter::of(&self.question, &self.filter, &cached.facts).await;
        let after = Place::product(after);
        Some(cached_pages::page(products, &known, self.kind, &self.filter, after, size).await)
    }

    /// Reads the next `size` products after a place.
    pub(super) async fn page(
        &mut self,
        snapshot: &Snapshot<'_>,
        after: Option<Place>,
        size: usize,
    ) -> Result<PlacedPage, StoreError> {
        let (after, everywhere) = match after {
            Some(Place::Product { id, everywhere }) => (id, everywhere),
            Some(Place::Entity(_)) | None => (ProductId::BEFORE_FIRST, false),
        };
        let known = current_filter(&mut self.known, &self.question, &self.filter, snapshot).await?;
        if known.reaches_nothing() {
            return Ok(Page::empty(known.revision()));
        }
        let mut candidates = if everywhere {
            Candidates::everywhere(self.kind, after)
        } else {
            Candidates::find(self.kind, after, size, &self.filter, known, snapshot).await?
        };
        let mut page = Page::empty(known.revision());
        let mut window = (size + 1).clamp(FEWEST_AT_ONCE, MOST_AT_ONCE);
        let mut looked_at = 0;
        while let Some(products) = candidates.next(snapshot, window).await? {
            looked_at += products.len();
            known.learn_levels(snapshot, &products).await?;
            for product in products {
                let Some(level) = known.allows(&product) else {
                    continue;
                };
                let ListedProduct { id, code, .. } = product;
                let everywhere = candidates.are_everywhere();
                let place = Place::Product { id, everywhere };
                if !page.push(AllowedResource { code, level }, place, size) {
                    return Ok(page);
                }
            }
            window = next_window(looked_at, page.found.len(), size);
            yield_now().await;
        }
        Ok(page)
    }
}

/// Returns how many products to read next. It estimates how many contain the
/// allowed products that the page still needs, and one more to know whether the
/// list continues.
fn next_window(looked_at: usize, found: usize, size: usize) -> usize {
    let lacking = (size + 1).saturating_sub(found);
    let wanted = lacking.saturating_mul(looked_at) / found.max(1);
    wanted.clamp(FEWEST_AT_ONCE, MOST_AT_ONCE)
}

/// Returns the filter at the snapshot's revision. The one of the page before is
/// reused if tenant and revision are the same, since then nothing has changed.
async fn current_filter<'k>(
    known: &'k mut Option<DatabaseFilter>,
    question: &ListingQuestion,
    filter: &ListFilter,
    snapshot: &Snapshot<'_>,
) -> Result<&'k mut DatabaseFilter, StoreError> {
    let current = known.take().filter(|known| known.holds_in(snapshot));
    let current = match current {
        Some(current) => current,
        None => DatabaseFilter::read(question, filter, snapshot).await?,
    };
    Ok(known.insert(current))
}

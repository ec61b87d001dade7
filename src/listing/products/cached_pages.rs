use tokio::task::yield_now;

use crate::{
    cache::{ProductView, SeenProduct},
    domain::{
        AllowedResource, Code, Facts, Level, ListFilter, ListingQuestion, ProductId, ProductKind,
        ProductRef, Revision,
    },
    engine::{self, ProductAccess},
    listing::{
        Page, Place, PlacedPage,
        levels::{self, ItemSet, Levels},
    },
};

/// Lower bound of the limit on candidates, however few products there are.
const FEWEST_NOMINATED: usize = 1_000;

/// Number of products processed before other calls run.
const PRODUCTS_PER_TURN: usize = 8_192;

/// Decides from memory whether each product belongs to the list.
#[derive(Debug)]
pub(super) struct CachedFilter {
    revision: Revision,
    access: ProductAccess,
    levels: Levels,
    within: Vec<ItemSet>,
}

impl CachedFilter {
    pub(super) async fn of(question: &ListingQuestion, filter: &ListFilter, facts: &Facts) -> Self {
        Self {
            revision: facts.revision,
            access: engine::product_access(question, facts),
            levels: Levels::of(question.subject(), facts).await,
            within: levels::filter_categories(filter, facts),
        }
    }

    /// True if the list is empty, whatever products there are.
    fn reaches_nothing(&self) -> bool {
        self.access == ProductAccess::Nothing || self.within.iter().any(ItemSet::is_empty)
    }

    /// Returns the level held on a product that belongs to the list; the inner
    /// value is `None` if the action needs no level. `None`: it does not belong
    /// to the list.
    #[expect(clippy::option_option, reason = "the inner one is the answer's own")]
    fn allows(&self, product: &SeenProduct<'_>) -> Option<Option<Level>> {
        let is_in = |set: &ItemSet| product.categories().any(|id| set.holds(id));
        if !self.within.iter().all(is_in) {
            return None;
        }
        match self.access {
            ProductAccess::Nothing => None,
            ProductAccess::Everything(level) => Some(level),
            ProductAccess::ByCategory(test) => {
                let levels = product.categories().map(|id| self.levels.on(id));
                test.level(levels).map(Some)
            }
        }
    }

    /// Returns the numbers of products that may belong to the list, if there are
    /// at most `few`.
    fn nominate(
        &self,
        products: &ProductView,
        after: ProductId,
        few: usize,
    ) -> Option<Vec<ProductId>> {
        let by_filter = self
            .within
            .iter()
            .find_map(|set| products.nominate(set.ids(), false, after, few));
        let ProductAccess::ByCategory(test) = self.access else {
            return by_filter;
        };
        by_filter.or_else(|| {
            let categories = self.levels.at_least(test.needed());
            products.nominate(categories, test.allows_uncategorised(), after, few)
        })
    }
}

/// Builds the next page of products after a number.
///
/// If few products can belong to it, by the filter or by the subject's rights,
/// only these candidates are read; else all are scanned in order. With n products
/// and pages of p, s of them allowed, that costs about s, or p · n / s: at most
/// √(p · n) for the better way.
pub(super) async fn page(
    products: &ProductView,
    known: &CachedFilter,
    kind: ProductKind,
    filter: &ListFilter,
    after: ProductId,
    size: usize,
) -> PlacedPage {
    let mut page = Page::empty(known.revision);
    if known.reaches_nothing() {
        return page;
    }
    let few = size.saturating_mul(products.len()).isqrt();
    let few = few.max(FEWEST_NOMINATED);
    let nominated = if filter.ids.is_empty() {
        known.nominate(products, after, few)
    } else {
        Some(numbers_of(products, kind, &filter.ids, after))
    };
    let mut take = |product: SeenProduct<'_>| take(&mut page, known, size, product);
    if let Some(ids) = nominated {
        for some in ids.chunks(PRODUCTS_PER_TURN) {
            let mut seen = some.iter().filter_map(|id| products.seen_at(kind, *id));
            if !seen.all(&mut take) {
                break;
            }
            yield_now().await;
        }
        return page;
    }
    let mut at = after;
    let mut has_more = true;
    while has_more {
        let visited = products.visit(kind, at, PRODUCTS_PER_TURN, |product| {
            has_more = take(product);
            has_more
        });
        let Some(last) = visited else { break };
        at = last;
        yield_now().await;
    }
    page
}

/// Adds a product to the page if it belongs to the list. False: the page is full.
fn take(
    page: &mut PlacedPage,
    known: &CachedFilter,
    size: usize,
    product: SeenProduct<'_>,
) -> bool {
    let Some(level) = known.allows(&product) else {
        return true;
    };
    // Codes in the database always parse, so no product is skipped here.
    let Ok(code) = product.code.parse() else {
        return true;
    };
    let place = Place::Product {
        id: product.id,
        everywhere: false,
    };
    page.push(AllowedResource { code, level }, place, size)
}

fn numbers_of(
    products: &ProductView,
    kind: ProductKind,
    codes: &[Code],
    after: ProductId,
) -> Vec<ProductId> {
    let products_named = codes.iter().cloned().map(|code| ProductRef { kind, code });
    let numbers = products_named.filter_map(|product| products.number_of(&product));
    let mut numbers: Vec<ProductId> = numbers.filter(|id| *id > after).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

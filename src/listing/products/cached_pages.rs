use tokio::task::yield_now;

use crate::{
    cache::{ListedProducts, SeenProduct},
    domain::{
        AllowedResource, Code, EveryQuestion, Facts, Level, ListFilter, ProductKind, Revision,
    },
    engine::{self, ProductAccess},
    listing::{
        Page, Place, PlacedPage,
        levels::{self, ItemSet, Levels},
    },
};

/// How many candidates are worth finding, however few products there are.
const FEWEST_NOMINATED: usize = 1_000;

/// After how many products other work gets a turn.
const IN_A_ROW: usize = 8_192;

/// What decides of each product whether it belongs to the list, all at hand.
#[derive(Debug)]
pub(super) struct CachedFilter {
    revision: Revision,
    reach: ProductAccess,
    levels: Levels,
    within: Vec<ItemSet>,
}

impl CachedFilter {
    pub(super) async fn of(question: &EveryQuestion, filter: &ListFilter, facts: &Facts) -> Self {
        Self {
            revision: facts.revision,
            reach: engine::product_access(question, facts),
            levels: Levels::of(question.subject(), facts).await,
            within: levels::filter_categories(filter, facts),
        }
    }

    /// Whether the list is empty, whatever products there are.
    fn reaches_nothing(&self) -> bool {
        self.reach == ProductAccess::Nothing || self.within.iter().any(ItemSet::is_empty)
    }

    /// Whether a product belongs to the list, and the level held on it, if that
    /// is asked.
    #[expect(clippy::option_option, reason = "the inner one is the answer's own")]
    fn allows(&self, product: &SeenProduct<'_>) -> Option<Option<Level>> {
        let is_in = |set: &ItemSet| product.categories().any(|id| set.holds(id));
        if !self.within.iter().all(is_in) {
            return None;
        }
        match self.reach {
            ProductAccess::Nothing => None,
            ProductAccess::Everything(level) => Some(level),
            ProductAccess::ByCategory(test) => {
                let levels = product.categories().map(|id| self.levels.on(id));
                test.level(levels).map(Some)
            }
        }
    }

    /// The numbers of products that may belong to the list, if they are few.
    fn nominate(&self, products: &ListedProducts, after: i32, few: usize) -> Option<Vec<i32>> {
        let by_filter = self
            .within
            .iter()
            .find_map(|set| products.nominate(set.ids(), false, after, few));
        let ProductAccess::ByCategory(test) = self.reach else {
            return by_filter;
        };
        by_filter.or_else(|| {
            let categories = self.levels.at_least(test.needed());
            products.nominate(categories, test.allows_uncategorised(), after, few)
        })
    }
}

/// Makes the next page of products after a number.
///
/// Where few products can belong to it, by the filter or by the subject's
/// rights, these are looked at; else all in turn. With n products and pages of
/// p, s of them allowed, that costs about s, or p · n / s: no more than
/// √(p · n) the better way.
pub(super) async fn page(
    products: &ListedProducts,
    known: &CachedFilter,
    kind: ProductKind,
    filter: &ListFilter,
    after: i32,
    size: usize,
) -> PlacedPage {
    let mut page = Page::empty(known.revision);
    if known.reaches_nothing() {
        return page;
    }
    let few = size.saturating_mul(products.count()).isqrt();
    let few = few.max(FEWEST_NOMINATED);
    let nominated = if filter.ids.is_empty() {
        known.nominate(products, after, few)
    } else {
        Some(numbers_of(products, kind, &filter.ids, after))
    };
    let mut take = |product: SeenProduct<'_>| take(&mut page, known, size, product);
    if let Some(ids) = nominated {
        for some in ids.chunks(IN_A_ROW) {
            let mut seen = some.iter().filter_map(|id| products.at(kind, *id));
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
        let visited = products.visit(kind, at, IN_A_ROW, |product| {
            has_more = take(product);
            has_more
        });
        let Some(last) = visited else { break };
        at = last;
        yield_now().await;
    }
    page
}

/// Puts a product on the page, if it belongs there. `false`: the page is full.
fn take(
    page: &mut PlacedPage,
    known: &CachedFilter,
    size: usize,
    product: SeenProduct<'_>,
) -> bool {
    let Some(level) = known.allows(&product) else {
        return true;
    };
    if page.found.len() == size {
        page.more = true;
        return false;
    }
    // The database holds codes only.
    if let Ok(code) = product.code.parse() {
        let place = Place::Product {
            id: product.id,
            everywhere: false,
        };
        page.last = Some(place.clone());
        page.found.push((AllowedResource { code, level }, place));
    }
    true
}

fn numbers_of(
    products: &ListedProducts,
    kind: ProductKind,
    codes: &[Code],
    after: i32,
) -> Vec<i32> {
    let numbers = codes.iter();
    let numbers = numbers.filter_map(|code| products.number_of(kind, code));
    let mut numbers: Vec<i32> = numbers.filter(|id| *id > after).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

use tokio::task::yield_now;

use crate::{
    cache::{ListedProducts, SeenProduct},
    domain::{
        AllowedResource, Code, EveryQuestion, Facts, ItemId, ItemKind, ItemRef, Level, ListFilter,
        ProductKind, Revision,
    },
    engine::{self, ProductReach},
    listing::{Page, Place, ResourcePage},
};

/// How many candidates are worth finding, however few products there are.
const FEWEST_NOMINATED: usize = 1_000;

/// After how many products other work gets a turn.
const IN_A_ROW: usize = 8_192;

/// How deep a tree of categories may be before it is taken for a circle.
const DEEPEST: usize = 1_000;

/// What decides of each product whether it belongs to the list, all at hand.
#[derive(Debug)]
pub(super) struct KnownByHeart {
    revision: Revision,
    reach: ProductReach,
    /// The highest level of a group of the subject on each item, by number.
    levels: Vec<Level>,
    /// Which items one must be effective of, by number.
    within: Vec<Vec<bool>>,
}

impl KnownByHeart {
    pub(super) fn new(question: &EveryQuestion, filter: &ListFilter, facts: &Facts) -> Self {
        let items = facts.vocabulary.item_facts.keys();
        let items = items.filter_map(|id| place(*id)).max();
        let items = items.map_or(0, |highest| highest + 1);
        let mut levels = vec![Level::Hidden; items];
        let subject = facts.subjects.get(question.subject());
        let groups = subject.map_or(&[][..], |subject| &subject.groups);
        for (item, level) in groups
            .iter()
            .filter_map(|group| facts.groups.get(group))
            .flat_map(|group| &group.rights)
        {
            if let Some(held) = place(*item).and_then(|at| levels.get_mut(at)) {
                *held = held.or(*level);
            }
        }
        let trees = [(&filter.tree, true), (&filter.category, false)];
        let trees = trees.into_iter();
        let within = trees.filter_map(|(code, only_root)| {
            let code = code.as_ref()?;
            Some(within(facts, code, only_root, items))
        });
        Self {
            revision: facts.revision,
            reach: engine::product_reach(question, facts),
            levels,
            within: within.collect(),
        }
    }

    /// Whether the list is empty, whatever products there are.
    fn reaches_nothing(&self) -> bool {
        let is_empty = |set: &Vec<bool>| !set.contains(&true);
        self.reach == ProductReach::Nothing || self.within.iter().any(is_empty)
    }

    /// Whether a product belongs to the list, and the level held on it, if that
    /// is asked.
    #[expect(clippy::option_option, reason = "the inner one is the answer's own")]
    fn allows(&self, product: &SeenProduct<'_>) -> Option<Option<Level>> {
        let is_in = |set: &Vec<bool>| product.categories().any(|id| holds(set, id));
        if !self.within.iter().all(is_in) {
            return None;
        }
        match self.reach {
            ProductReach::Nothing => None,
            ProductReach::Everything(level) => Some(level),
            ProductReach::ByCategory(test) => {
                let level = |id| place(id).and_then(|at| self.levels.get(at)).copied();
                let levels = product.categories().map(|id| level(id).unwrap_or_default());
                test.level(levels).map(Some)
            }
        }
    }

    /// The numbers of products that may belong to the list, if they are few.
    fn nominate(&self, products: &ListedProducts, after: i32, few: usize) -> Option<Vec<i32>> {
        let by_filter = self.within.iter().find_map(|set| {
            let categories = numbered(set).filter(|(_, is_in)| **is_in);
            products.nominate(categories.map(|(id, _)| id), false, after, few)
        });
        let ProductReach::ByCategory(test) = self.reach else {
            return by_filter;
        };
        by_filter.or_else(|| {
            let categories =
                numbered(&self.levels).filter(|(_, level)| level.allows(test.needed()));
            let categories = categories.map(|(id, _)| id);
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
    known: &KnownByHeart,
    kind: ProductKind,
    filter: &ListFilter,
    after: i32,
    size: usize,
) -> ResourcePage {
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
    page: &mut ResourcePage,
    known: &KnownByHeart,
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
        page.last = Some(Place::Product {
            id: product.id,
            everywhere: false,
        });
        page.found.push(AllowedResource { code, level });
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

/// Which items are a category or lie below it; none, when there is no such
/// category, or it lies below another and a tree's root is asked for.
fn within(facts: &Facts, category: &Code, only_root: bool, items: usize) -> Vec<bool> {
    let mut set = vec![false; items];
    let vocabulary = &facts.vocabulary;
    let asked = ItemRef {
        kind: ItemKind::Category,
        code: category.clone(),
    };
    let Some(root) = vocabulary.items.get(&asked) else {
        return set;
    };
    let above = |id: ItemId| vocabulary.item_facts.get(&id).and_then(|item| item.parent);
    if only_root && above(*root).is_some() {
        return set;
    }
    for item in vocabulary.item_facts.keys() {
        let way = std::iter::successors(Some(*item), |id| above(*id));
        let is_within = way.take(DEEPEST).any(|id| id == *root);
        if let Some(slot) = place(*item).and_then(|at| set.get_mut(at)) {
            *slot = is_within;
        }
    }
    set
}

fn numbered<T>(by_number: &[T]) -> impl Iterator<Item = (ItemId, &T)> {
    (0..).map(ItemId).zip(by_number)
}

fn holds(set: &[bool], id: ItemId) -> bool {
    place(id)
        .and_then(|at| set.get(at))
        .copied()
        .unwrap_or_default()
}

fn place(id: ItemId) -> Option<usize> {
    usize::try_from(id.0).ok()
}

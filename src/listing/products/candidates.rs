use hashbrown::HashSet;

use crate::{
    domain::{ItemId, ListFilter, ProductId, ProductKind},
    store::{ListedProduct, Nomination, Snapshot, StoreError},
};

use super::database_filter::DatabaseFilter;

/// Lower bound of the limit on candidates, however few products there are.
const FEWEST_NOMINATED: usize = 1_000;

/// The products to read, in the order of their numbers; each is then tested for
/// whether it belongs to the list.
#[derive(Debug)]
pub(super) struct Candidates {
    kind: ProductKind,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// All products after a number.
    Everywhere { after: ProductId },
    /// The products with these numbers, in ascending order, and how many were
    /// read.
    Nominated(Vec<ProductId>, usize),
}

impl Candidates {
    /// Returns all products after a number as candidates.
    pub(super) fn everywhere(kind: ProductKind, after: ProductId) -> Self {
        let source = Source::Everywhere { after };
        Self { kind, source }
    }

    /// Finds candidates by the codes of the filter, its categories or the
    /// subject's rights, whichever gives few; else all products are scanned.
    ///
    /// With n products and pages of p, s of them allowed, a page costs s rows
    /// with candidates, and p · n / s with a scan: at most √(p · n) for the
    /// better way.
    pub(super) async fn find(
        kind: ProductKind,
        after: ProductId,
        size: usize,
        filter: &ListFilter,
        known: &DatabaseFilter,
        snapshot: &Snapshot<'_>,
    ) -> Result<Self, StoreError> {
        if !filter.ids.is_empty() {
            let ids = snapshot.find_products(kind, &filter.ids).await?;
            return Ok(Self::nominated(kind, after, ids));
        }
        let few = size
            .saturating_mul(snapshot.products_ever())
            .isqrt()
            .max(FEWEST_NOMINATED);
        let filters: Vec<Vec<ItemId>> = known.within().iter().map(in_order).collect();
        let by_filter = filters.iter().map(|set| Nomination::Categories(set));
        let by_right = known.test().map(|test| Nomination::Rights {
            groups: known.groups(),
            level: test.needed(),
            uncategorised: test.allows_uncategorised(),
        });
        for nomination in by_filter.chain(by_right) {
            if let Some(ids) = snapshot.nominate_products(kind, nomination, few).await? {
                return Ok(Self::nominated(kind, after, ids));
            }
        }
        Ok(Self::everywhere(kind, after))
    }

    fn nominated(kind: ProductKind, after: ProductId, mut ids: Vec<ProductId>) -> Self {
        ids.retain(|id| *id > after);
        ids.sort_unstable();
        ids.dedup();
        let source = Source::Nominated(ids, 0);
        Self { kind, source }
    }

    /// True if all products are scanned.
    pub(super) fn are_everywhere(&self) -> bool {
        matches!(self.source, Source::Everywhere { .. })
    }

    /// Reads the next products, about `window` of them. `None`: there are no
    /// more.
    pub(super) async fn next(
        &mut self,
        snapshot: &Snapshot<'_>,
        window: usize,
    ) -> Result<Option<Vec<ListedProduct>>, StoreError> {
        match &mut self.source {
            Source::Everywhere { after } => {
                let products = snapshot.products_after(self.kind, *after, window).await?;
                let Some(last) = products.last() else {
                    return Ok(None);
                };
                *after = last.id;
                Ok(Some(products))
            }
            Source::Nominated(ids, looked_at) => {
                let left = ids.get(*looked_at..).unwrap_or_default();
                if left.is_empty() {
                    return Ok(None);
                }
                let (next, _) = left.split_at(window.min(left.len()));
                let products = snapshot.products_among(self.kind, next).await?;
                *looked_at += next.len();
                Ok(Some(products))
            }
        }
    }
}

fn in_order(set: &HashSet<ItemId>) -> Vec<ItemId> {
    let mut ids: Vec<ItemId> = set.iter().copied().collect();
    ids.sort_unstable();
    ids
}

use std::collections::HashSet;

use crate::{
    domain::{ItemId, ListFilter, ProductKind},
    store::{ListedProduct, Nomination, Snapshot, StoreError},
};

use super::database_filter::DatabaseFilter;

/// How many candidates are worth finding, however few products there are.
const FEWEST_NOMINATED: usize = 1_000;

/// Which products are looked at, in the order of their numbers; whether they
/// belong to the list is asked of each.
#[derive(Debug)]
pub(super) struct Candidates {
    kind: ProductKind,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// All after a number.
    Everywhere { after: i32 },
    /// Those of these numbers, which are in order.
    Nominated(Vec<i32>, usize),
}

impl Candidates {
    /// All products after a number.
    pub(super) fn everywhere(kind: ProductKind, after: i32) -> Self {
        let source = Source::Everywhere { after };
        Self { kind, source }
    }

    /// Finds candidates by the filter's codes, by the filter's categories or by
    /// the subject's rights, whichever names few; else all are looked at.
    ///
    /// With n products and pages of p, s of them allowed, a page costs s rows
    /// this way, and p · n / s by looking at all in turn: no more than √(p · n)
    /// the better way.
    pub(super) async fn find(
        kind: ProductKind,
        after: i32,
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

    fn nominated(kind: ProductKind, after: i32, mut ids: Vec<i32>) -> Self {
        ids.retain(|id| *id > after);
        ids.sort_unstable();
        ids.dedup();
        let source = Source::Nominated(ids, 0);
        Self { kind, source }
    }

    /// Whether all products are looked at.
    pub(super) fn are_everywhere(&self) -> bool {
        matches!(self.source, Source::Everywhere { .. })
    }

    /// Reads the next ones, about `window` of them; `None`: there are no more.
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

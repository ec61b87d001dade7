use hashbrown::{HashMap, HashSet};

use crate::{
    domain::{GroupId, ItemId, Level, ListFilter, ListingQuestion, Revision},
    engine::{self, CategoryTest, ProductAccess},
    listing::filter_categories,
    store::{ListedProduct, Snapshot, StoreError, TenantId},
};

/// Facts of a subject and of a filter at one revision that decide whether a
/// product belongs to the list.
#[derive(Debug)]
pub(super) struct DatabaseFilter {
    tenant: TenantId,
    revision: Revision,
    access: ProductAccess,
    groups: Vec<GroupId>,
    within: Vec<HashSet<ItemId>>,
    /// The levels on the categories read so far.
    levels: HashMap<ItemId, Level>,
}

impl DatabaseFilter {
    pub(super) async fn read(
        question: &ListingQuestion,
        filter: &ListFilter,
        snapshot: &Snapshot<'_>,
    ) -> Result<Self, StoreError> {
        let needed = engine::needs([&question.without_categories()]);
        let facts = snapshot.facts(&needed).await?;
        let subject = facts.subjects.get(question.subject());
        Ok(Self {
            tenant: snapshot.tenant().id,
            revision: facts.revision,
            access: engine::product_access(question, &facts),
            groups: subject.map_or_else(Vec::new, |subject| subject.groups.clone()),
            within: filter_categories(snapshot, filter).await?,
            levels: HashMap::new(),
        })
    }

    /// True if the facts are still current in `snapshot`.
    pub(super) fn holds_in(&self, snapshot: &Snapshot<'_>) -> bool {
        let tenant = snapshot.tenant();
        (self.tenant, self.revision) == (tenant.id, tenant.revision)
    }

    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    /// True if the list is empty, whatever products there are.
    pub(super) fn reaches_nothing(&self) -> bool {
        self.access == ProductAccess::Nothing || self.within.iter().any(HashSet::is_empty)
    }

    /// Returns the test of the levels on a product's categories. `None`: no level
    /// decides.
    pub(super) fn test(&self) -> Option<CategoryTest> {
        match self.access {
            ProductAccess::ByCategory(test) => Some(test),
            ProductAccess::Nothing | ProductAccess::Everything(_) => None,
        }
    }

    /// Returns the user groups of the subject.
    pub(super) fn groups(&self) -> &[GroupId] {
        &self.groups
    }

    /// Returns the category sets of the filter: a product must have at least one
    /// effective category in each.
    pub(super) fn within(&self) -> &[HashSet<ItemId>] {
        &self.within
    }

    /// Reads the levels on those categories of `products` that are not read yet.
    pub(super) async fn learn_levels(
        &mut self,
        snapshot: &Snapshot<'_>,
        products: &[ListedProduct],
    ) -> Result<(), StoreError> {
        if self.test().is_none() {
            return Ok(());
        }
        let met = products.iter().flat_map(|product| &product.categories);
        let new: HashSet<ItemId> = met
            .copied()
            .filter(|id| !self.levels.contains_key(id))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let new: Vec<ItemId> = new.into_iter().collect();
        let held = snapshot.levels_on(&self.groups, &new).await?;
        let hidden = new.into_iter().map(|id| (id, Level::Hidden));
        self.levels.extend(hidden);
        self.levels.extend(held);
        Ok(())
    }

    /// Returns the level held on a product that belongs to the list; the inner
    /// value is `None` if the action needs no level. `None`: it does not belong
    /// to the list.
    #[expect(clippy::option_option, reason = "the inner one is the answer's own")]
    pub(super) fn allows(&self, product: &ListedProduct) -> Option<Option<Level>> {
        let lies_in = |set: &HashSet<ItemId>| product.categories.iter().any(|id| set.contains(id));
        if !self.within.iter().all(lies_in) {
            return None;
        }
        match self.access {
            ProductAccess::Nothing => None,
            ProductAccess::Everything(level) => Some(level),
            ProductAccess::ByCategory(test) => {
                let levels = product.categories.iter();
                let levels = levels.map(|id| self.levels.get(id).copied().unwrap_or_default());
                test.level(levels).map(Some)
            }
        }
    }
}

//! Lists the resources that a subject has access to, and the subjects that have
//! access to a resource: completely, page by page.
//!
//! A listing returns every resource that a Check allows and none that it denies.
//! Each page is true at one instant and continues after the last resource of the
//! page before, in an order that no write changes: products by number, others by
//! folded code. So a resource that is stored and allowed throughout is on exactly
//! one page, whatever is written between two pages.
//!
//! Julia may view the products of 15 of 15,000 categories:
//!
//! - Requirements that are the same for every product (is she enabled, can she
//!   view any channel) are decided once, for a product without categories.
//! - Those 15 categories contain about a hundred candidates: cheaper than
//!   scanning a million products. If she had all 15,000, the next products by
//!   number would be scanned instead, until the page is full.
//! - The rules decide on each candidate by her levels on its effective
//!   categories, as they do in a Check.
//!
//! If the product index of the tenant is loaded, all of this comes from memory
//! and is confirmed at the end as a Check is; pending products are read from the
//! database in addition. Otherwise a page is read from one snapshot of the
//! database, with the same two strategies. Items, attributes and grid views are
//! few: each is decided on its own, in memory if the vocabulary is cached.
//! Subjects are always read from the database.
//!
//! One SQL statement that joins products with rights was rejected: it sorts the
//! whole set for each page, and it would define the level on a product a second
//! time. A Check for each product was rejected too.

mod access_filter;
mod ahead;
mod effective_rights;
mod entities;
mod levels;
mod products;
mod subjects;
mod yielding;

use crate::domain::{
    AllowedResource, Code, FactsNeeded, ListFilter, ListingQuestion, ProductId, Revision,
};
use crate::{
    cache::{Cache, CacheError, with_page_facts},
    store::{Bounds, Snapshot, Store, StoreError, TenantId, read_tenant},
};

pub use self::{
    access_filter::access_filter,
    effective_rights::{EffectiveRight, EffectiveRights, effective_rights},
    subjects::SubjectList,
    yielding::{YieldingDecider, explain},
};
use self::{
    ahead::{Ahead, Proof},
    entities::EntityList,
    products::ProductList,
};

/// Where a list of resources continues: after the last resource returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// After a product or model.
    Product {
        /// Number of the product.
        id: ProductId,
        /// True if all products are scanned, because there are too many
        /// candidates.
        everywhere: bool,
    },
    /// After the folded code of any other resource.
    Entity(String),
}

/// One page of a list, true at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, P> {
    /// The entries of the page, in order.
    pub found: Vec<T>,
    /// Where the next page begins: after the last entry. `None`: the page is
    /// empty.
    pub last: Option<P>,
    /// True if there are more entries after the page.
    pub more: bool,
    /// The revision of the tenant.
    pub revision: Revision,
}

/// A page of resources.
type ResourcePage = Page<AllowedResource, Place>;

/// A page of resources with the place of each, so that it can be returned in
/// parts.
type PlacedPage = Page<(AllowedResource, Place), Place>;

impl<T, P> Page<T, P> {
    /// Creates the page of an empty list.
    fn empty(revision: Revision) -> Self {
        Self {
            found: Vec::new(),
            last: None,
            more: false,
            revision,
        }
    }
}

impl Place {
    /// Returns the folded code after which a list continues; empty at the beginning.
    #[must_use]
    pub fn folded_code(after: Option<&Self>) -> &str {
        match after {
            Some(Self::Entity(key)) => key,
            Some(Self::Product { .. }) | None => "",
        }
    }

    /// Returns the product after which a list continues.
    #[must_use]
    pub fn product(after: Option<&Self>) -> ProductId {
        match after {
            Some(Self::Product { id, .. }) => *id,
            Some(Self::Entity(_)) | None => ProductId::BEFORE_FIRST,
        }
    }
}

impl PlacedPage {
    /// Appends a resource, unless the page holds `size` of them. Returns false if it
    /// does: there are more.
    fn push(&mut self, found: AllowedResource, place: Place, size: usize) -> bool {
        self.more = self.found.len() == size;
        if !self.more {
            self.last = Some(place.clone());
            self.found.push((found, place));
        }
        !self.more
    }

    fn without_places(self) -> ResourcePage {
        Page {
            found: self.found.into_iter().map(|(found, _)| found).collect(),
            last: self.last,
            more: self.more,
            revision: self.revision,
        }
    }
}

/// The resources of a type that a subject may do an action on.
#[derive(Debug)]
pub struct ResourceList {
    tenant: Code,
    list: Either,
    /// Resources that a stream has read ahead and not returned yet.
    ahead: Option<Ahead>,
}

#[derive(Debug)]
enum Either {
    Products(ProductList),
    Entities(EntityList),
}

impl ResourceList {
    /// Prepares to list the resources that `question` and `filter` select; reads
    /// nothing yet.
    #[must_use]
    pub fn new(tenant: Code, question: ListingQuestion, filter: ListFilter) -> Self {
        let list = match question.kind().product_kind() {
            Some(kind) => Either::Products(ProductList::new(kind, question, filter)),
            None => Either::Entities(EntityList::new(question, filter)),
        };
        Self {
            tenant,
            list,
            ahead: None,
        }
    }

    /// Reads the next `size` resources; `after` is where the page before ended.
    /// Returns the id of the tenant too: if it was deleted and created again, its
    /// places differ. `None`: the tenant does not exist.
    ///
    /// # Errors
    ///
    /// [`CacheError::Store`] if the database does not answer,
    /// [`CacheError::LeaseLost`] if its answer may not be current.
    pub async fn page(
        &mut self,
        cache: &Cache,
        store: &Store,
        after: Option<Place>,
        size: usize,
    ) -> Result<Option<(TenantId, ResourcePage)>, CacheError> {
        let page = self.placed_page(cache, store, after.as_ref(), size).await?;
        Ok(page.map(|(tenant, page, _)| (tenant, page.without_places())))
    }

    /// Reads a page, with the place of each resource and the proof that it is
    /// current.
    async fn placed_page(
        &mut self,
        cache: &Cache,
        store: &Store,
        after: Option<&Place>,
        size: usize,
    ) -> Result<Option<(TenantId, PlacedPage, Proof)>, CacheError> {
        if let Some(page) = self.page_from_memory(cache, after, size).await? {
            return Ok(Some(page));
        }
        let read = read_tenant!(store, &self.tenant, Bounds::READ, |snapshot| {
            let after = after.cloned();
            let page = match &mut self.list {
                Either::Products(list) => list.page(&snapshot, after, size).await?,
                Either::Entities(list) => list.page(&snapshot, after, size).await?,
            };
            let epoch = snapshot.epoch();
            let tenant = snapshot.tenant().id;
            Ok::<_, StoreError>((tenant, page, Proof::Snapshot { epoch }))
        })?;
        cache.confirmed(read).await
    }

    /// Builds the page from memory. `None`: some of the facts are not cached, or
    /// writes invalidate them faster than the page is built.
    async fn page_from_memory(
        &self,
        cache: &Cache,
        after: Option<&Place>,
        size: usize,
    ) -> Result<Option<(TenantId, PlacedPage, Proof)>, CacheError> {
        let (needed, with_products) = self.needed();
        let built = with_page_facts!(cache, &self.tenant, &needed, with_products, |cached| {
            match &self.list {
                Either::Products(list) => list.page_from_memory(&cached, after, size).await,
                Either::Entities(list) => {
                    Some(list.page_from_memory(&cached.facts, after, size).await)
                }
            }
        });
        Ok(built.map(|(page, cached)| (cached.tenant, page, Proof::of(cached))))
    }

    /// Returns the facts that a page needs, and whether it needs the product
    /// index.
    fn needed(&self) -> (FactsNeeded, bool) {
        match &self.list {
            Either::Products(list) => (list.needed(), true),
            Either::Entities(list) => (list.needed(), false),
        }
    }
}

/// Reads the category sets of a filter: a resource must be in at least one
/// category of each set.
async fn filter_categories(
    snapshot: &Snapshot<'_>,
    filter: &ListFilter,
) -> Result<Vec<hashbrown::HashSet<crate::domain::ItemId>>, StoreError> {
    let mut sets = Vec::new();
    for (code, only_root) in [(&filter.tree, true), (&filter.category, false)] {
        if let Some(code) = code {
            sets.push(snapshot.categories_within(code, only_root).await?);
        }
    }
    Ok(sets)
}

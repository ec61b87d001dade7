//! Which resources a subject may reach, and which subjects may reach one:
//! whole, page by page.
//!
//! A listing gives every resource that a Check allows and none that it denies.
//! Each page is true at one instant, and goes on after the last resource of the
//! page before in an order that no write changes: products by number,
//! others by folded code. So a resource that is there and allowed throughout is
//! on one page, whatever is written between them.
//!
//! Julia may view the products of 15 of 15,000 categories:
//!
//! - Whatever is the same for every product (is she enabled, can she see a
//!   channel at all) is asked once, of a product that lies nowhere.
//! - Those 15 categories name some hundred candidates: cheaper than to look at a
//!   million products. Had she all 15,000, the next products by number would be
//!   looked at instead, until the page is full.
//! - The rules decide of each candidate by her levels on its effective
//!   categories, as they do in a Check.
//!
//! Where the products of the tenant are at hand all of this comes from memory,
//! and is confirmed at the end as a Check is; products that are being written
//! at that moment are read from the database beside it. Else a page is read from
//! one snapshot of the database, in the same two ways. Items, attributes and
//! grid views are few: each is asked about, in memory where the vocabulary is.
//! Subjects are read from the database always.
//!
//! One SQL statement that joins products with rights was set aside: it sorts the
//! whole set for each page, and it would say a second time what a level on a
//! product is. FactReader a Check for each product was set aside too.

mod access_filter;
mod ahead;
mod entities;
mod levels;
mod products;
mod subjects;
mod turns;

use crate::domain::{AllowedResource, Code, EveryQuestion, FactsNeeded, ListFilter, Revision};
use crate::{
    cache::{Cache, CacheError},
    store::{Bounds, Found, Snapshot, Store, StoreError, TenantId, read_tenant},
};

pub use self::{access_filter::access_filter, subjects::SubjectList, turns::Turns};
use self::{
    ahead::{Ahead, Proof},
    entities::EntityList,
    products::ProductList,
};

/// Where a list of resources goes on: after the last one that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// After a product or model.
    Product {
        /// Its number.
        id: i32,
        /// Whether there are so many that all products are looked at in turn.
        everywhere: bool,
    },
    /// After the folded code of anything else.
    Entity(String),
}

/// Some of a list, true at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, P> {
    /// The next ones, in order.
    pub found: Vec<T>,
    /// Where the last of them lies, for the next page to begin after; `None`:
    /// none was found.
    pub last: Option<P>,
    /// Whether there are more.
    pub more: bool,
    /// The revision of the tenant.
    pub revision: Revision,
}

/// A page of resources.
type ResourcePage = Page<AllowedResource, Place>;

/// The same with the place of each, so that it can be given in parts.
type PlacedPage = Page<(AllowedResource, Place), Place>;

impl<T, P> Page<T, P> {
    /// The page of an empty list.
    fn empty(revision: Revision) -> Self {
        Self {
            found: Vec::new(),
            last: None,
            more: false,
            revision,
        }
    }
}

impl PlacedPage {
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
    /// What a stream has read and not given yet.
    ahead: Option<Ahead>,
}

#[derive(Debug)]
enum Either {
    Products(ProductList),
    Nouns(EntityList),
}

impl ResourceList {
    /// Prepares to list what `question` and `filter` say; nothing is read yet.
    #[must_use]
    pub fn new(tenant: Code, question: EveryQuestion, filter: ListFilter) -> Self {
        let list = match question.kind().product_kind() {
            Some(kind) => Either::Products(ProductList::new(kind, question, filter)),
            None => Either::Nouns(EntityList::new(question, filter)),
        };
        Self {
            tenant,
            list,
            ahead: None,
        }
    }

    /// Reads the next `size` resources; `after` is where the page before ended.
    /// Returns which tenant they are of as well: one that was deleted and created
    /// again has other places. `None`: there is no such tenant.
    ///
    /// # Errors
    ///
    /// [`CacheError::Store`] when the database does not answer,
    /// [`CacheError::LeaseLost`] when what it answers may not be current.
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

    /// The same, and what the page stands on.
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
        read_tenant!(store, &self.tenant, Bounds::READ, |found| {
            let Some(snapshot) = existing(cache, found).await? else {
                return Ok(None);
            };
            let after = after.cloned();
            let page = match &mut self.list {
                Either::Products(list) => list.page(&snapshot, after, size).await?,
                Either::Nouns(list) => list.page(&snapshot, after, size).await?,
            };
            let epoch = snapshot.epoch();
            cache.confirm_snapshot(epoch).await?;
            Ok(Some((
                snapshot.tenant().id,
                page,
                Proof::Snapshot { epoch },
            )))
        })
    }

    /// The same from memory; `None`: not all that it takes is at hand, or writes
    /// come faster than the page is made.
    async fn page_from_memory(
        &self,
        cache: &Cache,
        after: Option<&Place>,
        size: usize,
    ) -> Result<Option<(TenantId, PlacedPage, Proof)>, CacheError> {
        let (needed, with_products) = self.needed();
        for _ in 0..TRIES {
            let cached = cache
                .page_facts(&self.tenant, &needed, with_products)
                .await?;
            let Some(cached) = cached else {
                return Ok(None);
            };
            let page = match &self.list {
                Either::Products(list) => list.page_from_memory(&cached, after, size).await,
                Either::Nouns(list) => {
                    Some(list.page_from_memory(&cached.facts, after, size).await)
                }
            };
            let Some(page) = page else {
                return Ok(None);
            };
            if cache.confirm_page(&cached)? {
                return Ok(Some((cached.tenant, page, Proof::of(cached))));
            }
        }
        Ok(None)
    }

    /// The facts that a page takes, and whether it takes all products.
    fn needed(&self) -> (FactsNeeded, bool) {
        match &self.list {
            Either::Products(list) => (list.needed(), true),
            Either::Nouns(list) => (list.needed(), false),
        }
    }
}

/// The snapshot of a tenant that exists; that there is none is an answer of one
/// snapshot too.
async fn existing<'r>(cache: &Cache, found: Found<'r>) -> Result<Option<Snapshot<'r>>, CacheError> {
    match found {
        Found::Tenant(snapshot) => Ok(Some(snapshot)),
        Found::NoTenant { epoch } => {
            cache.confirm_snapshot(epoch).await?;
            Ok(None)
        }
    }
}

/// How often a page is made from memory, if something that it stands on is
/// written meanwhile, before the database is asked for a snapshot.
const TRIES: usize = 3;

/// The category sets of a filter: those that a resource must lie in, one of
/// each.
async fn filter_categories(
    snapshot: &Snapshot<'_>,
    filter: &ListFilter,
) -> Result<Vec<std::collections::HashSet<crate::domain::ItemId>>, StoreError> {
    let mut sets = Vec::new();
    for (code, only_root) in [(&filter.tree, true), (&filter.category, false)] {
        if let Some(code) = code {
            sets.push(snapshot.categories_within(code, only_root).await?);
        }
    }
    Ok(sets)
}

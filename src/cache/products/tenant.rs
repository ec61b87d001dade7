use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::{ArcSwap, Guard};
use imbl::HashMap;

use crate::{
    cache::clock::{Clock, Moment},
    domain::{Code, FactKey, ProductFacts, ProductKind, ProductRef, Section, StoredProduct},
    failpoints::{Rule, is_disabled},
    store::{AsOf, IndexedProduct, TenantId},
};

use super::{base::Base, view::View};

/// The product index of one tenant on this server.
#[derive(Debug)]
pub(crate) struct TenantProducts {
    tenant: Code,
    id: TenantId,
    shown: ArcSwap<Shown>,
    /// Locked while `shown` is replaced.
    loading: Mutex<Loading>,
    /// Time of the last request, in seconds.
    last_request: AtomicU64,
}

/// State that readers load; replaced as a whole.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    /// Number of the last announcement of all products.
    pub(super) watermark: u64,
    /// Number of the last announcement that marked a product.
    pub(super) marked: u64,
    /// The products that the view may hold in an old state, each with its last
    /// announcement.
    pub(super) marks: HashMap<ProductRef, u64>,
    /// All products, if they are loaded and valid.
    pub(super) view: Option<Current>,
}

/// A loaded view with its log position.
#[derive(Clone, Debug)]
pub(super) struct Current {
    pub(super) epoch: u64,
    pub(super) as_of: u64,
    pub(super) view: View,
}

/// Whether a load is under way, and when the next one may begin.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Loading {
    pub(super) is_under_way: bool,
    pub(super) not_before: Option<Moment>,
}

/// The index of a tenant's products, lent to the decisions of one call: it stays as it was.
pub(in crate::cache) struct LentProducts {
    products: Arc<TenantProducts>,
    shown: Guard<Arc<Shown>>,
    epoch: u64,
}

/// Number of categories of a product and its ancestors up to which the index is lent.
const LENT_CATEGORIES: usize = 64;

impl LentProducts {
    /// Returns a product; `None` if it is not stored.
    pub(in crate::cache) fn product(&self, product: &ProductRef) -> Option<StoredProduct<'_>> {
        let Current { view, .. } = self.shown.view.as_ref()?;
        view.stored(view.find(product)?)
    }

    /// True if none of these products, and no model above one, has changed since the
    /// index was lent in `epoch`.
    pub(in crate::cache) fn counts(
        &self,
        epoch: u64,
        mut named: impl Iterator<Item = ProductRef>,
    ) -> bool {
        let now = self.products.shown();
        if self.epoch != epoch || now.watermark != self.shown.watermark {
            return false;
        }
        now.marked == self.shown.marked || named.all(|product| self.is_unchanged(&product, &now))
    }

    /// True if a product and all models above it are in the index as they were.
    fn is_unchanged(&self, product: &ProductRef, now: &Shown) -> bool {
        let is_as_before = |product: &ProductRef| {
            let as_of = now.as_of(product);
            as_of.is_some() && as_of == self.shown.as_of(product)
        };
        let stored = self.product(product);
        is_as_before(product)
            && stored.is_none_or(|stored| models_above(&stored).all(|model| is_as_before(&model)))
    }
}

/// Returns the names of the models above a product.
fn models_above(stored: &StoredProduct<'_>) -> impl Iterator<Item = ProductRef> {
    let kind = ProductKind::Model;
    let codes = stored.above.iter().map(|model| model.code.parse());
    codes.filter_map(move |code| code.ok().map(|code| ProductRef { kind, code }))
}

/// State of the index at which products were read.
#[derive(Debug)]
pub(crate) struct ProductsReadPosition {
    products: Arc<TenantProducts>,
    watermark: u64,
    marked: u64,
    epoch: u64,
}

/// Log position at which a product was read from the index.
#[derive(Clone, Debug)]
pub(crate) struct ProductReadPosition {
    products: Arc<TenantProducts>,
    product: ProductRef,
    as_of: u64,
    epoch: u64,
}

impl Shown {
    /// Returns the log position at which the view's product was read. `None`: it
    /// is stale or not loaded.
    fn as_of(&self, product: &ProductRef) -> Option<u64> {
        let current = self.view.as_ref()?;
        if self.marks.contains_key(product) {
            return None;
        }
        let patched = current.view.patched_as_of(product);
        Some(patched.unwrap_or(current.as_of))
    }

    /// True if a product and all models above it are in the view as they are stored, and
    /// not in too many categories.
    fn may_lend(&self, product: &ProductRef, view: &View) -> bool {
        if self.marks.contains_key(product) {
            return false;
        }
        let stored = view.find(product).and_then(|spot| view.stored(spot));
        stored.is_none_or(|stored| {
            stored.number_of_categories() <= LENT_CATEGORIES
                && !models_above(&stored).any(|model| self.marks.contains_key(&model))
        })
    }
}

impl TenantProducts {
    pub(super) fn new(tenant: Code, id: TenantId) -> Self {
        Self {
            tenant,
            id,
            shown: ArcSwap::default(),
            loading: Mutex::default(),
            last_request: AtomicU64::new(Clock::default().now().seconds()),
        }
    }

    /// Returns the tenant's code.
    pub(crate) fn tenant(&self) -> &Code {
        &self.tenant
    }

    /// Returns the tenant's id.
    pub(crate) fn id(&self) -> TenantId {
        self.id
    }

    pub(super) fn shown(&self) -> Guard<Arc<Shown>> {
        self.shown.load()
    }

    pub(super) fn loading(&self) -> MutexGuard<'_, Loading> {
        self.loading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the time since the last request, in seconds.
    pub(super) fn idle(&self) -> u64 {
        let last_request = self.last_request.load(Ordering::Relaxed);
        Clock::default()
            .now()
            .seconds()
            .saturating_sub(last_request)
    }

    /// Sets the time of the last request to now.
    pub(super) fn note_request(&self) {
        let now = Clock::default().now().seconds();
        if self.last_request.load(Ordering::Relaxed) != now {
            self.last_request.store(now, Ordering::Relaxed);
        }
    }

    /// Returns a product from the index, with its position. The outer `None` is a
    /// miss; the inner one means that the product is not stored.
    pub(crate) fn product(
        self: &Arc<Self>,
        product: &ProductRef,
        epoch: u64,
    ) -> Option<(Option<ProductFacts>, ProductReadPosition)> {
        let shown = self.shown();
        let as_of = shown.as_of(product)?;
        let current = shown.view.as_ref().filter(|view| view.epoch == epoch)?;
        let position = ProductReadPosition {
            products: Arc::clone(self),
            product: product.clone(),
            as_of,
            epoch,
        };
        Some((current.view.facts(product), position))
    }

    /// Lends the index to decisions about these products. `None`: it is not loaded, it does
    /// not have one of them in its current state, or one is in so many categories that a
    /// decision about it must yield.
    pub(in crate::cache) fn lend(
        self: &Arc<Self>,
        mut named: impl Iterator<Item = ProductRef>,
        epoch: u64,
    ) -> Option<LentProducts> {
        let shown = self.shown();
        let Current { view, .. } = shown.view.as_ref().filter(|view| view.epoch == epoch)?;
        if view.must_be_reloaded() {
            return None;
        }
        let are_all_lent = shown.marks.is_empty() && view.most_categories() <= LENT_CATEGORIES;
        if !are_all_lent && !named.all(|product| shown.may_lend(&product, view)) {
            return None;
        }
        self.note_request();
        Some(LentProducts {
            products: Arc::clone(self),
            shown,
            epoch,
        })
    }

    /// Applies an announcement: `product` may change from `seq` on. `None`: all
    /// products. Must be called before the acknowledgement.
    pub(super) fn announce(&self, product: Option<&ProductRef>, seq: u64) {
        if is_disabled(Rule::Floors) {
            return;
        }
        self.change(|shown, loading| match product {
            None => {
                shown.watermark = shown.watermark.max(seq);
                if shown.view.as_ref().is_some_and(|view| view.as_of < seq) {
                    shown.view = None;
                }
            }
            Some(_) if is_disabled(Rule::ProductsMarked) => {}
            Some(product) => {
                // A list may still use a view that was evicted meanwhile.
                shown.marked = shown.marked.max(seq);
                // Without a view no product is read from here, and a load that
                // begins later includes the write or marks the product as
                // pending.
                if shown.view.is_none() && !loading.is_under_way {
                    shown.marks.clear();
                    return;
                }
                if shown.as_of(product).is_none_or(|as_of| as_of < seq) {
                    let mark = shown.marks.entry(product.clone()).or_default();
                    *mark = seq.max(*mark);
                }
            }
        });
    }

    /// True if a write of all products was pending.
    pub(super) fn are_being_written(&self, as_of: &AsOf) -> bool {
        let all = FactKey::Section(self.tenant.clone(), Section::Products);
        let is_written = as_of.pending.iter().any(|key| key.covers(&all));
        is_written && !is_disabled(Rule::PendingNotCached)
    }

    /// Publishes a loaded index. False: a write of all products is pending, or
    /// was announced meanwhile.
    pub(super) fn install(&self, base: Base, as_of: &AsOf) -> bool {
        if self.are_being_written(as_of) {
            return false;
        }
        let mut pending = Vec::new();
        for key in &as_of.pending {
            if is_disabled(Rule::PendingNotCached) {
                break;
            }
            if let FactKey::Product(_, product) = key {
                pending.push(product.clone());
            }
        }
        let current = Current {
            epoch: as_of.epoch,
            as_of: as_of.seq,
            view: View::new(Arc::new(base)),
        };
        let mut is_taken = false;
        self.change(|shown, _| {
            if shown.watermark > as_of.seq {
                return;
            }
            is_taken = true;
            shown.marks.retain(|_, seq| *seq > as_of.seq);
            // Products patched during the load may be newer than it.
            if let Some(before) = &shown.view {
                let later = before.view.patched_after(as_of.seq);
                shown.marks.extend(later);
            }
            for product in pending {
                shown.marks.entry(product).or_insert(as_of.seq);
            }
            shown.view = Some(current);
        });
        is_taken
    }

    /// Applies products that were read one by one. Those that a pending write or
    /// a later announcement may change stay marked.
    pub(super) fn patch(&self, products: &[ProductRef], found: &[IndexedProduct], as_of: &AsOf) {
        self.change(|shown, _| {
            let Some(current) = &mut shown.view else {
                return;
            };
            if current.epoch != as_of.epoch || shown.watermark > as_of.seq {
                return;
            }
            for product in products {
                let key = FactKey::Product(self.tenant.clone(), product.clone());
                let is_settled = as_of.may_keep(&key) || is_disabled(Rule::PendingNotCached);
                let mark = shown.marks.get(product).copied();
                if !is_settled || mark.is_none_or(|mark| mark > as_of.seq) {
                    continue;
                }
                let found = found.iter().find(|found| found.product == *product);
                current.view.patch(product, as_of.seq, found);
                shown.marks.remove(product);
            }
        });
    }

    /// Evicts the index.
    pub(super) fn forget(&self) {
        self.change(|shown, _| shown.view = None);
    }

    fn change(&self, change: impl FnOnce(&mut Shown, Loading)) {
        // One change at a time; readers load the old state or the new one.
        let turn = self.loading();
        let mut shown = Shown::clone(&self.shown());
        change(&mut shown, *turn);
        self.shown.store(Arc::new(shown));
    }
}

impl ProductReadPosition {
    /// True if the product has not changed since it was read.
    pub(crate) fn counts(&self, epoch: u64) -> bool {
        let shown = self.products.shown();
        self.epoch == epoch && shown.as_of(&self.product) == Some(self.as_of)
    }
}

impl ProductsReadPosition {
    /// Returns the current state of the products.
    pub(super) fn of(products: &Arc<TenantProducts>, epoch: u64) -> Self {
        let shown = products.shown();
        Self {
            products: Arc::clone(products),
            watermark: shown.watermark,
            marked: shown.marked,
            epoch,
        }
    }

    /// True if no product was announced since they were read.
    pub(crate) fn counts(&self, epoch: u64) -> bool {
        let shown = self.products.shown();
        self.epoch == epoch && shown.watermark == self.watermark && shown.marked == self.marked
    }
}

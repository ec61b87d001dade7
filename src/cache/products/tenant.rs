use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::{ArcSwap, Guard};
use imbl::HashMap;

use crate::{
    cache::clock::Moment,
    domain::{Code, FactKey, ProductFacts, ProductRef, Section},
    failpoints::{Rule, is_disabled},
    store::{AsOf, IndexedProduct, TenantId},
};

use super::{base::Base, view::View};

/// The products of one tenant as this server knows them.
#[derive(Debug)]
pub(crate) struct TenantProducts {
    tenant: Code,
    id: TenantId,
    shown: ArcSwap<Shown>,
    /// Held while `shown` is replaced.
    loading: Mutex<Loading>,
    /// When it was last asked for, in seconds.
    asked: AtomicU64,
}

/// What readers see; replaced as a whole.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    /// The last announcement of all products.
    pub(super) watermark: u64,
    /// The last announcement that marked a product.
    pub(super) marked: u64,
    /// The products that may be different from what the view holds, each with
    /// its last announcement.
    pub(super) marks: HashMap<ProductRef, u64>,
    /// All products, if they are loaded and not void.
    pub(super) view: Option<Current>,
}

/// A view that counts.
#[derive(Clone, Debug)]
pub(super) struct Current {
    pub(super) epoch: u64,
    pub(super) as_of: u64,
    pub(super) view: View,
}

/// Whether and when it is loaded.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Loading {
    pub(super) is_under_way: bool,
    pub(super) not_before: Option<Moment>,
}

/// As of when a product was read from the index.
#[derive(Clone, Debug)]
pub(crate) struct ProductReadPosition {
    products: Arc<TenantProducts>,
    product: ProductRef,
    as_of: u64,
    epoch: u64,
}

impl Shown {
    /// As of when the view's product is; `None`: it does not count.
    fn as_of(&self, product: &ProductRef) -> Option<u64> {
        let current = self.view.as_ref()?;
        if self.marks.contains_key(product) {
            return None;
        }
        let patched = current.view.patched_as_of(product);
        Some(patched.unwrap_or(current.as_of))
    }
}

impl TenantProducts {
    pub(super) fn new(tenant: Code, id: TenantId) -> Self {
        Self {
            tenant,
            id,
            shown: ArcSwap::default(),
            loading: Mutex::default(),
            asked: AtomicU64::new(Moment::now().seconds()),
        }
    }

    /// The tenant's code.
    pub(super) fn tenant(&self) -> &Code {
        &self.tenant
    }

    /// The tenant's number.
    pub(crate) fn id(&self) -> TenantId {
        self.id
    }

    pub(super) fn shown(&self) -> Guard<Arc<Shown>> {
        self.shown.load()
    }

    pub(super) fn loading(&self) -> MutexGuard<'_, Loading> {
        self.loading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when nobody asked, in seconds.
    pub(super) fn idle(&self) -> u64 {
        let asked = self.asked.load(Ordering::Relaxed);
        Moment::now().seconds().saturating_sub(asked)
    }

    pub(super) fn was_asked(&self) {
        let now = Moment::now().seconds();
        if self.asked.load(Ordering::Relaxed) != now {
            self.asked.store(now, Ordering::Relaxed);
        }
    }

    /// What the index holds of a product, with its position; outside, `None`: it
    /// does not know; inside: the product is not stored.
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

    /// Hears that some of its products may be different from `seq` on; `None`:
    /// all of them. To be called before the acknowledgement.
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
                // A list may stand on a view that was forgotten meanwhile.
                shown.marked = shown.marked.max(seq);
                // Without a view nothing else is answered, and what begins to
                // load later sees it.
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

    /// Whether a write of all products was under way.
    pub(super) fn are_being_written(&self, as_of: &AsOf) -> bool {
        let all = FactKey::Section(self.tenant.clone(), Section::Products);
        let is_written = as_of.pending.iter().any(|key| key.covers(&all));
        is_written && !is_disabled(Rule::PendingNotCached)
    }

    /// Takes what was loaded whole. `false`: a write of all products is under
    /// way, or came meanwhile.
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
            // What was read again while this was loading may be newer than it.
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

    /// Takes what was read of single products; those that a write under way or
    /// a later one may change stay marked.
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

    /// Forgets what is loaded.
    pub(super) fn forget(&self) {
        self.change(|shown, _| shown.view = None);
    }

    fn change(&self, change: impl FnOnce(&mut Shown, Loading)) {
        // One at a time; readers see one or the other.
        let turn = self.loading();
        let mut shown = Shown::clone(&self.shown());
        change(&mut shown, *turn);
        self.shown.store(Arc::new(shown));
    }
}

impl ProductReadPosition {
    /// Whether the product is still as it was read.
    pub(crate) fn counts(&self, epoch: u64) -> bool {
        let shown = self.products.shown();
        self.epoch == epoch && shown.as_of(&self.product) == Some(self.as_of)
    }
}

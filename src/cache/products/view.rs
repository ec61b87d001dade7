use std::sync::Arc;

use imbl::{HashMap, OrdMap};

use crate::{
    domain::{
        Code, ItemId, MODELS_ABOVE, ProductFacts, ProductId, ProductKind, ProductRef, StoredModel,
        StoredProduct,
    },
    store::IndexedProduct,
};

use super::base::{Base, Place, Row};

/// Number of patched products (or an eighth of all, if that is more) from which
/// the whole index is loaded again.
const PATCHED_AT_MOST: usize = 4_096;

/// All products of a tenant, each as last read. A view never changes after it is
/// published; copies share their contents.
#[derive(Clone, Debug)]
pub(crate) struct View {
    base: Arc<Base>,
    /// Products that were read one by one after the base. `None`: no product has
    /// the number any more.
    patches: OrdMap<ProductId, Option<Arc<Patch>>>,
    /// Log position at which each name was patched, and its number if stored.
    names: HashMap<ProductRef, (u64, Option<ProductId>)>,
    /// True if a model is among the patches, so that the facts of its descendants
    /// may have changed.
    has_models: bool,
    /// Largest number of own categories of a product, or more.
    most_categories: usize,
}

/// A product that was read later than the base.
#[derive(Debug)]
struct Patch {
    kind: ProductKind,
    code: Code,
    parent: Option<ProductId>,
    categories: Vec<ItemId>,
}

/// How to find a product in a view that has it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spot {
    /// At a place of the base, unless it was patched.
    At(Place),
    /// By its number, which was patched, or that of its child.
    Number(ProductId),
}

/// A product of a view, from the base or a patch.
#[derive(Clone, Copy, Debug)]
struct Node<'v> {
    id: ProductId,
    kind: ProductKind,
    code: &'v str,
    above: Option<Spot>,
    categories: &'v [ItemId],
}

/// A product or model of the index, as a list reads it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeenProduct<'v> {
    /// Number of the product.
    pub id: ProductId,
    /// The code in its stored spelling (rules 1.5).
    pub code: &'v str,
    /// Its own categories, and those of each ancestor.
    categories: [&'v [ItemId]; MODELS_ABOVE + 1],
}

impl SeenProduct<'_> {
    /// Returns the effective categories (rules 4.2), possibly with duplicates.
    pub(crate) fn categories(&self) -> impl Iterator<Item = ItemId> {
        self.categories.iter().copied().flatten().copied()
    }
}

impl View {
    pub(super) fn new(base: Arc<Base>) -> Self {
        Self {
            most_categories: base.most_categories(),
            base,
            patches: OrdMap::new(),
            names: HashMap::new(),
            has_models: false,
        }
    }

    /// Returns the approximate number of products and models.
    pub(crate) fn len(&self) -> usize {
        self.base.len()
    }

    /// Returns the number of products that were patched.
    pub(super) fn patched(&self) -> usize {
        self.names.len()
    }

    /// True if so many products were patched that the whole index is to be loaded again.
    pub(super) fn must_be_reloaded(&self) -> bool {
        self.patched() >= PATCHED_AT_MOST.max(self.len() / 8)
    }

    /// Returns a number that no product's effective categories exceed.
    pub(super) fn most_categories(&self) -> usize {
        self.most_categories * (MODELS_ABOVE + 1)
    }

    /// Returns the approximate size in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.base.bytes() + self.patched() * 400
    }

    /// Replaces a product by what was read of it later. `None`: it is not stored.
    pub(super) fn patch(
        &mut self,
        product: &ProductRef,
        as_of: u64,
        found: Option<&IndexedProduct>,
    ) {
        let before = self.number_of(product);
        let now = found.map(|found| found.id);
        if let Some(before) = before.filter(|before| Some(*before) != now) {
            self.patches.insert(before, None);
        }
        if let Some(found) = found {
            self.most_categories = self.most_categories.max(found.categories.len());
            let patch = Patch {
                kind: product.kind,
                code: found.product.code.clone(),
                parent: found.parent,
                categories: found.categories.clone(),
            };
            self.patches.insert(found.id, Some(Arc::new(patch)));
        }
        self.has_models |= product.kind == ProductKind::Model;
        self.names.insert(product.clone(), (as_of, now));
    }

    /// Returns the log position at which `product` was read, if it was patched.
    pub(super) fn patched_as_of(&self, product: &ProductRef) -> Option<u64> {
        self.names.get(product).map(|(as_of, _)| *as_of)
    }

    /// Returns the products that were patched after `seq`, with their log
    /// positions.
    pub(super) fn patched_after(&self, seq: u64) -> impl Iterator<Item = (ProductRef, u64)> {
        let names = self.names.iter();
        let later = names.filter(move |(_, (as_of, _))| *as_of > seq);
        later.map(|(product, (as_of, _))| (product.clone(), *as_of))
    }

    /// Returns the number of a product; `None` if it is not stored.
    pub(crate) fn number_of(&self, product: &ProductRef) -> Option<ProductId> {
        if let Some((_, number)) = self.names.get(product) {
            return *number;
        }
        let place = self.base.find(product.kind, &product.code)?;
        self.base.row(place).map(|row| row.id)
    }

    /// Finds a product; `None` if it is not stored.
    pub(super) fn find(&self, product: &ProductRef) -> Option<Spot> {
        if let Some((_, number)) = self.names.get(product) {
            return number.map(Spot::Number);
        }
        let place = self.base.find(product.kind, &product.code)?;
        Some(Spot::At(place))
    }

    /// Lends a product to a decision.
    pub(super) fn stored(&self, spot: Spot) -> Option<StoredProduct<'_>> {
        let node = self.node(spot)?;
        let mut above = [StoredModel::default(); MODELS_ABOVE];
        let mut at = self.above(&node);
        for model in &mut above {
            let Some(node) = at else { break };
            *model = StoredModel {
                code: node.code,
                categories: node.categories,
            };
            at = self.above(&node);
        }
        Some(StoredProduct {
            categories: node.categories,
            above,
        })
    }

    /// Returns the stored facts of a product; `None` if it is not stored.
    pub(super) fn facts(&self, product: &ProductRef) -> Option<ProductFacts> {
        let node = self.named(product)?;
        let parent = self.above(&node);
        Some(ProductFacts {
            code: node.code.parse().ok()?,
            parent: parent.and_then(|parent| parent.code.parse().ok()),
            categories: node.categories.to_vec(),
        })
    }

    /// Visits the products of a kind with numbers after `after`, in ascending
    /// order. It ends when `each` returns false or `limit` products of any kind
    /// were visited.
    ///
    /// Returns the last number visited. `None`: there are no more.
    pub(crate) fn visit<'v>(
        &'v self,
        kind: ProductKind,
        after: ProductId,
        limit: usize,
        mut each: impl FnMut(SeenProduct<'v>) -> bool,
    ) -> Option<ProductId> {
        let next = ProductId(after.0.saturating_add(1));
        let mut patches = self.patches.range(next..).peekable();
        let mut place = self.base.place_after(after);
        let mut last = None;
        for _ in 0..limit {
            let row = self.base.row(place);
            let number = row.map(|row| row.id);
            let later = patches.next_if(|(id, _)| number.is_none_or(|number| **id <= number));
            if later.is_none_or(|(id, _)| number == Some(*id)) {
                place = place.saturating_add(1);
            }
            let (id, node) = match (later, row) {
                (Some((id, patch)), _) => (*id, patch.as_deref().map(|patch| patch.node(*id))),
                (None, Some(row)) => (row.id, Some(Node::of(row))),
                (None, None) => return None,
            };
            last = Some(id);
            let meant = node.filter(|node| node.kind == kind);
            if meant.is_some_and(|node| !each(self.seen(&node))) {
                break;
            }
        }
        last
    }

    /// Returns the product with a number, if it is of this kind.
    pub(crate) fn seen_at(&self, kind: ProductKind, id: ProductId) -> Option<SeenProduct<'_>> {
        let node = self.numbered(id).filter(|node| node.kind == kind)?;
        Some(self.seen(&node))
    }

    /// Returns the numbers after `after`, in ascending order, of all products
    /// that may be in one of the categories. With `uncategorised` it includes
    /// those that may be in none. Other products may be among them. `None`: there
    /// are more than `limit`.
    pub(crate) fn nominate(
        &self,
        categories: impl IntoIterator<Item = ItemId>,
        uncategorised: bool,
        after: ProductId,
        limit: usize,
    ) -> Option<Vec<ProductId>> {
        let mut places: Vec<Place> = Vec::new();
        for category in categories {
            places.extend(self.base.own_of(category));
            if places.len() > limit {
                return None;
            }
        }
        // The descendants of a patched model may have changed with it.
        let patched = self.patches.keys();
        places.extend(patched.filter_map(|id| self.base.place_of(*id)));
        for _ in 0..MODELS_ABOVE {
            let below = places.iter().flat_map(|place| self.base.below(*place));
            let below: Vec<Place> = below.copied().collect();
            places.extend(below);
            if places.len() > limit {
                return None;
            }
        }
        if uncategorised {
            places.extend(self.base.uncategorised());
        }
        if places.len() > limit {
            return None;
        }
        let rows = places.iter().filter_map(|place| self.base.row(*place));
        let mut ids: Vec<ProductId> = rows.map(|row| row.id).collect();
        ids.extend(self.patches.keys());
        ids.retain(|id| *id > after);
        ids.sort_unstable();
        ids.dedup();
        Some(ids)
    }

    fn named(&self, product: &ProductRef) -> Option<Node<'_>> {
        self.node(self.find(product)?)
    }

    fn node(&self, spot: Spot) -> Option<Node<'_>> {
        match spot {
            Spot::At(place) => self.at(place),
            Spot::Number(id) => self.numbered(id),
        }
    }

    fn at(&self, place: Place) -> Option<Node<'_>> {
        let row = self.base.row(place)?;
        if self.patches.is_empty() {
            return Some(Node::of(row));
        }
        match self.patches.get(&row.id) {
            Some(patch) => patch.as_deref().map(|patch| patch.node(row.id)),
            None => Some(Node::of(row)),
        }
    }

    fn numbered(&self, id: ProductId) -> Option<Node<'_>> {
        match self.patches.get(&id) {
            Some(patch) => patch.as_deref().map(|patch| patch.node(id)),
            None => self.base.row(self.base.place_of(id)?).map(Node::of),
        }
    }

    fn above(&self, node: &Node<'_>) -> Option<Node<'_>> {
        match node.above? {
            Spot::At(place) if !self.has_models => self.base.row(place).map(Node::of),
            spot @ (Spot::At(_) | Spot::Number(_)) => self.node(spot),
        }
    }

    fn seen<'v>(&'v self, node: &Node<'v>) -> SeenProduct<'v> {
        let mut categories = [node.categories; MODELS_ABOVE + 1];
        let mut at = self.above(node);
        for above in categories.iter_mut().skip(1) {
            *above = at.map_or(&[][..], |node| node.categories);
            at = at.and_then(|node| self.above(&node));
        }
        SeenProduct {
            id: node.id,
            code: node.code,
            categories,
        }
    }
}

impl<'v> Node<'v> {
    fn of(row: Row<'v>) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            code: row.code,
            above: row.above.map(Spot::At),
            categories: row.categories,
        }
    }
}

impl Patch {
    fn node(&self, id: ProductId) -> Node<'_> {
        Node {
            id,
            kind: self.kind,
            code: self.code.as_str(),
            above: self.parent.map(Spot::Number),
            categories: &self.categories,
        }
    }
}

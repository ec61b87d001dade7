use std::{hash::BuildHasher as _, ops::Range};

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use crate::{
    domain::{Code, ItemId, ProductId, ProductKind},
    store::IndexedRow,
};

/// Index of a product in the arrays, which are ordered by number.
pub(super) type Place = u32;

/// No parent.
const NONE: u32 = (1 << 31) - 1;

/// No model above, while the rows come: no product has this id, and it takes half
/// the memory of an `Option`.
const NO_MODEL: ProductId = ProductId(0);

/// Marks a model in [`Base::above`].
const MODEL: u32 = 1 << 31;

/// All products and models of a tenant at one moment, in a few large arrays. They
/// take about 60 bytes each, at three categories and codes of twelve bytes.
///
/// Only a product's own categories are stored; those of its ancestors are found
/// in one or two steps (rules 4.2), so that moving a model changes one row.
#[derive(Debug, Default)]
pub(super) struct Base {
    ids: Vec<ProductId>,
    /// The codes as written, one after the other, and the end of each.
    codes: Vec<u8>,
    code_ends: Vec<u32>,
    /// The place of the parent, combined with [`MODEL`].
    above: Vec<u32>,
    /// Own categories, one product's after the other's, and the end of each.
    categories: Vec<ItemId>,
    category_ends: Vec<u32>,
    /// Places, hashed by kind and folded code.
    by_code: HashTable<Place>,
    hashes: DefaultHashBuilder,
    /// The range of `listed` that holds the products with this own category.
    lists: HashMap<ItemId, Range<usize>>,
    listed: Vec<Place>,
    /// Products without any effective category, which everyone owns (rules 4.3).
    uncategorised: Vec<Place>,
    /// Products and models that have a parent, ordered by the parent's place.
    below: Vec<Place>,
    /// Largest number of own categories of a product.
    most_categories: u32,
}

/// The index does not fit its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

/// A [`Base`] while its rows arrive.
#[derive(Debug)]
pub(super) struct Building {
    base: Base,
    parents: Vec<ProductId>,
    /// Maximum size of the finished base, in bytes.
    limit: usize,
}

/// The row of one product.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'b> {
    pub(super) id: ProductId,
    pub(super) kind: ProductKind,
    /// The place of its parent.
    pub(super) above: Option<Place>,
    pub(super) code: &'b str,
    /// Its own categories.
    pub(super) categories: &'b [ItemId],
}

impl Building {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            base: Base::default(),
            parents: Vec::new(),
            limit,
        }
    }

    /// Reserves space for at most `products`, so that the arrays need not grow.
    pub(super) fn expect(&mut self, products: usize) {
        // Bounded by the minimum size of a row, so that a number that is far too
        // high (of a tenant that has deleted most products) reserves no more than
        // the limit allows.
        let products = products.min(self.limit / 24);
        self.base.ids.reserve_exact(products);
        self.base.code_ends.reserve_exact(products);
        self.base.category_ends.reserve_exact(products);
        self.parents.reserve_exact(products);
    }

    /// Appends the next product; products must arrive in the order of their
    /// numbers.
    pub(super) fn product(&mut self, row: IndexedRow<'_>) -> Result<(), TooLarge> {
        let base = &mut self.base;
        if base.ids.len() >= NONE as usize {
            return Err(TooLarge);
        }
        base.codes.extend_from_slice(row.code.as_bytes());
        let end = u32::try_from(base.codes.len()).map_err(|_| TooLarge)?;
        base.code_ends.push(end);
        base.ids.push(row.id);
        let kind = if row.kind == ProductKind::Model {
            MODEL
        } else {
            0
        };
        base.above.push(NONE | kind);
        self.parents.push(row.parent.unwrap_or(NO_MODEL));
        self.fits()
    }

    /// Appends the next own category of a product; they must arrive in the order
    /// of the products' numbers, after all products.
    pub(super) fn category(
        &mut self,
        product: ProductId,
        category: ItemId,
    ) -> Result<(), TooLarge> {
        let base = &mut self.base;
        let end = u32::try_from(base.categories.len()).map_err(|_| TooLarge)?;
        while let Some(at) = base.ids.get(base.category_ends.len())
            && *at < product
        {
            base.category_ends.push(end);
        }
        if base.ids.get(base.category_ends.len()) == Some(&product) {
            base.categories.push(category);
        }
        self.fits()
    }

    /// Fails if the base would exceed its limit. A product takes at most 9 bytes
    /// in the table of codes and 8 as a child or as uncategorized; a category is
    /// stored twice.
    fn fits(&self) -> Result<(), TooLarge> {
        let base = &self.base;
        let rows = base.ids.len() * (16 + 9 + 8);
        let bytes = rows + base.codes.len() + base.categories.len() * 8;
        if bytes > self.limit {
            return Err(TooLarge);
        }
        Ok(())
    }

    /// Builds the look-up tables and returns the base.
    pub(super) fn finish(self) -> Base {
        let Self {
            mut base, parents, ..
        } = self;
        let end = u32::try_from(base.categories.len()).unwrap_or(u32::MAX);
        base.category_ends.resize(base.ids.len(), end);
        base.codes.shrink_to_fit();
        base.categories.shrink_to_fit();
        base.above.shrink_to_fit();
        base.join_parents(&parents);
        drop(parents);
        base.list_by_code();
        base.list_by_category();
        base.count_categories();
        base
    }
}

impl Base {
    /// Returns the number of products and models.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Returns the largest number of own categories of a product.
    pub(super) fn most_categories(&self) -> usize {
        self.most_categories as usize
    }

    fn count_categories(&mut self) {
        let ends = self.category_ends.iter();
        let starts = std::iter::once(&0).chain(ends.clone());
        let lengths = starts.zip(ends).map(|(start, end)| end - start);
        self.most_categories = lengths.max().unwrap_or_default();
    }

    /// Returns the size in bytes.
    pub(super) fn bytes(&self) -> usize {
        let numbers = self.ids.capacity()
            + self.code_ends.capacity()
            + self.above.capacity()
            + self.categories.capacity()
            + self.category_ends.capacity()
            + self.listed.capacity()
            + self.uncategorised.capacity()
            + self.below.capacity();
        let table = self.by_code.allocation_size();
        numbers * 4 + self.codes.capacity() + table + self.lists.capacity() * 32
    }

    /// Returns the row at a place.
    pub(super) fn row(&self, place: Place) -> Option<Row<'_>> {
        let at = place as usize;
        let above = *self.above.get(at)?;
        let kind = if above & MODEL == 0 {
            ProductKind::Product
        } else {
            ProductKind::Model
        };
        Some(Row {
            id: *self.ids.get(at)?,
            kind,
            above: (above & NONE != NONE).then_some(above & NONE),
            code: self.code(at),
            categories: slice(&self.categories, &self.category_ends, at),
        })
    }

    fn code(&self, at: usize) -> &str {
        let bytes = slice(&self.codes, &self.code_ends, at);
        // The database stores UTF-8 only.
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// Returns the place of the product with a number.
    pub(super) fn place_of(&self, id: ProductId) -> Option<Place> {
        let at = self.ids.binary_search(&id).ok()?;
        Place::try_from(at).ok()
    }

    /// Returns the first place with a number after `id`.
    pub(super) fn place_after(&self, id: ProductId) -> Place {
        let at = self.ids.partition_point(|at| *at <= id);
        Place::try_from(at).unwrap_or(Place::MAX)
    }

    /// Returns the place of the product with a code.
    pub(super) fn find(&self, kind: ProductKind, code: &Code) -> Option<Place> {
        let hash = self.hashes.hash_one((kind, code.folded()));
        let found = self.by_code.find(hash, |place| {
            let row = self.row(*place);
            row.is_some_and(|row| row.kind == kind && code.is_spelled(row.code))
        });
        found.copied()
    }

    /// Returns the products with this own category, in ascending order.
    pub(super) fn own_of(&self, category: ItemId) -> &[Place] {
        let range = self.lists.get(&category).cloned();
        range
            .and_then(|range| self.listed.get(range))
            .unwrap_or_default()
    }

    /// Returns the products without any effective category, in ascending order.
    pub(super) fn uncategorised(&self) -> &[Place] {
        &self.uncategorised
    }

    /// Returns the children of a model.
    pub(super) fn below(&self, model: Place) -> &[Place] {
        let above = |place: &Place| self.above_of(*place);
        let from = self.below.partition_point(|place| above(place) < model);
        let to = self.below.partition_point(|place| above(place) <= model);
        self.below.get(from..to).unwrap_or_default()
    }

    fn above_of(&self, place: Place) -> u32 {
        let above = self.above.get(place as usize);
        above.map_or(NONE, |above| above & NONE)
    }

    fn join_parents(&mut self, parents: &[ProductId]) {
        let mut below = Vec::new();
        for (at, parent) in parents.iter().enumerate() {
            if *parent == NO_MODEL {
                continue;
            }
            let place = self.place_of(*parent);
            if let (Some(place), Some(above)) = (place, self.above.get_mut(at)) {
                *above = (*above & MODEL) | place;
                below.push(Place::try_from(at).unwrap_or(NONE));
            }
        }
        below.sort_by_key(|place| self.above_of(*place));
        below.shrink_to_fit();
        self.below = below;
    }

    fn list_by_code(&mut self) {
        let mut by_code = HashTable::with_capacity(self.len());
        for at in 0..self.len() {
            let Some(row) = Place::try_from(at).ok().and_then(|place| self.row(place)) else {
                continue;
            };
            let hash = self.hash_of(&row);
            let place = Place::try_from(at).unwrap_or(NONE);
            // The capacity suffices for all, so nothing is rehashed.
            by_code.insert_unique(hash, place, |place| {
                self.row(*place).map_or(0, |row| self.hash_of(&row))
            });
        }
        self.by_code = by_code;
    }

    fn hash_of(&self, row: &Row<'_>) -> u64 {
        let folded = Code::fold(row.code);
        self.hashes.hash_one((row.kind, folded.as_str()))
    }

    fn list_by_category(&mut self) {
        let mut counts: HashMap<ItemId, usize> = HashMap::new();
        for category in &self.categories {
            *counts.entry(*category).or_default() += 1;
        }
        let mut begin = 0;
        let mut next = HashMap::with_capacity(counts.len());
        for (category, count) in counts {
            next.insert(category, begin);
            self.lists.insert(category, begin..begin + count);
            begin += count;
        }
        let mut listed = vec![0; self.categories.len()];
        let mut uncategorised = Vec::new();
        for at in 0..self.len() {
            let place = Place::try_from(at).unwrap_or(NONE);
            let own = slice(&self.categories, &self.category_ends, at);
            for category in own {
                if let Some(next) = next.get_mut(category) {
                    if let Some(slot) = listed.get_mut(*next) {
                        *slot = place;
                    }
                    *next += 1;
                }
            }
            if own.is_empty() && self.lies_nowhere(place) {
                uncategorised.push(place);
            }
        }
        uncategorised.shrink_to_fit();
        self.listed = listed;
        self.uncategorised = uncategorised;
    }

    /// True if neither the product nor an ancestor has a category.
    fn lies_nowhere(&self, place: Place) -> bool {
        let mut at = self.row(place);
        for _ in 0..=crate::domain::MODELS_ABOVE {
            let Some(row) = at else { break };
            if !row.categories.is_empty() {
                return false;
            }
            at = row.above.and_then(|above| self.row(above));
        }
        true
    }
}

/// Returns the part of `all` that belongs to the row `at`; `ends` holds the end
/// of each row's part.
fn slice<'b, T>(all: &'b [T], ends: &[u32], at: usize) -> &'b [T] {
    let begin = at.checked_sub(1).and_then(|before| ends.get(before));
    let begin = begin.copied().unwrap_or_default() as usize;
    let end = ends.get(at).map_or(begin, |end| *end as usize);
    all.get(begin..end).unwrap_or_default()
}

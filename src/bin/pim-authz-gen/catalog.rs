use rand::RngExt as _;

use super::{
    CatalogSize, GeneratorError,
    draws::{Draws, Stream, draws},
    folder::Folder,
    names::{List, Maybe, Named, category},
    popularity::Popularity,
};

/// Number of direct subcategories of a category, as far as there are enough.
const CHILDREN: u32 = 10;

/// Every fifth model is a sub-model of one of the four before it.
const MODELS_OF_A_FAMILY: u64 = 5;

/// Generates categories, models and products.
#[derive(Debug)]
pub(super) struct Catalog<'a> {
    size: &'a CatalogSize,
    popularity: Popularity,
}

impl<'a> Catalog<'a> {
    pub(super) fn new(size: &'a CatalogSize) -> Self {
        let mut chance = draws(size.seed, Stream::Popularity);
        Self {
            popularity: Popularity::new(size.categories, size.zipf, &mut chance),
            size,
        }
    }

    pub(super) fn popularity(&self) -> &Popularity {
        &self.popularity
    }

    pub(super) fn write(&self, folder: &mut Folder) -> Result<(), GeneratorError> {
        let CatalogSize { seed, products, .. } = *self.size;
        folder.write("categories.csv", "code;parent", |table| {
            (1..=self.size.categories).try_for_each(|number| {
                let parent = self.parent_of_category(number).map(category);
                table.row(&[&category(number), &Maybe(parent)])
            })
        })?;
        let mut own = Vec::new();
        folder.write("product_models.csv", "code;parent;categories", |table| {
            (1..=self.size.models()).try_for_each(|number| {
                let parent = self.draw_model(number, &mut own);
                let categories = List(own.iter().map(|number| category(*number)));
                table.row(&[&model(number), &Maybe(parent.map(model)), &categories])
            })
        })?;
        let mut chance = draws(seed, Stream::Products);
        folder.write("products.csv", "sku;categories;parent", |table| {
            (1..=products).try_for_each(|number| {
                let parent = self.draw_product(&mut chance, &mut own);
                let categories = List(own.iter().map(|number| category(*number)));
                let sku = Named("sku", number);
                table.row(&[&sku, &categories, &Maybe(parent.map(model))])
            })
        })
    }

    /// Calls `each` with the number and the effective categories (rules 4.2) of
    /// each of the `first` products, the same that [`Catalog::write`] draws; a
    /// category may occur twice.
    pub(super) fn each_effective(&self, first: u32, mut each: impl FnMut(u32, &[u32])) {
        let mut chance = draws(self.size.seed, Stream::Products);
        let (mut effective, mut own) = (Vec::new(), Vec::new());
        for number in (1..=first).take_while(|number| u64::from(*number) <= self.size.products) {
            let mut parent = self.draw_product(&mut chance, &mut effective);
            while let Some(number) = parent {
                parent = self.draw_model(number, &mut own);
                effective.append(&mut own);
            }
            each(number, &effective);
        }
    }

    fn parent_of_category(&self, number: u32) -> Option<u32> {
        let below_the_roots = number.checked_sub(self.size.trees + 1)?;
        Some(1 + below_the_roots / CHILDREN)
    }

    /// Draws the categories of a model, and its parent. A root model has at least
    /// one category, so that none of its variants is uncategorized and thereby
    /// open to everyone (rules 4.3).
    fn draw_model(&self, number: u64, own: &mut Vec<u32>) -> Option<u64> {
        // A stream per model, so that its variants can draw it again.
        let mut chance = draws(self.size.seed, Stream::Models);
        chance.set_stream(number);
        let is_root = !number.is_multiple_of(MODELS_OF_A_FAMILY);
        let least = usize::from(is_root);
        let count = chance.random_range(least..=least + 1);
        self.popularity.draw(count, &mut chance, own);
        if is_root {
            return None;
        }
        Some(number - chance.random_range(1..MODELS_OF_A_FAMILY))
    }

    /// Draws the categories of a product, and its parent model.
    fn draw_product(&self, chance: &mut Draws, own: &mut Vec<u32>) -> Option<u64> {
        own.clear();
        if chance.random_ratio(self.size.uncategorised_per_mille, 1_000) {
            return None;
        }
        let models = self.size.models();
        let is_variant = models > 0 && chance.random_ratio(1, 4);
        let count = if is_variant && chance.random_ratio(1, 3) {
            0
        } else {
            chance.random_range(2..=4)
        };
        self.popularity.draw(count, chance, own);
        is_variant.then(|| chance.random_range(1..=models))
    }
}

fn model(number: u64) -> Named {
    Named("model", number)
}

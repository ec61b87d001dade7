use std::collections::HashSet;

use rand::seq::SliceRandom as _;

use super::{
    catalog::Catalog,
    draws::{Draws, Stream, draws},
    reader::Reader,
};

/// The categories on which each reader has at least the level `view`.
#[derive(Debug)]
pub(super) struct Readers(Vec<(Reader, Vec<u32>)>);

/// The first products, a sample from which the share that a set of categories
/// covers is computed; a formula would have to model how variants and models are
/// drawn.
#[derive(Debug)]
struct Sample {
    /// Number of products in the sample that have categories.
    categorised: usize,
    /// Pairs of an effective category and one of its products, sorted.
    reached: Vec<(u32, u32)>,
}

/// Maximum number of products in the sample.
const SAMPLE: u32 = 200_000;

impl Sample {
    fn of(catalog: &Catalog<'_>) -> Self {
        let mut categorised = 0;
        let mut reached = Vec::new();
        catalog.each_effective(SAMPLE, |product, categories| {
            categorised += usize::from(!categories.is_empty());
            reached.extend(categories.iter().map(|category| (*category, product)));
        });
        reached.sort_unstable();
        reached.dedup();
        Self {
            categorised,
            reached,
        }
    }

    fn products_of(&self, category: u32) -> impl Iterator<Item = u32> {
        let before = self.reached.partition_point(|(other, _)| *other < category);
        let from = self.reached.iter().skip(before);
        from.take_while(move |(other, _)| *other == category)
            .map(|(_, product)| *product)
    }
}

impl Readers {
    /// Chooses the categories of each reader.
    pub(super) fn choose(catalog: &Catalog<'_>, seed: u64) -> Self {
        let sample = Sample::of(catalog);
        let mut order = draws(seed, Stream::Readers);
        let chosen = Reader::ALL.map(|reader| {
            let mut categories = candidates(catalog, reader, &mut order);
            if reader != Reader::Every {
                categories = within_share(&sample, &categories, reader);
            }
            (reader, categories)
        });
        Self(chosen.into())
    }

    /// Iterates over the readers and their categories.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Reader, &[u32])> {
        let readers = self.0.iter();
        readers.map(|(reader, categories)| (*reader, categories.as_slice()))
    }
}

/// Returns all categories in the order in which they are tried for a reader:
/// shuffled, except that those that alone would fill more than about a tenth of
/// its share come last (a product is in about three), the most popular at the end.
fn candidates(catalog: &Catalog<'_>, reader: Reader, order: &mut Draws) -> Vec<u32> {
    let popularity = catalog.popularity();
    let heavy = popularity.heavier_than(reader.per_mille(), 30_000);
    let (heavy, light) = popularity.ranks().split_at(heavy);
    let mut candidates = light.to_vec();
    candidates.shuffle(order);
    candidates.extend(heavy.iter().rev());
    candidates
}

/// Selects candidates, in their order, that keep a reader within its share, until
/// 98 % of the share is reached; selects at least one.
fn within_share(sample: &Sample, candidates: &[u32], reader: Reader) -> Vec<u32> {
    let target = (sample.categorised * reader.per_mille()).div_ceil(1_000);
    let mut reached: HashSet<u32> = HashSet::new();
    let mut taken = Vec::new();
    for category in candidates {
        if reached.len() * 50 >= target * 49 {
            break;
        }
        let products = sample.products_of(*category);
        let more = products.filter(|product| !reached.contains(product));
        let more: Vec<u32> = more.collect();
        if reached.len() + more.len() <= target {
            reached.extend(more);
            taken.push(*category);
        }
    }
    if taken.is_empty() {
        taken.extend(candidates.first());
    }
    taken
}

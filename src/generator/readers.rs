use rand::seq::SliceRandom as _;

use super::{
    catalog::Catalog,
    draws::{Draws, Stream, draws},
};

/// A user who measures, and the group of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reader {
    Few,
    Some,
    Every,
}

/// The categories that each reader views at least.
#[derive(Debug)]
pub(super) struct Readers(Vec<(Reader, Vec<u32>)>);

/// So many products tell how far a set of categories reaches.
const SAMPLE: u64 = 200_000;

impl Reader {
    pub(super) const ALL: [Self; 3] = [Self::Few, Self::Some, Self::Every];

    /// The code of the user and of the group.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Few => "reader_0_1",
            Self::Some => "reader_10",
            Self::Every => "reader_100",
        }
    }

    /// The label of the group.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Few => "Reader 0.1 %",
            Self::Some => "Reader 10 %",
            Self::Every => "Reader 100 %",
        }
    }

    /// How many of 1,000 products it is to reach.
    fn per_mille(self) -> u64 {
        match self {
            Self::Few => 1,
            Self::Some => 100,
            Self::Every => 1_000,
        }
    }
}

impl Readers {
    /// Chooses the categories of each reader.
    pub(super) fn choose(catalog: &Catalog<'_>, seed: u64) -> Self {
        let mut order = draws(seed, Stream::Readers);
        let chosen = Reader::ALL.map(|reader| {
            let mut categories = candidates(catalog, reader, &mut order);
            if reader != Reader::Every {
                // The same sample for each: no more chance than needed.
                let sample = draws(seed, Stream::Sample);
                categories.truncate(how_many(catalog, &categories, reader, sample));
            }
            (reader, categories)
        });
        Self(chosen.into())
    }

    /// Each reader with its categories.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Reader, &[u32])> {
        let readers = self.0.iter();
        readers.map(|(reader, categories)| (*reader, categories.as_slice()))
    }
}

/// All categories in the order in which a reader gets them: by chance, but
/// those that alone would reach more than a thirtieth of its share last, the
/// most popular at the end.
fn candidates(catalog: &Catalog<'_>, reader: Reader, order: &mut Draws) -> Vec<u32> {
    let popularity = catalog.popularity();
    let heavy = popularity.heavier_than(reader.per_mille(), 30_000);
    let (heavy, light) = popularity.ranks().split_at(heavy);
    let mut candidates = light.to_vec();
    candidates.shuffle(order);
    candidates.extend(heavy.iter().rev());
    candidates
}

/// How many of the candidates reach about the share of a reader; at least one.
///
/// Products are drawn, and each tells from which candidate on it is reached:
/// a formula would have to know how variants and their models are drawn.
fn how_many(catalog: &Catalog<'_>, candidates: &[u32], reader: Reader, mut sample: Draws) -> usize {
    let mut place_of = vec![0; candidates.len() + 1];
    for (place, category) in candidates.iter().enumerate() {
        if let Some(found) = usize::try_from(*category)
            .ok()
            .and_then(|c| place_of.get_mut(c))
        {
            *found = place;
        }
    }
    let mut reached_at = vec![0_u64; candidates.len()];
    let mut effective = Vec::new();
    let mut categorised = 0;
    for _ in 0..SAMPLE {
        catalog.draw_effective(&mut sample, &mut effective);
        let places = effective
            .iter()
            .filter_map(|c| place_of.get(usize::try_from(*c).ok()?));
        if let Some(first) = places.min()
            && let Some(reached) = reached_at.get_mut(*first)
        {
            *reached += 1;
            categorised += 1;
        }
    }
    nearest(&reached_at, categorised * reader.per_mille() / 1_000)
}

/// The number of counts, from 1, whose sum is nearest to `target`.
fn nearest(counts: &[u64], target: u64) -> usize {
    let sums = counts.iter().scan(0_u64, |sum, count| {
        *sum += count;
        Some(*sum)
    });
    let numbered = (1..).zip(sums);
    let found = numbered.min_by_key(|(_, sum)| sum.abs_diff(target));
    found.map_or(1, |(number, _)| number)
}

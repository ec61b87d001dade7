use rand::{RngExt as _, seq::SliceRandom as _};

use super::draws::Draws;

/// The weights of categories in draws: the one of rank `r`, from 1, has the
/// weight `r` to the power of minus the exponent (a Zipf distribution).
///
/// Weights are integers, and the power is computed by `libm` instead of the
/// platform's library: both so that a seed generates the same data set everywhere.
#[derive(Debug)]
pub(super) struct Popularity {
    /// Categories by rank, the most popular first.
    ranks: Vec<u32>,
    /// Cumulative weights: the sum up to and including each rank.
    sums: Vec<u64>,
}

/// The weight of rank 1.
const HEAVIEST: f64 = 4_294_967_296.0;

/// Maximum number of draws that hit a category drawn before; then the next free
/// one by rank is taken.
const TRIES: usize = 8;

impl Popularity {
    /// Assigns ranks to the categories 1 to `count` at random.
    pub(super) fn new(count: u32, exponent: f64, chance: &mut Draws) -> Self {
        let mut ranks: Vec<u32> = (1..=count).collect();
        ranks.shuffle(chance);
        let weights = (1..=count).map(|rank| weight(rank, exponent));
        let sums = weights.scan(0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        Self {
            ranks,
            sums: sums.collect(),
        }
    }

    /// Returns the categories by rank, the most popular first.
    pub(super) fn ranks(&self) -> &[u32] {
        &self.ranks
    }

    /// Returns how many of the first ranks each have at least `share / whole` of
    /// the total weight.
    pub(super) fn heavier_than(&self, share: usize, whole: usize) -> usize {
        let mut before = 0;
        let weights = self.sums.iter().map(|sum| {
            let weight = sum - before;
            before = *sum;
            weight
        });
        let total = u128::from(self.total());
        let [share, whole] = [share, whole].map(|n| n as u128);
        weights
            .take_while(|weight| u128::from(*weight) * whole >= total * share)
            .count()
    }

    /// Draws `count` different categories into `into`, or all if there are fewer.
    pub(super) fn draw(&self, count: usize, chance: &mut Draws, into: &mut Vec<u32>) {
        into.clear();
        while into.len() < count.min(self.ranks.len()) {
            let next = self.draw_another(chance, into);
            into.push(next);
        }
    }

    fn draw_another(&self, chance: &mut Draws, taken: &[u32]) -> u32 {
        let mut rank = 0;
        for _ in 0..TRIES {
            let weight = chance.random_range(0..self.total());
            rank = self.sums.partition_point(|sum| *sum <= weight);
            if let Some(category) = self.ranks.get(rank)
                && !taken.contains(category)
            {
                return *category;
            }
        }
        let after = self.ranks.iter().cycle().skip(rank);
        let free = after.take(self.ranks.len()).find(|c| !taken.contains(c));
        free.copied().unwrap_or(1)
    }

    fn total(&self) -> u64 {
        self.sums.last().copied().unwrap_or(1)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 2 to the power of 32"
)]
fn weight(rank: u32, exponent: f64) -> u64 {
    let weight = HEAVIEST * libm::pow(f64::from(rank), -exponent);
    (weight as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::{
        super::draws::{Stream, draws},
        *,
    };

    fn popularity(count: u32, exponent: f64) -> Popularity {
        Popularity::new(count, exponent, &mut draws(1, Stream::Popularity))
    }

    #[test]
    fn exponent_determines_the_weight_of_the_first_rank() {
        let (even, steep) = (popularity(10, 0.0), popularity(10, 1.0));
        assert_eq!(even.sums.last(), Some(&(10 << 32)));
        assert_eq!(steep.sums[1], (1 << 32) + (1 << 31));
        assert_eq!(steep.heavier_than(1, 10), 3); // 1/3 of 2.93 is just above
    }

    #[test]
    fn drawn_categories_are_distinct() {
        let steep = popularity(4, 5.0);
        let mut chance = draws(1, Stream::Products);
        let mut drawn = Vec::new();
        for _ in 0..100 {
            steep.draw(6, &mut chance, &mut drawn);
            drawn.sort_unstable();
            assert_eq!(drawn, [1, 2, 3, 4]);
        }
    }
}

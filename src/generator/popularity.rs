use rand::{RngExt as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Zipf};

use super::Plan;

/// How many categories a product has, least and most; each number is as likely
/// as the others.
pub(super) const CATEGORIES_EACH: std::ops::RangeInclusive<u32> = 2..=4;

/// How popular each category is with products.
#[derive(Debug)]
pub(super) struct Popularity {
    /// The categories, most popular first.
    ranked: Vec<u32>,
    /// The share of all places in categories that each rank has; they add up
    /// to 1.
    shares: Vec<f64>,
    law: Option<Zipf<f64>>,
}

impl Popularity {
    pub(super) fn new(plan: &Plan, chance: &mut ChaCha8Rng) -> Self {
        let mut ranked: Vec<u32> = (0..plan.categories).collect();
        ranked.shuffle(chance);
        let weights = (1..=plan.categories).map(|rank| f64::from(rank).powf(-plan.zipf));
        let weights: Vec<f64> = weights.collect();
        let all: f64 = weights.iter().sum();
        Self {
            ranked,
            shares: weights.iter().map(|weight| weight / all).collect(),
            // There is no law to follow where all are alike.
            law: Zipf::new(f64::from(plan.categories), plan.zipf)
                .ok()
                .filter(|_| plan.zipf > 0.0),
        }
    }

    /// One category by its popularity.
    pub(super) fn pick(&self, chance: &mut ChaCha8Rng) -> u32 {
        let place = match &self.law {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rank is a whole number from 1"
            )]
            Some(law) => law.sample(chance) as usize - 1,
            None => chance.random_range(0..self.ranked.len()),
        };
        self.ranked.get(place).copied().unwrap_or_default()
    }

    /// Some categories, each once.
    pub(super) fn pick_some(&self, chance: &mut ChaCha8Rng) -> Vec<u32> {
        let count = chance.random_range(CATEGORIES_EACH);
        let mut picked: Vec<u32> = (0..count).map(|_| self.pick(chance)).collect();
        picked.sort_unstable();
        picked.dedup();
        picked
    }

    /// Categories that about this share of the products lie in, one at least.
    pub(super) fn reaching(&self, share: f64) -> Vec<u32> {
        if share >= 1.0 {
            return self.ranked.clone();
        }
        let wanted = share_of_places(share);
        let mut reached = 0.0;
        let mut chosen = Vec::new();
        // From the least popular up, so that the share is met closely.
        for (category, share) in self.ranked.iter().zip(&self.shares).rev() {
            if reached + share > wanted && !chosen.is_empty() {
                break;
            }
            reached += share;
            chosen.push(*category);
        }
        chosen
    }
}

/// Of all places in categories, the share that some must have so that this share
/// of the products lies in one of them: 1 − (1 − w)ⁿ over the numbers n of
/// categories a product has.
fn share_of_places(products: f64) -> f64 {
    let met = |share: f64| {
        let missed = CATEGORIES_EACH.map(|count| (1.0 - share).powf(f64::from(count)));
        let counts = f64::from(CATEGORIES_EACH.end() - CATEGORIES_EACH.start() + 1);
        1.0 - missed.sum::<f64>() / counts
    };
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if met(middle) < products {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

//! The seeds of randomized comparisons. They come from the environment, so that
//! a run can be repeated or extended.

/// Returns the first seed: `PIM_AUTHZ_MODEL_SEED`, or 0 if it is not set.
pub(crate) fn first_seed() -> u64 {
    from_environment("PIM_AUTHZ_MODEL_SEED", 0)
}

/// Returns the number of seeds to run: `PIM_AUTHZ_MODEL_CASES`, or `otherwise`
/// if it is not set.
pub(crate) fn seeds(otherwise: usize) -> usize {
    let cases = from_environment("PIM_AUTHZ_MODEL_CASES", otherwise as u64);
    usize::try_from(cases).unwrap()
}

fn from_environment(variable: &str, otherwise: u64) -> u64 {
    let value = std::env::var(variable);
    value.map_or(otherwise, |value| value.parse().unwrap())
}

/// Prints the seed if the test panics while this value is alive.
pub(crate) struct Seed(pub(crate) u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with PIM_AUTHZ_MODEL_SEED={}", self.0);
        }
    }
}

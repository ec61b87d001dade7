//! The seeds of random comparisons: from the environment, so that any run can
//! be repeated and longer ones made.

/// Returns the first seed: 0, unless `PIM_AUTHZ_MODEL_SEED` says another.
pub(crate) fn first_seed() -> u64 {
    said("PIM_AUTHZ_MODEL_SEED", 0)
}

/// Returns how many seeds are run, unless `PIM_AUTHZ_MODEL_CASES` says another
/// number.
pub(crate) fn seeds(otherwise: usize) -> usize {
    let cases = said("PIM_AUTHZ_MODEL_CASES", otherwise as u64);
    usize::try_from(cases).unwrap()
}

fn said(variable: &str, otherwise: u64) -> u64 {
    let said = std::env::var(variable);
    said.map_or(otherwise, |said| said.parse().unwrap())
}

/// Says the seed when what follows fails.
pub(crate) struct Seed(pub(crate) u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with PIM_AUTHZ_MODEL_SEED={}", self.0);
        }
    }
}

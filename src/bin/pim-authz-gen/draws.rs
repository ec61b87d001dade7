use rand::{SeedableRng as _, rngs::ChaCha8Rng, seq::index};

/// Random number generator: `ChaCha`, whose numbers are the same everywhere.
pub(super) type Draws = ChaCha8Rng;

/// The purpose of a random stream; each has a stream of its own.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(super) enum Stream {
    Popularity = 1,
    Structure,
    Directory,
    Models,
    Products,
    Readers,
    CategoryRights,
    OtherRights,
}

/// Creates a random stream, which `set_stream` divides further.
pub(super) fn draws(seed: u64, stream: Stream) -> Draws {
    let words = [seed.to_le_bytes(), (stream as u64).to_le_bytes()];
    let mut key = [0; 32];
    for (byte, given) in key.iter_mut().zip(words.into_iter().flatten()) {
        *byte = given;
    }
    Draws::from_seed(key)
}

/// Draws `count` different numbers from 1 to `most`, or all if there are fewer,
/// in ascending order.
pub(super) fn some_of(chance: &mut Draws, most: u32, count: u32) -> Vec<u32> {
    let [most, count] = [most, count.min(most)].map(|n| usize::try_from(n).unwrap_or(0));
    let places = index::sample(chance, most, count).into_iter();
    let mut drawn: Vec<u32> = places
        .filter_map(|place| u32::try_from(place + 1).ok())
        .collect();
    drawn.sort_unstable();
    drawn
}

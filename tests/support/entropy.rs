//! Choices that proptest makes and can make smaller.

use proptest::{collection::vec, prelude::*};

/// A tape of bytes that choices are read from. A zero, and the end of the
/// tape, choose the first and smallest.
#[derive(Clone)]
pub(crate) struct Entropy {
    bytes: Vec<u8>,
    next: usize,
}

/// Any tape of up to `length` bytes.
pub(crate) fn entropy(length: usize) -> impl Strategy<Value = Entropy> {
    vec(any::<u8>(), length).prop_map(Entropy::new)
}

impl std::fmt::Debug for Entropy {
    /// Short: a failing test prints the world that was read from it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a tape of {} bytes", self.bytes.len())
    }
}

impl Entropy {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, next: 0 }
    }

    /// A tape of its own for one of many worlds or questions, from a seed.
    pub(crate) fn seeded(seed: u64, length: usize) -> Self {
        let mut state = seed.wrapping_mul(2).wrapping_add(1);
        let bytes = std::iter::repeat_with(|| {
            // splitmix64
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)).to_le_bytes()[7]
        });
        Self::new(bytes.take(length).collect())
    }

    fn byte(&mut self) -> usize {
        let byte = self.bytes.get(self.next).copied().unwrap_or_default();
        self.next += 1;
        usize::from(byte)
    }

    /// A number below `count`, which is at least 1 and at most 65536.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        if count <= 32 {
            return self.byte() * count / 256;
        }
        let wide = self.byte() * 256 + self.byte();
        wide * count / 65536
    }

    /// True in `percent` of a hundred cases.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.byte() * 100 >= (100 - percent) * 256
    }

    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// Each of the choices in `percent` of a hundred cases.
    pub(crate) fn some<T: Clone>(&mut self, percent: usize, choices: &[T]) -> Vec<T> {
        let mut chosen = Vec::new();
        for choice in choices {
            if self.chance(percent) {
                chosen.push(choice.clone());
            }
        }
        chosen
    }
}

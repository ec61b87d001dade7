//! Random choices that proptest generates and can shrink.

use proptest::{collection::vec, prelude::*};

/// A sequence of bytes from which choices are read. A zero byte, and the end of
/// the sequence, select the first and smallest choice.
#[derive(Clone)]
pub(crate) struct Entropy {
    bytes: Vec<u8>,
    next: usize,
}

/// Strategy for sequences of `length` bytes.
pub(crate) fn entropy(length: usize) -> impl Strategy<Value = Entropy> {
    vec(any::<u8>(), length).prop_map(Entropy::new)
}

impl std::fmt::Debug for Entropy {
    /// Short, because a failing test prints the world that was generated.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a tape of {} bytes", self.bytes.len())
    }
}

impl Entropy {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, next: 0 }
    }

    /// Returns a pseudorandom sequence for one of many worlds or questions, from
    /// a seed.
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

    /// Returns a number below `count`, which is at least 1 and at most 65536.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        if count <= 32 {
            return self.byte() * count / 256;
        }
        let wide = self.byte() * 256 + self.byte();
        wide * count / 65536
    }

    /// Returns true in about `percent` of 100 cases.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.byte() * 100 >= (100 - percent) * 256
    }

    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// Returns a subset: each choice is included in about `percent` of 100 cases.
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

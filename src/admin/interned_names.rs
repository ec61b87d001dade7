use hashbrown::HashMap;

use crate::domain::Code;

/// Codes interned as small numbers, so that rows which repeat the same few codes
/// stay small.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    numbers: HashMap<Code, u32>,
    codes: Vec<Code>,
    /// The size of all codes, in bytes.
    written: usize,
}

/// Approximate size of an entry, in bytes, besides its code.
const NAME_BYTES: usize = 128;

impl Names {
    pub(super) fn number(&mut self, code: Code) -> u32 {
        if let Some(number) = self.numbers.get(&code) {
            return *number;
        }
        let number = u32::try_from(self.codes.len()).unwrap_or(u32::MAX);
        self.written += code.as_str().len();
        self.codes.push(code.clone());
        self.numbers.insert(code, number);
        number
    }

    /// Returns the numbers of a list of codes, in its order.
    pub(super) fn numbers(&mut self, codes: impl IntoIterator<Item = Code>) -> Vec<i32> {
        let numbers = codes.into_iter().map(|code| self.number(code));
        numbers.filter_map(|n| i32::try_from(n).ok()).collect()
    }

    pub(super) fn code(&self, number: u32) -> Option<&Code> {
        self.codes.get(usize::try_from(number).ok()?)
    }

    pub(super) fn codes(&self) -> &[Code] {
        &self.codes
    }

    /// Returns the approximate memory use in bytes. Each code is stored twice, in
    /// its original and its case-folded spelling.
    pub(super) fn bytes(&self) -> usize {
        self.codes.len() * NAME_BYTES + self.written * 4
    }
}

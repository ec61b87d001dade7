/// A user for measurements, and the user group of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reader {
    Few,
    Some,
    Every,
}

impl Reader {
    pub(super) const ALL: [Self; 3] = [Self::Few, Self::Some, Self::Every];

    /// Returns the code of the user and of the group.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Few => "reader_0_1",
            Self::Some => "reader_10",
            Self::Every => "reader_100",
        }
    }

    /// Returns the label of the group.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Few => "Reader 0.1 %",
            Self::Some => "Reader 10 %",
            Self::Every => "Reader 100 %",
        }
    }

    /// Returns how many of 1,000 products the reader is to access.
    pub(super) fn per_mille(self) -> usize {
        match self {
            Self::Few => 1,
            Self::Some => 100,
            Self::Every => 1_000,
        }
    }
}

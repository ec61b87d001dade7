use std::fmt::{self, Display};

use super::reader::Reader;

/// The code of a numbered entity: `cat_17`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named(pub(super) &'static str, pub(super) u64);

/// A user group; displayed as its code, by which other files refer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    All,
    /// One of the groups that users share, numbered from 1.
    Numbered(u32),
    Reader(Reader),
}

/// A cell with a list of items, separated by commas.
#[derive(Clone, Debug)]
pub(super) struct List<I>(pub(super) I);

/// A cell that may be empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct Maybe(pub(super) Option<Named>);

/// Returns the code of the category with this number, from 1.
pub(super) fn category(number: u32) -> Named {
    Named("cat", number.into())
}

impl Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.0, self.1)
    }
}

impl Display for Maybe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |named| named.fmt(f))
    }
}

impl Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("All"),
            Self::Numbered(number) => Named("group", (*number).into()).fmt(f),
            Self::Reader(reader) => f.write_str(reader.code()),
        }
    }
}

impl<I: Iterator<Item: Display> + Clone> Display for List<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, item) in self.0.clone().enumerate() {
            if place > 0 {
                f.write_str(",")?;
            }
            item.fmt(f)?;
        }
        Ok(())
    }
}

use std::sync::Arc;

use smallvec::SmallVec;

use crate::domain::{Code, ItemId, MODELS_ABOVE, UnknownName};

/// The lists of effective categories of a product: its own, and those of all its
/// ancestors (rules 4.2, 7.1).
#[derive(Debug, Default)]
pub(super) struct CategoryLists<'a> {
    /// One list for the product or model itself and one for each ancestor.
    pub(super) lists: SmallVec<[CategoryList<'a>; MODELS_ABOVE + 2]>,
    /// The parent that is named and not stored, if there is one.
    pub(super) unknown_parent: Option<UnknownName>,
}

/// One list of effective categories.
#[derive(Clone, Copy, Debug)]
pub(super) enum CategoryList<'a> {
    /// The categories that the request gives (rules 7.1).
    Described(&'a Arc<[Code]>),
    /// The own categories of a stored product or model.
    Stored(&'a [ItemId]),
}

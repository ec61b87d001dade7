use std::collections::BTreeSet;

use super::{Code, ItemId};

/// A saved view of the product grid, visible to those who may view each attribute
/// group that it uses. `Item` refers to an attribute group: by id, or by code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GridView<Item = ItemId> {
    /// Code, as it was first written.
    pub code: Code,
    /// Attribute groups that it uses as columns or filters.
    pub attribute_groups: BTreeSet<Item>,
}

/// A grid view to create, or to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GridViewPatch {
    /// Code of the grid view.
    pub code: Code,
    /// Codes of the attribute groups that it uses; `None` keeps the stored ones.
    pub attribute_groups: Option<Vec<Code>>,
}

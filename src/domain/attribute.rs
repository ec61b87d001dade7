use super::{Code, ItemId};

/// An attribute of products (rules 4.4). `Item` refers to its attribute group:
/// by id, or by code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute<Item = ItemId> {
    /// Code, as it was first written.
    pub code: Code,
    /// Its attribute group.
    pub group: Item,
    /// True if its values are specific to a channel.
    pub scopable: bool,
    /// True if its values are specific to a locale.
    pub localizable: bool,
}

/// An attribute to create, or to change: fields that are `None` keep the stored
/// value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributePatch {
    /// Code of the attribute.
    pub code: Code,
    /// Code of its attribute group; a new attribute needs one.
    pub group: Option<Code>,
    /// Whether its values are specific to a channel; by default they are not.
    pub scopable: Option<bool>,
    /// Whether its values are specific to a locale; by default they are not.
    pub localizable: Option<bool>,
}

use super::{GroupId, ItemId, Level};

/// The level of a user group on an item (rules 3.1). `Group` and `Item` refer to
/// them: by id, or by code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessRight<Group = GroupId, Item = ItemId> {
    /// The user group.
    pub group: Group,
    /// The item.
    pub item: Item,
    /// One of the levels of the item's kind; [`Level::Hidden`] is no right.
    pub level: Level,
}

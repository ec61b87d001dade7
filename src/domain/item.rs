use std::{collections::BTreeSet, fmt};

use super::{Code, ItemId};

/// Kinds of items that access rights are granted on (`api.md`, `Item`).
///
/// Import and export profiles share one code space (rules 9); each other kind
/// has its own.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::Display,
    strum::EnumString,
    strum::EnumIter,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
pub enum ItemKind {
    /// A node of a category tree; controls access to the products in it.
    Category,
    /// A channel of the catalog.
    Channel,
    /// A locale of the catalog.
    Locale,
    /// A group of attributes.
    AttributeGroup,
    /// A family of assets; independent of other items (rules 3.3).
    AssetFamily,
    /// A reference entity; independent of other items (rules 3.3).
    ReferenceEntity,
    /// An import profile; independent of other items (rules 3.3).
    ImportProfile,
    /// An export profile; independent of other items (rules 3.3).
    ExportProfile,
}

impl ItemKind {
    /// True if its levels are the flags `execute` and `edit` (rules 3.3).
    #[must_use]
    pub fn is_profile(self) -> bool {
        matches!(self, Self::ImportProfile | Self::ExportProfile)
    }
}

/// Reference to an item, as in a question or an access right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemRef {
    /// Kind of the item.
    pub kind: ItemKind,
    /// Code of the item.
    pub code: Code,
}

impl fmt::Display for ItemRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.code)
    }
}

/// An entity that access rights are granted on. `Ref` refers to other items: by
/// id, or by code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<Ref = ItemId> {
    /// A category.
    Category(Category<Ref>),
    /// A channel.
    Channel(Channel<Ref>),
    /// An item of any other kind.
    Plain(PlainItem),
}

/// A category: a node of a category tree (rules 3.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category<Ref = ItemId> {
    /// Code, as it was first written.
    pub code: Code,
    /// Category above it; `None`: it is the root of a tree.
    pub parent: Option<Ref>,
}

/// A channel of the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel<Ref = ItemId> {
    /// Code, as it was first written.
    pub code: Code,
    /// Root of the category tree that it shows.
    pub tree: Option<Ref>,
    /// Locales that it uses.
    pub locales: BTreeSet<Ref>,
}

/// A locale, attribute group, asset family, reference entity or profile: it has
/// nothing but its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainItem {
    /// Which of them it is.
    pub kind: ItemKind,
    /// Code, as it was first written.
    pub code: Code,
}

/// A category to create, or to move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CategoryPatch {
    /// Code of the category.
    pub code: Code,
    /// Code of the category above it; `Some(None)`: it is the root of a tree.
    /// `None` keeps its place; a new category is then a root.
    pub parent: Option<Option<Code>>,
}

/// A channel to create, or to change: fields that are `None` keep the stored
/// value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelPatch {
    /// Code of the channel.
    pub code: Code,
    /// Code of the root of its category tree; `Some(None)`: none.
    pub tree: Option<Option<Code>>,
    /// Codes of its locales.
    pub locales: Option<Vec<Code>>,
}

/// An import or export profile to create, unless it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfilePatch {
    /// Code of the profile.
    pub code: Code,
    /// Which of the two it is; a new profile needs it.
    pub kind: Option<ItemKind>,
}

impl<Ref> Item<Ref> {
    /// Returns an item that refers to no other: a root, or a channel without tree
    /// and locales.
    #[must_use]
    pub fn new(kind: ItemKind, code: Code) -> Self {
        match kind {
            ItemKind::Category => Self::Category(Category { code, parent: None }),
            ItemKind::Channel => Self::Channel(Channel {
                code,
                tree: None,
                locales: BTreeSet::new(),
            }),
            ItemKind::Locale
            | ItemKind::AttributeGroup
            | ItemKind::AssetFamily
            | ItemKind::ReferenceEntity
            | ItemKind::ImportProfile
            | ItemKind::ExportProfile => Self::Plain(PlainItem { kind, code }),
        }
    }

    /// Returns its kind.
    #[must_use]
    pub fn kind(&self) -> ItemKind {
        match self {
            Self::Category(_) => ItemKind::Category,
            Self::Channel(_) => ItemKind::Channel,
            Self::Plain(item) => item.kind,
        }
    }

    /// Returns its code, as it was first written.
    #[must_use]
    pub fn code(&self) -> &Code {
        match self {
            Self::Category(category) => &category.code,
            Self::Channel(channel) => &channel.code,
            Self::Plain(item) => &item.code,
        }
    }

    /// Returns the category above a category; `None` for a root, and for any
    /// other item.
    #[must_use]
    pub fn parent(&self) -> Option<Ref>
    where
        Ref: Copy,
    {
        match self {
            Self::Category(category) => category.parent,
            Self::Channel(_) | Self::Plain(_) => None,
        }
    }

    /// Returns the channel, if it is one.
    #[must_use]
    pub fn as_channel(&self) -> Option<&Channel<Ref>> {
        match self {
            Self::Channel(channel) => Some(channel),
            Self::Category(_) | Self::Plain(_) => None,
        }
    }

    /// Sets the category above a category; any other item stays as it is.
    pub fn move_below(&mut self, parent: Option<Ref>) {
        if let Self::Category(category) = self {
            category.parent = parent;
        }
    }

    /// Changes a channel; any other item stays as it is.
    pub fn change_channel(&mut self, change: impl FnOnce(&mut Channel<Ref>)) {
        if let Self::Channel(channel) = self {
            change(channel);
        }
    }
}

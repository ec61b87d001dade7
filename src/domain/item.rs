use std::fmt;

use super::{Code, Level};

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

    /// Returns the levels that can be granted on it, lowest first (rules 3.1,
    /// 3.3).
    #[must_use]
    pub fn levels(self) -> &'static [Level] {
        match self {
            Self::Category => &[Level::View, Level::Edit, Level::Own],
            Self::ImportProfile | Self::ExportProfile => {
                &[Level::Execute, Level::Edit, Level::ExecuteAndEdit]
            }
            Self::Channel
            | Self::Locale
            | Self::AttributeGroup
            | Self::AssetFamily
            | Self::ReferenceEntity => &[Level::View, Level::Edit],
        }
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

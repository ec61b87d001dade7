use super::{Code, GroupId, ItemId, ItemKind, Level, ScopeSet};

/// A connected app, beside its subject (rules 5). `Group` refers to a user group
/// and `Item` to an item: by id, or by code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App<Group = GroupId, Item = ItemId> {
    /// Its private group, which holds its access rights (rules 1.4).
    pub group: Group,
    /// User who connected it: `user:julia`.
    pub connected_by: String,
    /// True if it gets `edit` on channels created later (rules 5.7).
    pub later_channels: bool,
    /// True if it passed the step *permissions* (rules 5.8a).
    pub permissions_passed: bool,
    /// Scopes as granted, without those they imply. A stored scope that this
    /// program does not know is absent.
    pub scopes: ScopeSet,
    /// What was selected in the step *permissions*, in the order of axis, level
    /// and item's id, each once.
    pub selections: Vec<Selection<Item>>,
}

/// One selection of the step *permissions* (rules 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selection<Item = ItemId> {
    /// Axis of the selection.
    pub axis: SelectionAxis,
    /// Selected level, as bits ([`Level::bits`]).
    pub level: u8,
    /// Selected item; `None` for all items, later ones included.
    pub item: Option<Item>,
}

/// The axes on which an app's access rights are selected (rules 5.6).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
pub enum SelectionAxis {
    /// Category trees.
    Tree,
    /// Locales.
    Locale,
    /// Attribute groups.
    AttributeGroup,
}

/// The items of one kind that are to be selected at one level (rules 5.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectionPatch {
    /// `Category` for trees, `Locale` or `AttributeGroup`.
    pub kind: ItemKind,
    /// Level to select the items at.
    pub level: Level,
    /// Items to select.
    pub chosen: Chosen,
}

/// Items to select: all, or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// `*`: all items, later ones included.
    All,
    /// These items; none if it is empty.
    Codes(Vec<Code>),
}

impl SelectionAxis {
    /// Returns the axis on which items of this kind are selected.
    #[must_use]
    pub fn of(kind: ItemKind) -> Option<Self> {
        match kind {
            ItemKind::Category => Some(Self::Tree),
            ItemKind::Locale => Some(Self::Locale),
            ItemKind::AttributeGroup => Some(Self::AttributeGroup),
            ItemKind::Channel
            | ItemKind::AssetFamily
            | ItemKind::ReferenceEntity
            | ItemKind::ImportProfile
            | ItemKind::ExportProfile => None,
        }
    }
}

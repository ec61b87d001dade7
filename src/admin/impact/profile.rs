use crate::domain::{Level, ScopeSet, SubjectKind};

/// The highest level on any channel and on any locale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Axes {
    pub(super) channel: Level,
    pub(super) locale: Level,
}

/// The input of answers besides the levels on categories and attribute groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Profile {
    pub(super) kind: SubjectKind,
    /// The scopes of an app, which take the place of roles (rules 1.3).
    pub(super) scopes: ScopeSet,
    pub(super) axes: Axes,
}

/// How the level on an item or product is determined, on one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Rule {
    /// It is not stored: nobody has a level.
    NotStored,
    /// By the levels of the subject's groups.
    Groups,
    /// Everybody holds this level (rules 3.4, 4.3).
    Everybody(Level),
}

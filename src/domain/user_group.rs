use super::{Code, Label};

/// A user group, on which access rights are granted (rules 1.3, 1.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserGroup {
    /// Code, as it was first written.
    pub code: Code,
    /// Display name.
    pub label: Label,
    /// True if it belongs to one app, which is its only member (rules 1.4). No
    /// request sets it.
    pub private: bool,
}

use std::fmt;

use super::Code;

/// The kinds of subjects; each has a code space of its own (rules 1.2).
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
pub enum SubjectKind {
    /// A person.
    User,
    /// A connected App; its scopes take the place of roles (rules 1.3).
    App,
    /// An API connection made by hand.
    Connection,
}

/// A subject as a question names it: `user:julia`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectRef {
    /// Which code space `code` is of.
    pub kind: SubjectKind,
    /// The subject's code.
    pub code: Code,
}

impl fmt::Display for SubjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.code)
    }
}

use std::fmt;

use super::Code;

/// Kinds of subjects; each has a code space of its own (rules 1.2).
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
    /// A connected app; its scopes replace roles (rules 1.3).
    App,
    /// An API connection that was created manually.
    Connection,
}

/// Reference to a subject, as in a question: `user:julia`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectRef {
    /// Code space of `code`.
    pub kind: SubjectKind,
    /// Code of the subject.
    pub code: Code,
}

impl fmt::Display for SubjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.code)
    }
}

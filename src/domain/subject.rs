use std::{collections::BTreeSet, fmt};

use super::{Code, GroupId, RoleId};

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

/// A user, app or connection (rules 1.2). `Group` and `Role` refer to its user
/// groups and roles: by id, or by code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject<Group = GroupId, Role = RoleId> {
    /// Which of the three it is.
    pub kind: SubjectKind,
    /// Code, as it was first written.
    pub code: Code,
    /// False if it may do nothing at all (rules 1.6).
    pub enabled: bool,
    /// Its user groups: every user is in `All` (rules 1.4).
    pub groups: BTreeSet<Group>,
    /// Its roles; none for an app (rules 1.3).
    pub roles: BTreeSet<Role>,
}

/// A user or connection to create, or to change: fields that are `None` keep the
/// stored value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectPatch {
    /// Code of the user or connection.
    pub code: Code,
    /// Codes, in an import also labels, of its user groups; a new connection is
    /// in `All` by default (rules 1.4).
    pub groups: Option<Vec<Code>>,
    /// Codes of its roles; by default none.
    pub roles: Option<Vec<Code>>,
    /// Whether it is enabled; by default it is.
    pub enabled: Option<bool>,
}

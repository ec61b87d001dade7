use std::fmt;

/// Which PIM a tenant runs (rules 1.1).
///
/// Access rights and some permissions count in the enterprise edition only
/// (rules 2.4, 3.4).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    strum::Display,
    strum::EnumString,
    strum::EnumIter,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
pub enum Edition {
    /// The free edition.
    Community,
    /// The edition for growing companies.
    Growth,
    /// The edition in which access rights count.
    Enterprise,
}

impl Edition {
    /// Whether access rights and enterprise permissions count.
    #[must_use]
    pub fn is_enterprise(self) -> bool {
        self == Self::Enterprise
    }
}

/// A tenant's count of committed writes: revision `r` names the tenant's state
/// after its `r`-th write (`api.md`, "Revision").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

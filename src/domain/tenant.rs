use std::fmt;

/// PIM edition of a tenant (rules 1.1).
///
/// Access rights and some permissions are in effect in the enterprise edition
/// only (rules 2.4, 3.4).
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
    /// The edition in which access rights are in effect.
    Enterprise,
}

impl Edition {
    /// True if access rights and enterprise permissions are in effect.
    #[must_use]
    pub fn is_enterprise(self) -> bool {
        self == Self::Enterprise
    }
}

/// Number of committed writes of a tenant: revision `r` is the tenant's state
/// after its `r`-th write (`api.md`, "Revision").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

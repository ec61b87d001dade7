use super::{Edition, PermissionSet};

/// Position of a scope in the catalogue, from 0; valid within this program only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeId(pub(super) u8);

/// One scope of the catalogue `data/scopes.csv` (rules 5.3).
#[derive(Clone, Debug)]
pub struct Scope {
    /// Position in the catalogue.
    pub id: ScopeId,
    /// Code: `read_products`.
    pub code: &'static str,
    /// Purpose of the scope.
    pub kind: ScopeKind,
    /// True if it is offered in the enterprise edition only.
    pub enterprise: bool,
    /// Scopes that it implies: write implies read, delete implies write.
    pub implies: ScopeSet,
    /// Permissions in its own row, without those of implied scopes.
    pub permissions: PermissionSet,
}

/// Purpose of a scope (rules 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum ScopeKind {
    /// Grants permissions.
    Authorization,
    /// Consents to the use of the connecting user's identity data; grants
    /// nothing.
    Authentication,
}

impl Scope {
    /// True if a tenant of `edition` offers it (rules 5.3).
    #[must_use]
    pub fn is_offered_in(&self, edition: Edition) -> bool {
        !self.enterprise || edition.is_enterprise()
    }
}

/// A step of connecting an app (rules 5.1), in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AppStep {
    /// Grants the scopes; the last step outside the enterprise edition.
    Authorize,
    /// Chooses what the app may access; only with a products scope.
    Permissions,
    /// Connects the app.
    Confirm,
}

impl AppStep {
    /// Returns the name of the call that performs the step.
    #[must_use]
    pub fn call(self) -> &'static str {
        match self {
            Self::Authorize => "AuthorizeScopes",
            Self::Permissions => "SetPermissions",
            Self::Confirm => "ConfirmConnection",
        }
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ScopeSet(u64);

impl ScopeSet {
    /// True if the set contains `id`.
    #[must_use]
    pub fn contains(self, id: ScopeId) -> bool {
        self.0 & (1 << id.0) != 0
    }

    /// Adds `id`.
    pub fn insert(&mut self, id: ScopeId) {
        self.0 |= 1 << id.0;
    }

    /// Returns the union of both sets.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// True if the set is empty.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Iterates over the scopes in the order of the catalogue.
    pub fn iter(self) -> impl Iterator<Item = ScopeId> {
        (0..64).map(ScopeId).filter(move |id| self.contains(*id))
    }
}

impl FromIterator<ScopeId> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = ScopeId>>(ids: I) -> Self {
        let mut set = Self::default();
        for id in ids {
            set.insert(id);
        }
        set
    }
}

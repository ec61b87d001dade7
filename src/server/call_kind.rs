//! On which threads a call runs, by its path.

/// Calls that run on the threads for connections: they cost less than handing
/// them to another thread.
const SHORT: [&str; 3] = [
    "/pim.authz.v1.AuthorizationService/Check",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
];

/// Prefixes of the calls that compute for long: decisions, lists and imports. All
/// others are of the administration.
const LONG: [&str; 3] = [
    "/pim.authz.v1.AuthorizationService/",
    "/pim.authz.v1.ImportService/",
    "/pim.authz.v1.CatalogService/ImportProducts",
];

/// On which threads a call runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallKind {
    /// On those for connections.
    Short,
    /// On the work threads for decisions, lists and imports.
    Decision,
    /// On the work threads for the administration.
    Administration,
}

impl CallKind {
    /// All kinds.
    pub(super) const ALL: [Self; 3] = [Self::Short, Self::Decision, Self::Administration];

    /// Returns the kind of a call by its path.
    pub(super) fn of(path: &str) -> Self {
        if SHORT.contains(&path) {
            Self::Short
        } else if LONG.iter().any(|prefix| path.starts_with(prefix)) {
            Self::Decision
        } else {
            Self::Administration
        }
    }
}

use crate::domain::{FactKey, Revision};

use super::TenantId;

/// Log position and epoch at which facts were read (`docs/coherence.md`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsOf {
    /// Last announcement visible to the reader. Facts read do not include a write
    /// announced later.
    pub seq: u64,
    /// Epoch of the primary.
    pub epoch: u64,
    /// Keys announced and neither committed nor withdrawn. Their facts may change at
    /// any moment and must not be cached.
    pub pending: Vec<FactKey>,
}

/// A value read from the database and the log position of the read.
#[derive(Clone, Debug)]
pub struct ReadAsOf<T> {
    /// Log position and epoch of the read.
    pub as_of: AsOf,
    /// Tenant and its revision at the read; `None` if the tenant does not exist.
    pub tenant: Option<(TenantId, Revision)>,
    /// The value read.
    pub found: T,
}

impl AsOf {
    /// True if facts of `key` may be cached, because no write of them is pending.
    #[must_use]
    pub fn may_keep(&self, key: &FactKey) -> bool {
        !self
            .pending
            .iter()
            .any(|pending| pending.covers(key) || key.covers(pending))
    }
}

use crate::domain::{FactKey, Revision};

use super::TenantId;

/// When facts were read, in the protocol's own count (`docs/coherence.md`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsOf {
    /// The last announcement that the reader could see: a write announced later
    /// is not in what was read.
    pub seq: u64,
    /// The epoch of the primary.
    pub epoch: u64,
    /// What was announced and not yet committed or withdrawn: it may be
    /// different at any moment, so nothing of it is kept.
    pub pending: Vec<FactKey>,
}

/// What was read, and when.
#[derive(Clone, Debug)]
pub struct Taken<T> {
    /// When.
    pub as_of: AsOf,
    /// The tenant and its revision then; `None`: there is no such tenant.
    pub tenant: Option<(TenantId, Revision)>,
    /// What.
    pub found: T,
}

impl AsOf {
    /// Whether facts of `key` may be kept: no write of them is under way.
    #[must_use]
    pub fn may_keep(&self, key: &FactKey) -> bool {
        !self
            .pending
            .iter()
            .any(|pending| pending.covers(key) || key.covers(pending))
    }
}

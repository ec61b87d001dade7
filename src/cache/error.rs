use std::sync::Arc;

use crate::{domain::Revision, store::StoreError};

/// Why no answer can be returned that is certainly current.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CacheError {
    /// This server could not renew its lease, so it does not know the latest
    /// writes.
    #[error(
        "this server has no lease at the moment, so it cannot confirm that its answer is current"
    )]
    LeaseLost,

    /// Too many questions are waiting for the database.
    #[error("too many questions wait for the database; retry with backoff, or call another server")]
    Overloaded,

    /// A transaction that uses the pass of a maintenance is still open.
    #[error("a transaction still uses the pass")]
    InUse,

    /// The facts could not be read from the database.
    #[error(transparent)]
    Store(Arc<StoreError>),

    /// The tenant did not reach the requested revision in time.
    #[error("revision {wanted} was not reached in time; the tenant is at {found}")]
    RevisionNotReached {
        /// `minimum_revision`.
        wanted: Revision,
        /// The last revision that was read.
        found: Revision,
    },
}

impl From<StoreError> for CacheError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

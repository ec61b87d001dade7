use crate::{
    domain::{Code, Edition},
    store::StoreError,
};

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),

    /// The tenant is new, and no edition was said for it.
    #[error("tenant `{tenant}` does not exist; say its edition to create it")]
    TenantNotFound {
        /// The tenant asked for.
        tenant: Code,
    },

    /// The tenant has another edition than the one said.
    #[error("tenant `{tenant}` is `{stored}`, not `{asked}`")]
    EditionMismatch {
        /// The tenant.
        tenant: Code,
        /// Its edition.
        stored: Edition,
        /// The one said.
        asked: Edition,
    },

    /// Nobody could administer roles any more (rules 2.6).
    #[error(
        "no enabled user would hold `role.edit`, `role.list` and `system_configuration.access` any more"
    )]
    LockOutGuard,

    /// More apps and connections than a tenant can have (rules 5.2).
    #[error("{found} apps and connections; a tenant has at most {limit}")]
    AppLimit {
        /// The most there can be.
        limit: usize,
        /// How many there would be.
        found: usize,
    },

    /// Other writes came first, each time it was tried.
    #[error("other writes came first; try again")]
    Conflict,

    /// The database went away while the change was committed: it may or may not
    /// have happened, and a retry with the same idempotency key is safe.
    #[error("the outcome of the change is not known")]
    OutcomeUnknown,

    /// Our bug; the task that writes ended without an answer.
    #[error("the write ended without an answer")]
    Interrupted(#[source] tokio::task::JoinError),
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_) => Self::Conflict,
            StoreError::OutcomeUnknown(_) => Self::OutcomeUnknown,
            StoreError::InvalidUrl(_)
            | StoreError::Unavailable(_)
            | StoreError::CorruptRow { .. }
            | StoreError::UnknownSchema { .. }
            | StoreError::Migration(_)
            | StoreError::Refused { .. } => Self::Store(error),
        }
    }
}

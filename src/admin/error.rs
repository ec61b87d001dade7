use crate::{
    cache::CacheError,
    domain::{AppStep, Code, Edition, MissingRight, Revision},
    store::StoreError,
};

use super::fault::Fault;

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),

    /// The tenant does not exist, and the request has no edition to create it
    /// with.
    #[error("tenant `{tenant}` does not exist; give its edition to create it")]
    TenantNotFound {
        /// The requested tenant.
        tenant: Code,
    },

    /// The tenant has another edition than the request.
    #[error("tenant `{tenant}` is `{stored}`, not `{requested}`")]
    EditionMismatch {
        /// The tenant.
        tenant: Code,
        /// Its edition.
        stored: Edition,
        /// The edition in the request.
        requested: Edition,
    },

    /// An entry of the request is rejected.
    #[error(transparent)]
    Fault(#[from] Fault),

    /// The tenant to create already exists.
    #[error("tenant `{tenant}` exists already")]
    TenantExists {
        /// The tenant.
        tenant: Code,
    },

    /// The key belongs to another request (`api.md`, "Administration").
    #[error("the idempotency key `{key}` belongs to another request")]
    IdempotencyKeyReused {
        /// The key.
        key: String,
    },

    /// The tenant has another revision than the one expected.
    #[error("the tenant is at revision {found}, not {expected}")]
    RevisionChanged {
        /// `expected_revision`.
        expected: Revision,
        /// The tenant's revision.
        found: Revision,
    },

    /// The actor may not connect apps (rules 5.1).
    #[error("`{actor}` does not hold `app.manage`")]
    ActorNotPermitted {
        /// The actor, as in the request.
        actor: String,
    },

    /// The write would grant a right that its caller does not hold, or its caller
    /// may no longer write callers (`api.md`, "Who calls").
    #[error(
        "{}the caller lacks {missing}; nobody gives a right that it lacks",
        if .field.is_empty() { String::new() } else { format!("{field}: ") }
    )]
    CallerNotPermitted {
        /// The field that would grant it; empty: the call itself.
        field: String,
        /// The right that the caller does not hold.
        missing: MissingRight,
    },

    /// The caller was deleted during its call.
    #[error("the caller was deleted while its call was under way; nothing changed")]
    CallerGone,

    /// Another step of connecting the app comes first (rules 5.1).
    #[error("the next step of connecting app `{app}` is {}", .next.call())]
    StepOutOfOrder {
        /// The app.
        app: Code,
        /// The step that comes next.
        next: AppStep,
    },

    /// No user could administer roles any more (rules 2.6).
    #[error(
        "no enabled user would hold `role.edit`, `role.list` and `system_configuration.access` any more"
    )]
    LockOutGuard,

    /// More apps and connections than a tenant may have (rules 5.2).
    #[error("{found} apps and connections; a tenant has at most {limit}")]
    AppLimit {
        /// The maximum.
        limit: usize,
        /// The number after the change.
        found: usize,
    },

    /// The write could not be announced to all servers: nothing changed.
    #[error(transparent)]
    NotAnnounced(#[from] CacheError),

    /// Other writes were committed first, on each try.
    #[error("other writes came first; try again")]
    Conflict,

    /// The database was lost during the commit. The change may or may not have
    /// been made; a retry with the same idempotency key is safe.
    #[error("the outcome of the change is not known")]
    OutcomeUnknown,

    /// The caller's deadline passed while another write of the tenant was in
    /// progress, or during a dry run: nothing changed.
    #[error("the deadline passed before the change was made; nothing changed")]
    DeadlinePassed,

    /// A bug: the task of the write panicked or was canceled.
    #[error("the write ended without an answer")]
    Interrupted(#[source] tokio::task::JoinError),
}

impl AdminError {
    /// True if the rules or the stored state reject the change, which holds for
    /// one snapshot. Otherwise the change was not decided.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::TenantNotFound { .. }
            | Self::EditionMismatch { .. }
            | Self::Fault(_)
            | Self::TenantExists { .. }
            | Self::IdempotencyKeyReused { .. }
            | Self::RevisionChanged { .. }
            | Self::ActorNotPermitted { .. }
            | Self::CallerNotPermitted { .. }
            | Self::CallerGone
            | Self::StepOutOfOrder { .. }
            | Self::LockOutGuard
            | Self::AppLimit { .. } => true,
            Self::Store(_)
            | Self::NotAnnounced(_)
            | Self::Conflict
            | Self::OutcomeUnknown
            | Self::DeadlinePassed
            | Self::Interrupted(_) => false,
        }
    }
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_) => Self::Conflict,
            StoreError::OutcomeUnknown(_) => Self::OutcomeUnknown,
            StoreError::InvalidUrl(_)
            | StoreError::InvalidTls(_)
            | StoreError::Unavailable(_)
            | StoreError::TenantLocked { .. }
            | StoreError::CorruptRow { .. }
            | StoreError::UnknownSchema { .. }
            | StoreError::NotAMember { .. }
            | StoreError::TransactionPooler { .. }
            | StoreError::Migration(_)
            | StoreError::Refused { .. } => Self::Store(error),
        }
    }
}

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

    /// An entry of the change is refused.
    #[error(transparent)]
    Fault(Fault),

    /// The tenant is there already.
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
        /// The tenant's.
        found: Revision,
    },

    /// The actor may not connect apps (rules 5.1).
    #[error("`{actor}` does not hold `app.manage`")]
    ActorNotPermitted {
        /// The actor, as the request names it.
        actor: String,
    },

    /// The write would give a right that its caller is_disabled, or its caller may not
    /// write callers any more (`api.md`, "Who calls").
    #[error(
        "{}the caller lacks {missing}; nobody gives a right that it lacks",
        if .field.is_empty() { String::new() } else { format!("{field}: ") }
    )]
    CallerNotPermitted {
        /// The field that would give it; empty: the call itself.
        field: String,
        /// What the caller lacks.
        missing: MissingRight,
    },

    /// The caller was deleted while its call was under way.
    #[error("the caller was deleted while its call was under way; nothing changed")]
    CallerGone,

    /// Another step of connecting an app comes first (rules 5.1).
    #[error("the next step of connecting app `{app}` is {}", .next.call())]
    StepOutOfOrder {
        /// The app.
        app: Code,
        /// The step that comes next.
        next: AppStep,
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

    /// The write could not be announced to all servers: nothing changed.
    #[error(transparent)]
    NotAnnounced(#[from] CacheError),

    /// Other writes came first, each time it was tried.
    #[error("other writes came first; try again")]
    Conflict,

    /// The database went away while the change was committed: it may or may not
    /// have happened, and a retry with the same idempotency key is safe.
    #[error("the outcome of the change is not known")]
    OutcomeUnknown,

    /// The caller's deadline passed while another write of the tenant was under
    /// way, or while a dry run was computed: nothing changed.
    #[error("the deadline passed before the change was made; nothing changed")]
    DeadlinePassed,

    /// Our bug; the task that writes ended without an answer.
    #[error("the write ended without an answer")]
    Interrupted(#[source] tokio::task::JoinError),
}

impl AdminError {
    /// Whether the rules refuse the change, or the state that it met: an answer
    /// that is true of one snapshot. Else the change was not judged.
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

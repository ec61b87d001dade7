use std::{sync::Arc, time::Duration};

use crate::{
    admin::AdminError,
    cache::CacheError,
    domain::{Code, InvalidQuestion, MissingRight, OidcIdentity},
    store::{ChangePlace, StoreError},
};

use super::caller_rate::CallerRate;

/// Why a call fails.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// A field is missing, too long or not one of the allowed values.
    #[error(transparent)]
    Invalid(#[from] InvalidField),

    /// A request has more entries than allowed.
    #[error("{field}: {found} entries; a request may hold {most}")]
    TooManyEntries {
        /// The field that holds the entries.
        field: &'static str,
        /// Number of entries found.
        found: usize,
        /// Number of entries allowed.
        most: usize,
    },

    /// The metadata of a call exceeds its limit.
    #[error("the metadata of the call takes {found} bytes; at most {most} are allowed: send less")]
    TooMuchMetadata {
        /// Size found, in bytes.
        found: usize,
        /// Size allowed, in bytes.
        most: usize,
    },

    /// The pending calls use all the memory of the budget.
    #[error(
        "the call takes {bytes} bytes; with those of the calls under way that is more than {most}: retry with backoff, split the request, or call another server"
    )]
    TooHeavy {
        /// Bytes of the call, as far as they are known.
        bytes: usize,
        /// Bytes allowed for all calls, or for one tenant or caller.
        most: usize,
    },

    /// The credentials do not identify a caller.
    #[error(transparent)]
    CallerUnknown(#[from] UnknownCaller),

    /// No key of the OIDC issuer has been read yet.
    #[error(
        "the OIDC token cannot be verified: this server has not read the issuer's keys yet; retry"
    )]
    NoIssuerKeys,

    /// The caller may not make this call.
    #[error("the caller lacks {0}, which this call needs")]
    CallerNotPermitted(MissingRight),

    /// The caller exceeds its rate limit.
    #[error(
        "caller `{caller}` makes more than {} calls per second, or more than {} at once: retry in {} ms, or send several questions in one BatchCheck",
        .rate.calls_per_second, .rate.burst, .wait.as_millis()
    )]
    RateLimited {
        /// The caller.
        caller: Code,
        /// Its rate limit.
        rate: CallerRate,
        /// Time until its next call is accepted.
        wait: Duration,
    },

    /// No tenant has this code.
    #[error("tenant `{0}` does not exist")]
    TenantNotFound(Code),

    /// A watcher did not read the events in time.
    #[error("the watcher was too slow; go on after revision {}, part {}", .after.revision, .after.part)]
    WatchTooSlow {
        /// The last change that was sent.
        after: ChangePlace,
    },

    /// A server, or one tenant, has its maximum number of watchers.
    #[error("{most} watch already, or {of_tenant} this tenant; try another server, or later")]
    TooManyWatchers {
        /// Number of watchers allowed per server.
        most: usize,
        /// Number of watchers allowed per tenant.
        of_tenant: usize,
    },

    /// The operating system returns no random bytes.
    #[error("there are no random bytes to make a key from")]
    NoRandomness,

    /// The caller's deadline passed.
    #[error("the deadline passed")]
    DeadlinePassed,

    /// The server is starting and waits for its database.
    #[error("the server starts and waits for its database; retry")]
    Starting,

    /// The server is shutting down.
    #[error("the server is shutting down")]
    ShuttingDown,

    /// The facts could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),

    /// No response can be confirmed to be current.
    #[error(transparent)]
    Cache(#[from] CacheError),

    /// A permission is not in the permission catalogue (rules 2.1).
    #[error("{field}: permission `{permission}` is not in the catalogue")]
    PermissionNotFound {
        /// The field that names it.
        field: String,
        /// The permission as that field spells it.
        permission: String,
    },

    /// A write failed.
    #[error(transparent)]
    Admin(#[from] AdminError),

    /// Rows or files of an import were rejected.
    #[error("the import was refused, and nothing changed: {rows} bad rows; the summary lists them")]
    ImportRefused {
        /// Number of rejected rows.
        rows: u64,
    },
}

/// Why a call has no known caller. The messages repeat no part of a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnknownCaller {
    /// There are no credentials, and the server requires them.
    #[error(
        "the call has no credentials: send a key or an OIDC token as `authorization: Bearer ...`, or connect with a client certificate"
    )]
    NoCredentials,

    /// The credentials have an unknown format.
    #[error(
        "the credentials cannot be read: send one header `authorization`, as `Bearer KEY`, with a key of a caller, or with an OIDC token where the server has an `--oidc-issuer`"
    )]
    Unreadable,

    /// No caller currently has this key.
    #[error("the key is wrong, expired or withdrawn: get a new one from an operator")]
    InvalidKey,

    /// The token is not from the issuer, not for this service, or not valid now.
    #[error(
        "the OIDC token is wrong, expired, not valid yet, of another issuer or for another audience: get a new one from the issuer that the server's `--oidc-issuer` names, for its `--oidc-audience`"
    )]
    InvalidToken,

    /// The token is valid, but no caller has its identity.
    #[error(
        "no caller has the identity of the OIDC token: issuer `{}`, subject `{}`; an operator gives it to one by `caller put --oidc`", .0.issuer, .0.subject
    )]
    UnknownIdentity(Arc<OidcIdentity>),

    /// The certificate was valid during the handshake, but has expired since.
    #[error("the client certificate has expired: renew it and connect again")]
    ExpiredCertificate,

    /// No caller, or more than one, has a name of the certificate.
    #[error(
        "no single caller has the subject alternative names of the client certificate: an operator gives one of them to a caller by `caller put --san`"
    )]
    UnknownCertificate,
}

/// An invalid field of a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub(super) struct InvalidField {
    /// Path of the field, such as `items[3].resource.type`.
    pub(super) path: String,
    /// What is wrong, and what is allowed.
    pub(super) message: String,
}

impl InvalidField {
    /// Creates the error for the field at `path`.
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }

    /// Prefixes the path with `outer`, the field that holds the message.
    pub(super) fn within(self, outer: &str) -> Self {
        Self {
            path: format!("{outer}.{}", self.path),
            message: self.message,
        }
    }
}

impl From<InvalidQuestion> for InvalidField {
    fn from(invalid: InvalidQuestion) -> Self {
        let InvalidQuestion { field, message } = invalid;
        Self::new(field, message)
    }
}

/// Rejects a field with more than `most` entries.
pub(super) fn check_count(field: &'static str, found: usize, most: usize) -> Result<(), Failure> {
    if found <= most {
        return Ok(());
    }
    Err(Failure::TooManyEntries { field, found, most })
}

/// Decodes a response stored for retries with the same idempotency key.
pub(super) fn decode_stored_response<M: prost::Message + Default>(
    bytes: &[u8],
) -> Result<M, Failure> {
    M::decode(bytes).map_err(|error| {
        let message = format!("an answer that was kept for a retry: {error}");
        Failure::Store(StoreError::corrupt("find_response", message))
    })
}

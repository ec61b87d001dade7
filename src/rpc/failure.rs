use std::{sync::Arc, time::Duration};

use crate::{
    admin::AdminError,
    cache::CacheError,
    domain::{Code, InvalidQuestion, MissingRight, OidcIdentity},
    store::{ChangePlace, StoreError},
};

use super::rate_limits::CallerRate;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// A field is missing, too long or not one of the values allowed.
    #[error(transparent)]
    Invalid(#[from] InvalidField),

    /// More entries than one request may hold.
    #[error("{field}: {found} entries; a request may hold {most}")]
    TooManyEntries {
        /// The field that holds them.
        field: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },

    /// More metadata than a call may have.
    #[error("the metadata of the call takes {found} bytes; at most {most} are allowed: send less")]
    TooMuchMetadata {
        /// How many bytes there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },

    /// The calls under way take all the memory that calls may.
    #[error(
        "the call takes {bytes} bytes; with those of the calls under way that is more than {most}: retry with backoff, split the request, or ask another server"
    )]
    TooHeavy {
        /// What it takes, as far as is known.
        bytes: usize,
        /// What all calls may take, or all of the tenant or the caller.
        most: usize,
    },

    /// The credentials do not say who calls.
    #[error(transparent)]
    CallerUnknown(#[from] UnknownCaller),

    /// No key of the OIDC issuer has been read yet.
    #[error(
        "the OIDC token cannot be verified: this server has not read the issuer's keys yet; retry"
    )]
    NoIssuerKeys,

    /// The caller may not make this call.
    #[error("the caller is_disabled {0}, which this call needs")]
    CallerNotPermitted(MissingRight),

    /// The caller makes more calls than one caller may.
    #[error(
        "caller `{caller}` makes more than {} calls per second, or more than {} at once: retry in {} ms, or ask several questions by one BatchCheck",
        .rate.calls_per_second, .rate.burst, .wait.as_millis()
    )]
    RateLimited {
        /// The caller.
        caller: Code,
        /// What it may.
        rate: CallerRate,
        /// How long until its next call is taken.
        wait: Duration,
    },

    /// No tenant has this code.
    #[error("tenant `{0}` does not exist")]
    TenantNotFound(Code),

    /// A watcher did not take what was sent.
    #[error("the watcher was too slow; go on after revision {}, part {}", .after.revision, .after.part)]
    WatchTooSlow {
        /// The last change that was sent.
        after: ChangePlace,
    },

    /// More watchers than a server has, or one tenant.
    #[error("{most} watch already, or {of_tenant} this tenant; try another server, or later")]
    TooManyWatchers {
        /// How many there may be.
        most: usize,
        /// How many of one tenant.
        of_tenant: usize,
    },

    /// The operating system gives no random bytes.
    #[error("there are no random bytes to make a key from")]
    NoRandomness,

    /// The caller's deadline passed.
    #[error("the deadline passed")]
    DeadlinePassed,

    /// The server waits for its database.
    #[error("the server starts and waits for its database; retry")]
    Starting,

    /// The server takes no more calls.
    #[error("the server is shutting down")]
    ShuttingDown,

    /// The facts could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),

    /// There is no answer that is certainly current.
    #[error(transparent)]
    Cache(#[from] CacheError),

    /// A permission is not in the catalogue (rules 2.1).
    #[error("{field}: permission `{permission}` is not in the catalogue")]
    PermissionNotFound {
        /// The field that names it.
        field: String,
        /// What it is called there.
        permission: String,
    },

    /// A write was not made.
    #[error(transparent)]
    Admin(#[from] AdminError),

    /// Rows or files of an import were refused.
    #[error("the import was refused, and nothing changed: {rows} bad rows; the summary lists them")]
    ImportRefused {
        /// How many.
        rows: u64,
    },
}

/// Why nobody knows who calls. No word of a secret is repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnknownCaller {
    /// There are none, and the server requires some.
    #[error(
        "the call has no credentials: send a key or an OIDC token as `authorization: Bearer ...`, or connect with a client certificate"
    )]
    NoCredentials,

    /// They have another form than those that are known.
    #[error(
        "the credentials cannot be read: send one header `authorization`, as `Bearer KEY`, with a key of a caller, or with an OIDC token where the server has an `--oidc-issuer`"
    )]
    Unreadable,

    /// No caller has this key now.
    #[error("the key is wrong, expired or withdrawn: ask an operator for a new one")]
    InvalidKey,

    /// The token is none of the issuer for this service, or not at this time.
    #[error(
        "the OIDC token is wrong, expired, not valid yet, of another issuer or for another audience: get a new one from the issuer that the server's `--oidc-issuer` names, for its `--oidc-audience`"
    )]
    InvalidToken,

    /// The token is good, and no caller has its identity.
    #[error(
        "no caller has the identity of the OIDC token: issuer `{}`, subject `{}`; an operator gives it to one by `caller put --oidc`", .0.issuer, .0.subject
    )]
    UnknownIdentity(Arc<OidcIdentity>),

    /// The certificate was valid when the connection was made.
    #[error("the client certificate has expired: renew it and connect again")]
    ExpiredCertificate,

    /// No caller has a name of the certificate, or several have one.
    #[error(
        "no single caller has the subject alternative names of the client certificate: an operator gives one of them to a caller by `caller put --san`"
    )]
    UnknownCertificate,
}

/// What is wrong with one field of a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub(super) struct InvalidField {
    /// Where it is: `items[3].resource.type`.
    pub(super) path: String,
    /// What was wrong, and what is allowed.
    pub(super) message: String,
}

impl InvalidField {
    /// Says what is wrong at `path`.
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }

    /// The same, seen from the message that `outer` is a field of.
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

/// Reads an answer that was kept for a retry.
pub(super) fn kept_answer<M: prost::Message + Default>(bytes: &[u8]) -> Result<M, Failure> {
    M::decode(bytes).map_err(|error| {
        Failure::Store(StoreError::CorruptRow {
            statement: "find_answer",
            message: format!("an answer that was kept for a retry: {error}"),
        })
    })
}

use std::{io, net::SocketAddr};

use super::TlsFilesError;
use crate::{
    admin::AdminError,
    domain::InvalidCallerKey,
    oidc::{InvalidOidcSettings, KeyReadError},
    store::{Condition, MigrateError, StoreError},
    supervision::Task,
};

/// Why a server could not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be bound.
    #[error("cannot listen on {listen}: {}", advice(source))]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },

    /// The address for metrics and probes cannot be bound.
    #[error(
        "cannot serve metrics and probes on {listen}: {}",
        advice_on_http(source)
    )]
    HttpListen {
        /// The address.
        listen: SocketAddr,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },

    /// The file of `--decision-log` cannot be opened.
    #[error(
        "the file `{file}` of --decision-log cannot be written ({source}); name one in a directory that this user may write to"
    )]
    DecisionLog {
        /// The file.
        file: String,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },

    /// The address is not loopback, and calls would need no credentials.
    #[error(
        "`--credentials optional` is for loopback: on {listen} whoever reaches the port could change everything; leave it out, or listen on 127.0.0.1"
    )]
    OpenToAll {
        /// The address.
        listen: SocketAddr,
    },

    /// The address is not loopback, and callers' keys would be sent unencrypted.
    #[error(
        "{listen} is not loopback, and without TLS the keys of callers could be read on the way: give `--tls-cert` and `--tls-key`, or set `--insecure` where something else encrypts (a service mesh, a proxy on this machine)"
    )]
    KeysInClear {
        /// The address.
        listen: SocketAddr,
    },

    /// The file of `--bootstrap-key-file` cannot be read.
    #[error("the file `{file}` of --bootstrap-key-file cannot be read")]
    BootstrapKeyUnreadable {
        /// The file.
        file: String,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },

    /// The file of `--bootstrap-key-file` contains no key.
    #[error("the content of `{file}` (--bootstrap-key-file) {source}")]
    BootstrapKey {
        /// The file.
        file: String,
        /// Why its content is not a key.
        source: InvalidCallerKey,
    },

    /// The first caller could not be stored.
    #[error("the first caller could not be stored")]
    Bootstrap(#[source] AdminError),

    /// The operating system returns no random bytes.
    #[error("there are no random bytes to make a key from")]
    NoRandomness,

    /// The database is unavailable.
    #[error("{}", away(.0))]
    DatabaseAway(#[source] StoreError),

    /// The database responds, but is not usable.
    #[error("{source}{}", advice_on(source))]
    Database {
        /// The error of the store.
        source: StoreError,
    },

    /// The schema could not be migrated.
    #[error(transparent)]
    Migrate(MigrateError),

    /// The TLS files for callers cannot be used.
    #[error(transparent)]
    TlsFiles(#[from] TlsFilesError),

    /// The settings for OIDC tokens cannot be used.
    #[error(transparent)]
    Oidc(#[from] InvalidOidcSettings),

    /// The keys of the OIDC issuer cannot be read.
    #[error(transparent)]
    IssuerKeys(#[from] KeyReadError),

    /// The operating system cannot create a thread.
    #[error("the thread that keeps the lease cannot start")]
    Thread(#[source] io::Error),

    /// An essential task ended, which is an internal error.
    #[error("the task `{0}` ended, without which the server cannot answer; start the server again")]
    TaskEnded(Task),

    /// The descriptors are inconsistent, which is an internal error.
    #[error("the service's descriptors cannot be served")]
    Reflection(#[source] tonic_reflection::server::Error),

    /// The listener ended while serving, which is an internal error.
    #[error("the server's listener ended; start the server again")]
    Listener,
}

impl From<MigrateError> for ServerError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Store(error) => error.into(),
            MigrateError::InvalidRoleName { .. }
            | MigrateError::NeedsAdministrator { .. }
            | MigrateError::ServersRun => Self::Migrate(error),
        }
    }
}

impl From<StoreError> for ServerError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::DatabaseAway(error),
            StoreError::InvalidUrl(_)
            | StoreError::InvalidTls(_)
            | StoreError::Conflict(_)
            | StoreError::TenantLocked { .. }
            | StoreError::OutcomeUnknown(_)
            | StoreError::CorruptRow { .. }
            | StoreError::UnknownSchema { .. }
            | StoreError::NotAMember { .. }
            | StoreError::TransactionPooler { .. }
            | StoreError::Migration(_)
            | StoreError::Refused { .. } => Self::Database { source: error },
        }
    }
}

fn advice_on_http(source: &io::Error) -> String {
    advice(source).replace("`--listen`", "`--http-listen`") + " (`--http-listen off`: none)"
}

fn advice(source: &io::Error) -> String {
    const ADVICE: [(io::ErrorKind, &str); 3] = [
        (
            io::ErrorKind::AddrInUse,
            "another program does already; stop it, or choose another address with `--listen`",
        ),
        (
            io::ErrorKind::PermissionDenied,
            "not permitted; ports below 1024 need rights, choose a higher one with `--listen`",
        ),
        (
            io::ErrorKind::AddrNotAvailable,
            "this machine has no such address; choose another with `--listen`",
        ),
    ];
    let known = ADVICE.iter().find(|(kind, _)| *kind == source.kind());
    known.map_or_else(|| source.to_string(), |(_, advice)| (*advice).to_owned())
}

/// Describes the state of the database, and how to fix it.
fn away(error: &StoreError) -> String {
    let condition = error.condition().unwrap_or(Condition::Unreachable);
    format!("{condition}; {}", condition.advice())
}

fn advice_on(error: &StoreError) -> &'static str {
    match error {
        StoreError::InvalidUrl(_) => "; it looks like `postgresql://user:password@host:5432/name`",
        StoreError::Migration(_) | StoreError::Refused { .. } => {
            "; migrating needs the owner of the database, and serving a member of the runtime role \
             that `pim-authz migrate` shows"
        }
        StoreError::Unavailable(_)
        | StoreError::InvalidTls(_)
        | StoreError::Conflict(_)
        | StoreError::TenantLocked { .. }
        | StoreError::OutcomeUnknown(_)
        | StoreError::CorruptRow { .. }
        | StoreError::UnknownSchema { .. }
        | StoreError::NotAMember { .. }
        | StoreError::TransactionPooler { .. } => "",
    }
}

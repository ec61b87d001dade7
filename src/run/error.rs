use std::{io, path::PathBuf};

use pim_authz::{
    cli::{CliError, ListenAddress, Refusal},
    embedded::EmbeddedError,
    server::{InvalidOrigin, PublicUrlInvalid, ServerError},
    telemetry::traces::InvalidCollector,
};

/// The reason why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// The private PostgreSQL does not run.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The server does not run.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A call of the demonstration to its own server failed.
    #[error(transparent)]
    Client(#[from] CliError),
    /// The import of a tenant of the demonstration was rejected.
    #[error("the import of demo tenant `{tenant}` was refused: {refusal}")]
    ImportRefused {
        /// Code of the tenant.
        tenant: &'static str,
        /// The status that the server returned.
        refusal: Refusal,
    },
    /// A command requires a database, and none is given.
    #[error(
        "which database? Set PIM_AUTHZ_DATABASE_URL, or give `--database-url` or `--database-url-file`"
    )]
    NoDatabase,
    /// The file with the URL of the database cannot be read.
    #[error(
        "the file `{}` of --database-url-file cannot be read ({cause}); name a file that the user of this process may read", .file.display()
    )]
    DatabaseUrlFile {
        /// Path of the file.
        file: PathBuf,
        /// The error of the operating system.
        cause: io::Error,
    },
    /// Writing to standard output failed.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    /// The host to listen on does not resolve to an address.
    #[error("cannot listen on {listen}: the name `{}` has no address on this machine ({cause}); choose another with `--listen`", .listen.host())]
    UnknownHost {
        /// The address to listen on.
        listen: ListenAddress,
        /// The error of the operating system.
        cause: io::Error,
    },
    /// The thread that writes the log cannot be spawned.
    #[error("the thread that writes the log cannot start: {0}")]
    Log(io::Error),
    /// Traces cannot be sent to the URL of `--otlp-endpoint`.
    #[error(
        "traces cannot be sent to the URL of `--otlp-endpoint`: {0}; give the URL of a collector, such as `http://localhost:4317`"
    )]
    Traces(InvalidCollector),
    /// The public URL is none.
    #[error("`--public-url`: {0}")]
    PublicUrl(PublicUrlInvalid),
    /// An origin is none.
    #[error("`--cors-origin`: {0}")]
    CorsOrigin(InvalidOrigin),
    /// The handlers of shutdown signals cannot be registered.
    #[error("cannot listen to signals: {0}")]
    Signals(io::Error),
}

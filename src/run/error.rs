use std::{io, path::PathBuf};

use crate::{
    cli::{CliError, ListenAddress, Refusal},
    embedded::EmbeddedError,
    server::ServerError,
    telemetry::traces::InvalidCollector,
};

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The private PostgreSQL does not run.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The server does not run.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The demonstration could not ask its own server.
    #[error(transparent)]
    Client(#[from] CliError),
    /// The demonstration's world was refused.
    #[error("the world of tenant `{tenant}` was refused: {refusal}")]
    WorldRefused {
        /// The tenant.
        tenant: &'static str,
        /// What the server said.
        refusal: Refusal,
    },
    /// A command needs a database and has none.
    #[error(
        "which database? Set PIM_AUTHZ_DATABASE_URL, or give `--database-url` or `--database-url-file`"
    )]
    NoDatabase,
    /// The file with the URL of the database cannot be read.
    #[error(
        "the file `{}` of --database-url-file cannot be read ({cause}); name a file that the user of this process may read", .file.display()
    )]
    DatabaseUrlFile {
        /// The file.
        file: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
    /// Standard output takes nothing.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    /// The host to listen on has no address.
    #[error("cannot listen on {listen}: the name `{}` has no address on this machine ({cause}); choose another with `--listen`", .listen.host())]
    UnknownHost {
        /// Where to listen.
        listen: ListenAddress,
        /// The error of the system.
        cause: io::Error,
    },
    /// The operating system gives no thread for the log.
    #[error("the thread that writes the log cannot start: {0}")]
    Log(io::Error),
    /// Traces cannot be sent to the URL of `--otlp-endpoint`.
    #[error(
        "traces cannot be sent as `--otlp-endpoint` says: {0}; give the URL of a collector, such as `http://localhost:4317`"
    )]
    Traces(InvalidCollector),
    /// The signals that end the process cannot be listened to.
    #[error("cannot listen to signals: {0}")]
    Signals(io::Error),
}

use std::{io, path::PathBuf};

/// The reason why the private PostgreSQL does not run.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// PostgreSQL is not installed, or too old.
    #[error(
        "no PostgreSQL {oldest} or later was found on this machine; {advice}, or name a database with --database-url",
        oldest = super::OLDEST
    )]
    NotInstalled {
        /// Advice with the command that installs it on this platform.
        advice: String,
    },

    /// The cluster was created by a major version that is not installed.
    #[error(
        "the database in `{cluster}` was made by PostgreSQL {made_by}, which is not installed (found: {found}); install it, or name another --data-dir"
    )]
    OtherVersion {
        /// The directory of the cluster.
        cluster: PathBuf,
        /// The major version that created it.
        made_by: u32,
        /// The installed major versions.
        found: String,
    },

    /// PostgreSQL runs as another user than this process, and that user cannot
    /// enter the data directory.
    #[error(
        "PostgreSQL runs as user `{user}`, who cannot enter `{folder}` on the way to `{data_dir}`; let others enter it (chmod o+x) or name another --data-dir"
    )]
    Unreachable {
        /// Name of the user.
        user: String,
        /// The folder that the user cannot enter.
        folder: PathBuf,
        /// The data directory.
        data_dir: PathBuf,
    },

    /// Root has no other user to run PostgreSQL as.
    #[error(
        "PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody` to run it as; start as another user, or name a database with --database-url"
    )]
    NoUser,

    /// Another server runs on the same data directory.
    #[error(
        "another pim-authz runs on the data directory `{0}`; stop it, or name another --data-dir"
    )]
    InUse(PathBuf),

    /// A file or folder of the data directory could not be used.
    #[error("cannot {what} `{path}`: {cause}")]
    Folder {
        /// The operation that failed, such as `create`.
        what: &'static str,
        /// Path of the file or folder.
        path: PathBuf,
        /// Cause of the failure.
        cause: io::Error,
    },

    /// A program of PostgreSQL could not be run.
    #[error("cannot run `{program}` as user `{user}`: {cause}")]
    Program {
        /// Path of the program.
        program: PathBuf,
        /// Name of the user to run it as.
        user: String,
        /// Cause of the failure.
        cause: io::Error,
    },

    /// The cluster exists, but its password file does not.
    #[error("`{0}` is missing; without it the database beside it cannot be entered")]
    PasswordLost(PathBuf),

    /// The cluster could not be created.
    #[error("PostgreSQL could not set up a database in `{cluster}`: {output}")]
    SetUp {
        /// The directory of the cluster.
        cluster: PathBuf,
        /// Error output of `initdb`.
        output: String,
    },

    /// PostgreSQL exited during its start.
    #[error("PostgreSQL did not start; the end of `{log}`: {tail}")]
    NotStarted {
        /// Path of its log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },

    /// PostgreSQL exited by itself while the server ran.
    #[error("PostgreSQL ended by itself ({status}); the end of `{log}`: {tail}")]
    Died {
        /// Its exit status or signal.
        status: String,
        /// Path of its log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },

    /// PostgreSQL did not become ready in time.
    #[error("PostgreSQL was not ready after {seconds} seconds; see `{log}`")]
    NotReady {
        /// The timeout, in seconds.
        seconds: u64,
        /// Path of its log.
        log: PathBuf,
    },

    /// The PostgreSQL of a killed server does not stop.
    #[error(
        "an earlier PostgreSQL, process {0}, still runs on this data directory and does not stop"
    )]
    LeftoverSurvives(i32),

    /// The fast shutdown of PostgreSQL timed out, and an immediate one followed.
    #[error("PostgreSQL did not stop in time and was stopped at once; the next start recovers")]
    StoppedAtOnce,

    /// This process shuts down.
    #[error("interrupted")]
    Interrupted,
}

impl EmbeddedError {
    /// Returns the argument of [`Result::map_err`] for a file operation.
    pub(super) fn folder(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| Self::Folder { what, path, cause }
    }
}

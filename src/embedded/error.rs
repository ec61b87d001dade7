use std::{io, path::PathBuf};

/// Why the private PostgreSQL does not run.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// PostgreSQL is not installed, or too old.
    #[error(
        "no PostgreSQL {oldest} or later was found on this machine; {advice}, or name a database with --database-url",
        oldest = super::binaries::OLDEST
    )]
    NotInstalled {
        /// The command that installs it here.
        advice: String,
    },

    /// The cluster was made by another major version than those installed.
    #[error(
        "the database in `{cluster}` was made by PostgreSQL {made_by}, which is not installed (found: {found}); install it, or name another --data-dir"
    )]
    OtherVersion {
        /// The directory of the cluster.
        cluster: PathBuf,
        /// The major version that made it.
        made_by: u32,
        /// The major versions that are installed.
        found: String,
    },

    /// PostgreSQL runs as another user than we do, and that user cannot enter
    /// the data directory.
    #[error(
        "PostgreSQL runs as user `{user}`, who cannot enter `{folder}` on the way to `{data_dir}`; let others enter it (chmod o+x) or name another --data-dir"
    )]
    Unreachable {
        /// The user.
        user: String,
        /// The folder that stops the user.
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
        /// What was tried, such as `create`.
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// Why it failed.
        cause: io::Error,
    },

    /// A program of PostgreSQL could not be run.
    #[error("cannot run `{program}` as user `{user}`: {cause}")]
    Program {
        /// The program.
        program: PathBuf,
        /// Whom it was to run as.
        user: String,
        /// Why it failed.
        cause: io::Error,
    },

    /// The cluster is there, its password is not.
    #[error("`{0}` is missing; without it the database beside it cannot be entered")]
    PasswordLost(PathBuf),

    /// The cluster could not be made.
    #[error("PostgreSQL could not set up a database in `{cluster}`: {output}")]
    SetUp {
        /// Where.
        cluster: PathBuf,
        /// What `initdb` said.
        output: String,
    },

    /// PostgreSQL ended while it started.
    #[error("PostgreSQL did not start; the end of `{log}`: {tail}")]
    NotStarted {
        /// Its log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },

    /// PostgreSQL ended by itself while the server ran.
    #[error("PostgreSQL ended by itself ({status}); the end of `{log}`: {tail}")]
    Died {
        /// How: its exit status or signal.
        status: String,
        /// Its log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },

    /// PostgreSQL did not become ready.
    #[error("PostgreSQL was not ready after {seconds} seconds; see `{log}`")]
    NotReady {
        /// How long it was waited for.
        seconds: u64,
        /// Its log.
        log: PathBuf,
    },

    /// The PostgreSQL of a killed server does not end.
    #[error(
        "an earlier PostgreSQL, process {0}, still runs on this data directory and does not stop"
    )]
    LeftoverSurvives(i32),

    /// PostgreSQL did not stop in order, and was stopped at once.
    #[error("PostgreSQL did not stop in time and was stopped at once; the next start recovers")]
    StoppedAtOnce,

    /// This process ends.
    #[error("interrupted")]
    Interrupted,
}

impl EmbeddedError {
    /// What [`Result::map_err`] takes for a file operation.
    pub(super) fn folder(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| Self::Folder { what, path, cause }
    }
}

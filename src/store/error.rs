use std::{error::Error, fmt, io::ErrorKind, time::Duration};

use tokio_postgres::error::{DbError, Severity, SqlState};

use super::{
    Condition, InvalidUrl, TlsSettingError,
    sqlstate::{self, Meaning},
};

/// What the store could not do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database URL is not one.
    #[error("the database URL is not valid")]
    InvalidUrl(#[source] InvalidUrl),

    /// The settings of TLS to the database, or the files that they name, are not
    /// usable.
    #[error(transparent)]
    InvalidTls(#[from] TlsSettingError),

    /// The database did not serve the call; the same call may succeed later.
    #[error("the database is unavailable")]
    Unavailable(#[source] Outage),

    /// Other writes, of the tenant or before this one, have taken longer than it
    /// may wait.
    #[error("other writes did not end within {} s", .waited.as_secs_f32())]
    TenantLocked {
        /// How long it was waited for.
        waited: Duration,
    },

    /// Another write came first; the same transaction may succeed when it is
    /// run again.
    #[error("another write came first")]
    Conflict(#[source] tokio_postgres::Error),

    /// The connection went away while a commit was under way: it may or may not
    /// have happened.
    #[error("the outcome of the commit is not known")]
    OutcomeUnknown(#[source] Outage),

    /// A row holds a value that the domain forbids: a bug, ours or an
    /// operator's.
    #[error("a row of `{statement}` does not parse: {message}")]
    CorruptRow {
        /// The statement that read it.
        statement: &'static str,
        /// What was wrong.
        message: String,
    },

    /// The database's schema is not the one this program knows.
    #[error("the schema is at version {found}, this program knows {known}; {advice}")]
    UnknownSchema {
        /// The version of the database; 0: none.
        found: i32,
        /// The version of this program.
        known: i32,
        /// What to do.
        advice: &'static str,
    },

    /// The login may not work as the role of the installation.
    #[error(
        "`{login}` may not work as the runtime role {role}. Let an administrator of the database \
         run: GRANT {role} TO {login}"
    )]
    NotAMember {
        /// Whom the server logs in as, as SQL has it.
        login: String,
        /// The runtime role, as SQL has it.
        role: String,
    },

    /// Sessions are shared among connections, which leases, roles and prepared
    /// statements do not stand.
    #[error(
        "`{address}` is a connection pooler in transaction mode (a setting of a session did not \
         stay with its connection); let the database URL name PostgreSQL itself, or set the pooler \
         to session mode (PgBouncer: `pool_mode = session`)"
    )]
    TransactionPooler {
        /// Host and port of the database URL.
        address: String,
    },

    /// The migration of the schema failed.
    #[error("the schema could not be migrated: {0}")]
    Migration(#[source] Box<refinery::Error>),

    /// PostgreSQL refused a statement: our bug, or missing rights or tables
    /// ([`StoreError::condition`]).
    #[error("the database refused `{statement}`")]
    Refused {
        /// The statement.
        statement: &'static str,
        /// What it said; for the log only.
        #[source]
        source: tokio_postgres::Error,
    },
}

/// Why the database did not serve a call: what was met, in its own words, and
/// which condition of the database that is.
#[derive(Debug)]
pub struct Outage {
    condition: Condition,
    met: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.met.fmt(f)
    }
}

impl Error for Outage {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.met.source()
    }
}

impl Outage {
    /// An outage of the kind `condition`, seen by what was met.
    pub(super) fn new(condition: Condition, met: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            condition,
            met: met.into(),
        }
    }
}

impl StoreError {
    /// Whether the database is one that is about to be there: it refuses
    /// connections, starts or stops, has no connection free, or is not migrated
    /// to this program's version yet, with its role granted to the login.
    #[must_use]
    pub fn is_of_a_start(&self) -> bool {
        match self {
            Self::UnknownSchema { found, known, .. } => found < known,
            Self::Unavailable(outage) => is_of_a_start(&*outage.met),
            Self::Migration(source) => is_of_a_start(&**source),
            // In the middle of a migration its role has no rights yet, and its
            // row is not there.
            Self::NotAMember { .. } => true,
            Self::CorruptRow { statement, .. } => *statement == "check_installation",
            Self::InvalidUrl(_)
            | Self::InvalidTls(_)
            | Self::TenantLocked { .. }
            | Self::Conflict(_)
            | Self::OutcomeUnknown(_)
            | Self::TransactionPooler { .. }
            | Self::Refused { .. } => false,
        }
    }

    /// The database that was reached only follows a primary.
    pub(super) fn standby() -> Self {
        let cause = "pg_is_in_recovery() is true";
        Self::Unavailable(Outage::new(Condition::Standby, cause))
    }

    /// The connection ended without an answer, as far as is known.
    #[must_use]
    pub fn no_answer(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(Outage::new(Condition::Unreachable, cause))
    }

    /// The same failure, of a COMMIT: without an answer it may have happened.
    pub(super) fn of_commit(self) -> Self {
        if let Self::Unavailable(outage) = self {
            return Self::OutcomeUnknown(outage);
        }
        self
    }

    /// The row that the coherence protocol begins with is missing.
    pub(super) fn empty_head(statement: &'static str) -> Self {
        Self::empty(statement, "head")
    }

    /// The one row of a table is missing.
    pub(super) fn empty(statement: &'static str, table: &str) -> Self {
        Self::CorruptRow {
            statement,
            message: format!("the table `{table}` is empty"),
        }
    }

    /// Nothing can be sent any more: a bug, for a loan has a connection.
    pub(super) fn no_connection() -> Self {
        Self::no_answer("there is no connection")
    }

    /// `statement` was not answered within `bound`.
    pub(super) fn overdue(statement: &'static str, bound: Duration) -> Self {
        let seconds = bound.as_secs_f64();
        let cause = format!("`{statement}` was not answered within {seconds} s");
        Self::Unavailable(Outage::new(Condition::Overdue, cause))
    }

    /// The same failure, of a statement that waits for another write of a tenant:
    /// PostgreSQL ends it when it has waited for as long as it may.
    pub(super) fn of_lock_wait(self, waited: Duration) -> Self {
        match self.sql_state() {
            Some(&SqlState::LOCK_NOT_AVAILABLE) => Self::TenantLocked { waited },
            Some(_) | None => self,
        }
    }

    /// Sorts what PostgreSQL said of `statement`.
    pub(super) fn of(statement: &'static str, error: tokio_postgres::Error) -> Self {
        match sqlstate::meaning(&error) {
            Meaning::Outage(condition) => Self::Unavailable(Outage::new(condition, error)),
            Meaning::StalePlan => Self::Unavailable(Outage::new(Condition::SchemaChanging, error)),
            Meaning::Conflict => Self::Conflict(error),
            Meaning::Refusal(_) | Meaning::Bug => Self::Refused {
                statement,
                source: error,
            },
        }
    }

    /// What keeps the database from serving the call; `None`: it is something
    /// else, such as a bug or another write.
    #[must_use]
    pub fn condition(&self) -> Option<Condition> {
        match self {
            Self::Unavailable(outage) | Self::OutcomeUnknown(outage) => Some(outage.condition),
            Self::Refused { source, .. } => match sqlstate::meaning(source) {
                Meaning::Refusal(condition) => Some(condition),
                Meaning::Outage(_) | Meaning::Conflict | Meaning::StalePlan | Meaning::Bug => None,
            },
            Self::InvalidUrl(_)
            | Self::InvalidTls(_)
            | Self::TenantLocked { .. }
            | Self::Conflict(_)
            | Self::CorruptRow { .. }
            | Self::UnknownSchema { .. }
            | Self::NotAMember { .. }
            | Self::TransactionPooler { .. }
            | Self::Migration(_) => None,
        }
    }

    /// Why no connection could be made.
    pub(super) fn of_connecting(error: tokio_postgres::Error) -> Self {
        let condition = match sqlstate::meaning(&error) {
            Meaning::Outage(condition) | Meaning::Refusal(condition) => condition,
            Meaning::Conflict | Meaning::StalePlan | Meaning::Bug => Condition::Unreachable,
        };
        Self::Unavailable(Outage::new(condition, error))
    }

    /// Whether an error would be [`StoreError::Refused`].
    pub(super) fn is_refusal(error: &tokio_postgres::Error) -> bool {
        matches!(sqlstate::meaning(error), Meaning::Refusal(_) | Meaning::Bug)
    }

    /// Whether a prepared statement is gone or returns other columns than it did.
    pub(super) fn is_stale_plan(&self) -> bool {
        self.condition() == Some(Condition::SchemaChanging)
    }

    /// Whether nothing happened and the same statement, or the whole transaction
    /// that it aborted, may succeed at once.
    pub(super) fn may_run_again(&self) -> bool {
        matches!(self, Self::Conflict(_)) || self.is_stale_plan()
    }

    /// Whether PostgreSQL has ended the connection, or it broke.
    pub(super) fn ends_connection(&self) -> bool {
        let is_fatal = |error: &DbError| {
            let severity = error.parsed_severity();
            matches!(severity, Some(Severity::Fatal | Severity::Panic))
        };
        self.met()
            .is_some_and(|error| error.is_closed() || error.as_db_error().is_some_and(is_fatal))
    }

    fn sql_state(&self) -> Option<&SqlState> {
        self.met().and_then(tokio_postgres::Error::code)
    }

    /// The error of PostgreSQL or of the connection to it.
    fn met(&self) -> Option<&tokio_postgres::Error> {
        let Self::Unavailable(outage) = self else {
            return None;
        };
        outage.met.downcast_ref()
    }
}

/// Looks for the cause: a state of PostgreSQL, or that nobody listens there.
fn is_of_a_start(error: &(dyn std::error::Error + 'static)) -> bool {
    let states = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::TOO_MANY_CONNECTIONS,
    ];
    let mut causes = std::iter::successors(Some(error), |error| (**error).source());
    causes.any(|cause| {
        let refused = cause.downcast_ref::<std::io::Error>().is_some_and(|error| {
            matches!(
                error.kind(),
                ErrorKind::ConnectionRefused
                    | ErrorKind::ConnectionReset
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::BrokenPipe
                    // A socket file that is not there yet.
                    | ErrorKind::NotFound
                    | ErrorKind::UnexpectedEof
            )
        });
        let state = cause.downcast_ref::<tokio_postgres::Error>();
        let state = state.and_then(tokio_postgres::Error::code);
        refused || state.is_some_and(|state| states.contains(state))
    })
}

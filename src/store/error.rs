use std::{error::Error, fmt, io::ErrorKind, time::Duration};

use tokio_postgres::error::{DbError, Severity, SqlState};

use super::{
    Condition, InvalidUrl, TlsSettingError,
    sqlstate::{self, Meaning},
};

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database URL is invalid.
    #[error("the database URL is not valid")]
    InvalidUrl(#[source] InvalidUrl),

    /// The TLS settings of the database connection, or the files that they name, are
    /// invalid.
    #[error(transparent)]
    InvalidTls(#[from] TlsSettingError),

    /// The database did not serve the call; the same call may succeed later.
    #[error("the database is unavailable")]
    Unavailable(#[source] Outage),

    /// Other writes, of the same tenant or earlier in the queue, took longer than
    /// this write may wait.
    #[error("other writes did not end within {} s", .waited.as_secs_f32())]
    TenantLocked {
        /// Time spent waiting.
        waited: Duration,
    },

    /// The transaction conflicted with another write; it may succeed when retried.
    #[error("another write came first")]
    Conflict(#[source] tokio_postgres::Error),

    /// The connection was lost during a commit, which may or may not have happened.
    #[error("the outcome of the commit is not known")]
    OutcomeUnknown(#[source] Outage),

    /// A row holds a value that violates the domain's rules: a bug of this program,
    /// or an operator's change.
    #[error("a row of `{statement}` does not parse: {message}")]
    CorruptRow {
        /// Statement that read the row.
        statement: &'static str,
        /// Description of the invalid value.
        message: String,
    },

    /// The database's schema is of a version that this program does not support.
    #[error("the schema is at version {found}, this program knows {known}; {advice}")]
    UnknownSchema {
        /// Version of the database's schema; 0 if there is none.
        found: i32,
        /// Newest version that this program knows.
        known: i32,
        /// Advice to the operator.
        advice: &'static str,
    },

    /// The login is not a member of the installation's runtime role.
    #[error("{}", not_a_member(login, role.as_deref()))]
    NotAMember {
        /// Login of the server, quoted as an SQL identifier.
        login: String,
        /// Runtime role, quoted as an SQL identifier; `None` if it is not known.
        role: Option<String>,
    },

    /// A connection pooler shares sessions among connections, which breaks leases,
    /// roles and prepared statements.
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

    /// PostgreSQL rejected a statement: a bug of this program, or missing privileges
    /// or tables ([`StoreError::condition`]).
    #[error("the database refused `{statement}`")]
    Refused {
        /// Name of the statement.
        statement: &'static str,
        /// PostgreSQL's error; for the log only.
        #[source]
        source: tokio_postgres::Error,
    },
}

/// Reason why the database did not serve a call: the underlying error and the
/// condition of the database that it indicates.
#[derive(Debug)]
pub struct Outage {
    condition: Condition,
    cause: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl Error for Outage {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

impl Outage {
    /// Creates an outage with its condition and the underlying error.
    pub(super) fn new(
        condition: Condition,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            condition,
            cause: cause.into(),
        }
    }
}

fn not_a_member(login: &str, role: Option<&str>) -> String {
    match role {
        Some(role) => format!(
            "`{login}` may not work as the runtime role {role}. Let an administrator of the \
             database run: GRANT {role} TO {login}"
        ),
        None => format!(
            "`{login}` may not work as the runtime role of this installation. Let an administrator \
             of the database run `pim-authz migrate`, which prints the role, and grant it to \
             {login}"
        ),
    }
}

impl StoreError {
    /// True if the database may still be starting: it refuses connections, starts or
    /// stops, has no free connection, or is not yet migrated to this program's
    /// version with its role granted to the login.
    #[must_use]
    pub fn is_starting_up(&self) -> bool {
        match self {
            Self::UnknownSchema { found, known, .. } => found < known,
            Self::Unavailable(outage) => is_startup_failure(&*outage.cause),
            Self::Migration(source) => is_startup_failure(&**source),
            // In the middle of a migration the role has no privileges yet, and the
            // installation's row does not exist.
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

    /// Returns the error for a database that is a standby.
    pub(super) fn standby() -> Self {
        let cause = "pg_is_in_recovery() is true";
        Self::Unavailable(Outage::new(Condition::Standby, cause))
    }

    /// Returns the error for a call that got no response, as far as is known.
    #[must_use]
    pub fn unreachable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(Outage::new(Condition::Unreachable, cause))
    }

    /// Converts a failure of a COMMIT: without a response, its outcome is unknown.
    pub(super) fn of_commit(self) -> Self {
        if let Self::Unavailable(outage) = self {
            return Self::OutcomeUnknown(outage);
        }
        self
    }

    /// Returns the error for a missing row of `head`, the coherence protocol's state.
    pub(super) fn empty_head(statement: &'static str) -> Self {
        Self::empty(statement, "head")
    }

    /// Returns the error for a missing row in a table that has exactly one.
    pub(super) fn empty(statement: &'static str, table: &str) -> Self {
        Self::corrupt(statement, format!("the table `{table}` is empty"))
    }

    /// Returns the error for a row of `statement` that violates the domain's rules.
    pub(crate) fn corrupt(statement: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::CorruptRow { statement, message }
    }

    /// Returns the error for a missing connection: a bug, because a loan always has
    /// one.
    pub(super) fn no_connection() -> Self {
        Self::unreachable("there is no connection")
    }

    /// Returns the error for a `statement` that timed out after `bound`.
    pub(super) fn timed_out(statement: &'static str, bound: Duration) -> Self {
        let seconds = bound.as_secs_f64();
        let cause = format!("`{statement}` was not answered within {seconds} s");
        Self::Unavailable(Outage::new(Condition::TimedOut, cause))
    }

    /// Converts a failure of a statement that waits for another write of a tenant:
    /// PostgreSQL aborts it when its lock timeout expires.
    pub(super) fn of_lock_wait(self, waited: Duration) -> Self {
        match self.sql_state() {
            Some(&SqlState::LOCK_NOT_AVAILABLE) => Self::TenantLocked { waited },
            Some(_) | None => self,
        }
    }

    /// Classifies PostgreSQL's error in `statement`.
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

    /// Returns the condition that keeps the database from serving the call; `None`
    /// for other failures, such as a bug or a conflicting write.
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

    /// Classifies an error of connecting.
    pub(super) fn of_connecting(error: tokio_postgres::Error) -> Self {
        let condition = match sqlstate::meaning(&error) {
            Meaning::Outage(condition) | Meaning::Refusal(condition) => condition,
            Meaning::Conflict | Meaning::StalePlan | Meaning::Bug => Condition::Unreachable,
        };
        Self::Unavailable(Outage::new(condition, error))
    }

    /// True if [`StoreError::of`] would classify the error as
    /// [`StoreError::Refused`].
    pub(super) fn is_refusal(error: &tokio_postgres::Error) -> bool {
        matches!(sqlstate::meaning(error), Meaning::Refusal(_) | Meaning::Bug)
    }

    /// True if a prepared statement no longer exists or returns other columns.
    pub(super) fn is_stale_plan(&self) -> bool {
        self.condition() == Some(Condition::SchemaChanging)
    }

    /// True if the statement failed only because one before it had aborted the
    /// transaction.
    pub(super) fn is_aftermath(&self) -> bool {
        self.sql_state() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION)
    }

    /// True if the failure had no effect and the same statement, or the whole
    /// transaction that it aborted, may succeed when retried at once.
    pub(super) fn is_retryable(&self) -> bool {
        matches!(self, Self::Conflict(_)) || self.is_stale_plan()
    }

    /// True if PostgreSQL closed the connection, or the connection broke.
    pub(super) fn ends_connection(&self) -> bool {
        let is_fatal = |error: &DbError| {
            let severity = error.parsed_severity();
            matches!(severity, Some(Severity::Fatal | Severity::Panic))
        };
        self.postgres_error()
            .is_some_and(|error| error.is_closed() || error.as_db_error().is_some_and(is_fatal))
    }

    fn sql_state(&self) -> Option<&SqlState> {
        self.postgres_error().and_then(tokio_postgres::Error::code)
    }

    /// Returns PostgreSQL's or the connection's error behind an outage, if any.
    fn postgres_error(&self) -> Option<&tokio_postgres::Error> {
        let Self::Unavailable(outage) = self else {
            return None;
        };
        outage.cause.downcast_ref()
    }
}

/// True if a cause in the chain is of a starting or stopping server, or of a
/// refused or broken connection.
fn is_startup_failure(error: &(dyn std::error::Error + 'static)) -> bool {
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
                    // The Unix socket file does not exist yet.
                    | ErrorKind::NotFound
                    | ErrorKind::UnexpectedEof
            )
        });
        let state = cause.downcast_ref::<tokio_postgres::Error>();
        let state = state.and_then(tokio_postgres::Error::code);
        refused || state.is_some_and(|state| states.contains(state))
    })
}

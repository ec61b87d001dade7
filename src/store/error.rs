use std::{io::ErrorKind, time::Duration};

use tokio_postgres::error::SqlState;

/// What the store could not do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database URL is not one.
    #[error("the database URL is not valid")]
    InvalidUrl(#[source] tokio_postgres::Error),

    /// The database did not answer; the same call may succeed later.
    #[error("the database is unreachable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),

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
    OutcomeUnknown(#[source] Box<dyn std::error::Error + Send + Sync>),

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

    /// The migration of the schema failed.
    #[error("the schema could not be migrated: {0}")]
    Migration(#[source] Box<refinery::Error>),

    /// PostgreSQL refused a statement: our bug, or missing rights.
    #[error("the database refused `{statement}`")]
    Refused {
        /// The statement.
        statement: &'static str,
        /// What it said; for the log only.
        #[source]
        source: tokio_postgres::Error,
    },
}

impl StoreError {
    /// Whether the database is one that is about to be there: it refuses
    /// connections, starts or stops, has no connection free, or is not migrated
    /// to this program's version yet, with its role granted to the login.
    #[must_use]
    pub fn is_of_a_start(&self) -> bool {
        match self {
            Self::UnknownSchema { found, known, .. } => found < known,
            Self::Unavailable(source) => is_of_a_start(&**source),
            Self::Migration(source) => is_of_a_start(&**source),
            // In the middle of a migration its role has no rights yet, and its
            // row is not there.
            Self::NotAMember { .. } => true,
            Self::CorruptRow { statement, .. } => *statement == "check_installation",
            Self::InvalidUrl(_)
            | Self::TenantLocked { .. }
            | Self::Conflict(_)
            | Self::OutcomeUnknown(_)
            | Self::Refused { .. } => false,
        }
    }

    /// The database that was reached only follows a primary.
    pub(super) fn standby() -> Self {
        Self::Unavailable("it is a standby, not a primary".into())
    }

    /// The same failure, of a COMMIT: without an answer it may have happened.
    pub(super) fn of_commit(self) -> Self {
        if let Self::Unavailable(source) = self {
            return Self::OutcomeUnknown(source);
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
        Self::Unavailable("there is no connection".into())
    }

    /// `statement` was not answered within `bound`.
    pub(super) fn overdue(statement: &'static str, bound: Duration) -> Self {
        let seconds = bound.as_secs_f64();
        Self::Unavailable(format!("`{statement}` was not answered within {seconds} s").into())
    }

    /// The same failure, of a statement that waits for the row of a tenant:
    /// PostgreSQL cancels it when it has waited for as long as it may.
    pub(super) fn of_row_wait(self, waited: Duration) -> Self {
        let Self::Unavailable(source) = &self else {
            return self;
        };
        let source = source.downcast_ref::<tokio_postgres::Error>();
        match source.and_then(tokio_postgres::Error::code) {
            Some(&SqlState::QUERY_CANCELED) => Self::TenantLocked { waited },
            Some(_) | None => self,
        }
    }

    /// Sorts what PostgreSQL said of `statement`.
    pub(super) fn of(statement: &'static str, error: tokio_postgres::Error) -> Self {
        let Some(state) = error.code() else {
            return Self::Unavailable(Box::new(error));
        };
        if [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
        ]
        .contains(state)
        {
            return Self::Conflict(error);
        }
        // A standby, a session that was ended for standing still, a lock that
        // was not obtained in time.
        let elsewhere = [
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            SqlState::LOCK_NOT_AVAILABLE,
        ];
        let class = state.code().get(..2).unwrap_or_default();
        // 08 connection, 53 resources, 57 operator intervention, 58 system.
        if elsewhere.contains(state) || ["08", "53", "57", "58"].contains(&class) {
            return Self::Unavailable(Box::new(error));
        }
        Self::Refused {
            statement,
            source: error,
        }
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
    let mut causes = std::iter::successors(Some(error), |error| error.source());
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

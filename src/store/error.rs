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

    /// Another write came first; the same transaction may succeed when it is
    /// run again.
    #[error("another write came first")]
    Conflict(#[source] tokio_postgres::Error),

    /// The connection went away while a commit was under way: it may or may not
    /// have happened.
    #[error("the outcome of the commit is not known")]
    OutcomeUnknown(#[source] tokio_postgres::Error),

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
    /// The database that was reached only follows a primary.
    pub(super) fn standby() -> Self {
        Self::Unavailable("it is a standby, not a primary".into())
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
        let class = state.code().get(..2).unwrap_or_default();
        // 08 connection, 53 resources, 57 operator intervention, 58 system.
        if ["08", "53", "57", "58"].contains(&class) {
            return Self::Unavailable(Box::new(error));
        }
        Self::Refused {
            statement,
            source: error,
        }
    }
}

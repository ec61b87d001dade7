use std::fmt;

use super::TlsFault;

/// Reason why the database cannot serve a call: its state, its configuration or
/// an operator's action, never a bug of this program.
///
/// Callers get UNAVAILABLE with reason `STORE_UNAVAILABLE` for all of them;
/// operators get the specific condition and advice.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::EnumIter, strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
pub enum Condition {
    /// No connection can be made, or the connection broke.
    Unreachable,
    /// No response arrived in time.
    TimedOut,
    /// No connection of the pool became free in time.
    PoolExhausted,
    /// The server is a standby that follows a primary.
    Standby,
    /// The database accepts no writes (25006).
    ReadOnly,
    /// A disk is full (53100).
    DiskFull,
    /// The database is out of memory (53200).
    OutOfMemory,
    /// The connection limit of the server, role or database is reached (53300).
    TooManyConnections,
    /// Another configured limit of the database was reached (53000, 53400).
    LimitReached,
    /// The connection was ended by an administrator or a shutdown (57P01).
    ConnectionEnded,
    /// Another process of the database crashed (57P02).
    Crashed,
    /// The database is starting, stopping or recovering (57P03).
    Starting,
    /// The database was dropped (57P04).
    DatabaseDropped,
    /// The session was idle, or the transaction open, for too long (25P03, 25P04,
    /// 57P05).
    IdleTimeout,
    /// A lock was not obtained in time (55P03, 55006).
    LockTimeout,
    /// A statement timed out (57014).
    StatementTimeout,
    /// A statement was canceled at the database (57014).
    StatementCancelled,
    /// The user or password is rejected (28000, 28P01).
    LoginRefused,
    /// No connection can be made with the configured TLS.
    Tls(TlsFault),
    /// The database does not exist (3D000).
    UnknownDatabase,
    /// The role lacks a privilege (42501).
    NotPermitted,
    /// Tables, columns or functions are missing (42P01 and related codes).
    SchemaMissing,
    /// The schema keeps changing while statements run (0A000, 26000).
    SchemaChanging,
    /// Transaction ids are exhausted (54000).
    NoTransactionIds,
    /// The database cannot use its files, or they are damaged (58…, XX001, XX002).
    StorageDamaged,
    /// An internal error of PostgreSQL (XX000, F0…).
    InternalError,
}

/// Persistence of a condition: lasting, or limited to single statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persistence {
    /// The condition lasts until something changes; its end is logged.
    Lasting,
    /// The condition affects single statements.
    Momentary,
}

impl Condition {
    /// Describes the state of the database, for a log line or a failed start.
    #[must_use]
    pub fn state(self) -> &'static str {
        match self {
            Self::Unreachable => "the database does not answer",
            Self::TimedOut => "the database does not answer in time",
            Self::PoolExhausted => "all connections of this server to the database are in use",
            Self::Standby => "the database is a standby, not a primary",
            Self::ReadOnly => "the database is read-only",
            Self::DiskFull => "a disk of the database is full",
            Self::OutOfMemory => "the database is out of memory",
            Self::TooManyConnections => "the database accepts no more connections",
            Self::LimitReached => "a limit of the database's configuration is reached",
            Self::ConnectionEnded => "the database ended a connection",
            Self::Crashed => "the database ended its connections after a crash",
            Self::Starting => "the database is starting or stopping",
            Self::DatabaseDropped => "the database was dropped",
            Self::IdleTimeout => "the database ended a session that stood still",
            Self::LockTimeout => "a lock was not obtained in time",
            Self::StatementTimeout => "a statement took longer than its time-out",
            Self::StatementCancelled => "a statement was cancelled at the database",
            Self::LoginRefused => "the database refuses the login",
            Self::Tls(fault) => fault.state(),
            Self::UnknownDatabase => "the database does not exist",
            Self::NotPermitted => "the role that the server works as lacks a privilege",
            Self::SchemaMissing => "the schema is not the one that this release needs",
            Self::SchemaChanging => "the schema changed while a statement ran",
            Self::NoTransactionIds => {
                "the database stopped writes before its transaction numbers wrap"
            }
            Self::StorageDamaged => "the database cannot use its files",
            Self::InternalError => "the database reports an internal error",
        }
    }

    /// Advises an operator how to resolve the condition.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Unreachable => {
                "check that PostgreSQL runs and that the database URL names its host, port, user \
                 and password"
            }
            Self::TimedOut => "check the load of PostgreSQL and the network on the way to it",
            Self::PoolExhausted => "look for slow statements, or run more servers",
            Self::Standby => "let the database URL name the primary",
            Self::ReadOnly => {
                "let the database URL name the primary, or find out who set it read-only (many \
                 providers do when a disk is nearly full)"
            }
            Self::DiskFull => "free or add disk space; nothing was changed",
            Self::OutOfMemory => {
                "give PostgreSQL more memory, or lower `work_mem` or `max_connections`"
            }
            Self::TooManyConnections => {
                "raise `max_connections` or the CONNECTION LIMIT of the role or database, or run \
                 fewer servers: each opens up to 45 connections"
            }
            Self::LimitReached => "the error names the setting; raise it (`temp_file_limit` …)",
            Self::ConnectionEnded => {
                "nothing to do if PostgreSQL was restarted or failed over; else see who ran \
                 `pg_terminate_backend`"
            }
            Self::Crashed => "see PostgreSQL's log for what crashed; it recovers by itself",
            Self::Starting => "wait; see PostgreSQL's log if it takes long",
            Self::DatabaseDropped | Self::UnknownDatabase => {
                "create or restore the database and run `pim-authz migrate`, or correct the \
                 database URL"
            }
            Self::IdleTimeout => {
                "this server stood still between two statements: check that it has CPU time and \
                 was not stopped"
            }
            Self::LockTimeout => {
                "look in `pg_locks` for who holds it: a migration, a manual LOCK or a long \
                 transaction"
            }
            Self::StatementTimeout => "look for locks and load in `pg_stat_activity`",
            Self::StatementCancelled => "see who ran `pg_cancel_backend`; nothing was changed",
            Self::LoginRefused => {
                "correct the user and password of the database URL, or its client certificate \
                 (`sslcert`, `sslkey`)"
            }
            Self::Tls(fault) => fault.advice(),
            Self::NotPermitted => {
                "run `pim-authz migrate`, which grants what servers need, and let the login be a \
                 member of the runtime role; see who revoked it"
            }
            Self::SchemaMissing => "run `pim-authz migrate`; see who changed or dropped tables",
            Self::SchemaChanging => {
                "nothing to do: statements are prepared anew; if it goes on, wait until the \
                 migration has ended"
            }
            Self::NoTransactionIds => "VACUUM the databases that PostgreSQL's log names, at once",
            Self::StorageDamaged => "see PostgreSQL's log; check its disk, restore what is damaged",
            Self::InternalError => "see PostgreSQL's log; if it repeats, report it with that log",
        }
    }

    /// Returns whether the condition lasts or is momentary.
    pub(super) fn persistence(self) -> Persistence {
        match self {
            Self::TimedOut
            | Self::PoolExhausted
            | Self::ConnectionEnded
            | Self::Crashed
            | Self::IdleTimeout
            | Self::LockTimeout
            | Self::StatementTimeout
            | Self::StatementCancelled
            | Self::SchemaChanging
            | Self::InternalError => Persistence::Momentary,
            Self::Unreachable
            | Self::Standby
            | Self::ReadOnly
            | Self::DiskFull
            | Self::OutOfMemory
            | Self::TooManyConnections
            | Self::LimitReached
            | Self::Starting
            | Self::DatabaseDropped
            | Self::LoginRefused
            | Self::Tls(_)
            | Self::UnknownDatabase
            | Self::NotPermitted
            | Self::SchemaMissing
            | Self::NoTransactionIds
            | Self::StorageDamaged => Persistence::Lasting,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.state())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use strum::IntoEnumIterator as _;

    use super::*;

    #[test]
    fn every_condition_has_its_own_state_and_advice() {
        let others = Condition::iter().filter(|condition| !matches!(condition, Condition::Tls(_)));
        let conditions: Vec<Condition> =
            others.chain(TlsFault::iter().map(Condition::Tls)).collect();
        let states: HashSet<&str> = conditions
            .iter()
            .map(|condition| condition.state())
            .collect();
        assert_eq!(states.len(), conditions.len());
        for condition in conditions {
            let words = [condition.state(), condition.advice()];
            assert!(
                words.iter().all(|words| !words.contains("bug")),
                "{words:?}"
            );
            assert!(words.iter().all(|words| !words.ends_with('.')), "{words:?}");
        }
    }
}

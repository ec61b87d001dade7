//! Classification of PostgreSQL's SQLSTATE codes. Every class has an entry
//! (PostgreSQL's manual, appendix "Error Codes").
//!
//! | meaning | store error | response to the caller |
//! |---|---|---|
//! | [`Meaning::Outage`] | `Unavailable` | UNAVAILABLE / STORE_UNAVAILABLE with `RetryInfo` |
//! | [`Meaning::Refusal`] | `Refused` with a condition | the same; not retried here |
//! | [`Meaning::Conflict`] | `Conflict` | retried, then ABORTED / CONFLICT with `RetryInfo` |
//! | [`Meaning::StalePlan`] | `Unavailable` | prepared again and retried, then as an outage |
//! | [`Meaning::Bug`] | `Refused` | INTERNAL |

use tokio_postgres::{error::DbError, types::WrongType};

use super::Condition::{
    self, ConnectionEnded, Crashed, DatabaseDropped, DiskFull, IdleTimeout, InternalError,
    LimitReached, LockTimeout, LoginRefused, NoTransactionIds, NotPermitted, OutOfMemory, ReadOnly,
    SchemaMissing, Starting, StatementCancelled, StatementTimeout, StorageDamaged,
    TooManyConnections, UnknownDatabase, Unreachable,
};
use super::tls_faults;

/// Classification of a PostgreSQL error by its consequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The database cannot serve now; the caller may retry later.
    Outage(Condition),
    /// The statement is rejected until an operator changes privileges or schema.
    Refusal(Condition),
    /// Conflict with another transaction; a retry may succeed.
    Conflict,
    /// A prepared statement no longer exists, or its result columns changed; it must
    /// be prepared again.
    StalePlan,
    /// The statement is invalid: a bug of this program.
    Bug,
}

use Meaning::{Bug, Conflict, Outage, Refusal, StalePlan};

/// Meanings of single codes; these take precedence over their class.
const CODES: [(&str, Meaning); 37] = [
    // feature_not_supported: "cached plan must not change result type".
    ("0A000", StalePlan),
    // invalid_role_specification.
    ("0P000", Refusal(NotPermitted)),
    ("25006", Outage(ReadOnly)),
    ("25P03", Outage(IdleTimeout)),
    ("25P04", Outage(IdleTimeout)),
    // invalid_sql_statement_name: the prepared statement does not exist.
    ("26000", StalePlan),
    // serialization_failure, deadlock_detected.
    ("40001", Conflict),
    ("40P01", Conflict),
    // statement_completion_unknown.
    ("40003", Outage(Unreachable)),
    ("42501", Refusal(NotPermitted)),
    // undefined_table, undefined_column, undefined_function, undefined_object.
    ("42P01", Refusal(SchemaMissing)),
    ("42703", Refusal(SchemaMissing)),
    ("42883", Refusal(SchemaMissing)),
    ("42704", Refusal(SchemaMissing)),
    ("53000", Outage(LimitReached)),
    ("53100", Outage(DiskFull)),
    ("53200", Outage(OutOfMemory)),
    ("53300", Outage(TooManyConnections)),
    ("53400", Outage(LimitReached)),
    // object_in_use, cant_change_runtime_param, lock_not_available.
    ("55006", Outage(LockTimeout)),
    ("55P02", Outage(LimitReached)),
    ("55P03", Outage(LockTimeout)),
    ("57014", Outage(StatementCancelled)),
    ("57P01", Outage(ConnectionEnded)),
    ("57P02", Outage(Crashed)),
    ("57P03", Outage(Starting)),
    ("57P04", Outage(DatabaseDropped)),
    ("57P05", Outage(IdleTimeout)),
    // snapshot_too_old, of PostgreSQL 16 and before.
    ("72000", Conflict),
    ("XX000", Outage(InternalError)),
    ("XX001", Outage(StorageDamaged)),
    ("XX002", Outage(StorageDamaged)),
    ("3D000", Outage(UnknownDatabase)),
    ("3F000", Refusal(SchemaMissing)),
    ("28000", Outage(LoginRefused)),
    ("28P01", Outage(LoginRefused)),
    // protocol_violation: caused by the network or a pooler, like its class.
    ("08P01", Outage(Unreachable)),
];

/// Meanings of classes, for codes without an entry of their own.
const CLASSES: [(&str, Meaning); 43] = [
    // Success, warning, no data: never returned as errors.
    ("00", Bug),
    ("01", Bug),
    ("02", Bug),
    // SQL statement not yet complete.
    ("03", Bug),
    ("08", Outage(Unreachable)),
    // Triggered action, feature not supported, invalid transaction initiation,
    // locator, grantor, role.
    ("09", Bug),
    ("0A", Bug),
    ("0B", Bug),
    ("0F", Bug),
    ("0L", Bug),
    ("0P", Bug),
    ("0Z", Bug),
    ("10", Bug),
    ("20", Bug),
    // Cardinality, data exceptions, integrity constraints: our validation should
    // have rejected the request before.
    ("21", Bug),
    ("22", Bug),
    ("23", Bug),
    // Invalid cursor or transaction state, statement name, triggered data change.
    ("24", Bug),
    ("25", Bug),
    ("26", StalePlan),
    ("27", Bug),
    ("28", Outage(LoginRefused)),
    // Dependent privileges, transaction termination, SQL routine, cursor name.
    ("2B", Bug),
    ("2D", Bug),
    ("2F", Bug),
    ("34", Bug),
    // External routines, savepoints.
    ("38", Bug),
    ("39", Bug),
    ("3B", Bug),
    ("3D", Outage(UnknownDatabase)),
    ("3F", Refusal(SchemaMissing)),
    // transaction_rollback for another reason, such as a deferred constraint.
    ("40", Bug),
    // Syntax error or access rule violation, WITH CHECK OPTION.
    ("42", Bug),
    ("44", Bug),
    ("53", Outage(LimitReached)),
    // Program limit exceeded: one of our statements is too large.
    ("54", Bug),
    ("55", Bug),
    ("57", Outage(StatementCancelled)),
    ("58", Outage(StorageDamaged)),
    // A configuration file that PostgreSQL cannot read, a foreign data wrapper.
    ("F0", Outage(InternalError)),
    ("HV", Bug),
    // PL/pgSQL: raised by one of our triggers.
    ("P0", Bug),
    ("XX", Outage(InternalError)),
];

/// Returns the meaning of a failed statement's error.
pub(super) fn meaning(error: &tokio_postgres::Error) -> Meaning {
    match error.as_db_error() {
        Some(error) => of_code(error.code().code(), &Origin::of(error)),
        None if is_type_mismatch(error) => Bug,
        None => Outage(tls_faults::of(error).map_or(Unreachable, Condition::Tls)),
    }
}

/// Origin of an error, which distinguishes errors that share a code. Only `message`
/// depends on the server's language.
#[derive(Clone, Copy, Debug, Default)]
struct Origin<'e> {
    /// PostgreSQL source function that raised the error.
    routine: &'e str,
    message: &'e str,
}

impl<'e> Origin<'e> {
    fn of(error: &'e DbError) -> Self {
        Self {
            routine: error.routine().unwrap_or_default(),
            message: error.message(),
        }
    }
}

fn of_code(code: &str, origin: &Origin<'_>) -> Meaning {
    match (code, origin.routine) {
        ("54000", "GetNewTransactionId" | "GetNewMultiXactId") => {
            return Outage(NoTransactionIds);
        }
        ("0A000", "" | "RevalidateCachedQuery") => return StalePlan,
        // 42501 here is raised by one of our triggers, against a statement of ours.
        ("0A000", _) | ("42501", "exec_stmt_raise") => return Bug,
        // A trigger compiled earlier in the session uses a column's former type.
        ("42804", routine) if routine.starts_with("plpgsql_param_eval") => return StalePlan,
        ("57014", _) if origin.message.contains("statement timeout") => {
            return Outage(StatementTimeout);
        }
        _ => {}
    }
    let of = |table: &[(&str, Meaning)], key: &str| {
        let found = table.iter().find(|(listed, _)| *listed == key);
        found.map(|(_, meaning)| *meaning)
    };
    let class = code.get(..2).unwrap_or_default();
    of(&CODES, code)
        .or_else(|| of(&CLASSES, class))
        .unwrap_or(Bug)
}

/// True if the client rejected a parameter or column because its Rust type does not
/// match the type in the statement.
fn is_type_mismatch(error: &tokio_postgres::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(<dyn std::error::Error>::is::<WrongType>)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// All classes of PostgreSQL's manual, appendix "Error Codes".
    const ALL_CLASSES: &str = "00 01 02 03 08 09 0A 0B 0F 0L 0P 0Z 10 20 21 22 23 24 25 26 27 28 \
                               2B 2D 2F 34 38 39 3B 3D 3F 40 42 44 53 54 55 57 58 F0 HV P0 XX";

    fn raised(code: &str, routine: &str, message: &str) -> Meaning {
        of_code(code, &Origin { routine, message })
    }

    #[test]
    fn every_class_has_exactly_one_meaning() {
        let listed: Vec<&str> = CLASSES.iter().map(|(class, _)| *class).collect();
        let all: Vec<&str> = ALL_CLASSES.split(' ').collect();
        assert_eq!(listed, all);
        let codes: HashSet<&str> = CODES.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes.len(), CODES.len());
        assert!(codes.iter().all(|code| code.len() == 5));
    }

    #[test]
    fn codes_take_precedence_over_their_class() {
        // Code, expected meaning.
        let cases = [
            ("25006", Outage(ReadOnly)),
            ("25001", Bug),
            ("53100", Outage(DiskFull)),
            ("53999", Outage(LimitReached)),
            ("57014", Outage(StatementCancelled)),
            ("57P01", Outage(ConnectionEnded)),
            ("40001", Conflict),
            ("40002", Bug),
            ("42501", Refusal(NotPermitted)),
            ("42601", Bug),
            ("26000", StalePlan),
            ("99999", Bug),
        ];
        for (code, expected) in cases {
            assert_eq!(raised(code, "", ""), expected, "{code}");
        }
    }

    #[test]
    fn errors_that_share_a_code_are_distinguished() {
        // Code, PostgreSQL source function, message, expected meaning.
        let cases = [
            ("0A000", "RevalidateCachedQuery", "", StalePlan),
            ("0A000", "transformExprRecurse", "", Bug),
            ("42501", "aclcheck_error", "", Refusal(NotPermitted)),
            ("42501", "exec_stmt_raise", "", Bug),
            ("42804", "plpgsql_param_eval_recfield", "", StalePlan),
            ("42804", "checkInsertTargets", "", Bug),
            ("54000", "GetNewTransactionId", "", Outage(NoTransactionIds)),
            ("54000", "index_form_tuple", "", Bug),
            (
                "57014",
                "ProcessInterrupts",
                "canceling statement due to statement timeout",
                Outage(StatementTimeout),
            ),
            (
                "57014",
                "ProcessInterrupts",
                "canceling statement due to user request",
                Outage(StatementCancelled),
            ),
        ];
        for (code, routine, message, expected) in cases {
            assert_eq!(raised(code, routine, message), expected, "{code} {routine}");
        }
    }
}

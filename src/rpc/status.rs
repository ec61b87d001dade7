//! Converts failures to a status (`api.md`, "Errors"): its code, the `google.rpc`
//! details, and one log line for what an operator should know. No other module
//! does. Causes are not exposed.

use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{
    cache::CacheError,
    domain::{self, MissingRight},
    pb::ErrorReason,
    store::{ChangePlace, StoreError},
    telemetry::metrics as meter,
};

use super::{
    caller_rate::CallerRate,
    failure::{Failure, InvalidField},
};

mod admin;

/// `ErrorInfo.domain` of every error.
const DOMAIN: &str = "pim.authz";

/// Retry delay of a call that is rejected as unavailable or overloaded.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Retry delay of a write that conflicted with others.
const RETRY_CONFLICT_AFTER: Duration = Duration::from_millis(100);

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let message = failure.to_string();
        match failure {
            Failure::Invalid(invalid) => of_invalid(invalid),
            Failure::TooManyEntries { field, found, most } => too_many(field, found, most, message),
            Failure::TooMuchMetadata { found, most } => too_many("metadata", found, most, message),
            Failure::CallerUnknown(_) => caller_unknown(message),
            Failure::NoIssuerKeys => {
                Answer::unavailable(ErrorReason::CallerUnknown, message).status()
            }
            Failure::CallerNotPermitted(missing) => caller_not_permitted(missing, None, message),
            Failure::RateLimited { caller, rate, wait } => {
                rate_limited(&caller, rate, wait, message)
            }
            Failure::TenantNotFound(code) => tenant_not_found(&code, message),
            Failure::WatchTooSlow { after } => watch_too_slow(after, message),
            Failure::TooManyWatchers { most, of_tenant } => {
                let metadata = [("most", most), ("most_of_tenant", of_tenant)];
                let metadata = metadata.map(|(key, value)| (key, value.to_string()));
                overloaded(metadata.into(), message)
            }
            Failure::TooHeavy { bytes, most } => {
                let metadata = vec![("bytes", bytes.to_string()), ("most", most.to_string())];
                overloaded(metadata, message)
            }
            Failure::DeadlinePassed => deadline_passed(message),
            Failure::NoRandomness => internal(&failure),
            Failure::Starting => {
                Answer::unavailable(ErrorReason::StoreUnavailable, message).status()
            }
            Failure::ShuttingDown => {
                Answer::unavailable(ErrorReason::ShuttingDown, message).status()
            }
            Failure::PermissionNotFound { field, permission } => {
                permission_not_found(field, permission, message)
            }
            Failure::Store(error) => of_store(&error),
            Failure::Cache(error) => of_cache(&error),
            Failure::Admin(error) => admin::of_admin(error),
            Failure::ImportRefused { rows } => import_refused(rows, message),
        }
    }
}

/// Returns the status of an import that was rejected whole because of some rows.
fn import_refused(rows: u64, message: String) -> Status {
    let details = ErrorDetails::with_bad_request_violation("piece.content", &message);
    Answer::new(Code::InvalidArgument, ErrorReason::ImportRefused, message)
        .about([("rows", rows.to_string())])
        .with(details)
        .status()
}

/// Returns the status of a request with too many entries in a field.
#[must_use]
pub fn too_many_entries(field: &'static str, found: usize, most: usize) -> Status {
    Failure::TooManyEntries { field, found, most }.into()
}

fn too_many(field: &str, found: usize, most: usize, message: String) -> Status {
    Answer::exhausted(ErrorReason::TooManyEntries, message)
        .about([
            ("field", field.to_owned()),
            ("found", found.to_string()),
            ("most", most.to_string()),
        ])
        .status()
}

/// Returns the status of a call whose credentials identify no caller.
fn caller_unknown(message: String) -> Status {
    Answer::new(Code::Unauthenticated, ErrorReason::CallerUnknown, message).status()
}

/// Returns the status of a call that its caller may not make. `field`: the
/// request field that would grant the missing right, if there is one.
fn caller_not_permitted(missing: MissingRight, field: Option<String>, message: String) -> Status {
    let tenants = match missing {
        MissingRight::Right(_) => None,
        MissingRight::OnAllTenants(_) => Some(("tenants", "all".to_owned())),
    };
    let field = field.filter(|field| !field.is_empty());
    let field = field.map(|field| ("field", field));
    let right = [("right", missing.right().to_string())];
    Answer::new(
        Code::PermissionDenied,
        ErrorReason::CallerNotPermitted,
        message,
    )
    .about(right.into_iter().chain(tenants).chain(field))
    .status()
}

fn watch_too_slow(after: ChangePlace, message: String) -> Status {
    Answer::exhausted(ErrorReason::WatchTooSlow, message)
        .about([
            ("after_revision", after.revision.to_string()),
            ("after_part", after.part.to_string()),
        ])
        .status()
}

/// Returns the status of a call rejected because of too much load; `metadata`
/// gives the limits.
fn overloaded(metadata: Vec<(&'static str, String)>, message: String) -> Status {
    Answer::exhausted(ErrorReason::Overloaded, message)
        .about(metadata)
        .with(ErrorDetails::with_retry_info(Some(RETRY_AFTER)))
        .status()
}

/// Returns the status of a call that exceeds its caller's rate.
fn rate_limited(
    caller: &domain::Code,
    rate: CallerRate,
    wait: Duration,
    message: String,
) -> Status {
    Answer::exhausted(ErrorReason::RateLimited, message)
        .about([
            ("caller", caller.to_string()),
            ("calls_per_second", rate.calls_per_second.to_string()),
            ("burst", rate.burst.to_string()),
        ])
        .with(ErrorDetails::with_retry_info(Some(wait)))
        .status()
}

fn permission_not_found(field: String, permission: String, message: String) -> Status {
    let details = ErrorDetails::with_resource_info("permission", &permission, "", &message);
    Answer::new(Code::NotFound, ErrorReason::PermissionNotFound, message)
        .about([("field", field), ("permission", permission)])
        .with(details)
        .status()
}

/// Returns the status of a request one of whose fields or headers is refused; `""`: the
/// whole message.
#[must_use]
pub fn invalid_field(field: &str, message: &str) -> Status {
    of_invalid(InvalidField::new(field, message))
}

/// Returns the status of a message that is too large.
#[must_use]
pub fn too_large() -> Status {
    let message = "the message is too large; send less in one request".to_owned();
    Answer::exhausted(ErrorReason::TooManyEntries, message).status()
}

/// Returns the status of a request for what this service does not do.
#[must_use]
pub fn unimplemented(message: &str) -> Status {
    Status::unimplemented(message)
}

/// Returns the status of a call that failed by a bug of this service, which is logged.
pub fn broken(what: &str, cause: &dyn std::fmt::Display) -> Status {
    tracing::error!(cause = %cause, "{what}, a bug of the service");
    internal_status()
}

/// Converts the error of reading a stream's message. The status of tonic itself
/// for an undecodable message is replaced by one with this service's codes and
/// details.
pub(super) fn of_message(status: Status) -> Status {
    let has_details = !status.details().is_empty();
    let known = (!has_details).then(|| of_unreadable(&status)).flatten();
    known.unwrap_or(status)
}

/// Converts a status of tonic for a message it could not decode to this service's
/// codes and details. `None`: it is another status.
pub(super) fn of_unreadable(status: &Status) -> Option<Status> {
    // tonic reports a message that does not parse as INTERNAL, but it is the
    // caller's error.
    if status.code() == Code::Internal {
        let message = "the message does not parse as this call's request";
        return Some(of_invalid(InvalidField::new("", message)));
    }
    // The second code is for a message that is too large only once decompressed.
    [Code::OutOfRange, Code::ResourceExhausted]
        .contains(&status.code())
        .then(too_large)
}

/// Renders the error of one item of a batch, which continues without it.
pub(super) fn item_status(invalid: InvalidField) -> tonic_types::Status {
    let status = of_invalid(invalid);
    // The details already contain the code and the message, since they travel in
    // the header of a failed call.
    <tonic_types::Status as prost::Message>::decode(status.details()).unwrap_or_else(|_| {
        tonic_types::Status {
            code: status.code().into(),
            message: status.message().to_owned(),
            details: Vec::new(),
        }
    })
}

fn of_invalid(invalid: InvalidField) -> Status {
    let message = match invalid.path.as_str() {
        "" => invalid.message.clone(),
        _ => invalid.to_string(),
    };
    let details = ErrorDetails::with_bad_request_violation(&invalid.path, invalid.message);
    Answer::new(Code::InvalidArgument, ErrorReason::InvalidRequest, message)
        .about([("field", invalid.path)])
        .with(details)
        .status()
}

fn of_cache(error: &CacheError) -> Status {
    let message = error.to_string();
    match error {
        CacheError::LeaseLost => Answer::unavailable(ErrorReason::LeaseLost, message).status(),
        CacheError::Store(error) => of_store(error),
        CacheError::InUse => conflict(message),
        CacheError::Overloaded => overloaded(Vec::new(), message),
        CacheError::RevisionNotReached { wanted, found } => {
            Answer::new(Code::DeadlineExceeded, ErrorReason::Deadline, message)
                .about([
                    ("minimum_revision", wanted.to_string()),
                    ("revision", found.to_string()),
                ])
                .status()
        }
    }
}

fn of_store(error: &StoreError) -> Status {
    match error {
        StoreError::Unavailable(_) => store_unavailable(error),
        StoreError::TenantLocked { .. } => {
            tracing::warn!(%error, "a write waited in vain for other writes");
            Answer::unavailable(ErrorReason::StoreUnavailable, error.to_string()).status()
        }
        StoreError::Conflict(_) => conflict(format!("{error}; retry")),
        StoreError::OutcomeUnknown(_) => {
            tracing::warn!(error = %with_causes(error), "a commit was not answered");
            outcome_unknown(&error.to_string())
        }
        // Privileges or tables are missing, which an operator must fix.
        StoreError::Refused { .. } if error.condition().is_some() => store_unavailable(error),
        StoreError::InvalidUrl(_)
        | StoreError::InvalidTls(_)
        | StoreError::CorruptRow { .. }
        | StoreError::UnknownSchema { .. }
        | StoreError::NotAMember { .. }
        | StoreError::TransactionPooler { .. }
        | StoreError::Migration(_)
        | StoreError::Refused { .. } => internal(error),
    }
}

/// Returns the status of an unavailable database. The state of the database was
/// logged by the store, once for all calls.
fn store_unavailable(error: &StoreError) -> Status {
    tracing::debug!(error = %with_causes(error), "the database did not serve a call");
    let message = "the database is unavailable; retry with backoff".to_owned();
    Answer::unavailable(ErrorReason::StoreUnavailable, message).status()
}

fn tenant_not_found(tenant: &domain::Code, message: String) -> Status {
    let details = ErrorDetails::with_resource_info("tenant", tenant.as_str(), "", &message);
    Answer::new(Code::NotFound, ErrorReason::TenantNotFound, message)
        .about([("tenant", tenant.to_string())])
        .with(details)
        .status()
}

fn deadline_passed(message: String) -> Status {
    Answer::new(Code::DeadlineExceeded, ErrorReason::Deadline, message).status()
}

fn conflict(message: String) -> Status {
    Answer::new(Code::Aborted, ErrorReason::Conflict, message)
        .with(ErrorDetails::with_retry_info(Some(RETRY_CONFLICT_AFTER)))
        .status()
}

fn outcome_unknown(message: &str) -> Status {
    let message = format!("{message}; retry with the same idempotency key");
    Answer::new(Code::Unknown, ErrorReason::OutcomeUnknown, message).status()
}

/// Returns the status of an internal error, whose causes are only logged.
pub(super) fn internal(error: &(dyn std::error::Error + 'static)) -> Status {
    tracing::error!(error = %with_causes(error), "a call failed by a bug of the service");
    internal_status()
}

fn internal_status() -> Status {
    let message = "internal error".to_owned();
    Answer::new(Code::Internal, ErrorReason::Internal, message).status()
}

/// Renders an error and its causes in one line for the log.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let words: Vec<String> = causes.map(ToString::to_string).collect();
    words.join(": ")
}

/// Builder of a status.
struct Answer {
    code: Code,
    reason: ErrorReason,
    message: String,
    metadata: HashMap<String, String>,
    details: ErrorDetails,
}

impl Answer {
    fn new(code: Code, reason: ErrorReason, message: String) -> Self {
        Self {
            code,
            reason,
            message,
            metadata: HashMap::new(),
            details: ErrorDetails::new(),
        }
    }

    fn exhausted(reason: ErrorReason, message: String) -> Self {
        Self::new(Code::ResourceExhausted, reason, message)
    }

    fn unavailable(reason: ErrorReason, message: String) -> Self {
        let details = ErrorDetails::with_retry_info(Some(RETRY_AFTER));
        Self::new(Code::Unavailable, reason, message).with(details)
    }

    /// Sets the changing parts of the message.
    fn about(mut self, metadata: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        self.metadata.extend(
            metadata
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value)),
        );
        self
    }

    /// Sets the details besides the reason.
    fn with(mut self, details: ErrorDetails) -> Self {
        self.details = details;
        self
    }

    fn status(mut self) -> Status {
        let reason = reason_name(self.reason);
        meter::count_refusal(reason);
        self.details.set_error_info(reason, DOMAIN, self.metadata);
        Status::with_error_details(self.code, self.message, self.details)
    }
}

/// Returns the name sent in the response: the contract's name without its prefix.
fn reason_name(reason: ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("ERROR_REASON_").unwrap_or(name)
}

#[cfg(test)]
mod tests;

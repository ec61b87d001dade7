use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Serialize;
use tonic_types::StatusExt as _;

use super::counted::counted;
use crate::tls::PemFileError;

/// The reason why a command exits with status 2.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// `--server` is not a URL.
    #[error("`{0}` is no address of a server; write http://HOST:PORT")]
    Address(String),
    /// `--server` is a URL with another scheme.
    #[error("`{0}` is neither an http:// nor an https:// address")]
    Scheme(String),
    /// TLS options are set, but the URL is an `http://` one.
    #[error(
        "`{0}` is an http:// address, and an option of TLS (`--tls-ca`, `--tls-cert`, `--tls-key`) \
         is set; write https:// for `--server`, or leave the options out"
    )]
    PlainAddress(String),
    /// A TLS file cannot be read, or contains no valid certificate or key.
    #[error(transparent)]
    TlsFile(#[from] PemFileError),
    /// The TLS files do not match each other.
    #[error(
        "`--tls-ca`, `--tls-cert` and `--tls-key` cannot be used ({0}); let the first name CAs, the \
         others a certificate and its own key"
    )]
    Tls(String),
    /// The certificate of the server is not trusted.
    #[error(
        "the server at {url} is not trusted: {cause}; let `--tls-ca` name the CA of its \
         certificate, and `--server` a host that the certificate names"
    )]
    Untrusted {
        /// URL of the server.
        url: String,
        /// Why its certificate was rejected.
        cause: String,
    },
    /// The server is unreachable.
    #[error("cannot reach the server at {url}: {cause}; is `pim-authz serve` running there?")]
    Unreachable {
        /// URL of the server.
        url: String,
        /// Cause of the failure.
        cause: String,
    },
    /// The file of `--token-file` contains no token.
    #[error("`{0}` (--token-file) holds no token; it is one word, such as a key `pimauthz_…`")]
    NoToken(PathBuf),
    /// A word is not one of the allowed values.
    #[error("`{word}` is no {what}; allowed are: {allowed}")]
    Word {
        /// What the word should name.
        what: &'static str,
        /// The rejected word.
        word: String,
        /// The allowed values.
        allowed: &'static str,
    },
    /// `--confirm` does not repeat the code of the tenant to delete.
    #[error("`--confirm {confirmed}` is not the tenant `{tenant}`; nothing was deleted")]
    NotConfirmed {
        /// Code of the tenant.
        tenant: String,
        /// Value of `--confirm`.
        confirmed: String,
    },
    /// An option that requires a resource was given without one.
    #[error("{0} needs a RESOURCE")]
    NeedsResource(&'static str),
    /// A line of the demonstration is not a `check` command.
    #[error("`{0}` is no question")]
    Line(String),
    /// The directory to import contains no CSV files.
    #[error("no CSV files in `{0}`")]
    NoFiles(PathBuf),
    /// A file could not be read or written.
    #[error("cannot {what} `{path}`: {cause}")]
    File {
        /// The operation that failed: `read` or `write`.
        what: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// Cause of the failure.
        cause: io::Error,
    },
    /// The server rejected the call, or failed.
    #[error("{0}")]
    Refused(Refusal),
    /// The server ended an import without a summary.
    #[error("the server ended the import without a summary; whether it was applied is not known")]
    NoSummary,
    /// A list broke off after rows of it were printed.
    #[error("the list is not whole, it broke off after {}: {cause}", counted(*.rows, "row"))]
    NotWhole {
        /// Number of rows printed.
        rows: usize,
        /// Cause of the interruption.
        cause: Box<CliError>,
    },
    /// A stream ended without its end message.
    #[error("the server ended the list without confirming that it is complete")]
    NoEnd,
    /// The number of resources received differs from the number sent.
    #[error("the server sent {sent} resources, of which {arrived} arrived")]
    Lost {
        /// Number of resources sent, according to the server.
        sent: u64,
        /// Number of resources received.
        arrived: u64,
    },
    /// The server sent nothing within the timeout.
    #[error("the server has sent nothing for {} seconds", .0.as_secs())]
    Silent(Duration),
    /// Writing to standard output failed.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
}

/// The status of a call that a server rejected or that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The canonical code: `INVALID_ARGUMENT`.
    pub code: &'static str,
    /// The reason of `api.md`, "Errors": `TENANT_NOT_FOUND`; empty if the server
    /// sent none.
    pub reason: String,
    /// One sentence for people.
    pub message: String,
    /// The invalid fields of the request.
    pub fields: Vec<FieldProblem>,
}

/// A violation in one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldProblem {
    /// Path of the field: `resource.type`.
    pub field: String,
    /// The violation, and the allowed values.
    pub message: String,
}

impl CliError {
    /// Returns the error of a file that cannot be read or written; `what` names the
    /// operation that failed.
    pub(super) fn file(what: &'static str, path: &Path) -> impl Fn(io::Error) -> Self + Copy {
        move |cause| Self::File {
            what,
            path: path.to_owned(),
            cause,
        }
    }
}

impl From<tonic::Status> for CliError {
    fn from(status: tonic::Status) -> Self {
        Self::Refused(Refusal::parse(&status))
    }
}

impl Refusal {
    /// Parses a status and its details.
    #[must_use]
    pub fn parse(status: &tonic::Status) -> Self {
        let details = status.get_error_details();
        let violations = details
            .bad_request()
            .map(|bad| bad.field_violations.as_slice());
        Self {
            code: code_name(status.code()),
            reason: details
                .error_info()
                .map_or_else(String::new, |info| info.reason.clone()),
            message: match status.message() {
                "" => status.code().description().to_owned(),
                message => message.to_owned(),
            },
            fields: violations
                .unwrap_or_default()
                .iter()
                .map(|violation| FieldProblem {
                    field: violation.field.clone(),
                    message: violation.description.clone(),
                })
                .collect(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.reason.is_empty() {
            write!(f, " ({})", self.code)?;
        } else {
            write!(f, " ({}, {})", self.code, self.reason)?;
        }
        let is_new = |problem: &&FieldProblem| !self.message.contains(&problem.message);
        for problem in self.fields.iter().filter(is_new) {
            write!(f, "\n  {}: {}", problem.field, problem.message)?;
        }
        Ok(())
    }
}

fn code_name(code: tonic::Code) -> &'static str {
    use tonic::Code;
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::ErrorDetails;

    #[test]
    fn refusal_shows_code_reason_and_fields() {
        let mut details = ErrorDetails::with_error_info(
            "INVALID_REQUEST",
            "pim.authz",
            std::collections::HashMap::new(),
        );
        details.add_bad_request_violation("subject.type", "`person` is not a type");
        let status = tonic::Status::with_error_details(
            tonic::Code::InvalidArgument,
            "the request is not valid",
            details,
        );
        assert_eq!(
            CliError::from(status).to_string(),
            "the request is not valid (INVALID_ARGUMENT, INVALID_REQUEST)\n  \
             subject.type: `person` is not a type"
        );
    }

    #[test]
    fn field_problem_in_the_message_is_not_repeated() {
        let refusal = Refusal {
            code: "INVALID_ARGUMENT",
            reason: "INVALID_REQUEST".to_owned(),
            message: "action: is empty".to_owned(),
            fields: vec![FieldProblem {
                field: "action".to_owned(),
                message: "is empty".to_owned(),
            }],
        };
        assert_eq!(
            refusal.to_string(),
            "action: is empty (INVALID_ARGUMENT, INVALID_REQUEST)"
        );
    }

    #[test]
    fn status_without_details_shows_its_code() {
        let status = tonic::Status::unavailable("no");
        assert_eq!(Refusal::parse(&status).to_string(), "no (UNAVAILABLE)");
    }
}

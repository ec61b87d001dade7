use std::{fmt, io, path::PathBuf, time::Duration};

use serde::Serialize;
use tonic_types::StatusExt as _;

use super::report::counted;
use crate::tls::PemFileError;

/// Why a command ends with status 2.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// `--server` is no URL.
    #[error("`{0}` is no address of a server; write http://HOST:PORT")]
    Address(String),
    /// `--server` is a URL of another kind.
    #[error("`{0}` is neither an http:// nor an https:// address")]
    Scheme(String),
    /// Settings of TLS without TLS.
    #[error(
        "`{0}` is an http:// address, and an option of TLS (`--tls-ca`, `--tls-cert`, `--tls-key`) \
         is set; write https:// for `--server`, or leave the options out"
    )]
    PlainAddress(String),
    /// A file of TLS gives no certificate or key.
    #[error(transparent)]
    TlsFile(#[from] PemFileError),
    /// The files of TLS do not fit together.
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
        /// Where it was looked for.
        url: String,
        /// What is wrong with its certificate.
        cause: String,
    },
    /// Nobody answers.
    #[error("cannot reach the server at {url}: {cause}; is `pim-authz serve` running there?")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// Why it cannot be reached.
        cause: String,
    },
    /// The file of `--token-file` holds none.
    #[error("`{0}` (--token-file) holds no token; it is one word, such as a key `pimauthz_…`")]
    NoToken(PathBuf),
    /// A word that is none of those allowed.
    #[error("`{word}` is no {what}; allowed are: {allowed}")]
    Word {
        /// What it would be.
        what: &'static str,
        /// The word.
        word: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A tenant is deleted only when its code is said twice.
    #[error("`--confirm {confirmed}` is not the tenant `{tenant}`; nothing was deleted")]
    NotConfirmed {
        /// The tenant.
        tenant: String,
        /// What was said.
        confirmed: String,
    },
    /// An option was given that only makes sense with a resource.
    #[error("{0} needs a RESOURCE")]
    NeedsResource(&'static str),
    /// A line of the demonstration is no `check`.
    #[error("`{0}` is no question")]
    Line(String),
    /// There is nothing to import.
    #[error("no CSV files in `{0}`")]
    NoFiles(PathBuf),
    /// A file could not be read or written.
    #[error("cannot {what} `{path}`: {cause}")]
    File {
        /// What was tried: `read` or `write`.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        cause: io::Error,
    },
    /// The server refused, or failed.
    #[error("{0}")]
    Refused(Refusal),
    /// The server ended an import without a word about it.
    #[error("the server ended the import without a summary; whether it was applied is not known")]
    NoSummary,
    /// A list broke off after rows of it were printed.
    #[error("the list is not whole, it broke off after {}: {cause}", counted(*.rows, "row"))]
    NotWhole {
        /// How many rows were printed.
        rows: usize,
        /// Why it broke off.
        cause: Box<CliError>,
    },
    /// A stream ended without its last word.
    #[error("the server ended the list without saying that it is whole")]
    NoEnd,
    /// A stream lost something on its way.
    #[error("the server sent {sent} resources, of which {arrived} arrived")]
    Lost {
        /// How many the server counted.
        sent: u64,
        /// How many there are here.
        arrived: u64,
    },
    /// The server is there and says nothing.
    #[error("the server has said nothing for {} seconds", .0.as_secs())]
    Silent(Duration),
    /// Standard output takes nothing.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
}

/// What a server says when it refuses a call or fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The canonical code: `INVALID_ARGUMENT`.
    pub code: &'static str,
    /// The reason of `api.md`, "Errors": `TENANT_NOT_FOUND`; empty where the
    /// server gave none.
    pub reason: String,
    /// One sentence for people.
    pub message: String,
    /// Which fields of the request were wrong.
    pub fields: Vec<FieldProblem>,
}

/// What was wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldProblem {
    /// The field's path: `resource.type`.
    pub field: String,
    /// What was wrong, and what is allowed.
    pub message: String,
}

impl From<tonic::Status> for CliError {
    fn from(status: tonic::Status) -> Self {
        Self::Refused(Refusal::parse(&status))
    }
}

impl Refusal {
    /// Reads a status and its details.
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
        let told = |problem: &&FieldProblem| !self.message.contains(&problem.message);
        for problem in self.fields.iter().filter(told) {
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
    fn a_refusal_is_told_with_code_reason_and_fields() {
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
    fn a_field_that_the_sentence_tells_of_is_not_told_twice() {
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
    fn a_status_without_details_is_told_by_its_code() {
        let status = tonic::Status::unavailable("no");
        assert_eq!(Refusal::parse(&status).to_string(), "no (UNAVAILABLE)");
    }
}

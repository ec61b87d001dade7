//! The members of answers.

use serde::Serialize;
use tonic::{Code, Status};

use crate::{http::grpc::http_status, pb};

/// The answer to one question.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    pub(super) decision: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Context>,
}

/// The `context` of an answer.
#[derive(Debug, Default, Serialize)]
struct Context {
    /// Why the question was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Refusal>,
    #[serde(flatten)]
    explanation: Option<Explanation>,
}

/// A refused question of several.
#[derive(Debug, Serialize)]
struct Refusal {
    /// The status of HTTP that it would have had alone.
    status: u16,
    message: String,
}

/// The explanation of a decision, on request: the fields of a `CheckResponse`.
#[derive(Debug, Serialize)]
struct Explanation {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edit_mode: Option<&'static str>,
    revision: String,
}

/// Why a question was denied.
#[derive(Debug, Serialize)]
struct Reason {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    needed: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<&'static str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    permission: String,
}

/// The item that decided.
#[derive(Debug, Serialize)]
struct Item {
    r#type: String,
    id: String,
}

impl Answer {
    /// Returns the answer of a check.
    pub(super) fn of_check(response: pb::CheckResponse, explain: bool) -> Self {
        let pb::CheckResponse {
            allowed,
            edit_mode,
            level,
            reason,
            revision,
        } = response;
        let decision = pb::Decision {
            allowed,
            edit_mode,
            level,
            reason,
        };
        Self::of_decision(decision, explain.then_some(revision))
    }

    /// Returns the answer of a decision; with its revision it is explained.
    pub(super) fn of_decision(decision: pb::Decision, explained: Option<u64>) -> Self {
        let allowed = decision.allowed;
        let context = explained.map(|revision| Context {
            error: None,
            explanation: Some(Explanation {
                level: level(decision.level()),
                edit_mode: match decision.edit_mode() {
                    pb::EditMode::Unspecified => None,
                    mode @ (pb::EditMode::Direct | pb::EditMode::Proposal) => {
                        Some(mode.as_str_name())
                    }
                },
                reason: decision.reason.map(Reason::of),
                revision: revision.to_string(),
            }),
        });
        Self {
            decision: allowed,
            context,
        }
    }

    /// Returns the answer to a question that names an unknown type or action.
    pub(super) fn of_refusal(status: &Status, explain: bool) -> Self {
        let context = explain.then(|| Context::refused(status.code(), status.message()));
        Self {
            decision: false,
            context,
        }
    }

    /// Returns the answer to a refused question of several.
    pub(super) fn of_error(code: Code, message: &str) -> Self {
        Self {
            decision: false,
            context: Some(Context::refused(code, message)),
        }
    }
}

impl Context {
    fn refused(code: Code, message: &str) -> Self {
        Self {
            error: Some(Refusal {
                status: http_status(code).as_u16(),
                message: message.to_owned(),
            }),
            explanation: None,
        }
    }
}

impl Reason {
    fn of(reason: pb::Reason) -> Self {
        Self {
            code: reason.code().as_str_name(),
            needed: level(reason.needed()),
            held: level(reason.held()),
            message: reason.message,
            item: reason.item.map(|item| Item {
                r#type: item.r#type,
                id: item.id,
            }),
            permission: reason.permission,
        }
    }
}

fn level(level: pb::Level) -> Option<&'static str> {
    (level != pb::Level::Unspecified).then(|| level.as_str_name())
}

//! What all calls by the Connect protocol have in common: their headers and errors.

use serde_json::{Map, Value, json};

use crate::schemas::reference;

/// The name of the schema of errors.
const ERROR: &str = "connect.Error";

/// The name of the schema of the details of errors.
const ERROR_DETAIL: &str = "connect.ErrorDetail";

/// The codes of errors.
const CODES: [&str; 16] = [
    "canceled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
];

/// What the description of a call with a stream of responses ends with.
pub(crate) const STREAMED: &str = "The request is one message, the response a stream of \
    messages. Each has a prefix of 5 bytes: a byte of flags, then four bytes with the length of \
    the message, big-endian. The last message of the response has flag 2: it is `{}`, or \
    `{\"error\": …}` with the error of the call. The status of HTTP is 200 in both cases.";

/// Returns the header parameters of calls, by name.
pub(crate) fn parameters() -> Value {
    json!({
        "Connect-Timeout-Ms": {
            "name": "Connect-Timeout-Ms",
            "in": "header",
            "description": "The time that the call may take, in milliseconds; absent: no limit \
                of the caller.",
            "schema": { "type": "integer", "minimum": 0, "maximum": 9_999_999_999_u64 },
        },
        "X-Request-ID": {
            "name": "X-Request-ID",
            "in": "header",
            "description": "Identifies the request in logs: visible ASCII characters. The \
                response repeats it.",
            "schema": { "type": "string", "maxLength": 128 },
        },
    })
}

/// Returns the reference to a parameter.
pub(crate) fn parameter(name: &str) -> Value {
    json!({ "$ref": format!("#/components/parameters/{name}") })
}

/// Returns the response of a call that fails.
pub(crate) fn error_response() -> Value {
    json!({
        "description": "The call failed. The status of HTTP corresponds to `code`.",
        "content": { "application/json": { "schema": reference(ERROR) } },
    })
}

/// Adds the schemas of errors.
pub(crate) fn add_schemas(schemas: &mut Map<String, Value>) {
    schemas.insert(ERROR.to_owned(), error());
    schemas.insert(ERROR_DETAIL.to_owned(), error_detail());
}

/// Returns the schema of an error.
fn error() -> Value {
    json!({
        "type": "object",
        "description": "An error of the Connect protocol.",
        "required": ["code", "message"],
        "properties": {
            "code": {
                "type": "string",
                "enum": CODES,
                "description": "The kind of error.",
            },
            "message": {
                "type": "string",
                "description": "What went wrong, for people; not meant to be parsed.",
            },
            "details": {
                "type": "array",
                "items": reference(ERROR_DETAIL),
                "description": "The details: `google.rpc.ErrorInfo` has the reason, \
                    `google.rpc.BadRequest` the invalid fields, `google.rpc.RetryInfo` the \
                    delay before a retry. Absent: none.",
            },
        },
    })
}

/// Returns the schema of a detail of an error.
fn error_detail() -> Value {
    json!({
        "type": "object",
        "description": "A detail of an error.",
        "required": ["type", "value"],
        "properties": {
            "type": {
                "type": "string",
                "description": "The full name of its message, such as `google.rpc.ErrorInfo`.",
            },
            "value": {
                "type": "string",
                "contentEncoding": "base64",
                "description": "The message in protobuf, as base64 without padding.",
            },
            "debug": {
                "type": "object",
                "description": "The message in JSON; absent: its type is unknown to the server.",
            },
        },
    })
}

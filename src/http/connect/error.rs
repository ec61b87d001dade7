use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;
use http_body_util::Full;
use prost::Message as _;
use serde::Serialize;
use serde_json::value::RawValue;
use tonic::{
    Code, Status,
    body::Body,
    codegen::http::{
        HeaderMap, HeaderValue, Response, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use tonic_types::StatusExt as _;

use crate::http::{contract, grpc::http_status, json};

/// An error in JSON.
#[derive(Debug, Serialize)]
pub(in crate::http) struct ConnectError {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Detail>,
    #[serde(skip)]
    status: StatusCode,
    /// Seconds until a retry makes sense.
    #[serde(skip)]
    retry_after_s: Option<u64>,
}

/// A detail of an error: a message of `google.rpc`.
#[derive(Debug, Serialize)]
struct Detail {
    #[serde(rename = "type")]
    name: String,
    /// The message in protobuf, as base64.
    value: String,
    /// The same in JSON, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    debug: Option<Box<RawValue>>,
}

/// The last message of a stream.
#[derive(Serialize)]
struct EndOfStream<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a ConnectError>,
}

impl ConnectError {
    /// Returns the error of a status.
    pub(in crate::http) fn of(status: &Status) -> Self {
        let retry = status.get_details_retry_info();
        let retry = retry.and_then(|retry| retry.retry_delay);
        Self {
            code: name(status.code()),
            message: status.message().to_owned(),
            details: details(status.details()),
            status: http_status(status.code()),
            retry_after_s: retry
                .map(|delay| delay.as_millis().div_ceil(1_000))
                .and_then(|seconds| u64::try_from(seconds).ok()),
        }
    }

    /// The same error with another status of HTTP.
    pub(in crate::http) fn with_http_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Returns the response, with these headers among others.
    pub(in crate::http) fn response(&self, headers: HeaderMap) -> Response<Body> {
        let json = serde_json::to_vec(self).unwrap_or_default();
        self.with_body(headers, "application/json", json)
    }

    /// Returns a response whose body is the message alone.
    pub(in crate::http) fn text_response(&self, headers: HeaderMap) -> Response<Body> {
        let text = self.message.clone().into_bytes();
        self.with_body(headers, "text/plain; charset=utf-8", text)
    }

    fn with_body(
        &self,
        mut headers: HeaderMap,
        content_type: &'static str,
        body: Vec<u8>,
    ) -> Response<Body> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"pim-authz\"");
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        let mut response = Response::new(Body::new(Full::new(Bytes::from(body))));
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }

    /// Returns the last message of a stream, without an error if it has ended well.
    pub(super) fn end_of_stream(&self) -> Bytes {
        let is_error = self.status != StatusCode::OK;
        let end = EndOfStream {
            error: is_error.then_some(self),
        };
        serde_json::to_vec(&end).unwrap_or_default().into()
    }
}

/// Reads the details of a status; those of unknown types have no JSON.
fn details(encoded: &[u8]) -> Vec<Detail> {
    let status = tonic_types::Status::decode(encoded).unwrap_or_default();
    let details = status.details.into_iter().map(|detail| {
        let name = detail.type_url.rsplit('/').next().unwrap_or_default();
        let debug = contract::message(name)
            .and_then(|message| json::to_json(&message, &detail.value).ok())
            .and_then(|json| String::from_utf8(json).ok())
            .and_then(|json| RawValue::from_string(json).ok());
        Detail {
            name: name.to_owned(),
            value: STANDARD_NO_PAD.encode(&detail.value),
            debug,
        }
    });
    details.collect()
}

/// Returns the name of a code in the Connect protocol.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "canceled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

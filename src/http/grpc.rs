//! Requests of HTTP as calls of gRPC, and the responses of gRPC as those of HTTP: what
//! the bindings have in common.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};
use tonic::{
    Code, Status,
    body::Body,
    codegen::http::{
        HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
        header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE},
    },
};

use crate::rpc::{
    broken,
    frames::{Framed, Unframing},
    unimplemented,
};

pub(super) const CONNECT_CONTENT_ENCODING: HeaderName =
    HeaderName::from_static("connect-content-encoding");
pub(super) const CONNECT_ACCEPT_ENCODING: HeaderName =
    HeaderName::from_static("connect-accept-encoding");
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// The only compression that is known, besides none.
pub(super) const GZIP: &str = "gzip";

/// Replaces the headers that describe the body, so that they describe one of gRPC. Those
/// of HTTP stay: nothing behind reads them.
pub(super) fn into_grpc(headers: &mut HeaderMap, is_compressed: bool) {
    if is_compressed {
        headers.insert(GRPC_ENCODING, HeaderValue::from_static(GZIP));
    } else {
        headers.remove(GRPC_ENCODING);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
}

/// True if the body is compressed by gzip.
pub(super) fn is_compressed(headers: &HeaderMap, name: &HeaderName) -> Result<bool, Status> {
    let encoding = headers.get(name).map_or(&[][..], HeaderValue::as_bytes);
    if encoding.eq_ignore_ascii_case(GZIP.as_bytes()) {
        Ok(true)
    } else if encoding.is_empty() || encoding.eq_ignore_ascii_case(b"identity") {
        Ok(false)
    } else {
        let message = format!("{name}: the compression is not known; send gzip or none");
        Err(unimplemented(&message))
    }
}

/// True if the caller accepts responses compressed by gzip.
pub(super) fn accepts_gzip(headers: &HeaderMap, name: &HeaderName) -> bool {
    let values = headers.get_all(name).into_iter();
    let mut names = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    names.any(|accepted| {
        let (name, quality) = accepted.split_once(';').unwrap_or((accepted, ""));
        let is_refused = quality.trim().strip_prefix("q=").is_some_and(|quality| {
            let zero = quality.trim().trim_end_matches('0');
            matches!(zero, "" | "0." | ".")
        });
        name.trim().eq_ignore_ascii_case(GZIP) && !is_refused
    })
}

/// Returns the headers that are not of gRPC, nor of its body.
pub(super) fn kept(mut headers: HeaderMap) -> HeaderMap {
    let of_grpc = [
        CONTENT_TYPE,
        CONTENT_LENGTH,
        GRPC_ENCODING,
        Status::GRPC_STATUS,
        Status::GRPC_MESSAGE,
        Status::GRPC_STATUS_DETAILS,
    ];
    for name in of_grpc {
        // A response without an error has the first alone.
        if headers.is_empty() {
            break;
        }
        headers.remove(name);
    }
    headers
}

/// The only message of a response, and the body that brought it: it holds what was
/// reserved for the call.
pub(super) struct Message {
    message: Framed,
    held: Body,
}

/// A message as a body, with what is held until it is sent.
struct MessageBody {
    message: Full<Bytes>,
    _held: Body,
}

impl http_body::Body for MessageBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.message).poll_frame(context);
        frame.map_err(|never| match never {})
    }

    fn is_end_stream(&self) -> bool {
        self.message.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.message.size_hint()
    }
}

/// Returns the only message of a response, or its status.
pub(super) async fn one_message(
    response: Response<Body>,
) -> Result<(HeaderMap, Message), (HeaderMap, Status)> {
    let (head, mut body) = response.into_parts();
    if let Some(status) = Status::from_header_map(&head.headers)
        && status.code() != Code::Ok
    {
        return Err((kept(head.headers), status));
    }
    let headers = kept(head.headers);
    let mut unframing = Unframing::default();
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(status) => return Err((headers, status)),
        };
        match frame.into_data() {
            Ok(part) => unframing.push(part),
            Err(others) => {
                let status = others.trailers_ref().and_then(Status::from_header_map);
                if let Some(status) = status.filter(|status| status.code() != Code::Ok) {
                    return Err((headers, status));
                }
            }
        }
        if let Some(message) = unframing.next() {
            return Ok((
                headers,
                Message {
                    message,
                    held: body,
                },
            ));
        }
    }
    let missing = broken("a response has no message", &"its body ended");
    Err((headers, missing))
}

/// Returns the response with a message.
pub(super) fn answered(
    mut headers: HeaderMap,
    content_type: &'static str,
    Message { message, held }: Message,
) -> Response<Body> {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if message.is_compressed() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(GZIP));
    }
    let body = MessageBody {
        message: Full::new(message.message),
        _held: held,
    };
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = StatusCode::OK;
    *response.headers_mut() = headers;
    response
}

/// Returns the status of HTTP for a code, as the Connect protocol defines it.
pub(super) fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        // nginx's; HTTP itself has none.
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::REQUEST_TIMEOUT),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

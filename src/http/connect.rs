//! The Connect protocol: a call of one message is a POST of that message, a stream of
//! responses has their prefixes and ends with its status.
//!
//! No call is a GET: caches would answer with decisions of before.

mod error;

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::Full;
use tonic::{
    Status,
    body::Body,
    codegen::http::{
        HeaderMap, HeaderName, HeaderValue, Response,
        header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE},
        request::Parts,
    },
};

use super::{
    contract::{Messages, Rpc},
    grpc::{self, CONNECT_ACCEPT_ENCODING, CONNECT_CONTENT_ENCODING, GZIP},
    media_type::MediaType,
    transcoding::{Encoding, Envelope, Format},
};
use crate::rpc::{
    Untranslated, broken,
    frames::{END_OF_STREAM, Framed},
    invalid_field,
};

pub(super) use self::error::ConnectError;

const CONNECT_TIMEOUT_MS: HeaderName = HeaderName::from_static("connect-timeout-ms");
const CONNECT_PROTOCOL_VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Most digits of a timeout in milliseconds.
const TIMEOUT_DIGITS: usize = 10;

/// The first number that has too many digits for a timeout of gRPC.
const GRPC_TIMEOUT_END: u64 = 100_000_000;

/// A call that came by the Connect protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    messages: Messages,
    content_type: &'static str,
    may_compress: bool,
}

/// Returns what a request of a media type calls, if that fits the RPC.
pub(super) fn call(rpc: &Rpc, media: MediaType) -> Option<Call> {
    let (content_type, messages) = match media {
        MediaType::Json => ("application/json", Messages::One),
        MediaType::Proto => ("application/proto", Messages::One),
        MediaType::ConnectJson => ("application/connect+json", Messages::StreamedResponse),
        MediaType::ConnectProto => ("application/connect+proto", Messages::StreamedResponse),
        MediaType::Grpc | MediaType::GrpcWeb | MediaType::GrpcWebText | MediaType::Other => {
            return None;
        }
    };
    (messages == rpc.messages).then_some(Call {
        messages,
        content_type,
        may_compress: false,
    })
}

/// Returns the media types in which an RPC can be called.
pub(super) fn accepted(rpc: &Rpc) -> &'static str {
    match rpc.messages {
        Messages::One => {
            "application/json, application/proto, application/grpc-web+proto, application/grpc"
        }
        Messages::StreamedResponse => {
            "application/connect+json, application/connect+proto, application/grpc-web+proto, \
             application/grpc"
        }
        Messages::StreamedRequest => "application/grpc",
    }
}

impl Call {
    /// Turns the head of the request into that of a call of gRPC.
    ///
    /// # Errors
    ///
    /// The status that refuses it: a header is not as the protocol defines it.
    pub(super) fn receive(&mut self, head: &mut Parts, rpc: &'static Rpc) -> Result<(), Status> {
        let headers = &mut head.headers;
        if let Some(version) = headers.remove(CONNECT_PROTOCOL_VERSION)
            && version != "1"
        {
            return Err(invalid_field(
                "connect-protocol-version",
                "only version 1 of the Connect protocol is known",
            ));
        }
        set_timeout(headers)?;
        let is_stream = self.messages == Messages::StreamedResponse;
        let (encoding, accepted) = if is_stream {
            (CONNECT_CONTENT_ENCODING, CONNECT_ACCEPT_ENCODING)
        } else {
            (CONTENT_ENCODING, ACCEPT_ENCODING)
        };
        let is_compressed = grpc::is_compressed(headers, &encoding)?;
        let is_json = self.content_type.ends_with("json");
        self.may_compress = is_json && grpc::accepts_gzip(headers, &accepted);
        head.extensions.insert(Untranslated);
        head.extensions.insert(Encoding {
            rpc,
            format: if is_json {
                Format::Json
            } else {
                Format::Protobuf
            },
            request: if is_stream {
                Envelope::Prefixed
            } else {
                Envelope::Bare
            },
            is_compressed,
            may_compress: self.may_compress,
        });
        grpc::into_grpc(headers, is_compressed);
        Ok(())
    }

    /// Turns the response of gRPC into one of the Connect protocol.
    pub(super) async fn respond(self, response: Response<Body>) -> Response<Body> {
        match self.messages {
            Messages::StreamedResponse => self.stream(response),
            Messages::One | Messages::StreamedRequest => match grpc::one_message(response).await {
                Ok((headers, message)) => grpc::answered(headers, self.content_type, message),
                Err((headers, status)) => ConnectError::of(&status).response(headers),
            },
        }
    }

    /// Returns the response to a request that was refused before it was a call.
    pub(super) fn refused(self, status: &Status) -> Response<Body> {
        match self.messages {
            Messages::StreamedResponse => {
                let ended = Framed {
                    flags: END_OF_STREAM,
                    message: ConnectError::of(status).end_of_stream(),
                };
                self.streamed(HeaderMap::new(), Body::new(Full::new(ended.into_bytes())))
            }
            Messages::One | Messages::StreamedRequest => {
                ConnectError::of(status).response(HeaderMap::new())
            }
        }
    }

    fn stream(self, response: Response<Body>) -> Response<Body> {
        if let Some(status) = Status::from_header_map(response.headers()) {
            let refused = self.refused(&status);
            let (mut head, body) = refused.into_parts();
            head.headers
                .extend(grpc::kept(response.into_parts().0.headers));
            return Response::from_parts(head, body);
        }
        let (head, body) = response.into_parts();
        let has_ended = false;
        self.streamed(
            grpc::kept(head.headers),
            Body::new(Stream { body, has_ended }),
        )
    }

    fn streamed(self, mut headers: HeaderMap, body: Body) -> Response<Body> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if self.may_compress {
            headers.insert(CONNECT_CONTENT_ENCODING, HeaderValue::from_static(GZIP));
        }
        let mut response = Response::new(body);
        *response.headers_mut() = headers;
        response
    }
}

/// Replaces the timeout of Connect by that of gRPC.
fn set_timeout(headers: &mut HeaderMap) -> Result<(), Status> {
    headers.remove(GRPC_TIMEOUT);
    let Some(given) = headers.remove(CONNECT_TIMEOUT_MS) else {
        return Ok(());
    };
    let text = given.to_str().unwrap_or_default();
    let is_number = (1..=TIMEOUT_DIGITS).contains(&text.len());
    let is_number = is_number && text.bytes().all(|byte| byte.is_ascii_digit());
    let milliseconds = text.parse().ok().filter(|_| is_number);
    let Some(milliseconds) = milliseconds else {
        let message = "it must be 1 to 10 digits: a number of milliseconds";
        return Err(invalid_field("connect-timeout-ms", message));
    };
    let timeout = if milliseconds < GRPC_TIMEOUT_END {
        format!("{milliseconds}m")
    } else {
        format!("{}S", Duration::from_millis(milliseconds).as_secs())
    };
    if let Ok(timeout) = timeout.parse() {
        headers.insert(GRPC_TIMEOUT, timeout);
    }
    Ok(())
}

/// The body of a stream, whose status is its last message.
#[derive(Debug)]
struct Stream {
    body: Body,
    has_ended: bool,
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let status = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(part) => return Poll::Ready(Some(Ok(Frame::data(part)))),
                Err(others) => others.trailers_ref().and_then(Status::from_header_map),
            },
            Some(Err(status)) => Some(status),
            None => None,
        };
        self.has_ended = true;
        let status = status.unwrap_or_else(|| broken("a stream has no status", &"it ended"));
        let ended = Framed {
            flags: END_OF_STREAM,
            message: ConnectError::of(&status).end_of_stream(),
        };
        Poll::Ready(Some(Ok(Frame::data(ended.into_bytes()))))
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout(given: &str) -> Result<String, Status> {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECT_TIMEOUT_MS, given.parse().unwrap());
        headers.insert(GRPC_TIMEOUT, "1H".parse().unwrap());
        set_timeout(&mut headers)?;
        assert!(!headers.contains_key(CONNECT_TIMEOUT_MS));
        Ok(headers[GRPC_TIMEOUT].to_str().unwrap().to_owned())
    }

    #[test]
    fn timeout_becomes_that_of_grpc() {
        for (given, expected) in [
            ("0", "0m"),
            ("250", "250m"),
            ("0000000250", "250m"),
            ("99999999", "99999999m"),
            ("100000000", "100000S"),
            ("9999999999", "9999999S"),
        ] {
            assert_eq!(timeout(given).unwrap(), expected, "{given}");
        }
        for wrong in ["", "-1", "+1", "1.5", "1s", "10000000000"] {
            assert!(timeout(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn timeout_of_grpc_does_not_count() {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_TIMEOUT, "1H".parse().unwrap());
        set_timeout(&mut headers).unwrap();
        assert!(headers.is_empty());
    }

    #[test]
    fn compression_is_accepted_unless_its_quality_is_zero() {
        for (accepted, expected) in [
            ("gzip", true),
            ("br, GZIP", true),
            ("gzip;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("br", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, accepted.parse().unwrap());
            let accepts = grpc::accepts_gzip(&headers, &ACCEPT_ENCODING);
            assert_eq!(accepts, expected, "{accepted}");
        }
    }
}

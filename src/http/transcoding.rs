//! Translates the messages of calls that came over HTTP, behind the layers that every
//! call passes: the body has been read and accounted for by then, and the translation
//! runs on the same threads as the call.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};
use tonic::{
    Status,
    body::Body,
    codegen::http::{Extensions, HeaderMap, HeaderValue, Request, Response, header::CONTENT_TYPE},
};

use super::{authzen, contract::Rpc, json};
use crate::rpc::{
    Handler, MAX_MESSAGE_BYTES, Weight,
    frames::{COMPRESSED, Framed, Unframing},
    gzip, invalid_field, too_large, unimplemented, weigh_lists,
};

/// The header by which gRPC names the compression of messages.
const GRPC_ENCODING: &str = "grpc-encoding";

/// How the messages of a call are encoded in HTTP; an extension of its request. A call
/// without one is of gRPC.
#[derive(Clone, Debug)]
pub(super) struct Encoding {
    pub(super) rpc: &'static Rpc,
    pub(super) format: Format,
    /// Whether the request has the prefix of a message ([`Framed`]); otherwise its body
    /// is the message.
    pub(super) request: Envelope,
    /// Whether a request without a prefix is compressed, and one with a prefix may be.
    pub(super) is_compressed: bool,
    /// Whether responses may be compressed.
    pub(super) may_compress: bool,
}

/// Whether a body is a message, or has messages with prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Envelope {
    Bare,
    Prefixed,
}

/// The format of messages.
#[derive(Clone, Debug)]
pub(super) enum Format {
    Protobuf,
    Json,
    AuthZen(authzen::Call),
}

/// How the responses of a call are translated.
#[derive(Debug)]
enum Translation {
    /// They stay as they are.
    None,
    Json(&'static Rpc),
    AuthZen(authzen::Asked),
}

impl Encoding {
    /// Translates the request to protobuf.
    fn request(
        &self,
        body: Bytes,
        weight: Option<&Weight>,
    ) -> Result<(Framed, Translation), Status> {
        let framed = self.unwrapped(body)?;
        let packed = |framed: Framed| {
            if framed.is_compressed() {
                unpacked(&framed.message, weight)
            } else {
                Ok(framed.message)
            }
        };
        match &self.format {
            Format::Protobuf => Ok((Framed::plain(packed(framed)?), Translation::None)),
            Format::Json => {
                let json = packed(framed)?;
                let message = json::to_protobuf(self.rpc, &json)?;
                Ok((Framed::plain(message), Translation::Json(self.rpc)))
            }
            Format::AuthZen(call) => {
                let json = packed(framed)?;
                json::weigh(&json, weight)?;
                let (message, asked) = call.question(&json, weight)?;
                Ok((Framed::plain(message), Translation::AuthZen(asked)))
            }
        }
    }

    /// Returns the message in a body.
    fn unwrapped(&self, body: Bytes) -> Result<Framed, Status> {
        if body.len() > MAX_MESSAGE_BYTES {
            return Err(too_large());
        }
        let mut message = match self.request {
            Envelope::Bare => Framed {
                flags: if self.is_compressed { COMPRESSED } else { 0 },
                message: body,
            },
            Envelope::Prefixed => the_message(body)?,
        };
        if message.message.is_empty() {
            // Nothing is nothing, however it is compressed.
            message.flags = 0;
        }
        if message.is_compressed() && !self.is_compressed {
            let wrong = "the message is compressed, and no header says by what";
            return Err(invalid_field("", wrong));
        }
        Ok(message)
    }
}

/// Returns the only message in a body of messages with prefixes.
fn the_message(body: Bytes) -> Result<Framed, Status> {
    if body.is_empty() {
        return Err(unimplemented("the body has no message; this call has one"));
    }
    let mut unframing = Unframing::default();
    unframing.push(body);
    let message = unframing.next();
    let message = message.ok_or_else(|| {
        let wrong = "the body is not a message with its prefix of 5 bytes";
        invalid_field("", wrong)
    })?;
    if unframing.is_empty() {
        Ok(message)
    } else {
        let wrong = "the body has more than one message; this call has one";
        Err(unimplemented(wrong))
    }
}

/// Unpacks a message, and accounts for what it takes.
fn unpacked(packed: &[u8], weight: Option<&Weight>) -> Result<Bytes, Status> {
    let message = gzip::unpack_message(packed, MAX_MESSAGE_BYTES)?;
    if let Some(weight) = weight {
        weight.reserve(message.len())?;
    }
    Ok(message.into())
}

impl Translation {
    /// Translates a response.
    fn response(&self, message: &Framed) -> Result<Bytes, Status> {
        match self {
            Self::None => Ok(message.message.clone()),
            Self::Json(rpc) => json::response_to_json(rpc, &message.message).map(Bytes::from),
            Self::AuthZen(asked) => asked.answer(&message.message).map(Bytes::from),
        }
    }

    /// Returns the response to a call that was refused, if it is no error for its caller.
    fn refused(&self, headers: &HeaderMap) -> Option<Vec<u8>> {
        match self {
            Self::None | Self::Json(_) => None,
            Self::AuthZen(asked) => {
                let status = Status::from_header_map(headers)?;
                asked.refused(&status)
            }
        }
    }
}

/// Translates the messages of calls that came over HTTP for the services behind it.
#[derive(Clone, Debug)]
pub struct Transcoding<S> {
    inner: S,
}

impl<S> Transcoding<S> {
    /// Translates for `inner`.
    pub fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S: Handler> Handler for Transcoding<S> {
    async fn handle(&self, mut request: Request<Body>) -> Response<Body> {
        match request.extensions_mut().remove::<Encoding>() {
            None => self.inner.handle(request).await,
            Some(encoding) => translated(&self.inner, encoding, request)
                .await
                .unwrap_or_else(Status::into_http),
        }
    }
}

/// Answers a call whose messages are translated.
async fn translated(
    inner: &impl Handler,
    encoding: Encoding,
    request: Request<Body>,
) -> Result<Response<Body>, Status> {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let weight = weight(&head.extensions);
    let (message, translation) = encoding.request(body, weight.as_ref())?;
    head.headers.remove(GRPC_ENCODING);
    if let Some(weight) = &weight {
        weigh_lists(head.uri.path(), &message.message, weight)?;
    }
    let request = Request::from_parts(head, Body::new(Full::new(message.into_bytes())));
    let response = inner.handle(request).await;
    if response.headers().contains_key(Status::GRPC_STATUS) {
        let answer = translation.refused(response.headers());
        return Ok(answer.map_or(response, answered));
    }
    if matches!(translation, Translation::None) {
        return Ok(response);
    }
    let may_compress = encoding.may_compress;
    Ok(response.map(|body| {
        Body::new(Translated {
            body,
            unframing: Unframing::default(),
            translation,
            may_compress,
            has_failed: false,
        })
    }))
}

fn weight(extensions: &Extensions) -> Option<Weight> {
    extensions.get().cloned()
}

/// Returns the response of gRPC that consists of a message.
fn answered(message: Vec<u8>) -> Response<Body> {
    let mut trailers = HeaderMap::new();
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    let body = Full::new(Framed::plain(message).into_bytes());
    let body = body.with_trailers(async { Some(Ok(trailers)) });
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// The body of a response whose messages are translated as they are generated.
#[derive(Debug)]
struct Translated {
    body: Body,
    unframing: Unframing,
    translation: Translation,
    may_compress: bool,
    /// True once a message could not be translated: nothing may follow.
    has_failed: bool,
}

impl Translated {
    /// Translates the messages that have arrived whole.
    fn translate(&mut self, part: Bytes) -> Result<Bytes, Status> {
        self.unframing.push(part);
        let mut translated = BytesMut::new();
        while let Some(message) = self.unframing.next() {
            let message = self.translation.response(&message)?;
            let packed = self.may_compress.then(|| gzip::pack(&message)).flatten();
            let framed = match packed {
                Some(packed) => Framed {
                    flags: COMPRESSED,
                    message: packed.into(),
                },
                None => Framed::plain(message),
            };
            framed.write_to(&mut translated);
        }
        Ok(translated.freeze())
    }
}

impl http_body::Body for Translated {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.has_failed {
            return Poll::Ready(None);
        }
        loop {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
            let part = match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(part) => part,
                    Err(others) => return Poll::Ready(Some(Ok(others))),
                },
                other => return Poll::Ready(other),
            };
            match self.translate(part) {
                Ok(translated) if translated.is_empty() => {}
                Ok(translated) => return Poll::Ready(Some(Ok(Frame::data(translated)))),
                Err(status) => {
                    self.has_failed = true;
                    return Poll::Ready(Some(Err(status)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.has_failed || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

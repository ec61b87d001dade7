use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt as _, Full, StreamBody};
use tonic::{Status, body::Body, codegen::http};

use super::{
    budget::{Budget, Weight},
    caller_identity::CallerIdentity,
    decoded_size::weigh_lists,
    failure::Failure,
    frames::{Framed, Unframing},
    gzip,
    layers::{Behind, Handler},
    streamed_request::StreamedRequest,
};
use crate::pb::CALLS_OF_ONE_MESSAGE;

/// Path of the single-question call. A small one uses too little memory to be
/// worth accounting for.
const CHECK: &str = "/pim.authz.v1.AuthorizationService/Check";

/// Largest body that counts as small, in bytes.
const SMALL: usize = 16 << 10;

/// Largest message that is accepted, in bytes, once it is unpacked: a batch of 100,000
/// items.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Largest message of an import, in bytes: a piece of 4 MiB and its name.
pub const MAX_PIECE_BYTES: usize = (4 << 20) + (64 << 10);

/// Path prefix of the service whose messages are pieces.
const IMPORT_PATH: &str = "/pim.authz.v1.ImportService/";

/// The header that names the compression of messages.
const GRPC_ENCODING: &str = "grpc-encoding";

/// Bytes of a decoded message per byte received: strings and lists have headers
/// of their own.
const DECODED: usize = 4;

/// The body of a request is not of gRPC yet: what translates it accounts for what its
/// message takes. An extension of the request.
#[derive(Clone, Copy, Debug)]
pub struct Untranslated;

/// Reads the message of a call before it is decoded, and accounts for its size in
/// the [`Budget`], and for that of its lists once it is decoded: a slow sender holds
/// memory only for what it has sent.
///
/// Only the body of a call with exactly one request message is buffered whole.
/// The messages of a stream are answered while it is open (a debugging client
/// keeps its reflection stream open), and their handlers account for them.
#[derive(Clone, Debug)]
pub struct Admission {
    budget: Budget,
}

impl Admission {
    /// Admits calls within `budget`.
    #[must_use]
    pub fn new(budget: Budget) -> Self {
        Self { budget }
    }

    /// Returns the weight of a call, initially zero, on behalf of its caller.
    fn weigh(&self, extensions: &http::Extensions) -> Weight {
        let calling = extensions.get::<CallerIdentity>();
        self.budget.weigh(calling.and_then(CallerIdentity::name))
    }
}

impl<S: Handler> Handler for Behind<Admission, S> {
    async fn handle(&self, mut request: http::Request<Body>) -> http::Response<Body> {
        let path = request.uri().path();
        if CALLS_OF_ONE_MESSAGE.binary_search(&path).is_err() {
            let weight = self.layer.weigh(request.extensions());
            request.extensions_mut().insert(weight);
            return self.inner.handle(streamed(request)).await;
        }
        let (mut head, mut body) = request.into_parts();
        let is_compressed = is_compressed(&head.headers);
        let first = body.frame().await;
        let first = if head.uri.path() == CHECK && !is_compressed && body.is_end_stream() {
            match small(first) {
                Ok(message) => {
                    let request = http::Request::from_parts(head, message);
                    return self.inner.handle(request).await;
                }
                Err(first) => first,
            }
        } else {
            first
        };
        let weight = self.layer.weigh(&head.extensions);
        let parts = match read_body(first, body, &weight).await {
            Ok(parts) => parts,
            Err(failure) => return Status::from(failure).into_http(),
        };
        if is_compressed {
            weight.unpack().await;
        }
        let body = match weighed(&mut head, parts, &weight) {
            Ok(body) => body,
            Err(status) => return status.into_http(),
        };
        head.extensions.insert(weight.clone());
        let request = http::Request::from_parts(head, body);
        let answer = self.inner.handle(request).await;
        // The weight is held until the response body is sent.
        answer.map(|body| with_weight(body, weight))
    }
}

/// Bounds the messages of a stream.
fn streamed(request: http::Request<Body>) -> http::Request<Body> {
    let path = request.uri().path().to_owned();
    let is_gzip = is_gzip(request.headers());
    let largest = if path.starts_with(IMPORT_PATH) {
        MAX_PIECE_BYTES
    } else {
        MAX_MESSAGE_BYTES
    };
    request.map(|body| Body::new(StreamedRequest::of(body, path, is_gzip, largest)))
}

/// Returns a body for a whole small message; otherwise gives the part back.
fn small(first: Option<Part>) -> Result<Body, Option<Part>> {
    let is_small = |frame: &Frame<Bytes>| frame.data_ref().is_some_and(|data| data.len() <= SMALL);
    match first {
        Some(Ok(frame)) if is_small(&frame) => match frame.into_data() {
            Ok(data) => Ok(Body::new(Full::new(data))),
            Err(frame) => Err(Some(Ok(frame))),
        },
        first => Err(first),
    }
}

/// Returns the body for the service, once what its messages take when they are decoded is
/// accounted for: unpacked, since nobody knows it before. What is no message stays as it
/// is, for the service to reject.
fn weighed(
    head: &mut http::request::Parts,
    parts: Vec<Part>,
    weight: &Weight,
) -> Result<Body, Status> {
    let data = parts
        .iter()
        .filter_map(|part| part.as_ref().ok()?.data_ref());
    let bytes: usize = data.clone().map(Bytes::len).sum();
    let is_gzip = is_gzip(&head.headers);
    let is_weighed = is_gzip || bytes > SMALL && !is_compressed(&head.headers);
    let has_failed = parts.iter().any(Result::is_err);
    if !is_weighed || has_failed || head.extensions.get::<Untranslated>().is_some() {
        return Ok(replayed_body(parts));
    }
    let mut unframing = Unframing::default();
    data.for_each(|part| unframing.push(part.clone()));
    drop(parts);
    let mut messages = BytesMut::with_capacity(bytes);
    while let Some(mut message) = unframing.next() {
        if message.is_compressed() && is_gzip {
            let unpacked = gzip::unpack_message(&message.message, MAX_MESSAGE_BYTES)?;
            weight.reserve(unpacked.len() * DECODED)?;
            message = Framed::plain(unpacked);
        }
        if !message.is_compressed() {
            weigh_lists(head.uri.path(), &message.message, weight)?;
        }
        message.write_to(&mut messages);
    }
    messages.extend_from_slice(&unframing.take_rest());
    Ok(Body::new(Full::new(messages.freeze())))
}

fn is_gzip(headers: &http::HeaderMap) -> bool {
    let encoding = headers.get(GRPC_ENCODING);
    encoding.is_some_and(|encoding| encoding == "gzip")
}

fn is_compressed(headers: &http::HeaderMap) -> bool {
    let encoding = headers.get(GRPC_ENCODING);
    encoding.is_some_and(|encoding| encoding != "identity")
}

type Part = Result<Frame<Bytes>, Status>;

/// Reads the whole body, and accounts for each part as it arrives.
async fn read_body(
    first: Option<Part>,
    mut body: Body,
    weight: &Weight,
) -> Result<Vec<Part>, Failure> {
    let mut parts = Vec::with_capacity(1);
    let mut next = first;
    while let Some(part) = next {
        if let Some(data) = part.as_ref().ok().and_then(Frame::data_ref) {
            weight.add(data.len() * DECODED)?;
        }
        let is_last = part.is_err();
        parts.push(part);
        if is_last {
            break;
        }
        next = body.frame().await;
    }
    Ok(parts)
}

fn replayed_body(parts: Vec<Part>) -> Body {
    Body::new(StreamBody::new(tokio_stream::iter(parts)))
}

/// Wraps `body` so that `weight` is released when the body is dropped.
fn with_weight(body: Body, weight: Weight) -> Body {
    Body::new(body.map_frame(move |frame| {
        let _held = &weight;
        frame
    }))
}

use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt as _, Full, StreamBody};
use tonic::{Status, body::Body, codegen::http};
use tower::Service;

use super::{
    budget::{Budget, Weight},
    caller_identity::CallerIdentity,
    failure::Failure,
    layers::{Answering, Behind, layer},
};
use crate::pb::CALLS_OF_ONE_MESSAGE;

/// Path of the single-question call. A small one uses too little memory to be
/// worth accounting for.
const CHECK: &str = "/pim.authz.v1.AuthorizationService/Check";

/// Largest body that counts as small, in bytes.
const SMALL: usize = 16 << 10;

/// Bytes of a decoded message per byte received: strings and lists have headers
/// of their own.
const DECODED: usize = 4;

/// Reads the message of a call before it is decoded, and accounts for its size in
/// the [`Budget`]: a slow sender holds memory only for what it has sent.
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
}

layer!(Admission);

impl<S> Service<http::Request<Body>> for Behind<Admission, S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>> + Clone + Send + 'static,
    S::Error: Send,
    S::Future: Send,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Answering<S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let mut ready = self.take_ready();
        let budget = self.layer.budget.clone();
        if CALLS_OF_ONE_MESSAGE
            .binary_search(&request.uri().path())
            .is_err()
        {
            let weight = weigh(&budget, request.extensions());
            request.extensions_mut().insert(weight);
            return Box::pin(async move { ready.call(request).await });
        }
        Box::pin(async move {
            let (mut head, mut body) = request.into_parts();
            let is_compressed = is_compressed(&head.headers);
            let first = body.frame().await;
            let first = if head.uri.path() == CHECK && !is_compressed && body.is_end_stream() {
                match small(first) {
                    Ok(message) => {
                        let request = http::Request::from_parts(head, message);
                        return ready.call(request).await;
                    }
                    Err(first) => first,
                }
            } else {
                first
            };
            let weight = weigh(&budget, &head.extensions);
            let parts = match read_body(first, body, &weight).await {
                Ok(parts) => parts,
                Err(failure) => return Ok(Status::from(failure).into_http()),
            };
            if is_compressed {
                weight.unpack().await;
            }
            head.extensions.insert(weight.clone());
            let request = http::Request::from_parts(head, replayed_body(parts));
            let answer = ready.call(request).await?;
            // The weight is held until the response body is sent.
            Ok(answer.map(|body| with_weight(body, weight)))
        })
    }
}

/// Returns the weight of a call, initially zero, on behalf of its caller.
fn weigh(budget: &Budget, extensions: &http::Extensions) -> Weight {
    budget.weigh(
        extensions
            .get::<CallerIdentity>()
            .and_then(CallerIdentity::name),
    )
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

fn is_compressed(headers: &http::HeaderMap) -> bool {
    let encoding = headers.get("grpc-encoding");
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

//! What the layers before all services have in common.

use tonic::{
    body::Body,
    codegen::http::{Request, Response},
};

/// Handles calls: a service, or the services behind a layer.
///
/// Unlike `tower::Service` it is always ready and shared by all calls, so that a call
/// through every layer is one future and clones nothing.
pub trait Handler: Send + Sync + 'static {
    /// Answers a call.
    fn handle(&self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send;
}

/// The services behind a layer.
#[derive(Debug)]
pub struct Behind<L, S> {
    pub(crate) layer: L,
    pub(crate) inner: S,
}

impl<L, S> Behind<L, S> {
    /// Puts a layer before `inner`.
    pub fn new(layer: L, inner: S) -> Self {
        Self { layer, inner }
    }
}

//! What the layers before all services have in common.

use std::pin::Pin;

use tonic::{body::Body, codegen::http};

/// The future of a response.
pub(crate) type Answering<E> =
    Pin<Box<dyn Future<Output = Result<http::Response<Body>, E>> + Send>>;

/// The services behind a layer.
#[derive(Clone, Debug)]
pub struct Behind<L, S> {
    pub(crate) layer: L,
    pub(crate) inner: S,
}

impl<L, S: Clone> Behind<L, S> {
    /// Returns the services that were polled ready; a clone replaces them.
    pub(super) fn take_ready(&mut self) -> S {
        let fresh = self.inner.clone();
        std::mem::replace(&mut self.inner, fresh)
    }
}

/// Makes a type a layer, of which each connection has a clone.
macro_rules! layer {
    ($layer:ty) => {
        impl<S> tower::Layer<S> for $layer {
            type Service = $crate::rpc::Behind<Self, S>;

            fn layer(&self, inner: S) -> Self::Service {
                let layer = self.clone();
                $crate::rpc::Behind { layer, inner }
            }
        }
    };
}
pub(crate) use layer;

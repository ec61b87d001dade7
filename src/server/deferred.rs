use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use tonic::{
    body::Body,
    codegen::http::{Request, Response},
    service::Routes,
};
use tower::Service;

/// The services of a server that listens before it is ready: first `early`, then
/// `all` once they are installed. Connections stay open.
#[derive(Clone, Debug)]
pub(super) struct Deferred {
    early: Routes,
    all: Arc<OnceLock<Routes>>,
}

impl Deferred {
    pub(super) fn new(early: Routes) -> Self {
        Self {
            early: early.prepare(),
            all: Arc::default(),
        }
    }

    /// Serves `all` from now on. Only the first call has an effect.
    pub(super) fn install(&self, all: Routes) {
        let _first_wins = self.all.set(all.prepare());
    }
}

impl Service<Request<Body>> for Deferred {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = <Routes as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // `Routes` are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.all.get() {
            Some(all) => all.clone().call(request),
            None => self.early.call(request),
        }
    }
}

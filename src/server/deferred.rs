use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use futures_util::future::Either;
use tonic::{
    body::Body,
    codegen::{
        BoxFuture,
        http::{Request, Response},
    },
    service::Routes,
};
use tower::Service;

use super::services::Decisions;
use crate::pb::authorization_service_server::AuthorizationService;

/// The services of a server that listens before it is ready: first `early`, then
/// all once they are installed. Connections stay open. `A` makes the decisions.
#[derive(Debug)]
pub(super) struct Deferred<A> {
    early: Routes,
    installed: Arc<OnceLock<Installed<A>>>,
}

/// All services.
#[derive(Debug)]
struct Installed<A> {
    routes: Routes,
    /// One of them, which is called without a look-up of its route.
    decisions: Decisions<A>,
}

impl<A> Clone for Deferred<A> {
    fn clone(&self) -> Self {
        Self {
            early: self.early.clone(),
            installed: Arc::clone(&self.installed),
        }
    }
}

impl<A: AuthorizationService> Deferred<A> {
    pub(super) fn new(early: Routes) -> Self {
        Self {
            early: early.prepare(),
            installed: Arc::default(),
        }
    }

    /// Serves all services from now on; `decisions` is one of the `routes`. Only the
    /// first call has an effect.
    pub(super) fn install(&self, routes: Routes, decisions: Decisions<A>) {
        let routes = routes.prepare();
        let _first_wins = self.installed.set(Installed { routes, decisions });
    }
}

impl<A: AuthorizationService> Service<Request<Body>> for Deferred<A> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future =
        Either<BoxFuture<Response<Body>, Infallible>, <Routes as Service<Request<Body>>>::Future>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // `Routes` are always ready, and so are services.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.installed.get() {
            Some(all) if Decisions::<A>::answers(request.uri().path()) => {
                Either::Left(all.decisions.clone().call(request))
            }
            Some(all) => Either::Right(all.routes.clone().call(request)),
            None => Either::Right(self.early.call(request)),
        }
    }
}

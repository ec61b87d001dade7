use std::sync::{Arc, OnceLock};

use tonic::{
    body::Body,
    codegen::http::{Request, Response},
    service::Routes,
};
use tower::Service;

use super::services::Decisions;
use crate::{pb::authorization_service_server::AuthorizationService, rpc::Handler};

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

impl<A: AuthorizationService> Handler for Deferred<A> {
    async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let Ok(response) = match self.installed.get() {
            Some(all) if Decisions::<A>::answers(request.uri().path()) => {
                all.decisions.clone().call(request).await
            }
            Some(all) => all.routes.clone().call(request).await,
            None => self.early.clone().call(request).await,
        };
        response
    }
}

//! A gRPC server that answers every Check with the same message, on the defaults of tonic
//! and tokio: what a call costs without a decision. `scripts/measure-check` runs it.

use std::{convert::Infallible, env, error::Error, future::ready, net::SocketAddr};

use pim_authz::pb;
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::{BoxFuture, Service, http},
    server::{Grpc, NamedService, UnaryService},
    transport::Server,
};
use tonic_prost::ProstCodec;

/// The service of that name, of which only Check is answered.
#[derive(Clone)]
struct Nothing;

struct Allow;

impl UnaryService<pb::CheckRequest> for Allow {
    type Response = pb::CheckResponse;
    type Future = std::future::Ready<Result<Response<pb::CheckResponse>, Status>>;

    fn call(&mut self, _: Request<pb::CheckRequest>) -> Self::Future {
        ready(Ok(Response::new(pb::CheckResponse {
            allowed: true,
            ..Default::default()
        })))
    }
}

impl NamedService for Nothing {
    const NAME: &'static str = "pim.authz.v1.AuthorizationService";
}

impl Service<http::Request<Body>> for Nothing {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).unary(Allow, request).await) })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address: SocketAddr = env::args().nth(1).ok_or("say the address")?.parse()?;
    Server::builder()
        .add_service(Nothing)
        .serve(address)
        .await?;
    Ok(())
}

//! This server with all its layers, which answers every Check with the same message: what
//! a call costs without a decision. `scripts/measure-check` and `scripts/measure-http` run
//! it.

use std::{env, error::Error, net::SocketAddr, pin::Pin, time::Duration};

use futures_util::Stream;
use pim_authz::{
    cache::CacheSettings,
    pb::{self, authorization_service_server::AuthorizationService},
    server::{
        self, CallerSettings, DatabaseStart, HttpSettings, Limits, ObservationSettings, ServeConfig,
    },
};
use tonic::{Request, Response, Status};

// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct NoDecisions;

fn unused<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("only Check is answered"))
}

#[tonic::async_trait]
impl AuthorizationService for NoDecisions {
    async fn check(
        &self,
        _: Request<pb::CheckRequest>,
    ) -> Result<Response<pb::CheckResponse>, Status> {
        Ok(Response::new(pb::CheckResponse {
            allowed: true,
            level: pb::Level::View.into(),
            revision: 1,
            ..Default::default()
        }))
    }

    async fn batch_check(
        &self,
        _: Request<pb::BatchCheckRequest>,
    ) -> Result<Response<pb::BatchCheckResponse>, Status> {
        unused()
    }

    async fn list_allowed(
        &self,
        _: Request<pb::ListAllowedRequest>,
    ) -> Result<Response<pb::ListAllowedResponse>, Status> {
        unused()
    }

    type StreamAllowedStream =
        Pin<Box<dyn Stream<Item = Result<pb::StreamAllowedResponse, Status>> + Send>>;

    async fn stream_allowed(
        &self,
        _: Request<pb::StreamAllowedRequest>,
    ) -> Result<Response<Self::StreamAllowedStream>, Status> {
        unused()
    }

    async fn list_actions(
        &self,
        _: Request<pb::ListActionsRequest>,
    ) -> Result<Response<pb::ListActionsResponse>, Status> {
        unused()
    }

    async fn list_subjects(
        &self,
        _: Request<pb::ListSubjectsRequest>,
    ) -> Result<Response<pb::ListSubjectsResponse>, Status> {
        unused()
    }

    async fn get_access_filter(
        &self,
        _: Request<pb::GetAccessFilterRequest>,
    ) -> Result<Response<pb::GetAccessFilterResponse>, Status> {
        unused()
    }

    async fn explain(
        &self,
        _: Request<pb::ExplainRequest>,
    ) -> Result<Response<pb::ExplainResponse>, Status> {
        unused()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let listen: SocketAddr = env::args().nth(1).ok_or("say the address")?.parse()?;
    let config = ServeConfig {
        listen,
        tls: None,
        database_url: "postgresql://unused".into(),
        migrate_url: None,
        database_start: DatabaseStart::Required,
        default_tenant: "default".parse()?,
        watch_patience: Duration::from_secs(30),
        cache: CacheSettings::default(),
        drain: Duration::ZERO,
        limits: Limits::default(),
        callers: CallerSettings::default(),
        observation: ObservationSettings::default(),
        http: HttpSettings::default(),
    };
    server::runtime()?.block_on(server::serve_without_decisions(config, NoDecisions))?;
    Ok(())
}

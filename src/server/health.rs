use std::{pin::Pin, time::Duration};

use futures_util::{Stream, stream};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_server::{Health as HealthApi, HealthServer},
};

use crate::{
    cache::Cache,
    http::Readiness,
    supervision::{Supervisor, Task},
};

use super::services::SERVICES;

/// Interval at which the lease is checked.
const PERIOD: Duration = Duration::from_millis(500);

/// The subject of a health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// The process, by the empty name: whether to restart it.
    Process,
    /// One of [`SERVICES`]: whether to route calls to it.
    Service,
    /// An unknown name.
    Unknown,
}

impl Subject {
    fn parse(name: &str) -> Self {
        match name {
            "" => Self::Process,
            name if SERVICES.contains(&name) => Self::Service,
            _ => Self::Unknown,
        }
    }

    fn status(self, readiness: Readiness) -> ServingStatus {
        match (self, readiness) {
            (Self::Unknown, _) => ServingStatus::ServiceUnknown,
            (Self::Process, Readiness::NotReady | Readiness::Ready)
            | (Self::Service, Readiness::Ready) => ServingStatus::Serving,
            (Self::Process | Self::Service, Readiness::Stopping)
            | (Self::Service, Readiness::NotReady) => ServingStatus::NotServing,
        }
    }
}

/// Liveness and readiness, served by `grpc.health.v1.Health` (`api.md`).
///
/// The empty name stands for the process: it is SERVING from start to shutdown,
/// even if the database is unavailable. The name of each service reports
/// readiness: SERVING while the server has a lease, which only the database can
/// renew. During shutdown all are `NOT_SERVING`.
#[derive(Debug)]
pub(super) struct Health {
    readiness: watch::Sender<Readiness>,
}

impl Health {
    /// Creates the state, alive and not ready yet, and its service.
    pub(super) fn start() -> (Self, HealthServer<HealthService>) {
        let (readiness, watched) = watch::channel(Readiness::NotReady);
        let service = HealthServer::new(HealthService { readiness: watched });
        (Self { readiness }, service)
    }

    /// Subscribes to the readiness of the server.
    pub(super) fn readiness(&self) -> watch::Receiver<Readiness> {
        self.readiness.subscribe()
    }

    /// Updates readiness from the lease until the result is dropped.
    pub(super) fn follow(&self, cache: Cache, supervisor: &Supervisor) -> AbortOnDropHandle<()> {
        set_ready(&self.readiness, cache.has_lease());
        let following = follow(self.readiness.clone(), cache);
        let following = supervisor.supervise(Task::Health, following);
        AbortOnDropHandle::new(tokio::spawn(following))
    }

    /// Sets all names to `NOT_SERVING` for good, whatever the lease: callers use
    /// other servers, and watch streams end.
    pub(super) fn stop(&self) {
        self.readiness.send_replace(Readiness::Stopping);
    }
}

fn set_ready(readiness: &watch::Sender<Readiness>, is_ready: bool) {
    readiness.send_if_modified(|readiness| {
        let now = if is_ready {
            Readiness::Ready
        } else {
            Readiness::NotReady
        };
        let is_change = *readiness != Readiness::Stopping && *readiness != now;
        if is_change {
            *readiness = now;
        }
        is_change
    });
}

async fn follow(readiness: watch::Sender<Readiness>, cache: Cache) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = *readiness.borrow() == Readiness::Ready;
    loop {
        ticks.tick().await;
        let now = cache.has_lease();
        match (before, now) {
            (true, false) => {
                tracing::error!(
                    "the lease has run out: no call can be answered; health checks report it"
                );
            }
            (false, true) => tracing::info!("there is a lease again: calls are answered"),
            (true, true) | (false, false) => {}
        }
        set_ready(&readiness, now);
        before = now;
    }
}

/// Implements `grpc.health.v1.Health`.
#[derive(Clone, Debug)]
pub(super) struct HealthService {
    readiness: watch::Receiver<Readiness>,
}

type Answer = Result<HealthCheckResponse, Status>;

#[tonic::async_trait]
impl HealthApi for HealthService {
    type WatchStream = Pin<Box<dyn Stream<Item = Answer> + Send>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let HealthCheckRequest { service } = request.into_inner();
        let status = Subject::parse(&service).status(*self.readiness.borrow());
        if status == ServingStatus::ServiceUnknown {
            // The status that the protocol prescribes, which has no details.
            return Err(Status::not_found("no service of this server has the name"));
        }
        Ok(Response::new(HealthCheckResponse {
            status: status.into(),
        }))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let HealthCheckRequest { service } = request.into_inner();
        let watching = Watching {
            subject: Subject::parse(&service),
            readiness: self.readiness.clone(),
            sent: None,
        };
        let statuses = stream::unfold(watching, Watching::next);
        Ok(Response::new(Box::pin(statuses)))
    }
}

/// The stream of one watcher: the current status, then each change until
/// shutdown.
#[derive(Debug)]
struct Watching {
    subject: Subject,
    readiness: watch::Receiver<Readiness>,
    sent: Option<ServingStatus>,
}

impl Watching {
    async fn next(mut self) -> Option<(Answer, Self)> {
        loop {
            let readiness = *self.readiness.borrow_and_update();
            let status = self.subject.status(readiness);
            if self.sent.replace(status) != Some(status) {
                let answer = HealthCheckResponse {
                    status: status.into(),
                };
                return Some((Ok(answer), self));
            }
            // A stream that stayed open would delay the shutdown.
            if readiness == Readiness::Stopping {
                return None;
            }
            self.readiness.changed().await.ok()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_and_services_have_separate_statuses() {
        use Readiness::{NotReady, Ready, Stopping};
        use ServingStatus::{NotServing, ServiceUnknown, Serving};
        let cases = [
            // name                              live            ready           stopping
            ("", [Serving, Serving, NotServing]),
            (
                "pim.authz.v1.AuthorizationService",
                [NotServing, Serving, NotServing],
            ),
            ("pim.authz.v1.Nothing", [ServiceUnknown; 3]),
        ];
        for (name, expected) in cases {
            let subject = Subject::parse(name);
            let found = [NotReady, Ready, Stopping].map(|readiness| subject.status(readiness));
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn stopping_server_never_becomes_ready() {
        let (health, _service) = Health::start();
        health.stop();
        set_ready(&health.readiness, true);
        assert_eq!(*health.readiness.borrow(), Readiness::Stopping);
    }
}

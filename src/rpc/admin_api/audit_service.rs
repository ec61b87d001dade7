use std::pin::Pin;

use futures_util::Stream;
use tonic::{Request, Response, Status};

use crate::pb::{self, audit_service_server::AuditService};

use super::{AdminApi, Answer as _, service};

service! {
    AuditService {
        list_changes(ListChangesRequest) -> ListChangesResponse;
    }

    type WatchChangesStream =
        Pin<Box<dyn Stream<Item = Result<pb::WatchChangesResponse, Status>> + Send>>;

    async fn watch_changes(
        &self,
        _request: Request<pb::WatchChangesRequest>,
    ) -> Result<Response<Self::WatchChangesStream>, Status> {
        Err(super::not_yet::not_served("WatchChanges").into())
    }

}

use std::pin::Pin;

use futures_util::Stream;
use tonic::{Request, Response, Status};

use crate::{
    pb::{self, audit_service_server::AuditService},
    rpc::allowed_stream::StreamLimits,
};

use super::{AdminApi, Answer as _, service};

service! {
    AuditService {
        list_changes(ListChangesRequest) -> ListChangesResponse;
    }

    type WatchChangesStream =
        Pin<Box<dyn Stream<Item = Result<pb::WatchChangesResponse, Status>> + Send>>;

    async fn watch_changes(
        &self,
        request: Request<pb::WatchChangesRequest>,
    ) -> Result<Response<Self::WatchChangesStream>, Status> {
        let limits = StreamLimits::of(request.extensions());
        let api = self.of_call(request.extensions());
        let events = api.watch(request.into_inner(), limits).await?;
        Ok(Response::new(Box::pin(events)))
    }

}

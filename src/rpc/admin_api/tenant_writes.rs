use crate::{
    admin::TenantRequest,
    domain::Edition,
    pb,
    rpc::{
        failure::{Failure, InvalidField},
        parse_import,
    },
};

use super::{
    AdminApi, Answer,
    writes::{WriteRequest, WriteResponse, answered, context},
};

impl AdminApi {
    async fn change_tenant<M: WriteRequest, R: WriteResponse>(
        &self,
        mut message: M,
        request: impl FnOnce(&M) -> Result<TenantRequest, InvalidField>,
    ) -> Result<R, Failure> {
        let context = context(&mut message, &self.calling)?;
        let request = request(&message)?;
        answered(|encode| self.coordinator.change_tenant(request, context, encode)).await
    }
}

impl Answer<pb::CreateTenantRequest> for AdminApi {
    type Message = pb::CreateTenantResponse;

    async fn answer(&self, request: pb::CreateTenantRequest) -> Result<Self::Message, Failure> {
        self.change_tenant(request, |message: &pb::CreateTenantRequest| {
            Ok(TenantRequest::Create(edition(message.edition)?))
        })
        .await
    }
}

impl Answer<pb::UpdateTenantRequest> for AdminApi {
    type Message = pb::UpdateTenantResponse;

    async fn answer(&self, request: pb::UpdateTenantRequest) -> Result<Self::Message, Failure> {
        self.change_tenant(request, |message: &pb::UpdateTenantRequest| {
            Ok(TenantRequest::SetEdition(edition(message.edition)?))
        })
        .await
    }
}

impl Answer<pb::DeleteTenantRequest> for AdminApi {
    type Message = pb::DeleteTenantResponse;

    async fn answer(&self, request: pb::DeleteTenantRequest) -> Result<Self::Message, Failure> {
        self.change_tenant(request, |_: &pb::DeleteTenantRequest| {
            Ok(TenantRequest::Delete)
        })
        .await
    }
}

fn edition(number: i32) -> Result<Edition, InvalidField> {
    parse_import::edition(number)?.ok_or_else(|| {
        let message =
            "is missing; allowed are: EDITION_COMMUNITY, EDITION_GROWTH, EDITION_ENTERPRISE";
        InvalidField::new("edition", message)
    })
}

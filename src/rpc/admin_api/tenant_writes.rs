use crate::{
    admin::TenantRequest,
    domain::Edition,
    pb,
    rpc::{
        failure::{Failure, InvalidField},
        parse_import,
    },
};

use super::writes::writes;

writes! {
    CreateTenantRequest -> CreateTenantResponse: TenantRequest =
        |message, _| TenantRequest::Create(edition(message.edition)?);
    UpdateTenantRequest -> UpdateTenantResponse: TenantRequest =
        |message, _| TenantRequest::SetEdition(edition(message.edition)?);
    DeleteTenantRequest -> DeleteTenantResponse: TenantRequest =
        |_message, _| TenantRequest::Delete;
}

fn edition(number: i32) -> Result<Edition, InvalidField> {
    parse_import::edition(number)?.ok_or_else(|| {
        let message =
            "is missing; allowed are: EDITION_COMMUNITY, EDITION_GROWTH, EDITION_ENTERPRISE";
        InvalidField::new("edition", message)
    })
}

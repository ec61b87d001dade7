use crate::pb::{self, tenant_service_server::TenantService};

use super::{AdminApi, Answer as _, service};

service! {
    TenantService {
        create_tenant(CreateTenantRequest) -> CreateTenantResponse;
        get_tenant(GetTenantRequest) -> GetTenantResponse;
        list_tenants(ListTenantsRequest) -> ListTenantsResponse;
        update_tenant(UpdateTenantRequest) -> UpdateTenantResponse;
        delete_tenant(DeleteTenantRequest) -> DeleteTenantResponse;
    }
}

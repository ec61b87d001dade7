use crate::pb::{self, operations_service_server::OperationsService};

use super::{AdminApi, Answer as _, service};

service! {
    OperationsService {
        verify_audit(VerifyAuditRequest) -> VerifyAuditResponse;
        get_status(GetStatusRequest) -> GetStatusResponse;
        begin_maintenance(BeginMaintenanceRequest) -> BeginMaintenanceResponse;
        end_maintenance(EndMaintenanceRequest) -> EndMaintenanceResponse;
    }
}

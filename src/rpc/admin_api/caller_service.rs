use crate::pb::{self, caller_service_server::CallerService};

use super::{AdminApi, Answer as _, service};

service! {
    CallerService {
        put_callers(PutCallersRequest) -> PutCallersResponse;
        delete_callers(DeleteCallersRequest) -> DeleteCallersResponse;
        list_callers(ListCallersRequest) -> ListCallersResponse;
        create_caller_key(CreateCallerKeyRequest) -> CreateCallerKeyResponse;
        delete_caller_key(DeleteCallerKeyRequest) -> DeleteCallerKeyResponse;
    }
}

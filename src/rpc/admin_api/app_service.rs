use crate::pb::{self, app_service_server::AppService};

use super::{AdminApi, Answer as _, service};

service! {
    AppService {
        start_connection(StartConnectionRequest) -> StartConnectionResponse;
        authorize_scopes(AuthorizeScopesRequest) -> AuthorizeScopesResponse;
        set_permissions(SetPermissionsRequest) -> SetPermissionsResponse;
        confirm_connection(ConfirmConnectionRequest) -> ConfirmConnectionResponse;
        cancel_connection(CancelConnectionRequest) -> CancelConnectionResponse;
        get_app(GetAppRequest) -> GetAppResponse;
        list_apps(ListAppsRequest) -> ListAppsResponse;
        update_scopes(UpdateScopesRequest) -> UpdateScopesResponse;
        disconnect(DisconnectRequest) -> DisconnectResponse;
    }
}

use crate::pb::{self, access_rights_service_server::AccessRightsService};

use super::{AdminApi, Answer as _, service};

service! {
    AccessRightsService {
        grant_access(GrantAccessRequest) -> GrantAccessResponse;
        revoke_access(RevokeAccessRequest) -> RevokeAccessResponse;
        replace_access(ReplaceAccessRequest) -> ReplaceAccessResponse;
        list_access(ListAccessRequest) -> ListAccessResponse;
        get_effective_access(GetEffectiveAccessRequest) -> GetEffectiveAccessResponse;
    }
}

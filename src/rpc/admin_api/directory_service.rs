use crate::pb::{self, directory_service_server::DirectoryService};

use super::{AdminApi, Answer as _, service};

service! {
    DirectoryService {
        put_users(PutUsersRequest) -> PutUsersResponse;
        delete_users(DeleteUsersRequest) -> DeleteUsersResponse;
        list_users(ListUsersRequest) -> ListUsersResponse;
        put_connections(PutConnectionsRequest) -> PutConnectionsResponse;
        delete_connections(DeleteConnectionsRequest) -> DeleteConnectionsResponse;
        list_connections(ListConnectionsRequest) -> ListConnectionsResponse;
        put_user_groups(PutUserGroupsRequest) -> PutUserGroupsResponse;
        delete_user_groups(DeleteUserGroupsRequest) -> DeleteUserGroupsResponse;
        list_user_groups(ListUserGroupsRequest) -> ListUserGroupsResponse;
        put_roles(PutRolesRequest) -> PutRolesResponse;
        delete_roles(DeleteRolesRequest) -> DeleteRolesResponse;
        list_roles(ListRolesRequest) -> ListRolesResponse;
    }
}

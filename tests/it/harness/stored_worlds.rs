use pim_authz::{
    domain::{Code, ItemKind, Level, SubjectKind, SubjectRef},
    pb::{self, access_rights_service_client::AccessRightsServiceClient},
};
use tonic::transport::Channel;

use super::{TestServer, words};
use crate::support::World;

/// Stores a world as a tenant: by an import of its files, and by grants for the
/// rights of apps' private groups that no file can express. Returns the
/// tenant's revision.
pub(crate) async fn store_world(server: &TestServer, tenant: &str, world: &World) -> u64 {
    let edition = words::edition(world.edition);
    server
        .import(tenant, edition, &world.importable().files())
        .await;
    let mut client = AccessRightsServiceClient::new(server.channel().await);
    set_private_rights(&mut client, tenant, world).await
}

/// Sets the rights of apps' private groups to those of the world. Returns the
/// tenant's revision.
pub(crate) async fn set_private_rights(
    client: &mut AccessRightsServiceClient<Channel>,
    tenant: &str,
    world: &World,
) -> u64 {
    let mut revocations = Vec::new();
    let mut grants = Vec::new();
    for app in world.apps.keys() {
        let group = World::private_group(app);
        for item in &world.items {
            let entry = |level: Level| pb::AccessGrant {
                group: group.to_string(),
                item: Some(pb::Item {
                    r#type: item.kind.to_string(),
                    id: item.code.to_string(),
                }),
                level: words::level(Some(level)).into(),
                apply_to_children: (item.kind == ItemKind::Category).then_some(false),
            };
            let lowest = if item.kind.is_profile() {
                Level::ExecuteAndEdit
            } else {
                Level::View
            };
            revocations.push(entry(lowest));
            let held = world.right(&group, item);
            if held != Level::Hidden {
                grants.push(entry(held));
            }
        }
    }
    let revoke = pb::RevokeAccessRequest {
        tenant: tenant.to_owned(),
        revocations,
        ..Default::default()
    };
    client.revoke_access(revoke).await.unwrap();
    let grant = pb::GrantAccessRequest {
        tenant: tenant.to_owned(),
        grants,
        ..Default::default()
    };
    client
        .grant_access(grant)
        .await
        .unwrap()
        .into_inner()
        .revision
}

/// Every subject of a world: users, apps and connections.
pub(crate) fn every_subject(world: &World) -> Vec<SubjectRef> {
    let of = |kind, codes: Vec<&Code>| {
        let codes = codes.into_iter().cloned();
        codes
            .map(move |code| SubjectRef { kind, code })
            .collect::<Vec<_>>()
    };
    [
        of(SubjectKind::User, world.users.keys().collect()),
        of(SubjectKind::App, world.apps.keys().collect()),
        of(SubjectKind::Connection, world.connections.keys().collect()),
    ]
    .concat()
}

use pim_authz::pb::{
    self, CallerRight, operations_service_client::OperationsServiceClient,
    tenant_service_client::TenantServiceClient,
};
use tonic::Code;

use super::world::{EVERY_RIGHT, World, everywhere, of_tenants};

fn codes(listed: pb::ListTenantsResponse) -> Vec<String> {
    let tenants = listed.tenants.into_iter();
    tenants.map(|tenant| tenant.code).collect()
}

#[tokio::test]
async fn callers_list_only_the_tenants_they_may_access() {
    let world = World::start().await;
    let cases = [
        (
            of_tenants("one", &["Other", "later"], &EVERY_RIGHT),
            vec!["other"],
        ),
        (of_tenants("none", &[], &EVERY_RIGHT), vec![]),
        (everywhere("all", &EVERY_RIGHT), vec!["acme", "other"]),
    ];
    for (caller, expected) in cases {
        let name = caller.name.clone();
        let key = world.caller(caller).await;
        let mut client = TenantServiceClient::new(key.line(&world.guarded).await);
        let listed = client.list_tenants(pb::ListTenantsRequest::default()).await;
        assert_eq!(codes(listed.unwrap().into_inner()), expected, "{name}");
    }
    // The installation is not listed as a tenant.
    let mut client = TenantServiceClient::new(world.open.channel().await);
    let listed = client.list_tenants(pb::ListTenantsRequest::default()).await;
    assert_eq!(codes(listed.unwrap().into_inner()), ["acme", "other"]);
}

#[tokio::test]
async fn caller_may_have_a_tenant_before_it_exists() {
    let world = World::start().await;
    let later = of_tenants("later", &["later"], &EVERY_RIGHT);
    let key = world.caller(later).await;
    let mut client = TenantServiceClient::new(key.line(&world.guarded).await);
    let request = pb::GetTenantRequest {
        tenant: "later".into(),
    };
    let status = client.get_tenant(request.clone()).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let create = pb::CreateTenantRequest {
        tenant: "later".into(),
        edition: pb::Edition::Growth.into(),
        ..Default::default()
    };
    let mut open = TenantServiceClient::new(world.open.channel().await);
    open.create_tenant(create).await.unwrap();
    client.get_tenant(request).await.unwrap();
}

#[tokio::test]
async fn server_status_hides_tenants_of_other_callers() {
    let world = World::start().await;
    let one = of_tenants("one", &["acme"], &[CallerRight::Operate]);
    let key = world.caller(one).await;
    let mut client = OperationsServiceClient::new(key.line(&world.guarded).await);
    let mut revision = async |tenant: &str| {
        let request = pb::GetStatusRequest {
            tenant: tenant.into(),
        };
        let status = client.get_status(request).await.unwrap().into_inner();
        status.revision + status.revisions_behind
    };
    assert_eq!(revision("acme").await, 1);
    assert_eq!(revision("other").await, 0);
    assert_eq!(revision("nobody").await, 0);
}

//! Tenants that are deleted and created again repeatedly, reusing the numbers of
//! the previous one, while readers query them.

use std::sync::Arc;

use pim_authz::pb::{
    self, authorization_service_client::AuthorizationServiceClient, import_catalog_request::Part,
    import_service_client::ImportServiceClient, tenant_service_client::TenantServiceClient,
};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tonic::{Code, Status, transport::Channel};

use crate::workload::{PATIENCE, REST, Shared};

/// The tenants. Each is deleted and created by a server of its own.
const TENANTS: [&str; 2] = ["remade", "remade-too"];

/// State of the tenant: its one user may view its one product, may not, or the
/// tenant does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Allows,
    Denies,
    Absent,
}

/// Deletes and creates the tenants until the scenario is over. After each write,
/// no server may return an earlier state (G1).
pub(crate) fn remakers(shared: &Arc<Shared>) -> impl Iterator<Item = JoinHandle<()>> {
    let tenants = TENANTS.into_iter().enumerate();
    // Not the first server, which the first fault affects.
    tenants.map(|(number, tenant)| remaker(shared, tenant, 1 + number))
}

fn remaker(shared: &Arc<Shared>, tenant: &'static str, server: usize) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let states = [State::Allows, State::Absent, State::Denies, State::Absent];
        for (number, state) in states.into_iter().cycle().enumerate() {
            let key = format!("remade-{number}");
            let mut server = server;
            loop {
                if shared.is_over() {
                    return;
                }
                let channel = shared.channels()[server].current();
                if let Ok(Ok(())) = timeout(PATIENCE, set(channel, tenant, state, &key)).await {
                    break;
                }
                server = if server == 1 { 2 } else { 1 };
                sleep(REST).await;
            }
            for (server, channel) in shared.channels().iter().enumerate() {
                let response = timeout(PATIENCE, read_state(channel.current(), tenant)).await;
                if let Ok(Some(found)) = response {
                    assert_eq!(found, state, "server {server} after write {number}");
                }
            }
            // An import is expensive for all servers.
            sleep(REST * 2).await;
        }
    })
}

/// Queries one server for the tenants until the scenario is over, so that they may
/// be loaded at any time.
pub(crate) fn reader(shared: &Arc<Shared>, server: usize) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        for tenant in TENANTS.into_iter().cycle() {
            if shared.is_over() {
                return;
            }
            let channel = shared.channels()[server].current();
            let _whatever = timeout(PATIENCE, read_state(channel, tenant)).await;
            sleep(shared.pace).await;
        }
    })
}

/// Returns the state of the tenant; `None` if the server does not answer.
async fn read_state(channel: Channel, tenant: &str) -> Option<State> {
    let request = pb::CheckRequest {
        tenant: tenant.into(),
        subject: Some(pb::Subject {
            r#type: "user".into(),
            id: "u".into(),
        }),
        action: "view".into(),
        resource: Some(pb::Resource {
            r#type: "product".into(),
            id: "p".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut client = AuthorizationServiceClient::new(channel);
    match client.check(request).await {
        Ok(answer) => Some(if answer.into_inner().allowed {
            State::Allows
        } else {
            State::Denies
        }),
        Err(status) if status.code() == Code::NotFound => Some(State::Absent),
        Err(_) => None,
    }
}

async fn set(channel: Channel, tenant: &str, state: State, key: &str) -> Result<(), Status> {
    if state == State::Absent {
        let request = pb::DeleteTenantRequest {
            tenant: tenant.into(),
            idempotency_key: key.into(),
            ..Default::default()
        };
        let mut client = TenantServiceClient::new(channel);
        return client.delete_tenant(request).await.map(|_| ());
    }
    let viewers = if state == State::Allows { "g" } else { "h" };
    let rights = format!("category;view_items;edit_items;own_items\nc;{viewers};;\n");
    let files = [
        ("user_groups.csv", "code;name\ng;G\nh;H\n"),
        ("users.csv", "username;roles;groups\nu;;g\n"),
        ("categories.csv", "code;parent\nc;\n"),
        ("products.csv", "sku;categories\np;c\n"),
        ("product_category_accesses.csv", &rights),
    ];
    let header = pb::ImportHeader {
        tenant: tenant.into(),
        edition: pb::Edition::Enterprise.into(),
        idempotency_key: key.into(),
        ..Default::default()
    };
    let pieces = files.map(|(file, text)| {
        Part::Piece(pb::FilePiece {
            file: file.into(),
            content: text.as_bytes().to_vec(),
        })
    });
    let parts = std::iter::once(Part::Header(header)).chain(pieces);
    let parts: Vec<_> = parts
        .map(|part| pb::ImportCatalogRequest { part: Some(part) })
        .collect();
    let mut client = ImportServiceClient::new(channel);
    let parts = tokio_stream::iter(parts);
    let mut events = client.import_catalog(parts).await?.into_inner();
    while events.message().await?.is_some() {}
    Ok(())
}

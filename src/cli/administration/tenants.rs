use serde_json::json;

use crate::{
    cli::{
        Answer, CliError,
        arguments::{EditionArgument, TenantCommand},
        connection::{connect_to, patient},
    },
    pb::{self, tenant_service_client::TenantServiceClient},
};

use super::{
    every_page, listed,
    writes::{request, service, written},
};

pub(super) async fn run(command: &TenantCommand) -> Result<Answer, CliError> {
    match command {
        TenantCommand::List { server } => {
            let mut client = service!(TenantServiceClient, server);
            let request = pb::ListTenantsRequest::default();
            let (tenants, revision) = every_page!(client, list_tenants, request, tenants);
            let rows = tenants.iter().map(row).collect();
            Ok(listed(
                server.output,
                "tenant",
                &["code", "edition"],
                rows,
                revision,
            ))
        }
        TenantCommand::Get { server } => {
            let mut client = service!(TenantServiceClient, server);
            let request = pb::GetTenantRequest {
                tenant: server.tenant.clone(),
            };
            let found = client.get_tenant(patient(request)).await?.into_inner();
            let rows = found.tenant.iter().map(row).collect();
            let header = ["code", "edition"];
            Ok(listed(
                server.output,
                "tenant",
                &header,
                rows,
                found.revision,
            ))
        }
        TenantCommand::Create { edition, write } => {
            let mut client = service!(TenantServiceClient, write.server);
            let request = request!(CreateTenantRequest, write, { edition: number(*edition) });
            let answer = client.create_tenant(patient(request)).await?.into_inner();
            Ok(written(write, answer.revision, answer.effect))
        }
        TenantCommand::Update { edition, write } => {
            let mut client = service!(TenantServiceClient, write.server);
            let request = request!(UpdateTenantRequest, write, { edition: number(*edition) });
            let answer = client.update_tenant(patient(request)).await?.into_inner();
            Ok(written(write, answer.revision, answer.effect))
        }
        TenantCommand::Delete { confirm, write } => {
            if *confirm != write.server.tenant {
                return Err(CliError::NotConfirmed {
                    tenant: write.server.tenant.clone(),
                    confirmed: confirm.clone(),
                });
            }
            let mut client = service!(TenantServiceClient, write.server);
            let request = request!(DeleteTenantRequest, write, {});
            let answer = client.delete_tenant(patient(request)).await?.into_inner();
            Ok(written(write, answer.revision, answer.effect))
        }
    }
}

fn number(edition: EditionArgument) -> i32 {
    let edition = match edition {
        EditionArgument::Enterprise => pb::Edition::Enterprise,
        EditionArgument::Growth => pb::Edition::Growth,
        EditionArgument::Community => pb::Edition::Community,
    };
    edition.into()
}

fn row(tenant: &pb::Tenant) -> (Vec<String>, serde_json::Value) {
    let edition = tenant.edition().as_str_name();
    let edition = edition.strip_prefix("EDITION_").unwrap_or(edition);
    let edition = edition.to_lowercase();
    let value = json!({ "code": tenant.code, "edition": edition });
    (vec![tenant.code.clone(), edition], value)
}

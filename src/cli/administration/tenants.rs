use crate::{
    cli::{Answer, CliError, arguments::TenantCommand, connection::call, words},
    pb::{self, tenant_service_client::TenantServiceClient},
};

use super::{
    lists::{Column, list_and_show, listed},
    writes::write_and_show,
};

const COLUMNS: [Column<pb::Tenant>; 2] = [
    ("code", |tenant| tenant.code.clone()),
    ("edition", |tenant| {
        words::edition(tenant.edition()).unwrap_or_default()
    }),
];

pub(super) async fn run(command: &TenantCommand) -> Result<Answer, CliError> {
    Ok(match command {
        TenantCommand::List { server } => {
            let request = pb::ListTenantsRequest::default();
            list_and_show!(
                server,
                TenantServiceClient.list_tenants(request).tenants,
                "tenant",
                &COLUMNS
            )
        }
        TenantCommand::Get { server } => {
            let request = pb::GetTenantRequest {
                tenant: server.tenant.clone(),
            };
            let found = call!(server, TenantServiceClient.get_tenant(request));
            let tenants = found.tenant.as_slice();
            listed(
                server.output,
                &found,
                (tenants, found.revision),
                "tenant",
                &COLUMNS,
            )
        }
        TenantCommand::Create { edition, write } => write_and_show!(
            write,
            TenantServiceClient.create_tenant(CreateTenantRequest {
                edition: pb::Edition::from(*edition).into()
            })
        ),
        TenantCommand::Update { edition, write } => write_and_show!(
            write,
            TenantServiceClient.update_tenant(UpdateTenantRequest {
                edition: pb::Edition::from(*edition).into()
            })
        ),
        TenantCommand::Delete { confirm, write } => {
            if *confirm != write.server.tenant {
                return Err(CliError::NotConfirmed {
                    tenant: write.server.tenant.clone(),
                    confirmed: confirm.clone(),
                });
            }
            write_and_show!(
                write,
                TenantServiceClient.delete_tenant(DeleteTenantRequest {})
            )
        }
    })
}

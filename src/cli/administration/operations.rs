use crate::{
    cli::{
        Answer, CliError, Exit,
        arguments::{MaintenanceCommand, ServerArguments},
        connection::call,
        environment::actor,
        json,
        report::{lines, table},
    },
    pb::{self, operations_service_client::OperationsServiceClient},
};

pub(super) async fn status(server: &ServerArguments) -> Result<Answer, CliError> {
    let request = pb::GetStatusRequest {
        tenant: server.tenant.clone(),
    };
    let found = call!(server, OperationsServiceClient.get_status(request));
    let has_lease = found
        .lease_remaining
        .is_some_and(|left| left.seconds > 0 || left.nanos > 0);
    let answer = Answer::of(server.output, &found, || figures(&found));
    Ok(answer.with_exit(Exit::of(has_lease)))
}

/// Table of the fields of a status.
fn figures(found: &pb::GetStatusResponse) -> String {
    let figures = json::Message::of(found).texts().into_iter();
    let rows = figures.map(|(name, value)| vec![name.replace('_', " "), value.replace('_', " ")]);
    table(&["figure", "value"], rows.collect())
}

pub(super) async fn maintain(command: &MaintenanceCommand) -> Result<Answer, CliError> {
    Ok(match command {
        MaintenanceCommand::Begin { actor: who, server } => {
            let request = pb::BeginMaintenanceRequest {
                actor: actor(who.as_deref()),
            };
            let begun = call!(server, OperationsServiceClient.begin_maintenance(request));
            Answer::of(server.output, &begun, || {
                lines([
                    format!("begun: {}", begun.pass),
                    "in each transaction that changes facts, first:".to_owned(),
                    format!("    SET LOCAL pim_authz.door = '{}';", begun.pass),
                    format!("and at the end: pim-authz maintenance end {}", begun.pass),
                ])
            })
        }
        MaintenanceCommand::End {
            pass,
            actor: who,
            server,
        } => {
            let request = pb::EndMaintenanceRequest {
                actor: actor(who.as_deref()),
                pass: pass.clone(),
            };
            let ended = call!(server, OperationsServiceClient.end_maintenance(request));
            Answer::of(server.output, &ended, || lines([format!("ended: {pass}")]))
        }
    })
}

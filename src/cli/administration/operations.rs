use serde_json::json;

use crate::{
    cli::{
        Answer, CliError, Exit, Output,
        arguments::{MaintenanceCommand, ServerArguments},
        connection::{connect_to, patient},
        report::{document, lines, table},
    },
    pb::{self, operations_service_client::OperationsServiceClient},
};

use super::writes::{actor, service};

pub(super) async fn status(server: &ServerArguments) -> Result<Answer, CliError> {
    let mut client = service!(OperationsServiceClient, server);
    let request = pb::GetStatusRequest {
        tenant: server.tenant.clone(),
    };
    let found = client.get_status(patient(request)).await?.into_inner();
    let exit = if seconds(found.lease_remaining) > 0.0 {
        Exit::Done
    } else {
        Exit::Denied
    };
    let figures = figures(&found);
    if server.output == Output::Json {
        let values = figures
            .into_iter()
            .map(|(name, _, value)| (name.to_owned(), value));
        return Ok(Answer::new(
            document(&serde_json::Value::Object(values.collect())),
            exit,
        ));
    }
    let rows = figures.into_iter().map(|(name, unit, value)| {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        vec![name.replace('_', " "), format!("{value}{unit}")]
    });
    Ok(Answer::new(
        table(&["figure", "value"], rows.collect()),
        exit,
    ))
}

type Figure = (&'static str, &'static str, serde_json::Value);

fn figures(found: &pb::GetStatusResponse) -> Vec<Figure> {
    vec![
        ("version", "", json!(found.version)),
        ("keeps_memory", "", json!(found.keeps_memory)),
        (
            "lease_remaining",
            " s",
            json!(seconds(found.lease_remaining)),
        ),
        ("servers", "", json!(found.servers)),
        ("revision", "", json!(found.revision)),
        ("revisions_behind", "", json!(found.revisions_behind)),
        (
            "announcements_behind",
            "",
            json!(found.announcements_behind),
        ),
        ("writes_pending", "", json!(found.writes_pending)),
        ("hits", "", json!(found.hits)),
        ("misses", "", json!(found.misses)),
        ("loads", "", json!(found.loads)),
        ("loads_with_pending", "", json!(found.loads_with_pending)),
        ("hits_with_pending", "", json!(found.hits_with_pending)),
        ("floors_raised", "", json!(found.floors_raised)),
        ("answers_withheld", "", json!(found.answers_withheld)),
        ("leases_lost", "", json!(found.leases_lost)),
        ("leases_ended", "", json!(found.leases_ended)),
        ("writes_given_up", "", json!(found.writes_given_up)),
        ("announcements", "", json!(found.announcements)),
        ("last_wait", " s", json!(seconds(found.last_wait))),
        ("longest_wait", " s", json!(seconds(found.longest_wait))),
        ("entries", "", json!(found.entries)),
        ("bytes", "", json!(found.bytes)),
        ("indexed_products", "", json!(found.indexed_products)),
        ("index_bytes", "", json!(found.index_bytes)),
        ("index_loads", "", json!(found.index_loads)),
        ("products_patched", "", json!(found.products_patched)),
        ("pages_from_memory", "", json!(found.pages_from_memory)),
        ("durability", "", json!(durability(found.durability()))),
        ("database_away", "", json!(found.database_away)),
    ]
}

fn durability(durability: pb::Durability) -> &'static str {
    match durability {
        pb::Durability::Unspecified => "unknown",
        pb::Durability::None => "none",
        pb::Durability::SingleNode => "single node",
        pb::Durability::SynchronousStandby => "synchronous standby",
    }
}

fn seconds(time: Option<prost_types::Duration>) -> f64 {
    let time = time.and_then(|time| std::time::Duration::try_from(time).ok());
    time.unwrap_or_default().as_secs_f64()
}

pub(super) async fn maintain(command: &MaintenanceCommand) -> Result<Answer, CliError> {
    match command {
        MaintenanceCommand::Begin { actor: who, server } => {
            let mut client = service!(OperationsServiceClient, server);
            let request = pb::BeginMaintenanceRequest {
                actor: actor(who.as_deref()),
            };
            let begun = client
                .begin_maintenance(patient(request))
                .await?
                .into_inner();
            let text = if server.output == Output::Json {
                document(&json!({ "pass": begun.pass }))
            } else {
                lines([
                    format!("begun: {}", begun.pass),
                    "in each transaction that changes facts, first:".to_owned(),
                    format!("    SET LOCAL pim_authz.door = '{}';", begun.pass),
                    format!("and at the end: pim-authz maintenance end {}", begun.pass),
                ])
            };
            Ok(Answer::new(text, Exit::Done))
        }
        MaintenanceCommand::End {
            pass,
            actor: who,
            server,
        } => {
            let mut client = service!(OperationsServiceClient, server);
            let request = pb::EndMaintenanceRequest {
                actor: actor(who.as_deref()),
                pass: pass.clone(),
            };
            client.end_maintenance(patient(request)).await?;
            let text = if server.output == Output::Json {
                document(&json!({ "ended": pass }))
            } else {
                lines([format!("ended: {pass}")])
            };
            Ok(Answer::new(text, Exit::Done))
        }
    }
}

use serde_json::{Value, json};

use crate::{
    cli::{
        Answer, CliError, Exit, Output, WriteArguments,
        arguments::{CallerClientCommand, KeyCommand},
        connection::{connect_to, patient},
        report::{document, lines},
    },
    pb::{self, caller_service_client::CallerServiceClient},
};

use super::{
    every_page, listed,
    writes::{actor, request, service, written},
};

pub(crate) async fn callers(command: &CallerClientCommand) -> Result<Answer, CliError> {
    match command {
        CallerClientCommand::List { server } => {
            let mut client = service!(CallerServiceClient, server);
            let request = pb::ListCallersRequest::default();
            let (callers, revision) = every_page!(client, list_callers, request, callers);
            let rows = callers.iter().map(row).collect();
            let header = ["name", "rights", "tenants", "certificates", "OIDC", "keys"];
            Ok(listed(server.output, "caller", &header, rows, revision))
        }
        CallerClientCommand::Put {
            name,
            tenants,
            all_tenants,
            rights,
            sans,
            oidc,
            write,
        } => {
            let caller = pb::Caller {
                name: name.clone(),
                tenants: tenants.clone().unwrap_or_default().0,
                all_tenants: *all_tenants,
                rights: rights
                    .iter()
                    .map(|word| right(word))
                    .collect::<Result<_, _>>()?,
                subject_alternative_names: sans.clone(),
                oidc_identities: oidc
                    .iter()
                    .map(|text| identity(text))
                    .collect::<Result<_, _>>()?,
                keys: Vec::new(),
            };
            let mut client = service!(CallerServiceClient, write.server);
            let request = request!(PutCallersRequest, write, {
                callers: vec![caller],
                expected_revision: None,
            });
            let request = pb::PutCallersRequest {
                tenant: String::new(),
                ..request
            };
            let answer = client.put_callers(patient(request)).await?.into_inner();
            Ok(written(write, answer.revision, answer.effect))
        }
        CallerClientCommand::Delete { names, write } => {
            let mut client = service!(CallerServiceClient, write.server);
            let request = request!(DeleteCallersRequest, write, { names: names.clone() });
            let request = pb::DeleteCallersRequest {
                tenant: String::new(),
                ..request
            };
            let answer = client.delete_callers(patient(request)).await?.into_inner();
            Ok(written(write, answer.revision, answer.effect))
        }
        CallerClientCommand::Key { command } => key(command).await,
    }
}

async fn key(command: &KeyCommand) -> Result<Answer, CliError> {
    match command {
        KeyCommand::Create {
            caller,
            valid_days,
            write,
        } => {
            let mut client = service!(CallerServiceClient, write.server);
            let request = pb::CreateCallerKeyRequest {
                tenant: String::new(),
                actor: actor(write.actor.as_deref()),
                dry_run: write.dry_run,
                caller: caller.clone(),
                valid_for: valid_days.map(|days| prost_types::Duration {
                    seconds: i64::from(days) * 24 * 60 * 60,
                    nanos: 0,
                }),
            };
            let answer = client.create_caller_key(patient(request)).await?;
            Ok(created(write, answer.into_inner()))
        }
        KeyCommand::Delete { id, write } => {
            let mut client = service!(CallerServiceClient, write.server);
            let request = request!(DeleteCallerKeyRequest, write, { key_id: id.clone() });
            let request = pb::DeleteCallerKeyRequest {
                tenant: String::new(),
                ..request
            };
            let answer = client.delete_caller_key(patient(request)).await?;
            let answer = answer.into_inner();
            Ok(written(write, answer.revision, answer.effect))
        }
    }
}

/// Renders a new key: alone on standard output, so that it can be redirected to a
/// file, with the rest on standard error; as JSON in one document.
fn created(write: &WriteArguments, answer: pb::CreateCallerKeyResponse) -> Answer {
    let pb::CreateCallerKeyResponse {
        revision,
        effect,
        key_id,
        key,
    } = answer;
    if write.dry_run {
        return written(write, revision, effect);
    }
    if write.server.output == Output::Json {
        let value = json!({ "revision": revision, "key_id": key_id, "key": key });
        return Answer::new(document(&value), Exit::Done);
    }
    let mut answer = Answer::new(lines([key]), Exit::Done);
    answer.err = lines([format!(
        "key {key_id}, created at revision {revision}: it is shown this once"
    )]);
    answer
}

fn right(word: &str) -> Result<i32, CliError> {
    let name = format!("CALLER_RIGHT_{}", word.to_uppercase());
    let right = pb::CallerRight::from_str_name(&name);
    let right = right.filter(|right| *right != pb::CallerRight::Unspecified);
    right.map(Into::into).ok_or_else(|| CliError::Word {
        what: "right of a caller",
        word: word.to_owned(),
        allowed: "check, list, administer, audit, operate",
    })
}

fn identity(text: &str) -> Result<pb::OidcIdentity, CliError> {
    let parts = text.split_once(' ');
    let (issuer, subject) = parts.ok_or_else(|| CliError::Word {
        what: "OIDC identity",
        word: text.to_owned(),
        allowed: "an issuer and a subject with a space between, as `https://id.example shop`",
    })?;
    Ok(pb::OidcIdentity {
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
    })
}

fn row(caller: &pb::Caller) -> (Vec<String>, Value) {
    let rights: Vec<String> = caller
        .rights()
        .map(|right| {
            let name = right.as_str_name();
            name.strip_prefix("CALLER_RIGHT_")
                .unwrap_or(name)
                .to_lowercase()
        })
        .collect();
    let identities: Vec<String> = caller
        .oidc_identities
        .iter()
        .map(|identity| format!("{} {}", identity.issuer, identity.subject))
        .collect();
    let time = |time: &Option<prost_types::Timestamp>| time.as_ref().map(ToString::to_string);
    let keys = caller.keys.iter().map(|key| {
        json!({ "id": key.id, "created_at": time(&key.created_at), "expires_at": time(&key.expires_at) })
    });
    let value = json!({
        "name": caller.name,
        "tenants": caller.tenants,
        "all_tenants": caller.all_tenants,
        "rights": rights,
        "subject_alternative_names": caller.subject_alternative_names,
        "oidc_identities": identities,
        "keys": keys.collect::<Vec<_>>(),
    });
    let tenants = if caller.all_tenants {
        "all".to_owned()
    } else {
        caller.tenants.join(", ")
    };
    let keys: Vec<String> = caller
        .keys
        .iter()
        .map(|key| match time(&key.expires_at) {
            Some(end) => format!("{} until {end}", key.id),
            None => key.id.clone(),
        })
        .collect();
    let cells = vec![
        caller.name.clone(),
        rights.join(", "),
        tenants,
        caller.subject_alternative_names.join("\n"),
        identities.join("\n"),
        keys.join("\n"),
    ];
    (cells, value)
}

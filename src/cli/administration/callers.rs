use crate::{
    cli::{
        Answer, CliError, Output, WriteArguments,
        arguments::{CallerClientCommand, KeyCommand},
        connection::call,
        environment::actor,
        report::lines,
        words,
    },
    pb::{self, caller_service_client::CallerServiceClient},
};

use super::{
    lists::{Column, list_and_show},
    writes::{write_and_show, written},
};

const COLUMNS: [Column<pb::Caller>; 6] = [
    ("name", |caller| caller.name.clone()),
    ("rights", |caller| {
        let rights: Vec<String> = caller.rights().filter_map(words::caller_right).collect();
        rights.join(", ")
    }),
    ("tenants", |caller| {
        if caller.all_tenants {
            return "all".to_owned();
        }
        caller.tenants.join(", ")
    }),
    ("certificates", |caller| {
        caller.subject_alternative_names.join("\n")
    }),
    ("OIDC", |caller| {
        let identities = caller.oidc_identities.iter();
        let names = identities.map(|identity| format!("{} {}", identity.issuer, identity.subject));
        names.collect::<Vec<_>>().join("\n")
    }),
    ("keys", |caller| {
        let keys = caller.keys.iter().map(|key| match &key.expires_at {
            Some(end) => format!("{} until {end}", key.id),
            None => key.id.clone(),
        });
        keys.collect::<Vec<_>>().join("\n")
    }),
];

pub(crate) async fn callers(command: &CallerClientCommand) -> Result<Answer, CliError> {
    Ok(match command {
        CallerClientCommand::List { server } => {
            let request = pb::ListCallersRequest::default();
            list_and_show!(
                server,
                CallerServiceClient.list_callers(request).callers,
                "caller",
                &COLUMNS
            )
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
            let rights = rights.iter().map(|word| right(word));
            let identities = oidc.iter().map(|text| identity(text));
            let caller = pb::Caller {
                name: name.clone(),
                tenants: tenants.clone().unwrap_or_default().0,
                all_tenants: *all_tenants,
                rights: rights.collect::<Result<_, _>>()?,
                subject_alternative_names: sans.clone(),
                oidc_identities: identities.collect::<Result<_, _>>()?,
                keys: Vec::new(),
            };
            write_and_show!(
                &without_tenant(write),
                CallerServiceClient.put_callers(PutCallersRequest {
                    callers: vec![caller],
                    expected_revision: None
                })
            )
        }
        CallerClientCommand::Delete { names, write } => write_and_show!(
            &without_tenant(write),
            CallerServiceClient.delete_callers(DeleteCallersRequest {
                names: names.clone()
            })
        ),
        CallerClientCommand::Key { command } => key(command).await?,
    })
}

/// Callers belong to no tenant.
fn without_tenant(write: &WriteArguments) -> WriteArguments {
    let mut write = write.clone();
    write.server.tenant.clear();
    write
}

async fn key(command: &KeyCommand) -> Result<Answer, CliError> {
    Ok(match command {
        KeyCommand::Create {
            caller,
            valid_days,
            write,
        } => {
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
            let response = call!(write.server, CallerServiceClient.create_caller_key(request));
            created(write, &response)
        }
        KeyCommand::Delete { id, write } => write_and_show!(
            &without_tenant(write),
            CallerServiceClient.delete_caller_key(DeleteCallerKeyRequest { key_id: id.clone() })
        ),
    })
}

/// Renders a new key: alone on standard output, so that it can be redirected to a
/// file, with the rest on standard error; as JSON in one document.
fn created(write: &WriteArguments, response: &pb::CreateCallerKeyResponse) -> Answer {
    let pb::CreateCallerKeyResponse {
        revision,
        effect,
        key_id,
        key,
    } = response;
    if write.dry_run {
        let effect = effect.clone().unwrap_or_default();
        return written(write, response, *revision, &effect);
    }
    let output = write.server.output;
    let mut answer = Answer::of(output, response, || lines([key.clone()]));
    if output == Output::Table {
        answer.err = lines([format!(
            "key {key_id}, created at revision {revision}: it is shown this once"
        )]);
    }
    answer
}

fn right(text: &str) -> Result<i32, CliError> {
    let right = words::parse(
        text,
        "CALLER_RIGHT_",
        pb::CallerRight::from_str_name,
        "right of a caller",
        "check, list, administer, audit, operate",
    );
    right.map(Into::into)
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

use serde_json::json;

use crate::{
    cli::{
        Answer, CliError,
        arguments::{AppCommand, ListArguments, WriteArguments},
        connection::{Line, connect_to, patient},
        names::Categories,
    },
    pb::{self, AppStep, app_service_client::AppServiceClient},
};

use super::{
    every_page, listed,
    writes::{request, service, written},
};

pub(super) async fn run(command: &AppCommand) -> Result<Answer, CliError> {
    match command {
        AppCommand::List(ListArguments { codes, server }) => {
            let mut client = service!(AppServiceClient, server);
            let request = pb::ListAppsRequest {
                tenant: server.tenant.clone(),
                codes: codes.clone(),
                ..Default::default()
            };
            let (apps, revision) = every_page!(client, list_apps, request, apps);
            let rows = apps.iter().map(row).collect();
            let header = ["code", "scopes", "connected by", "its group"];
            Ok(listed(server.output, "app", &header, rows, revision))
        }
        AppCommand::Connect {
            app,
            scopes,
            rights,
            write,
        } => connect_app(app, scopes, rights, write).await,
        AppCommand::Scopes { app, scopes, write } => {
            let mut client = service!(AppServiceClient, write.server);
            let request = request!(UpdateScopesRequest, write, {
                app: app.clone(),
                scopes: scopes.0.clone(),
            });
            let answer = client.update_scopes(patient(request)).await?.into_inner();
            let result = written(write, answer.revision, answer.effect);
            Ok(with_ungranted(result, &answer.ungranted_scopes))
        }
        AppCommand::Disconnect { app, write } => {
            let mut client = service!(AppServiceClient, write.server);
            let request = request!(DisconnectRequest, write, { app: app.clone() });
            let answer = client.disconnect(patient(request)).await?.into_inner();
            Ok(written(write, answer.revision, answer.effect))
        }
    }
}

fn row(app: &pb::App) -> (Vec<String>, serde_json::Value) {
    let cells = vec![
        app.code.clone(),
        app.scopes.join(", "),
        app.connected_by.clone(),
        app.group.clone(),
    ];
    let value = json!({
        "code": app.code,
        "scopes": app.scopes,
        "connected_by": app.connected_by,
        "group": app.group,
    });
    (cells, value)
}

/// Appends the scopes that were not granted to standard error (rules 5.3).
fn with_ungranted(mut answer: Answer, ungranted: &[String]) -> Answer {
    if !ungranted.is_empty() {
        let scopes = ungranted.join(", ");
        answer.err = format!("not granted, unknown or not offered: {scopes}\n");
    }
    answer
}

/// Runs every step that the server names; cancels the connection request if one
/// fails.
async fn connect_app(
    app: &str,
    scopes: &Categories,
    rights: &[String],
    write: &WriteArguments,
) -> Result<Answer, CliError> {
    let rights = Rights::parse(rights)?;
    let mut client = service!(AppServiceClient, write.server);
    let request = request!(StartConnectionRequest, write, {
        app: app.to_owned(),
        scopes: scopes.0.clone(),
    });
    let begun = client.start_connection(patient(request)).await?;
    let begun = begun.into_inner();
    let mut last = (begun.revision, begun.effect.clone());
    if !write.dry_run {
        for step in begun.steps() {
            match take_step(&mut client, step, &begun.request_id, &rights, write).await {
                Ok(taken) => last = taken,
                Err(error) => {
                    let request = request!(CancelConnectionRequest, write, {
                        request_id: begun.request_id.clone(),
                    });
                    // Best effort: the request also expires by itself.
                    client.cancel_connection(patient(request)).await.ok();
                    return Err(error);
                }
            }
        }
    }
    let answer = written(write, last.0, last.1);
    Ok(with_ungranted(answer, &begun.ungranted_scopes))
}

type StepResult = (u64, Option<pb::Effect>);

async fn take_step(
    client: &mut AppServiceClient<Line>,
    step: AppStep,
    id: &str,
    rights: &Rights,
    write: &WriteArguments,
) -> Result<StepResult, CliError> {
    let request_id = id.to_owned();
    match step {
        AppStep::Unspecified => Ok(StepResult::default()),
        AppStep::Authorize => {
            let request = request!(AuthorizeScopesRequest, write, { request_id: request_id });
            let answer = client
                .authorize_scopes(patient(request))
                .await?
                .into_inner();
            Ok((answer.revision, answer.effect))
        }
        AppStep::Permissions => {
            let Rights {
                trees,
                locales,
                attribute_groups,
            } = rights.clone();
            let request = request!(SetPermissionsRequest, write, {
                request_id: request_id,
                trees: Some(trees),
                locales: Some(locales),
                attribute_groups: Some(attribute_groups),
            });
            let answer = client.set_permissions(patient(request)).await?.into_inner();
            Ok((answer.revision, answer.effect))
        }
        AppStep::Confirm => {
            let request = request!(ConfirmConnectionRequest, write, { request_id: request_id });
            let answer = client
                .confirm_connection(patient(request))
                .await?
                .into_inner();
            Ok((answer.revision, answer.effect))
        }
    }
}

/// The access rights requested for an app, per kind of item.
#[derive(Clone, Debug, Default)]
struct Rights {
    trees: pb::AppRights,
    locales: pb::AppRights,
    attribute_groups: pb::AppRights,
}

impl Rights {
    /// Parses words such as `trees.own=a,b`.
    fn parse(words: &[String]) -> Result<Self, CliError> {
        let mut rights = Self::default();
        for word in words {
            let bad = || CliError::Word {
                what: "right",
                word: word.clone(),
                allowed: "trees.own=CODES, trees.edit=…, trees.view=…, locales.edit=…, locales.view=…, attribute_groups.edit=…, attribute_groups.view=…; * for all",
            };
            let (name, codes) = word.split_once('=').ok_or_else(bad)?;
            let (kind, level) = name.split_once('.').ok_or_else(bad)?;
            let of_kind = match kind {
                "trees" => &mut rights.trees,
                "locales" => &mut rights.locales,
                "attribute_groups" => &mut rights.attribute_groups,
                _ => return Err(bad()),
            };
            let selection = match level {
                "own" => &mut of_kind.own,
                "edit" => &mut of_kind.edit,
                "view" => &mut of_kind.view,
                _ => return Err(bad()),
            };
            let all = codes == "*";
            let codes: Categories = codes.parse().unwrap_or_default();
            *selection = Some(pb::AppSelection {
                all,
                codes: if all { Vec::new() } else { codes.0 },
            });
        }
        Ok(rights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_read_by_kind_and_level() {
        let words = ["trees.own=a,b", "locales.view=*"].map(str::to_owned);
        let rights = Rights::parse(&words).unwrap();
        assert_eq!(rights.trees.own.unwrap().codes, ["a", "b"]);
        assert!(rights.locales.view.unwrap().all);
        assert_eq!(rights.attribute_groups, pb::AppRights::default());
        for bad in ["trees=a", "trees.execute=a", "shops.own=a", "trees.own"] {
            let error = Rights::parse(&[bad.to_owned()]).unwrap_err();
            assert!(error.to_string().contains(bad), "{error}");
        }
    }
}

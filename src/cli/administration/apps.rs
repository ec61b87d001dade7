use crate::{
    cli::{
        Answer, CliError,
        arguments::{AppCommand, WriteArguments},
        connection::{Line, call, patient, service},
        names::Categories,
    },
    pb::{self, AppStep, app_service_client::AppServiceClient},
};

use super::{
    lists::{Column, list_codes_and_show},
    writes::{request, write_and_show, written},
};

const COLUMNS: [Column<pb::App>; 4] = [
    ("code", |app| app.code.clone()),
    ("scopes", |app| app.scopes.join(", ")),
    ("connected by", |app| app.connected_by.clone()),
    ("its group", |app| app.group.clone()),
];

pub(super) async fn run(command: &AppCommand) -> Result<Answer, CliError> {
    match command {
        AppCommand::List(list) => Ok(list_codes_and_show!(
            list,
            AppServiceClient.list_apps(ListAppsRequest).apps,
            "app",
            &COLUMNS
        )),
        AppCommand::Connect {
            app,
            scopes,
            rights,
            write,
        } => connect_app(app, scopes, rights, write).await,
        AppCommand::Scopes { app, scopes, write } => {
            let request = request!(UpdateScopesRequest, write, {
                app: app.clone(),
                scopes: scopes.0.clone(),
            });
            let response = call!(write.server, AppServiceClient.update_scopes(request));
            let effect = response.effect.clone().unwrap_or_default();
            let answer = written(write, &response, response.revision, &effect);
            Ok(with_ungranted(answer, &response.ungranted_scopes))
        }
        AppCommand::Disconnect { app, write } => Ok(write_and_show!(
            write,
            AppServiceClient.disconnect(DisconnectRequest { app: app.clone() })
        )),
    }
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
/// fails. The answer is that to the first, with revision and effect of the last.
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
    let started = client.start_connection(patient(request)).await?;
    let mut response = started.into_inner();
    if !write.dry_run {
        let steps: Vec<AppStep> = response.steps().collect();
        for step in steps {
            match take_step(&mut client, step, &response.request_id, &rights, write).await {
                Ok(taken) => (response.revision, response.effect) = taken,
                Err(error) => {
                    let request = request!(CancelConnectionRequest, write, {
                        request_id: response.request_id.clone(),
                    });
                    // Best effort: the request also expires by itself.
                    client.cancel_connection(patient(request)).await.ok();
                    return Err(error);
                }
            }
        }
    }
    let effect = response.effect.clone().unwrap_or_default();
    let answer = written(write, &response, response.revision, &effect);
    Ok(with_ungranted(answer, &response.ungranted_scopes))
}

type StepResult = (u64, Option<pb::Effect>);

async fn take_step(
    client: &mut AppServiceClient<Line>,
    step: AppStep,
    id: &str,
    rights: &Rights,
    write: &WriteArguments,
) -> Result<StepResult, CliError> {
    macro_rules! take {
        ($call:ident($request:ident { $($field:ident: $value:expr),* })) => {{
            let request = request!($request, write, { request_id: id.to_owned(), $($field: $value),* });
            let response = client.$call(patient(request)).await?.into_inner();
            Ok((response.revision, response.effect))
        }};
    }
    match step {
        AppStep::Unspecified => Ok(StepResult::default()),
        AppStep::Authorize => take!(authorize_scopes(AuthorizeScopesRequest {})),
        AppStep::Permissions => {
            let Rights {
                trees,
                locales,
                attribute_groups,
            } = rights.clone();
            take!(set_permissions(SetPermissionsRequest {
                trees: Some(trees),
                locales: Some(locales),
                attribute_groups: Some(attribute_groups)
            }))
        }
        AppStep::Confirm => take!(confirm_connection(ConfirmConnectionRequest {})),
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

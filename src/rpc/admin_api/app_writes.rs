use uuid::Uuid;

use crate::{
    admin::{AppDetails, AppRequest, ConnectionStep, RequestedScopes, Written},
    domain::{
        AppStep, CATALOGUE, Chosen, Code, ItemKind, Level, ScopeSet, SelectionPatch, SubjectKind,
        SubjectRef,
    },
    pb,
    rpc::{
        failure::{Failure, InvalidField, check_count},
        parse::{code, quoted},
        render_import::render_effect,
    },
};

use super::{
    parse_entries::list,
    writes::{MOST_ENTRIES, WriteResponse, changes},
};

/// Largest number of scopes in one request, including unknown ones.
const MOST_SCOPES: usize = 1_000;

/// Implements the responses to writes of apps, which have these details besides
/// revision and effect.
macro_rules! responses {
    ($($response:ident { $($field:ident),* };)+) => {$(
        impl WriteResponse<AppDetails> for pb::$response {
            fn of(written: &Written<AppDetails>) -> Self {
                Self {
                    revision: written.revision.0,
                    effect: Some(render_effect(&written.effect)),
                    $($field: $field(&written.details),)*
                }
            }
        }
    )+};
}

responses! {
    StartConnectionResponse { request_id, steps, granted_scopes, ungranted_scopes };
    AuthorizeScopesResponse { request_id, steps };
    SetPermissionsResponse { request_id, steps };
    ConfirmConnectionResponse { request_id, steps };
    CancelConnectionResponse { request_id, steps };
    UpdateScopesResponse { granted_scopes, ungranted_scopes };
    DisconnectResponse {};
}

fn request_id(details: &AppDetails) -> String {
    details.request.map(|id| id.to_string()).unwrap_or_default()
}

fn steps(details: &AppDetails) -> Vec<i32> {
    let steps = details.steps.iter().map(|step| match step {
        AppStep::Authorize => pb::AppStep::Authorize,
        AppStep::Permissions => pb::AppStep::Permissions,
        AppStep::Confirm => pb::AppStep::Confirm,
    });
    steps.map(Into::into).collect()
}

fn granted_scopes(details: &AppDetails) -> Vec<String> {
    let granted = details.granted.iter();
    granted.map(|&scope| scope.to_owned()).collect()
}

fn ungranted_scopes(details: &AppDetails) -> Vec<String> {
    details.ungranted.clone()
}

changes! {
    StartConnectionRequest -> StartConnectionResponse: AppRequest = |message, context| AppRequest::Step {
        actor: actor(&context.actor)?,
        step: ConnectionStep::Start {
            app: app(&message.app)?,
            scopes: requested_scopes(&message.scopes)?,
        },
    };
    AuthorizeScopesRequest -> AuthorizeScopesResponse: AppRequest = |message, context| AppRequest::Step {
        actor: actor(&context.actor)?,
        step: ConnectionStep::Authorize { request: request(&message.request_id)? },
    };
    SetPermissionsRequest -> SetPermissionsResponse: AppRequest = |message, context| AppRequest::Step {
        actor: actor(&context.actor)?,
        step: permissions(message)?,
    };
    ConfirmConnectionRequest -> ConfirmConnectionResponse: AppRequest = |message, context| AppRequest::Step {
        actor: actor(&context.actor)?,
        step: ConnectionStep::Confirm { request: request(&message.request_id)? },
    };
    CancelConnectionRequest -> CancelConnectionResponse: AppRequest = |message, context| AppRequest::Step {
        actor: actor(&context.actor)?,
        step: ConnectionStep::Cancel { request: request(&message.request_id)? },
    };
    UpdateScopesRequest -> UpdateScopesResponse: AppRequest = |message, _| AppRequest::SetScopes {
        app: app(&message.app)?,
        scopes: requested_scopes(&message.scopes)?,
    };
    DisconnectRequest -> DisconnectResponse: AppRequest =
        |message, _| AppRequest::Disconnect { app: app(&message.app)? };
}

fn permissions(message: pb::SetPermissionsRequest) -> Result<ConnectionStep, Failure> {
    let mut rights = Vec::new();
    let chosen = [
        (ItemKind::Category, "trees", message.trees),
        (ItemKind::Locale, "locales", message.locales),
        (
            ItemKind::AttributeGroup,
            "attribute_groups",
            message.attribute_groups,
        ),
    ];
    for (kind, field, chosen) in chosen {
        app_rights(kind, field, chosen.unwrap_or_default(), &mut rights)?;
    }
    Ok(ConnectionStep::SetPermissions {
        request: request(&message.request_id)?,
        rights,
    })
}

/// Parses the user who connects an app (rules 5.1).
fn actor(text: &str) -> Result<Code, InvalidField> {
    let subject = text.split_once(':').and_then(|(kind, code)| {
        Some(SubjectRef {
            kind: kind.parse().ok()?,
            code: code.parse().ok()?,
        })
    });
    match subject {
        Some(subject) if subject.kind == SubjectKind::User => Ok(subject.code),
        Some(_) | None => {
            let message = format!(
                "`{}` is no user; name the user who connects the app, as `user:julia`",
                quoted(text)
            );
            Err(InvalidField::new("actor", message))
        }
    }
}

/// Parses the code of an app, which must be shorter than other codes (rules 1.5).
fn app(text: &str) -> Result<Code, InvalidField> {
    let app = code("app", text)?;
    match app.app_group() {
        Ok(_) => Ok(app),
        Err(invalid) => Err(InvalidField::new("app", invalid.to_string())),
    }
}

fn requested_scopes(words: &[String]) -> Result<RequestedScopes, Failure> {
    check_count("scopes", words.len(), MOST_SCOPES)?;
    let mut known = ScopeSet::default();
    let mut unknown = Vec::new();
    for word in words {
        match CATALOGUE.find_scope(word) {
            Some(scope) => known.insert(scope.id),
            None => unknown.push(word.clone()),
        }
    }
    unknown.sort();
    unknown.dedup();
    Ok(RequestedScopes { known, unknown })
}

fn request(text: &str) -> Result<Uuid, InvalidField> {
    Uuid::try_parse(text).map_err(|_| {
        let message = format!(
            "`{}` is no request; send what StartConnection answered",
            quoted(text)
        );
        InvalidField::new("request_id", message)
    })
}

fn app_rights(
    kind: ItemKind,
    field: &str,
    message: pb::AppRights,
    rights: &mut Vec<SelectionPatch>,
) -> Result<(), Failure> {
    let pb::AppRights { own, edit, view } = message;
    let levels = [
        (Level::Own, "own", own),
        (Level::Edit, "edit", edit),
        (Level::View, "view", view),
    ];
    for (level, name, selection) in levels {
        let Some(pb::AppSelection { all, codes }) = selection else {
            continue;
        };
        check_count("codes", codes.len(), MOST_ENTRIES)?;
        let chosen = if all {
            Chosen::All
        } else if codes.is_empty() {
            continue;
        } else {
            Chosen::Codes(list(&format!("{field}.{name}.codes"), &codes)?)
        };
        rights.push(SelectionPatch {
            kind,
            level,
            chosen,
        });
    }
    Ok(())
}

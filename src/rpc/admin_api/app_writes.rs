use uuid::Uuid;

use crate::{
    admin::{Answered, AppRequest, AppWritten, ConnectionStep, RequestedScopes, WriteContext},
    domain::{
        AppStep, CATALOGUE, Chosen, Code, ItemKind, Level, ScopeSet, SelectionPatch, SubjectKind,
        SubjectRef,
    },
    pb,
    rpc::{
        failure::{Failure, InvalidField, decode_stored_response},
        parse::{code, quoted},
        render_import,
    },
};

use super::{
    AdminApi, Answer,
    parse_entries::list,
    writes::{WriteRequest, check_count, context, context_as_requested},
};

/// Largest number of scopes in one request, including unknown ones.
const MOST_SCOPES: usize = 1_000;

/// A response to a write of an app.
trait StepResponse: prost::Message + Default {
    fn of(written: &AppWritten) -> Self;
}

macro_rules! step_responses {
    ($($response:ident),+) => {
        $(
            impl StepResponse for pb::$response {
                fn of(written: &AppWritten) -> Self {
                    Self {
                        revision: written.revision.0,
                        effect: Some(render_import::render_effect(&written.effect)),
                        request_id: request_id(written),
                        steps: steps(written),
                    }
                }
            }
        )+
    };
}

step_responses!(
    AuthorizeScopesResponse,
    SetPermissionsResponse,
    ConfirmConnectionResponse,
    CancelConnectionResponse
);

impl StepResponse for pb::StartConnectionResponse {
    fn of(written: &AppWritten) -> Self {
        Self {
            revision: written.revision.0,
            effect: Some(render_import::render_effect(&written.effect)),
            request_id: request_id(written),
            steps: steps(written),
            granted_scopes: written
                .granted
                .iter()
                .map(|&scope| scope.to_owned())
                .collect(),
            ungranted_scopes: written.ungranted.clone(),
        }
    }
}

impl StepResponse for pb::UpdateScopesResponse {
    fn of(written: &AppWritten) -> Self {
        Self {
            revision: written.revision.0,
            effect: Some(render_import::render_effect(&written.effect)),
            granted_scopes: written
                .granted
                .iter()
                .map(|&scope| scope.to_owned())
                .collect(),
            ungranted_scopes: written.ungranted.clone(),
        }
    }
}

impl StepResponse for pb::DisconnectResponse {
    fn of(written: &AppWritten) -> Self {
        Self {
            revision: written.revision.0,
            effect: Some(render_import::render_effect(&written.effect)),
        }
    }
}

fn request_id(written: &AppWritten) -> String {
    written.request.map(|id| id.to_string()).unwrap_or_default()
}

fn steps(written: &AppWritten) -> Vec<i32> {
    let steps = written.steps.iter().map(|step| match step {
        AppStep::Authorize => pb::AppStep::Authorize,
        AppStep::Permissions => pb::AppStep::Permissions,
        AppStep::Confirm => pb::AppStep::Confirm,
    });
    steps.map(Into::into).collect()
}

impl AdminApi {
    async fn change_app<R: StepResponse>(
        &self,
        request: AppRequest,
        context: WriteContext,
    ) -> Result<R, Failure> {
        let encode = |written: &AppWritten| R::of(written).encode_to_vec();
        match self
            .coordinator
            .change_app(request, context, encode)
            .await?
        {
            Answered::Fresh(written) => Ok(R::of(&written)),
            Answered::Replayed(bytes) => decode_stored_response(&bytes),
        }
    }

    async fn take_step<M: WriteRequest, R: StepResponse>(
        &self,
        mut message: M,
        step: impl FnOnce(M) -> Result<ConnectionStep, Failure>,
    ) -> Result<R, Failure> {
        let context = context_as_requested(&mut message, &self.calling)?;
        let actor = actor(&context.actor)?;
        let step = step(message)?;
        self.change_app(AppRequest::Step { actor, step }, context)
            .await
    }
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
    if words.len() > MOST_SCOPES {
        return Err(Failure::TooManyEntries {
            field: "scopes",
            found: words.len(),
            most: MOST_SCOPES,
        });
    }
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

impl Answer<pb::StartConnectionRequest> for AdminApi {
    type Message = pb::StartConnectionResponse;

    async fn answer(&self, message: pb::StartConnectionRequest) -> Result<Self::Message, Failure> {
        self.take_step(message, |message: pb::StartConnectionRequest| {
            Ok(ConnectionStep::Start {
                app: app(&message.app)?,
                scopes: requested_scopes(&message.scopes)?,
            })
        })
        .await
    }
}

impl Answer<pb::SetPermissionsRequest> for AdminApi {
    type Message = pb::SetPermissionsResponse;

    async fn answer(&self, message: pb::SetPermissionsRequest) -> Result<Self::Message, Failure> {
        self.take_step(message, |message: pb::SetPermissionsRequest| {
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
        })
        .await
    }
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
        check_count("codes", codes.len())?;
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

/// Implements the steps that name only the request.
macro_rules! plain_steps {
    ($($message:ident -> $response:ident: $step:ident;)+) => {
        $(
            impl Answer<pb::$message> for AdminApi {
                type Message = pb::$response;

                async fn answer(&self, message: pb::$message) -> Result<Self::Message, Failure> {
                    self.take_step(message, |message: pb::$message| {
                        let request = request(&message.request_id)?;
                        Ok(ConnectionStep::$step { request })
                    })
                    .await
                }
            }
        )+
    };
}

plain_steps! {
    AuthorizeScopesRequest -> AuthorizeScopesResponse: Authorize;
    ConfirmConnectionRequest -> ConfirmConnectionResponse: Confirm;
    CancelConnectionRequest -> CancelConnectionResponse: Cancel;
}

impl Answer<pb::UpdateScopesRequest> for AdminApi {
    type Message = pb::UpdateScopesResponse;

    async fn answer(&self, mut message: pb::UpdateScopesRequest) -> Result<Self::Message, Failure> {
        let context = context(&mut message, &self.calling)?;
        let request = AppRequest::SetScopes {
            app: app(&message.app)?,
            scopes: requested_scopes(&message.scopes)?,
        };
        self.change_app(request, context).await
    }
}

impl Answer<pb::DisconnectRequest> for AdminApi {
    type Message = pb::DisconnectResponse;

    async fn answer(&self, mut message: pb::DisconnectRequest) -> Result<Self::Message, Failure> {
        let context = context(&mut message, &self.calling)?;
        let app = app(&message.app)?;
        let request = AppRequest::Disconnect { app };
        self.change_app(request, context).await
    }
}

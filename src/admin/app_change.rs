//! Connects apps step by step, removes scopes from them and disconnects them
//! (rules 5).

mod progress;
mod request;

use serde_json::{Value, json};
use strum::IntoEnumIterator as _;
use uuid::Uuid;

use crate::{
    domain::{
        AppStep, CATALOGUE, Code, Edition, EntityKind, ItemKind, PermissionSet, Revision, ScopeSet,
        SelectionPatch, SubjectId, SubjectKind,
    },
    store::{AppRequestRow, RightsWanted, WantedEntities},
};

use self::progress::{Progress, field_of, items};
pub use self::request::{
    AppRequest, AppWritten, ConnectionStep, EncodeAppWritten, RequestedScopes,
};
use super::{
    change::{AuditEntry, Change, Pass, RunResult},
    change_set::ChangeSet,
    entity_change::{Compared, change_set},
    error::AdminError,
    fault::{Fault, Refused},
    guards::Guards,
    plan::{AppChoice, Outcome, PermissionsStep, Planner, offered_scopes},
};

/// A change of an app: a connection step, a new set of scopes or a disconnection.
#[derive(Debug)]
pub(super) struct AppChange {
    request: AppRequest,
    encode: EncodeAppWritten,
    new_id: Uuid,
    written: AppWritten,
    found: Option<Found>,
}

/// The result of one run, yet to be written.
#[derive(Debug)]
struct Found {
    compared: Compared,
    /// What happens to the pending connection request.
    request: RequestEnd,
}

/// How the run leaves the connection request.
#[derive(Debug)]
enum RequestEnd {
    /// No request is involved.
    NotInvolved,
    /// The request is stored, with an audit entry of this kind.
    Stored(AppRequestRow, &'static str),
    /// The request is deleted because it connects the app.
    Connected(Uuid),
    /// The request is deleted; only an audit entry of it remains.
    Cancelled(AppRequestRow),
}

impl AppChange {
    pub(super) fn new(request: AppRequest, encode: EncodeAppWritten) -> Self {
        Self {
            request,
            encode,
            new_id: Uuid::now_v7(),
            written: AppWritten::default(),
            found: None,
        }
    }

    async fn find(&mut self, pass: &Pass<'_>) -> Result<Found, AdminError> {
        self.written = AppWritten::default();
        match self.request.clone() {
            AppRequest::Step { actor, step } => {
                permitted(pass, &actor).await?;
                self.find_step(pass, step).await
            }
            AppRequest::SetScopes { app, scopes } => self.find_scopes(pass, &app, scopes).await,
            AppRequest::Disconnect { app } => {
                let found = disconnected(pass, &app).await?;
                Ok(found)
            }
        }
    }

    async fn find_step(
        &mut self,
        pass: &Pass<'_>,
        step: ConnectionStep,
    ) -> Result<Found, AdminError> {
        match step {
            ConnectionStep::Start { app, scopes } => self.start(pass, app, scopes).await,
            ConnectionStep::Authorize { request } => {
                let (row, mut progress) = self.under_way(pass, request).await?;
                if !pass.tenant.edition.is_enterprise() {
                    return self.connect(pass, &row, &progress).await;
                }
                progress.authorized = true;
                self.store_progress(pass, row, &progress, "app_request.authorized")
                    .await
            }
            ConnectionStep::SetPermissions { request, rights } => {
                let (row, progress) = self.under_way(pass, request).await?;
                self.set_permissions(pass, row, progress, rights).await
            }
            ConnectionStep::Confirm { request } => {
                let (row, progress) = self.under_way(pass, request).await?;
                match progress.next_step(pass.tenant.edition) {
                    AppStep::Confirm => self.connect(pass, &row, &progress).await,
                    next @ (AppStep::Authorize | AppStep::Permissions) => {
                        Err(out_of_order(&row, next))
                    }
                }
            }
            ConnectionStep::Cancel { request } => {
                let (row, _) = self.under_way(pass, request).await?;
                change_request_only(pass, RequestEnd::Cancelled(row)).await
            }
        }
    }

    /// Returns the pending request and its progress, or fails with `NotFound`.
    async fn under_way(
        &mut self,
        pass: &Pass<'_>,
        request: Uuid,
    ) -> Result<(AppRequestRow, Progress), AdminError> {
        let tenant = pass.tenant.number();
        let row = pass.transaction.find_app_request(tenant, request).await?;
        let progress = row.as_ref().and_then(|row| Progress::read(&row.state));
        let (Some(row), Some(progress)) = (row, progress) else {
            let entity = EntityKind::AppRequest;
            let code = request.to_string();
            return Err(Fault::new("request_id", Refused::NotFound { entity, code }).into());
        };
        self.written.request = Some(request);
        Ok((row, progress))
    }

    async fn start(
        &mut self,
        pass: &Pass<'_>,
        app: Code,
        scopes: RequestedScopes,
    ) -> Result<Found, AdminError> {
        let granted = self.record_scopes(scopes, pass.tenant.edition);
        let wanted = WantedEntities {
            subjects: vec![(SubjectKind::App, app.clone())],
            ..WantedEntities::default()
        };
        let mut change_set = change_set(pass, &wanted).await?;
        let guards = Guards::before(&change_set);
        let mut planner = Planner::new(&mut change_set);
        let connected = planner.connected_app(&app);
        if connected.is_none() {
            Fault::check_new_code("app", &app)?;
        }
        let mut outcome = Outcome::Changed;
        if let Some(id) = connected.filter(|id| !grows(planner.change_set, *id, granted)) {
            outcome = planner.set_scopes(id, granted);
            if !planner.lacks_permissions(id, granted) {
                return settled(pass, change_set, &guards, outcome, RequestEnd::NotInvolved).await;
            }
        }
        let progress = Progress::of(granted);
        self.written.steps = progress.steps(pass.tenant.edition);
        self.written.request = Some(self.new_id).filter(|_| !pass.context.dry_run);
        let row = AppRequestRow {
            id: self.new_id,
            app,
            state: progress.write(),
        };
        let request = RequestEnd::Stored(row, "app_request.started");
        settled(pass, change_set, &guards, outcome, request).await
    }

    async fn store_progress(
        &mut self,
        pass: &Pass<'_>,
        mut row: AppRequestRow,
        progress: &Progress,
        kind: &'static str,
    ) -> Result<Found, AdminError> {
        self.written.steps = progress.steps(pass.tenant.edition);
        row.state = progress.write();
        change_request_only(pass, RequestEnd::Stored(row, kind)).await
    }

    async fn set_permissions(
        &mut self,
        pass: &Pass<'_>,
        row: AppRequestRow,
        mut progress: Progress,
        rights: Vec<SelectionPatch>,
    ) -> Result<Found, AdminError> {
        let edition = pass.tenant.edition;
        let step = PermissionsStep::of(progress.scopes, edition);
        let next = progress.next_step(edition);
        let is_idle = step == PermissionsStep::NotOffered && rights.is_empty();
        if is_idle || next == AppStep::Authorize {
            return Err(out_of_order(&row, next));
        }
        let items = rights.iter().flat_map(items);
        let wanted = WantedEntities {
            items: items.collect(),
            ..WantedEntities::default()
        };
        let mut change_set = change_set(pass, &wanted).await?;
        Planner::new(&mut change_set)
            .select(rights.iter().map(|patch| (field_of(patch), patch)), step)?;
        progress.permissions = Some(rights);
        self.store_progress(pass, row, &progress, "app_request.permissions_set")
            .await
    }

    /// Connects or re-authorizes the app: the last step.
    async fn connect(
        &mut self,
        pass: &Pass<'_>,
        row: &AppRequestRow,
        progress: &Progress,
    ) -> Result<Found, AdminError> {
        let mut change_set = change_set(pass, &WantedEntities::everything()).await?;
        let guards = Guards::before(&change_set);
        let mut planner = Planner::new(&mut change_set);
        // The edition may have changed since the request was started.
        let (granted, _) = offered_scopes(progress.scopes, pass.tenant.edition);
        let step = PermissionsStep::of(granted, pass.tenant.edition);
        let choice = match (step, &progress.permissions) {
            (PermissionsStep::UpTo(_), Some(rights)) => planner
                .select(rights.iter().map(|patch| (field_of(patch), patch)), step)?
                .replacing_all(),
            // An app without a permissions step keeps its rights (rules 5.8).
            (PermissionsStep::UpTo(_) | PermissionsStep::NotOffered, _) => AppChoice::default(),
        };
        let actor = &pass.context.actor;
        let outcome = planner.connect_app("app", &row.app, granted, &choice, actor)?;
        settled(
            pass,
            change_set,
            &guards,
            outcome,
            RequestEnd::Connected(row.id),
        )
        .await
    }

    async fn find_scopes(
        &mut self,
        pass: &Pass<'_>,
        app: &Code,
        scopes: RequestedScopes,
    ) -> Result<Found, AdminError> {
        let granted = self.record_scopes(scopes, pass.tenant.edition);
        let wanted = WantedEntities {
            subjects: vec![(SubjectKind::App, app.clone())],
            ..WantedEntities::default()
        };
        let mut change_set = change_set(pass, &wanted).await?;
        let guards = Guards::before(&change_set);
        let mut planner = Planner::new(&mut change_set);
        let found = planner.connected_app(app);
        let id = found.ok_or_else(|| Fault::unknown("app", EntityKind::App, app))?;
        if grows(planner.change_set, id, granted) {
            return Err(AdminError::StepOutOfOrder {
                app: app.clone(),
                next: AppStep::Authorize,
            });
        }
        let outcome = planner.set_scopes(id, granted);
        settled(pass, change_set, &guards, outcome, RequestEnd::NotInvolved).await
    }

    /// Returns the scopes to grant and records granted and ungranted ones for the
    /// answer (rules 5.3).
    fn record_scopes(&mut self, requested: RequestedScopes, edition: Edition) -> ScopeSet {
        let (granted, not_offered) = offered_scopes(requested.known, edition);
        let code = |id| CATALOGUE.scope(id).code;
        self.written.granted = granted.iter().map(code).collect();
        self.written.ungranted = requested.unknown;
        let not_offered = not_offered.iter().map(|id| code(id).to_owned());
        self.written.ungranted.extend(not_offered);
        granted
    }

    async fn apply(&self, pass: &mut Pass<'_>, found: &mut Found) -> Result<(), AdminError> {
        let tenant = pass.tenant.number();
        let actor = pass.context.actor.clone();
        match &found.request {
            RequestEnd::NotInvolved => {}
            RequestEnd::Stored(row, kind) => {
                pass.transaction
                    .put_app_request(tenant, &actor, row)
                    .await?;
                pass.audit(of_request(row, kind, Some(&row.state))).await?;
            }
            RequestEnd::Connected(id) => {
                pass.transaction.delete_app_request(tenant, *id).await?;
            }
            RequestEnd::Cancelled(row) => {
                pass.transaction.delete_app_request(tenant, row.id).await?;
                pass.audit(of_request(row, "app_request.cancelled", None))
                    .await?;
            }
        }
        found.compared.write_entities(pass).await?;
        if let RequestEnd::Connected(id) = &found.request
            && found.compared.effect.is_empty()
        {
            // The app was connected exactly like this already: only the request
            // is deleted.
            let state = json!({ "request": id.to_string() }).to_string();
            pass.audit(AuditEntry {
                kind: "app_request.ended".to_owned(),
                before: Some(state),
                ..AuditEntry::default()
            })
            .await?;
        }
        Ok(())
    }
}

/// True if `scopes` includes one that the connected app does not have
/// (rules 5.8).
fn grows(change_set: &ChangeSet, app: SubjectId, scopes: ScopeSet) -> bool {
    let held = change_set.apps.get(&app).map(|app| app.scopes);
    let held = CATALOGUE.with_implied_scopes(held.unwrap_or_default());
    let requested = CATALOGUE.with_implied_scopes(scopes);
    requested.iter().any(|scope| !held.contains(scope))
}

/// Rejects an actor who is not an enabled user with `app.manage` (rules 5.1).
async fn permitted(pass: &Pass<'_>, actor: &Code) -> Result<(), AdminError> {
    let wanted = WantedEntities {
        roles: true,
        subjects: vec![(SubjectKind::User, actor.clone())],
        ..WantedEntities::default()
    };
    let change_set = change_set(pass, &wanted).await?;
    let user = change_set.find_subject(SubjectKind::User, actor);
    let user = user.and_then(|id| change_set.subjects.get(id));
    let roles = user.into_iter().filter(|user| user.enabled);
    let roles = roles.flat_map(|user| &user.roles);
    let roles = roles.filter_map(|role| change_set.roles.get(*role));
    let granted = PermissionSet::of_roles(roles.map(|role| &role.permissions));
    let held = CATALOGUE.counted(&granted, pass.tenant.edition);
    let manage = CATALOGUE.find_permission("app.manage");
    if manage.is_some_and(|permission| held.contains(permission.id)) {
        return Ok(());
    }
    let actor = format!("user:{actor}");
    Err(AdminError::ActorNotPermitted { actor })
}

async fn disconnected(pass: &Pass<'_>, app: &Code) -> Result<Found, AdminError> {
    let group = app.app_group().ok();
    let wanted = WantedEntities {
        subjects: vec![(SubjectKind::App, app.clone())],
        item_kinds: ItemKind::iter().collect(),
        rights: RightsWanted::OfGroups(group.into_iter().collect()),
        ..WantedEntities::default()
    };
    let mut change_set = change_set(pass, &wanted).await?;
    let guards = Guards::before(&change_set);
    let mut planner = Planner::new(&mut change_set);
    planner.delete_app(app)?;
    planner.end_deletions();
    settled(
        pass,
        change_set,
        &guards,
        Outcome::Changed,
        RequestEnd::NotInvolved,
    )
    .await
}

/// Returns a change of the connection request that changes no entity.
async fn change_request_only(pass: &Pass<'_>, request: RequestEnd) -> Result<Found, AdminError> {
    let change_set = change_set(pass, &WantedEntities::default()).await?;
    let guards = Guards::before(&change_set);
    settled(pass, change_set, &guards, Outcome::Changed, request).await
}

async fn settled(
    pass: &Pass<'_>,
    change_set: ChangeSet,
    guards: &Guards,
    outcome: Outcome,
    request: RequestEnd,
) -> Result<Found, AdminError> {
    let unchanged = u64::from(outcome == Outcome::Unchanged);
    let compared = Compared::of_entities(pass, change_set, guards, unchanged).await?;
    Ok(Found { compared, request })
}

fn out_of_order(row: &AppRequestRow, next: AppStep) -> AdminError {
    AdminError::StepOutOfOrder {
        app: row.app.clone(),
        next,
    }
}

/// Returns an audit entry about a connection request.
fn of_request(row: &AppRequestRow, kind: &str, after: Option<&str>) -> AuditEntry {
    let state = |state: &str| {
        let state: Value = serde_json::from_str(state).unwrap_or_default();
        json!({ "request": row.id.to_string(), "state": state }).to_string()
    };
    AuditEntry {
        kind: kind.to_owned(),
        item: None,
        subject: Some(("app", row.app.to_string())),
        before: after.is_none().then(|| state(&row.state)),
        after: after.map(state),
    }
}

impl Change for AppChange {
    type Answer = AppWritten;

    fn new_tenant_edition(&self) -> Option<Edition> {
        None
    }

    async fn run(&mut self, pass: &mut Pass<'_>) -> Result<RunResult, AdminError> {
        // A request expires by the clock, so it is read again on every run.
        let mut found = self.find(pass).await?;
        let ran = RunResult {
            uncounted: !matches!(found.request, RequestEnd::NotInvolved),
            ..found.compared.ran()
        };
        if pass.may_write() && !ran.is_nothing() {
            self.apply(pass, &mut found).await?;
        }
        self.written.effect = found.compared.effect.clone();
        self.found = Some(found);
        Ok(ran)
    }

    fn answer(&self, revision: Revision) -> AppWritten {
        AppWritten {
            revision,
            ..self.written.clone()
        }
    }

    fn encode(&self, answer: &AppWritten) -> Vec<u8> {
        (self.encode)(answer)
    }
}

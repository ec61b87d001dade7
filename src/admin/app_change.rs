//! Connecting apps step by step, taking scopes from them, disconnecting them
//! (rules 5).

mod progress;
mod request;

use serde_json::{Value, json};
use strum::IntoEnumIterator as _;
use uuid::Uuid;

use crate::{
    domain::{
        AppStep, CATALOGUE, Code, Edition, EntityKind, ItemKind, PermissionSet, Revision, ScopeSet,
        SubjectKind,
    },
    store::{AppRequestRow, RightsWanted, WantedEntities},
};

use self::progress::Progress;
pub use self::{
    progress::AppRightEntry,
    request::{AppRequest, AppWritten, AskedScopes, ConnectionStep, EncodeAppWritten},
};
use super::{
    change::{AuditEntry, Change, Pass, Ran},
    change_set::ChangeSet,
    entity_change::{Compared, change_set},
    error::AdminError,
    fault::{Fault, Refused},
    guards::Guards,
    plan::{AppChoice, Outcome, PermissionsStep, Planner, offered_scopes},
};

/// A change of an app.
#[derive(Debug)]
pub(super) struct AppChange {
    request: AppRequest,
    encode: EncodeAppWritten,
    new_id: Uuid,
    told: AppWritten,
    found: Option<Found>,
}

/// What a run is to write.
#[derive(Debug)]
struct Found {
    compared: Compared,
    /// What becomes of the request that is under way.
    request: RequestEnd,
}

/// What becomes of a request.
#[derive(Debug)]
enum RequestEnd {
    /// There is none.
    Untouched,
    /// It is stored, and the audit log says so.
    Stored(AppRequestRow, &'static str),
    /// It ends by connecting the app.
    Connected(Uuid),
    /// It ends, and nothing stays of it but a line in the audit log.
    Cancelled(AppRequestRow),
}

impl AppChange {
    pub(super) fn new(request: AppRequest, encode: EncodeAppWritten) -> Self {
        Self {
            request,
            encode,
            new_id: Uuid::now_v7(),
            told: AppWritten::default(),
            found: None,
        }
    }

    async fn find(&mut self, pass: &Pass<'_>) -> Result<Found, AdminError> {
        self.told = AppWritten::default();
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
                self.go_on(pass, row, &progress, "app_request.authorized")
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
                nothing_but(pass, RequestEnd::Cancelled(row)).await
            }
        }
    }

    /// The request that is under way, and how far it is.
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
        self.told.request = Some(request);
        Ok((row, progress))
    }

    async fn start(
        &mut self,
        pass: &Pass<'_>,
        app: Code,
        scopes: AskedScopes,
    ) -> Result<Found, AdminError> {
        let granted = self.tell_scopes(scopes, pass.tenant.edition);
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
                return settled(pass, change_set, &guards, outcome, RequestEnd::Untouched).await;
            }
        }
        let progress = Progress::of(granted);
        self.told.steps = progress.steps(pass.tenant.edition);
        self.told.request = Some(self.new_id).filter(|_| !pass.context.dry_run);
        let row = AppRequestRow {
            id: self.new_id,
            app,
            state: progress.write(),
        };
        let request = RequestEnd::Stored(row, "app_request.started");
        settled(pass, change_set, &guards, outcome, request).await
    }

    async fn go_on(
        &mut self,
        pass: &Pass<'_>,
        mut row: AppRequestRow,
        progress: &Progress,
        kind: &'static str,
    ) -> Result<Found, AdminError> {
        self.told.steps = progress.steps(pass.tenant.edition);
        row.state = progress.write();
        nothing_but(pass, RequestEnd::Stored(row, kind)).await
    }

    async fn set_permissions(
        &mut self,
        pass: &Pass<'_>,
        row: AppRequestRow,
        mut progress: Progress,
        rights: Vec<AppRightEntry>,
    ) -> Result<Found, AdminError> {
        let edition = pass.tenant.edition;
        let step = PermissionsStep::of(progress.scopes, edition);
        let next = progress.next_step(edition);
        let is_idle = step == PermissionsStep::NotAsked && rights.is_empty();
        if is_idle || next == AppStep::Authorize {
            return Err(out_of_order(&row, next));
        }
        let items = rights.iter().flat_map(AppRightEntry::items);
        let wanted = WantedEntities {
            items: items.collect(),
            ..WantedEntities::default()
        };
        let mut change_set = change_set(pass, &wanted).await?;
        Planner::new(&mut change_set).select(rights.iter().map(AppRightEntry::right), step)?;
        progress.permissions = Some(rights);
        self.go_on(pass, row, &progress, "app_request.permissions_set")
            .await
    }

    /// The last step: the app is connected, or authorized again.
    async fn connect(
        &mut self,
        pass: &Pass<'_>,
        row: &AppRequestRow,
        progress: &Progress,
    ) -> Result<Found, AdminError> {
        let mut change_set = change_set(pass, &WantedEntities::everything()).await?;
        let guards = Guards::before(&change_set);
        let mut planner = Planner::new(&mut change_set);
        // The edition may have changed on the way.
        let (granted, _) = offered_scopes(progress.scopes, pass.tenant.edition);
        let step = PermissionsStep::of(granted, pass.tenant.edition);
        let choice = match (step, &progress.permissions) {
            (PermissionsStep::UpTo(_), Some(rights)) => planner
                .select(rights.iter().map(AppRightEntry::right), step)?
                .replacing_all(),
            // An app that is not asked keeps its rights (rules 5.8).
            (PermissionsStep::UpTo(_) | PermissionsStep::NotAsked, _) => AppChoice::default(),
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
        scopes: AskedScopes,
    ) -> Result<Found, AdminError> {
        let granted = self.tell_scopes(scopes, pass.tenant.edition);
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
        settled(pass, change_set, &guards, outcome, RequestEnd::Untouched).await
    }

    /// The scopes that are granted; all that were asked for are told
    /// (rules 5.3).
    fn tell_scopes(&mut self, asked: AskedScopes, edition: Edition) -> ScopeSet {
        let (granted, not_offered) = offered_scopes(asked.known, edition);
        let code = |id| CATALOGUE.scope(id).code;
        self.told.granted = granted.iter().map(code).collect();
        self.told.ungranted = asked.unknown;
        let not_offered = not_offered.iter().map(|id| code(id).to_owned());
        self.told.ungranted.extend(not_offered);
        granted
    }

    async fn apply(&self, pass: &mut Pass<'_>, found: &mut Found) -> Result<(), AdminError> {
        let tenant = pass.tenant.number();
        let actor = pass.context.actor.clone();
        match &found.request {
            RequestEnd::Untouched => {}
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
            // The same again: only the request goes.
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

/// Whether scopes are more than a connected app has (rules 5.8).
fn grows(change_set: &ChangeSet, app: i32, scopes: ScopeSet) -> bool {
    let held = change_set.apps.get(&app).map(|app| app.scopes);
    let held = CATALOGUE.with_implied_scopes(held.unwrap_or_default());
    let asked = CATALOGUE.with_implied_scopes(scopes);
    asked.iter().any(|scope| !held.contains(scope))
}

/// Refuses an actor who is no enabled user with `app.manage` (rules 5.1).
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
    let granted = roles
        .filter_map(|role| change_set.roles.get(*role))
        .fold(PermissionSet::default(), |all, role| {
            all.union(&role.permissions)
        });
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
        RequestEnd::Untouched,
    )
    .await
}

/// A change of a request alone.
async fn nothing_but(pass: &Pass<'_>, request: RequestEnd) -> Result<Found, AdminError> {
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

/// A line of the audit log about a request.
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

    async fn run(&mut self, pass: &mut Pass<'_>) -> Result<Ran, AdminError> {
        // A request expires by the clock, so it is looked at again.
        let mut found = self.find(pass).await?;
        let ran = Ran {
            uncounted: !matches!(found.request, RequestEnd::Untouched),
            ..found.compared.ran()
        };
        if pass.may_write() && !ran.is_nothing() {
            self.apply(pass, &mut found).await?;
        }
        self.told.effect = found.compared.effect.clone();
        self.found = Some(found);
        Ok(ran)
    }

    fn answer(&self, revision: Revision) -> AppWritten {
        AppWritten {
            revision,
            ..self.told.clone()
        }
    }

    fn encode(&self, answer: &AppWritten) -> Vec<u8> {
        (self.encode)(answer)
    }
}

//! Connects apps step by step, removes scopes from them and disconnects them
//! (rules 5).

mod progress;
mod request;

use serde_json::{Value, json};
use strum::IntoEnumIterator as _;
use uuid::Uuid;

use crate::{
    domain::{
        AppStep, CATALOGUE, Code, EntityKind, ItemKind, ScopeSet, SelectionPatch, SubjectId,
        SubjectKind,
    },
    store::{AppRequestRow, RightsWanted, WantedEntities},
};

use self::progress::{Progress, field_of, items};
pub use self::request::{AppDetails, AppRequest, ConnectionStep, RequestedScopes};
use super::{
    change::{AuditEntry, Change, ComparedWith, Pass},
    change_set::ChangeSet,
    compared::{Compared, Verdict},
    entity_change::Entities,
    error::AdminError,
    fault::Fault,
    guards::held_by,
    impact::Staged,
    plan::{AppChoice, Outcome, PermissionsStep, Planner, offered_scopes},
};

/// What a change of an app writes.
#[derive(Debug)]
pub(crate) struct AppPlan {
    entities: Entities,
    /// What happens to the pending connection request.
    request: RequestEnd,
}

/// The difference that a change of an app makes.
struct Found {
    change_set: ChangeSet,
    outcome: Outcome,
    request: RequestEnd,
}

/// A comparison of a change of an app, and the details of its answer so far.
struct Comparison<'p, 't> {
    pass: &'p Pass<'t>,
    details: AppDetails,
}

/// How a change leaves the connection request.
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

impl Comparison<'_, '_> {
    async fn find(&mut self, request: &AppRequest) -> Result<Found, AdminError> {
        match request.clone() {
            AppRequest::Step { actor, step } => {
                permitted(self.pass, &actor).await?;
                self.find_step(step).await
            }
            AppRequest::SetScopes { app, scopes } => self.find_scopes(&app, scopes).await,
            AppRequest::Disconnect { app } => disconnected(self.pass, &app).await,
        }
    }

    async fn find_step(&mut self, step: ConnectionStep) -> Result<Found, AdminError> {
        let edition = self.pass.tenant.edition;
        match step {
            ConnectionStep::Start { app, scopes } => self.start(app, scopes).await,
            ConnectionStep::Authorize { request } => {
                let (row, mut progress) = self.under_way(request).await?;
                if !edition.is_enterprise() {
                    return self.connect(&row, &progress).await;
                }
                progress.authorized = true;
                self.store_progress(row, &progress, "app_request.authorized")
                    .await
            }
            ConnectionStep::SetPermissions { request, rights } => {
                let (row, progress) = self.under_way(request).await?;
                self.set_permissions(row, progress, rights).await
            }
            ConnectionStep::Confirm { request } => {
                let (row, progress) = self.under_way(request).await?;
                match progress.next_step(edition) {
                    AppStep::Confirm => self.connect(&row, &progress).await,
                    next @ (AppStep::Authorize | AppStep::Permissions) => {
                        Err(out_of_order(&row, next))
                    }
                }
            }
            ConnectionStep::Cancel { request } => {
                let (row, _) = self.under_way(request).await?;
                change_request_only(self.pass, RequestEnd::Cancelled(row)).await
            }
        }
    }

    /// Returns the pending request and its progress, or fails with `NotFound`.
    async fn under_way(&mut self, request: Uuid) -> Result<(AppRequestRow, Progress), AdminError> {
        let (transaction, tenant) = (self.pass.transaction, self.pass.tenant.number());
        let row = transaction.find_app_request(tenant, request).await?;
        let progress = row.as_ref().and_then(|row| Progress::read(&row.state));
        let (Some(row), Some(progress)) = (row, progress) else {
            return Err(Fault::unknown("request_id", EntityKind::AppRequest, &request).into());
        };
        self.details.request = Some(request);
        Ok((row, progress))
    }

    async fn start(&mut self, app: Code, scopes: RequestedScopes) -> Result<Found, AdminError> {
        let granted = self.record_scopes(scopes);
        let mut change_set = read_app(self.pass, &app).await?;
        let mut planner = Planner::new(&mut change_set);
        let connected = planner.connected_app(&app);
        if connected.is_none() {
            Fault::check_new_code("app", &app)?;
        }
        let mut outcome = Outcome::Changed;
        if let Some(id) = connected.filter(|id| !grows(planner.change_set, *id, granted)) {
            outcome = planner.set_scopes(id, granted);
            if !planner.lacks_permissions(id, granted) {
                return Ok(Found::of(change_set, outcome));
            }
        }
        let progress = Progress::of(granted);
        let row = AppRequestRow {
            id: Uuid::now_v7(),
            app,
            state: progress.write(),
        };
        self.details.steps = progress.steps(self.pass.tenant.edition);
        self.details.request = Some(row.id).filter(|_| !self.pass.context.dry_run);
        Ok(Found {
            request: RequestEnd::Stored(row, "app_request.started"),
            ..Found::of(change_set, outcome)
        })
    }

    async fn store_progress(
        &mut self,
        mut row: AppRequestRow,
        progress: &Progress,
        kind: &'static str,
    ) -> Result<Found, AdminError> {
        self.details.steps = progress.steps(self.pass.tenant.edition);
        row.state = progress.write();
        change_request_only(self.pass, RequestEnd::Stored(row, kind)).await
    }

    async fn set_permissions(
        &mut self,
        row: AppRequestRow,
        mut progress: Progress,
        rights: Vec<SelectionPatch>,
    ) -> Result<Found, AdminError> {
        let edition = self.pass.tenant.edition;
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
        let mut change_set = ChangeSet::read(self.pass, &wanted).await?;
        Planner::new(&mut change_set)
            .select(rights.iter().map(|patch| (field_of(patch), patch)), step)?;
        progress.permissions = Some(rights);
        self.store_progress(row, &progress, "app_request.permissions_set")
            .await
    }

    /// Connects or re-authorizes the app: the last step.
    async fn connect(&self, row: &AppRequestRow, progress: &Progress) -> Result<Found, AdminError> {
        let edition = self.pass.tenant.edition;
        // The app may select any of them.
        let every_kind = ItemKind::iter().collect();
        let mut change_set = read_app_with_rights(self.pass, &row.app, every_kind).await?;
        let mut planner = Planner::new(&mut change_set);
        // The edition may have changed since the request was started.
        let (granted, _) = offered_scopes(progress.scopes, edition);
        let step = PermissionsStep::of(granted, edition);
        let choice = match (step, &progress.permissions) {
            (PermissionsStep::UpTo(_), Some(rights)) => planner
                .select(rights.iter().map(|patch| (field_of(patch), patch)), step)?
                .replacing_all(),
            // An app without a permissions step keeps its rights (rules 5.8).
            (PermissionsStep::UpTo(_) | PermissionsStep::NotOffered, _) => AppChoice::default(),
        };
        let actor = &self.pass.context.actor;
        let outcome = planner.connect_app("app", &row.app, granted, &choice, actor)?;
        Ok(Found {
            request: RequestEnd::Connected(row.id),
            ..Found::of(change_set, outcome)
        })
    }

    async fn find_scopes(
        &mut self,
        app: &Code,
        scopes: RequestedScopes,
    ) -> Result<Found, AdminError> {
        let granted = self.record_scopes(scopes);
        let mut change_set = read_app(self.pass, app).await?;
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
        Ok(Found::of(change_set, outcome))
    }

    /// Returns the scopes to grant and records granted and ungranted ones for the
    /// answer (rules 5.3).
    fn record_scopes(&mut self, requested: RequestedScopes) -> ScopeSet {
        let edition = self.pass.tenant.edition;
        let (granted, not_offered) = offered_scopes(requested.known, edition);
        self.details.granted = CATALOGUE.scope_codes(granted).collect();
        self.details.ungranted = requested.unknown;
        let not_offered = CATALOGUE.scope_codes(not_offered).map(str::to_owned);
        self.details.ungranted.extend(not_offered);
        granted
    }
}

impl Found {
    /// Returns a difference without a connection request.
    fn of(change_set: ChangeSet, outcome: Outcome) -> Self {
        Self {
            change_set,
            outcome,
            request: RequestEnd::NotInvolved,
        }
    }
}

/// Reads what a change of an app's scopes needs.
async fn read_app(pass: &Pass<'_>, app: &Code) -> Result<ChangeSet, AdminError> {
    let wanted = WantedEntities {
        subjects: vec![(SubjectKind::App, app.clone())],
        ..WantedEntities::default()
    };
    ChangeSet::read(pass, &wanted).await
}

/// Reads an app with its rights, and all items of some kinds.
async fn read_app_with_rights(
    pass: &Pass<'_>,
    app: &Code,
    item_kinds: Vec<ItemKind>,
) -> Result<ChangeSet, AdminError> {
    let group = app.app_group().ok();
    let wanted = WantedEntities {
        subjects: vec![(SubjectKind::App, app.clone())],
        item_kinds,
        rights: RightsWanted::OfGroups(group.into_iter().collect()),
        ..WantedEntities::default()
    };
    ChangeSet::read(pass, &wanted).await
}

/// True if `scopes` includes one that the connected app does not have
/// (rules 5.8).
fn grows(change_set: &ChangeSet, app: SubjectId, scopes: ScopeSet) -> bool {
    let held = change_set.apps.get(app).map(|app| app.scopes);
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
    let change_set = ChangeSet::read(pass, &wanted).await?;
    let user = change_set.find_subject(SubjectKind::User, actor);
    let user = user.and_then(|id| change_set.subjects.get(id));
    let roles = user.into_iter().filter(|user| user.enabled);
    let roles = roles.flat_map(|user| &user.roles);
    let roles = roles.filter_map(|role| change_set.roles.get(role));
    let held = held_by(roles, pass.tenant.edition);
    let manage = CATALOGUE.find_permission("app.manage");
    if manage.is_some_and(|permission| held.contains(permission.id)) {
        return Ok(());
    }
    let actor = format!("user:{actor}");
    Err(AdminError::ActorNotPermitted { actor })
}

async fn disconnected(pass: &Pass<'_>, app: &Code) -> Result<Found, AdminError> {
    let mut change_set = read_app_with_rights(pass, app, Vec::new()).await?;
    let mut planner = Planner::new(&mut change_set);
    planner.delete_app(app)?;
    planner.end_deletions();
    Ok(Found::of(change_set, Outcome::Changed))
}

/// Returns a change of the connection request that changes no entity.
async fn change_request_only(pass: &Pass<'_>, request: RequestEnd) -> Result<Found, AdminError> {
    let change_set = ChangeSet::read(pass, &WantedEntities::default()).await?;
    Ok(Found {
        request,
        ..Found::of(change_set, Outcome::Changed)
    })
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

impl Change for AppRequest {
    type Plan = AppPlan;
    type Details = AppDetails;

    /// A connection request expires by the clock.
    fn depends_on_time(&self) -> bool {
        true
    }

    async fn compare(&self, pass: &Pass<'_>) -> Result<ComparedWith<Self>, AdminError> {
        let details = AppDetails::default();
        let mut comparison = Comparison { pass, details };
        let Found {
            change_set,
            outcome,
            request,
        } = comparison.find(self).await?;
        let entities = Entities::without_products(change_set);
        let unchanged = u64::from(outcome == Outcome::Unchanged);
        let found = entities.effect(pass, Staged::Nothing, unchanged).await?;
        let is_involved = !matches!(request, RequestEnd::NotInvolved);
        let plan = AppPlan { entities, request };
        let mut compared = Compared::of(found, plan, comparison.details);
        if is_involved {
            // The effect does not count connection requests.
            compared.verdict = Verdict::Changed;
        }
        Ok(compared)
    }

    async fn write(
        &self,
        pass: &mut Pass<'_>,
        compared: &mut ComparedWith<Self>,
    ) -> Result<(), AdminError> {
        let AppPlan { entities, request } = &mut compared.plan;
        let tenant = pass.tenant.number();
        let actor = pass.context.actor.clone();
        match request {
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
        entities.write(pass).await?;
        if let RequestEnd::Connected(id) = request
            && compared.effect.is_empty()
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

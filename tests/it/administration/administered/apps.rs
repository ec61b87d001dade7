use std::collections::BTreeSet;

use pim_authz::domain::{CATALOGUE, Code, ItemKind, ItemRef, Level, ScopeId, ScopeSet};
use pim_authz::pb::{self, AppStep};

use super::{
    Administered, Chosen, Connected, Faults, Request,
    names::{entity, read},
};
use crate::administration::calls::Answer;
use crate::support::World;

/// Splits the scopes of a request into those that the tenant's edition offers
/// and the others (rules 5.3).
pub(super) fn offered(world: &World, texts: &[String]) -> (ScopeSet, BTreeSet<String>) {
    let mut granted = ScopeSet::default();
    let mut others = BTreeSet::new();
    for text in texts {
        match CATALOGUE.find_scope(text) {
            Some(scope) if scope.is_offered_in(world.edition) => granted.insert(scope.id),
            _ => {
                others.insert(text.clone());
            }
        }
    }
    (CATALOGUE.with_implied_scopes(granted), others)
}

fn grows(held: ScopeSet, wanted: ScopeSet) -> bool {
    let held = CATALOGUE.with_implied_scopes(held);
    wanted.iter().any(|scope| !held.contains(scope))
}

pub(super) fn has(scopes: ScopeSet, text: &str) -> bool {
    scopes.contains(CATALOGUE.find_scope(text).unwrap().id)
}

/// Parses the code of an app, which is limited to 251 bytes because the code of
/// its private group is longer (rules 1.5).
pub(super) fn read_app(text: &str, faults: &mut Faults) -> Option<Code> {
    if text.len() > 251 {
        faults.invalid();
        return None;
    }
    read(text, faults)
}

impl Administered {
    /// Checks that the actor is a user who holds `app.manage` (rules 5.1).
    fn check_actor(&self, actor: &str, faults: &mut Faults) {
        let Some(user) = actor.strip_prefix("user:") else {
            faults.invalid();
            return;
        };
        if let Some(user) = read(user, faults)
            && !self.may(&user, "app.manage")
        {
            faults.add("ACTOR_NOT_PERMITTED");
        }
    }

    pub(super) fn start(&mut self, request: &pb::StartConnectionRequest, faults: &mut Faults) {
        self.check_actor(&request.actor, faults);
        let Some(app) = read_app(&request.app, faults) else {
            return;
        };
        let (granted, _) = offered(&self.world, &request.scopes);
        if let Some(held) = self.world.apps.get(&app).copied()
            && !grows(held, granted)
        {
            // Scopes that shrink apply immediately (rules 5.8).
            self.world.apps.insert(app, granted);
        }
    }

    /// Expected answer to the start of a connection, apart from its revision
    /// and effect.
    pub(in super::super) fn start_answer(
        &self,
        call: &pb::StartConnectionRequest,
        request_id: &str,
    ) -> Answer {
        let (scopes, others) = offered(&self.world, &call.scopes);
        let request = Request {
            app: call.app.parse().unwrap(),
            scopes,
            authorized: false,
            chosen: None,
        };
        let held = self.world.apps.get(&request.app).copied();
        let only_shrinks = held.is_some_and(|held| !grows(held, scopes));
        // An app that never passed the permissions step must take it
        // (rules 5.8a).
        let connected = self.apps.get(&request.app);
        let is_required =
            self.requires_permissions(&request) && connected.is_some_and(|app| !app.passed);
        let is_done = only_shrinks && !is_required;
        let code = |id: ScopeId| CATALOGUE.scope(id).code.to_owned();
        let mut granted: Vec<String> = scopes.iter().map(code).collect();
        granted.sort();
        Answer {
            request_id: if is_done { "" } else { request_id }.to_owned(),
            steps: if is_done {
                Vec::new()
            } else {
                self.steps_left(&request)
            },
            granted,
            ungranted: others.into_iter().collect(),
            ..Answer::default()
        }
    }

    /// Opens the request that the service returned, if it returned one.
    pub(in super::super) fn started(
        &mut self,
        before: &Self,
        call: &pb::StartConnectionRequest,
        answer: &Answer,
    ) {
        if answer.steps.is_empty() {
            return;
        }
        let request = Request {
            app: call.app.parse().unwrap(),
            scopes: offered(&before.world, &call.scopes).0,
            authorized: false,
            chosen: None,
        };
        self.requests.insert(answer.request_id.clone(), request);
    }

    /// The remaining steps, in order (rules 5.1).
    fn steps_left(&self, request: &Request) -> Vec<AppStep> {
        if !self.world.edition.is_enterprise() {
            return vec![AppStep::Authorize]; // this step connects the app
        }
        let is_required = self.requires_permissions(request);
        let steps = [
            (!request.authorized, AppStep::Authorize),
            (
                is_required && request.chosen.is_none(),
                AppStep::Permissions,
            ),
            (true, AppStep::Confirm),
        ];
        let left = steps.into_iter().filter(|(is_left, _)| *is_left);
        left.map(|(_, step)| step).collect()
    }

    /// Whether the permissions step is required: only if a products scope was
    /// granted (rules 5.1).
    fn requires_permissions(&self, request: &Request) -> bool {
        self.world.edition.is_enterprise() && has(request.scopes, "read_products")
    }

    /// The remaining steps that the service returns for a request: empty once
    /// the request has ended.
    pub(in super::super) fn steps_of(&self, id: &str) -> Vec<AppStep> {
        let request = self.requests.get(id);
        request
            .map(|request| self.steps_left(request))
            .unwrap_or_default()
    }

    fn request(&self, id: &str, faults: &mut Faults) -> Option<Request> {
        let request = self.requests.get(id).cloned();
        if request.is_none() {
            faults.add("APP_REQUEST_NOT_FOUND");
        }
        request
    }

    pub(super) fn authorize(&mut self, call: &pb::AuthorizeScopesRequest, faults: &mut Faults) {
        self.check_actor(&call.actor, faults);
        let Some(mut request) = self.request(&call.request_id, faults) else {
            return;
        };
        request.authorized = true;
        self.requests
            .insert(call.request_id.clone(), request.clone());
        if !self.world.edition.is_enterprise() {
            self.requests.remove(&call.request_id);
            self.connect(request, &call.actor);
        }
    }

    pub(super) fn set_permissions(
        &mut self,
        call: &pb::SetPermissionsRequest,
        faults: &mut Faults,
    ) {
        self.check_actor(&call.actor, faults);
        let request = self.request(&call.request_id, faults);
        let axes = [
            (ItemKind::Category, &call.trees),
            (ItemKind::Locale, &call.locales),
            (ItemKind::AttributeGroup, &call.attribute_groups),
        ];
        let mut chosen = BTreeSet::new();
        for (axis, rights) in axes {
            chosen.extend(self.chosen_of(axis, rights.as_ref(), faults));
        }
        let Some(mut request) = request else { return };
        if !self.requires_permissions(&request) {
            faults.either(&["INVALID_REQUEST", "STEP_OUT_OF_ORDER"]);
        } else if !request.authorized {
            faults.add("STEP_OUT_OF_ORDER");
        }
        let reads_only = !has(request.scopes, "write_products");
        let too_high = |bits: u8| bits != Level::View.bits();
        if reads_only && chosen.iter().any(|(_, bits, _)| too_high(*bits)) {
            faults.unfit();
        }
        request.chosen = Some(chosen);
        self.requests.insert(call.request_id.clone(), request);
    }

    /// The selections of one axis (rules 5.6): only root categories are valid,
    /// and `all` takes precedence over a list.
    fn chosen_of(
        &self,
        axis: ItemKind,
        rights: Option<&pb::AppRights>,
        faults: &mut Faults,
    ) -> BTreeSet<Chosen> {
        let rights = rights.cloned().unwrap_or_default();
        let levels = [
            (Level::Own, rights.own),
            (Level::Edit, rights.edit),
            (Level::View, rights.view),
        ];
        let mut chosen = BTreeSet::new();
        for (level, selection) in levels {
            let selection = selection.unwrap_or_default();
            let is_given = selection.all || !selection.codes.is_empty();
            if is_given && level == Level::Own && axis != ItemKind::Category {
                faults.unfit();
            }
            if selection.all {
                chosen.insert((axis, level.bits(), None));
                continue;
            }
            for text in &selection.codes {
                let Some(code) = read(text, faults) else {
                    continue;
                };
                if !self.has(axis, &code) {
                    faults.add(format!("{}_NOT_FOUND", entity(axis)));
                } else if axis == ItemKind::Category
                    && self.world.category_parents.contains_key(&code)
                {
                    faults.unfit();
                }
                chosen.insert((axis, level.bits(), Some(code)));
            }
        }
        chosen
    }

    pub(super) fn confirm(&mut self, call: &pb::ConfirmConnectionRequest, faults: &mut Faults) {
        self.check_actor(&call.actor, faults);
        let Some(request) = self.request(&call.request_id, faults) else {
            return;
        };
        if self.steps_left(&request) != [AppStep::Confirm] {
            faults.add("STEP_OUT_OF_ORDER");
        }
        self.requests.remove(&call.request_id);
        self.connect(request, &call.actor);
    }

    pub(super) fn cancel(&mut self, call: &pb::CancelConnectionRequest, faults: &mut Faults) {
        self.check_actor(&call.actor, faults);
        if self.request(&call.request_id, faults).is_some() {
            self.requests.remove(&call.request_id);
        }
    }

    /// Stores the app as its last step leaves it.
    fn connect(&mut self, request: Request, actor: &str) {
        // Both depend on the current edition (rules 5.1, 5.3).
        let is_required = self.requires_permissions(&request);
        let Request {
            app,
            scopes,
            chosen,
            ..
        } = request;
        let is_offered = |id: &ScopeId| CATALOGUE.scope(*id).is_offered_in(self.world.edition);
        let scopes = scopes.iter().filter(is_offered).collect();
        self.store_app(&app, scopes, actor);
        if let Some(chosen) = chosen.filter(|_| is_required) {
            let connected = self.apps.get_mut(&app).unwrap();
            connected.chosen.clone_from(&chosen);
            connected.passed = true;
            self.grant_selections(&World::private_group(&app), &chosen);
        }
    }

    /// Stores a connected app with these scopes; a new app holds every channel
    /// (rules 5.7).
    pub(super) fn store_app(&mut self, app: &Code, scopes: ScopeSet, actor: &str) {
        self.world.apps.insert(app.clone(), scopes);
        if self.apps.contains_key(app) {
            return;
        }
        let connected = Connected {
            chosen: BTreeSet::new(),
            later_channels: true,
            passed: false,
            by: actor.to_owned(),
        };
        self.apps.insert(app.clone(), connected);
        for channel in self.items_of(ItemKind::Channel) {
            let group = World::private_group(app);
            self.world.grant(group, channel, Level::Edit);
        }
    }

    pub(super) fn items_of(&self, kind: ItemKind) -> Vec<ItemRef> {
        self.world.items_of(kind).cloned().collect()
    }

    /// Replaces the app's rights on categories, locales and attribute groups
    /// only (rules 5.6 and 5.8).
    fn grant_selections(&mut self, group: &Code, chosen: &BTreeSet<Chosen>) {
        let replaced = [
            ItemKind::Category,
            ItemKind::Locale,
            ItemKind::AttributeGroup,
        ];
        let rights = &mut self.world.rights;
        rights.retain(|(of, item), _| of != group || !replaced.contains(&item.kind));
        for (axis, bits, code) in chosen {
            for item in self.items_of(*axis) {
                let root = match axis {
                    ItemKind::Category => self.world.root_of(&item.code),
                    _ => item.code.clone(),
                };
                if code.as_ref().is_none_or(|code| *code == root) {
                    let level = Level::from_bits(*bits);
                    self.world.grant(group.clone(), item, level);
                }
            }
        }
    }

    /// Replaces the scopes outside the steps, where they can only shrink
    /// (rules 5.8).
    pub(super) fn update_scopes(&mut self, call: &pb::UpdateScopesRequest, faults: &mut Faults) {
        let Some(app) = read(&call.app, faults) else {
            return;
        };
        let Some(held) = self.world.apps.get(&app).copied() else {
            faults.add("APP_NOT_FOUND");
            return;
        };
        let (granted, _) = offered(&self.world, &call.scopes);
        if grows(held, granted) {
            faults.add("STEP_OUT_OF_ORDER");
        }
        self.world.apps.insert(app, granted);
    }

    /// Removes the app's group, rights, scopes and consent (rules 5.9).
    pub(super) fn disconnect(&mut self, app: &str, faults: &mut Faults) {
        let Some(app) = read(app, faults) else {
            return;
        };
        if self.world.apps.remove(&app).is_none() {
            faults.add("APP_NOT_FOUND");
        }
        self.apps.remove(&app);
        let group = World::private_group(&app);
        self.world.rights.retain(|(of, _), _| *of != group);
    }
}

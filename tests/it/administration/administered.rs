//! A naive model of one tenant's administration, written from `rules.md` and
//! `api.md` alone: maps by code, and loops over everything.
//!
//! A call is applied to a copy, and all of its faults are collected. If there
//! are none, the copy is the new state. Otherwise the service may report any of
//! the faults, except that invalid input comes before entities that do not
//! exist (`api.md`: `INVALID_ARGUMENT` comes before `NOT_FOUND`).

mod apps;
mod catalog;
mod directory;
mod imported;
mod names;
mod products;
mod removals;
mod rights;
mod shown;

use std::collections::{BTreeMap, BTreeSet};

use pim_authz::domain::{
    Action, Code, Context, Edition, Level, Question, ScopeSet, SubjectKind, SubjectRef,
};
use pim_authz::pb;

use super::{calls::Call, snapshot::Selection};
use crate::support::{World, reference};

/// One tenant, with the state that only its administration needs.
#[derive(Clone, Debug)]
pub(super) struct Administered {
    /// The facts that decisions are made from.
    pub(super) world: World,
    group_labels: BTreeMap<Code, String>,
    role_labels: BTreeMap<Code, String>,
    channels: BTreeMap<Code, Channel>,
    apps: BTreeMap<Code, Connected>,
    requests: BTreeMap<String, Request>,
}

#[derive(Clone, Debug, Default)]
struct Channel {
    tree: Option<Code>,
    locales: BTreeSet<Code>,
}

/// State of a connected app besides its scopes.
#[derive(Clone, Debug)]
struct Connected {
    chosen: BTreeSet<Chosen>,
    later_channels: bool,
    /// Whether it passed the step permissions (rules 5.8a).
    passed: bool,
    by: String,
}

/// [`Selection`] with an order: the bits of the level.
type Chosen = (pim_authz::domain::ItemKind, u8, Option<Code>);

/// A request to connect an app, not finished yet (rules 5.1).
#[derive(Clone, Debug)]
struct Request {
    app: Code,
    scopes: ScopeSet,
    authorized: bool,
    chosen: Option<BTreeSet<Chosen>>,
}

/// The faults of a call: for each fault, the reasons that may report it.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults(Vec<Vec<String>>);

impl Faults {
    pub(super) fn add(&mut self, reason: impl Into<String>) {
        self.0.push(vec![reason.into()]);
    }

    fn invalid(&mut self) {
        self.add("INVALID_REQUEST");
    }

    /// As [`Faults::invalid`], for input that is invalid only because of the
    /// stored state; the service need not report it first.
    fn unfit(&mut self) {
        self.either(&["INVALID_REQUEST", "INVALID_REQUEST"]);
    }

    /// Adds a fault for which the rules allow more than one reason.
    fn either(&mut self, reasons: &[&str]) {
        let reasons = reasons.iter().map(|reason| (*reason).to_owned());
        self.0.push(reasons.collect());
    }

    /// Adds `reason` if there is a fault already, since an entry that refers to
    /// a refused entry may be reported first, as a dangling reference.
    fn dangle(&mut self, reason: &str) {
        if !self.are_none() {
            self.add(reason);
        }
    }

    pub(super) fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the service may refuse the call with this reason.
    pub(super) fn accept(&self, reason: &str) -> bool {
        let unreadable = self.0.iter().any(|fault| fault == &["INVALID_REQUEST"]);
        let is_named = self.0.iter().flatten().any(|named| named == reason);
        is_named && (!unreadable || ["INVALID_REQUEST", "REVISION_CHANGED"].contains(&reason))
    }
}

/// The canonical code that goes with a reason (`api.md`, "Errors").
pub(super) fn code_of(reason: &str) -> tonic::Code {
    match reason {
        "INVALID_REQUEST" | "IMPORT_REFUSED" => tonic::Code::InvalidArgument,
        "ACTOR_NOT_PERMITTED" => tonic::Code::PermissionDenied,
        "APP_LIMIT" => tonic::Code::ResourceExhausted,
        "REVISION_CHANGED" => tonic::Code::Aborted,
        "IDEMPOTENCY_KEY_REUSED" => tonic::Code::AlreadyExists,
        _ if reason.ends_with("_EXISTS") => tonic::Code::AlreadyExists,
        _ if reason.ends_with("_NOT_FOUND") => tonic::Code::NotFound,
        _ => tonic::Code::FailedPrecondition,
    }
}

impl Administered {
    /// A newly created tenant.
    pub(super) fn new(edition: Edition) -> Self {
        Self {
            world: World::new(edition),
            group_labels: BTreeMap::new(),
            role_labels: BTreeMap::new(),
            channels: BTreeMap::new(),
            apps: BTreeMap::new(),
            requests: BTreeMap::new(),
        }
    }

    /// The state after the call, or the faults of the call.
    pub(super) fn after(&self, call: &Call) -> Result<Self, Faults> {
        let mut next = self.clone();
        let mut faults = Faults::default();
        next.carry_out(call, &mut faults);
        if faults.are_none() {
            next.look_at_the_end(self, &mut faults);
        }
        if faults.are_none() {
            Ok(next)
        } else {
            Err(faults)
        }
    }

    /// Checks rules 2.6 and 5.2 on the final state, whatever the write was.
    fn look_at_the_end(&self, before: &Self, faults: &mut Faults) {
        if self.administrators() == 0 && before.administrators() > 0 {
            faults.add("LOCK_OUT_GUARD");
        }
        let parties = |of: &Self| of.world.apps.len() + of.world.connections.len();
        if parties(self) > 100 && parties(self) > parties(before) {
            faults.add("APP_LIMIT");
        }
    }

    /// Number of enabled users who hold all three permissions (rules 2.6).
    fn administrators(&self) -> usize {
        let needed = ["role.edit", "role.list", "system_configuration.access"];
        let users = self.world.users.keys();
        users
            .filter(|user| needed.iter().all(|needed| self.may(user, needed)))
            .count()
    }

    /// Whether the user may perform the action that requires only this
    /// permission.
    fn may(&self, user: &Code, permission: &str) -> bool {
        let subject = SubjectRef {
            kind: SubjectKind::User,
            code: user.clone(),
        };
        let action = Action::find(permission).unwrap();
        let question = Question::new(subject, action, None, Context::default()).unwrap();
        reference::decide(&self.world, &question).is_allowed()
    }

    fn carry_out(&mut self, call: &Call, faults: &mut Faults) {
        match call {
            Call::CreateTenant(_) => faults.add("TENANT_EXISTS"),
            Call::UpdateTenant(request) => match edition(request.edition()) {
                Some(edition) => self.world.edition = edition,
                None => faults.invalid(),
            },
            Call::DeleteTenant(_) => {} // the model ends with its tenant
            Call::PutUsers(request) => self.put_users(&request.users, faults),
            Call::PutConnections(request) => self.put_connections(&request.connections, faults),
            Call::PutUserGroups(request) => self.put_groups(&request.user_groups, faults),
            Call::PutRoles(request) => self.put_roles(&request.roles, faults),
            Call::PutChannels(request) => self.put_channels(request, faults),
            Call::PutLocales(request) => self.put_locales(request, faults),
            Call::PutCategories(request) => self.put_categories(request, faults),
            Call::PutAttributeGroups(request) => self.put_attribute_groups(request, faults),
            Call::PutAttributes(request) => self.put_attributes(&request.attributes, faults),
            Call::PutProducts(request) => self.put_products(&request.products, faults),
            Call::PutAssetFamilies(request) => self.put_families(request, faults),
            Call::PutReferenceEntities(request) => self.put_entities(request, faults),
            Call::PutProfiles(request) => self.put_profiles(request, faults),
            Call::PutGridViews(request) => self.put_grid_views(&request.grid_views, faults),
            Call::GrantAccess(request) => self.grant(&request.grants, faults),
            Call::RevokeAccess(request) => self.revoke(&request.revocations, faults),
            Call::ReplaceAccess(request) => self.replace(&request.items, faults),
            _ => self.carry_out_removals_and_steps(call, faults),
        }
    }

    fn carry_out_removals_and_steps(&mut self, call: &Call, faults: &mut Faults) {
        match call {
            Call::StartConnection(request) => self.start(request, faults),
            Call::AuthorizeScopes(request) => self.authorize(request, faults),
            Call::SetPermissions(request) => self.set_permissions(request, faults),
            Call::ConfirmConnection(request) => self.confirm(request, faults),
            Call::CancelConnection(request) => self.cancel(request, faults),
            Call::UpdateScopes(request) => self.update_scopes(request, faults),
            Call::Disconnect(request) => self.disconnect(&request.app, faults),
            _ => self.carry_out_removals(call, faults),
        }
    }
}

/// The edition of a message; unspecified is none.
pub(super) fn edition(edition: pb::Edition) -> Option<Edition> {
    match edition {
        pb::Edition::Unspecified => None,
        pb::Edition::Community => Some(Edition::Community),
        pb::Edition::Growth => Some(Edition::Growth),
        pb::Edition::Enterprise => Some(Edition::Enterprise),
    }
}

/// The level of a message; unspecified is none.
pub(super) fn level(level: pb::Level) -> Option<Level> {
    match level {
        pb::Level::Unspecified => None,
        pb::Level::None => Some(Level::Hidden),
        pb::Level::View => Some(Level::View),
        pb::Level::Edit => Some(Level::Edit),
        pb::Level::Own => Some(Level::Own),
        pb::Level::Execute => Some(Level::Execute),
        pb::Level::ExecuteAndEdit => Some(Level::ExecuteAndEdit),
    }
}

/// The selections of an app, as snapshots show them.
fn selections(chosen: &BTreeSet<Chosen>) -> Vec<Selection> {
    let chosen = chosen.iter().cloned();
    chosen
        .map(|(axis, bits, code)| (axis, Level::from_bits(bits), code))
        .collect()
}

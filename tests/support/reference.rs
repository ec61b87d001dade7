//! Naive reference implementation of `rules.md`, step by step over all rights.
//! Clarity over speed; it shares no code with the engine.

mod axes;
mod levels;
mod remedies;
mod requirements;
mod scopes;

use pim_authz::domain::{
    Action, CATALOGUE, Code, Decision, EditMode, ItemKind, ItemRef, Level, LevelAction, Parent,
    PermissionId, PermissionSet, ProductKind, ProductRef, Question, Reason, ReasonCode, ReasonItem,
    Resource, ResourceType, ScopeKind, SubjectKind, UnknownName,
};

use self::requirements::Requirements;
pub(crate) use self::{requirements::requirements, scopes::needed_of_an_app};
use super::world::World;

/// Decides a question over the whole world.
pub(crate) fn decide(world: &World, question: &Question) -> Decision {
    let case = Case::new(world, question);
    let denial = case.denials().into_iter().next();
    Decision {
        level: case.answered_level(),
        edit_mode: case.edit_mode(denial.is_none()),
        denial,
    }
}

/// Returns every rule that denies, in the order of rules 8.1.
pub(crate) fn denials(world: &World, question: &Question) -> Vec<ReasonCode> {
    let denials = Case::new(world, question).denials().into_iter();
    denials.map(|reason| reason.code).collect()
}

/// One question in one world.
struct Case<'a> {
    world: &'a World,
    question: &'a Question,
    requirements: Requirements,
}

/// Returns why no grant turns the denial of the question (rules 8.2); `None` if
/// some set of grants does.
pub(crate) fn no_remedy_reason(world: &World, question: &Question) -> Option<String> {
    Case::new(world, question).no_remedy_reason()
}

impl<'a> Case<'a> {
    fn new(world: &'a World, question: &'a Question) -> Self {
        let kind = question.resource().map(|resource| resource.kind);
        let requirements = requirements(question.action(), kind).unwrap();
        Self {
            world,
            question,
            requirements,
        }
    }
}

impl Case<'_> {
    /// Rules 8.1: every rule that denies, in this order. A subject that is denied
    /// everything (rules 1.6) has only that denial.
    fn denials(&self) -> Vec<Reason> {
        if let Some(denial) = self.subject_denial() {
            return vec![denial];
        }
        let denials = [
            self.edition_denial(),
            self.permission_denial(),
            self.channel_or_locale_denial(ItemKind::Channel),
            self.channel_or_locale_denial(ItemKind::Locale),
            self.category_denial(),
            self.attribute_group_denial(),
            self.ruling_item_denial(ReasonCode::Item),
            self.unknown_resource_denial(),
        ];
        denials.into_iter().flatten().collect()
    }

    /// Rules 1.6: an unknown, disabled or disconnected subject is denied
    /// everything.
    fn subject_denial(&self) -> Option<Reason> {
        let world = self.world;
        let subject = self.question.subject();
        let disabled = match subject.kind {
            SubjectKind::User => world.users.get(&subject.code).map(|user| user.disabled),
            SubjectKind::Connection => {
                let connection = world.connections.get(&subject.code);
                connection.map(|connection| connection.disabled)
            }
            SubjectKind::App => world.apps.get(&subject.code).map(|_| false),
        };
        match disabled {
            None => Some(reason(ReasonCode::SubjectUnknown)),
            Some(true) => Some(reason(ReasonCode::SubjectDisabled)),
            Some(false) => None,
        }
    }

    /// Rules 2.4, 8.1 and 9: enterprise permissions and actions are denied by
    /// edition in other editions, whether held or not.
    fn edition_denial(&self) -> Option<Reason> {
        let enterprise = self.requirements.enterprise && !self.world.edition.is_enterprise();
        enterprise.then(|| Reason {
            permission: self
                .requirements
                .permission
                .map(|id| CATALOGUE.permission(id).code),
            ..reason(ReasonCode::Edition)
        })
    }

    /// Rules 2.2, 2.3, 5.5, 5.12 and 8.1: the required permission is missing, or
    /// else the first of those that it requires.
    fn permission_denial(&self) -> Option<Reason> {
        let subject = self.question.subject();
        let Some(permission) = self.requirements.permission else {
            return self.scope_denial();
        };
        // Rules 5.4 and 9: apps and connections may always read the version.
        let reads_version = Action::Level(LevelAction::ReadSystemVersion);
        if self.question.action() == reads_version && subject.kind != SubjectKind::User {
            return None;
        }
        let held = self.permissions_held();
        let missing = if held.contains(permission) {
            let requires = &CATALOGUE.permission(permission).requires;
            requires.iter().find(|required| !held.contains(*required))?
        } else {
            permission
        };
        let code = match subject.kind {
            SubjectKind::App => ReasonCode::Scope,
            SubjectKind::User | SubjectKind::Connection => ReasonCode::Permission,
        };
        Some(Reason {
            permission: Some(CATALOGUE.permission(missing).code),
            ..reason(code)
        })
    }

    /// Rules 2.2 and 5.5, then the implications of rules 2.3.
    fn permissions_held(&self) -> PermissionSet {
        let mut held: PermissionSet = self.permissions_granted().into_iter().collect();
        loop {
            let implied = CATALOGUE.permissions().iter().find(|permission| {
                !held.contains(permission.id) && permission.implied_by.intersects(&held)
            });
            match implied {
                Some(permission) => held.insert(permission.id),
                None => return held,
            }
        }
    }

    fn permissions_granted(&self) -> Vec<PermissionId> {
        let subject = self.question.subject();
        if subject.kind == SubjectKind::App {
            return self.permissions_of_scopes();
        }
        // Rules 2.2: the union of the permissions of its roles.
        let member = self.world.member(subject).unwrap();
        let roles = member.roles.iter().map(|role| &self.world.roles[role]);
        roles.flat_map(|role| role.permissions.iter()).collect()
    }

    /// Rules 5.3 to 5.5.
    fn permissions_of_scopes(&self) -> Vec<PermissionId> {
        let granted = self.world.apps[&self.question.subject().code];
        let mut held = Vec::new();
        for scope in granted.iter().map(|id| CATALOGUE.scope(id)) {
            // Write implies read, delete implies write; the rows list all implied
            // scopes.
            let implied = scope.implies.iter().map(|id| CATALOGUE.scope(id));
            for scope in implied.chain([scope]) {
                if scope.kind == ScopeKind::Authorization {
                    held.extend(scope.permissions.iter());
                    held.push(permission("api.overall_access"));
                }
            }
        }
        held
    }

    /// Rules 1.7.
    fn unknown_resource_denial(&self) -> Option<Reason> {
        if !self.requirements.requires_resource || self.resource_is_known() {
            return None;
        }
        let resource = self.resource();
        // For an asset or record, it is the parent that is unknown.
        let unknown = match &resource.description.parent {
            Some(Parent::Code(code)) => {
                let (family, _) = self.ruling_item().unwrap();
                unknown_item(family.kind, code)
            }
            Some(Parent::Absent) | None => UnknownName {
                kind: resource.kind,
                code: resource.id.clone().unwrap(),
            },
        };
        Some(Reason {
            unknown: Some(unknown),
            ..reason(ReasonCode::ResourceUnknown)
        })
    }

    /// Rules 1.7: the resource is stored, or described by the question
    /// (rules 7.1).
    fn resource_is_known(&self) -> bool {
        let resource = self.resource();
        if let Some((item, _)) = self.ruling_item() {
            return self.world.items.contains(&item);
        }
        let is_product = resource.kind.product_kind().is_some();
        if is_product && resource.description.is_given() {
            return true;
        }
        if let Some(product) = self.product() {
            return self.world.products.contains_key(&product);
        }
        let id = resource.id.as_ref();
        match resource.kind {
            ResourceType::Attribute => self.world.attributes.contains_key(id.unwrap()),
            ResourceType::GridView => self.world.grid_views.contains_key(id.unwrap()),
            other => unreachable!("{other} is an item or a product"),
        }
    }

    /// Returns the product or model of the question, if it is named.
    fn product(&self) -> Option<ProductRef> {
        let resource = self.resource();
        let kind = match resource.kind {
            ResourceType::Product => ProductKind::Product,
            ResourceType::ProductModel => ProductKind::Model,
            _ => return None,
        };
        let code = resource.id.clone()?;
        Some(ProductRef { kind, code })
    }

    fn resource(&self) -> &Resource {
        self.question.resource().unwrap()
    }

    /// Returns the item that alone determines access to the resource, and the
    /// axis of its denial (rules 4.9, 4.12, 8.1).
    fn ruling_item(&self) -> Option<(ItemRef, ReasonCode)> {
        let resource = self.question.resource()?;
        let (kind, axis) = match resource.kind {
            ResourceType::Category | ResourceType::EnrichedCategory => {
                (ItemKind::Category, ReasonCode::Category)
            }
            ResourceType::Channel => (ItemKind::Channel, ReasonCode::Channel),
            ResourceType::Locale => (ItemKind::Locale, ReasonCode::Locale),
            ResourceType::AttributeGroup => (ItemKind::AttributeGroup, ReasonCode::AttributeGroup),
            ResourceType::AssetFamily | ResourceType::Asset => {
                (ItemKind::AssetFamily, ReasonCode::Item)
            }
            ResourceType::ReferenceEntity | ResourceType::ReferenceEntityRecord => {
                (ItemKind::ReferenceEntity, ReasonCode::Item)
            }
            ResourceType::ImportProfile => (ItemKind::ImportProfile, ReasonCode::Item),
            ResourceType::ExportProfile => (ItemKind::ExportProfile, ReasonCode::Item),
            ResourceType::Product
            | ResourceType::ProductModel
            | ResourceType::Attribute
            | ResourceType::GridView
            | ResourceType::SystemVersion => return None,
        };
        // Rules 9: an asset or record belongs to the family or entity named.
        let code = match &resource.description.parent {
            Some(Parent::Code(parent)) => parent.clone(),
            Some(Parent::Absent) | None => resource.id.clone()?,
        };
        Some((ItemRef { kind, code }, axis))
    }

    /// Rules 4.6 and 4.8: how an allowed action that requires `edit` on a product
    /// takes effect.
    fn edit_mode(&self, allowed: bool) -> Option<EditMode> {
        self.question.resource()?.kind.product_kind()?;
        if !allowed || self.requirements.level != Some(Level::Edit) {
            return None;
        }
        match self.level_held() {
            Level::Own => Some(EditMode::Direct),
            _ => Some(EditMode::Proposal),
        }
    }
}

/// Returns a reason with only its code.
fn reason(code: ReasonCode) -> Reason {
    Reason {
        code,
        item: None,
        needed: None,
        held: None,
        permission: None,
        unknown: None,
    }
}

/// Returns the name of an item that is not stored.
fn unknown_item(kind: ItemKind, code: &Code) -> UnknownName {
    UnknownName {
        kind: kind.to_string().parse().unwrap(),
        code: code.clone(),
    }
}

fn named(item: &ItemRef) -> ReasonItem {
    ReasonItem {
        kind: item.kind,
        code: Some(item.code.clone()),
    }
}

fn permission(code: &str) -> PermissionId {
    CATALOGUE.find_permission(code).unwrap().id
}

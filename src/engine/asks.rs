use crate::domain::{
    Action, CATALOGUE, Level, LevelAction, PermissionSet, Question, ReasonCode, ReasonItem,
    Strictness, SubjectKind,
};

use super::{
    catalog,
    reach::{OpenAxis, Reach},
};
use crate::domain::ItemId;

/// One rule that a question meets.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) code: ReasonCode,
    pub(super) rule: &'static str,
    pub(super) item: Option<ReasonItem>,
    pub(super) needed: Option<Level>,
    pub(super) held: Option<Level>,
    pub(super) permission: Option<&'static str>,
    pub(super) passed: bool,
    pub(super) source: Source,
}

/// What an ask looked at, for explaining it and for finding what turns it.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// Not at rights.
    Other,
    /// The right on one stored item.
    Item(ItemId),
    /// The rights on all channels or locales.
    Any(OpenAxis),
    /// The rights on the categories of a product; any of them will do.
    Categories(Vec<ItemId>, Strictness),
}

/// Every rule that a question meets, in the order of rules 8.1.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) asks: Vec<Ask>,
    /// The level held on the resource, where the question is one of levels.
    pub(super) level: Option<Level>,
}

impl Ask {
    pub(super) fn new(code: ReasonCode, rule: &'static str, passed: bool) -> Self {
        Self {
            code,
            rule,
            item: None,
            needed: None,
            held: None,
            permission: None,
            passed,
            source: Source::Other,
        }
    }

    /// Asks for a level on an item.
    pub(super) fn level(
        code: ReasonCode,
        rule: &'static str,
        item: Option<ReasonItem>,
        needed: Level,
        held: Level,
    ) -> Self {
        Self {
            item,
            needed: Some(needed),
            held: Some(held),
            ..Self::new(code, rule, held.allows(needed))
        }
    }

    pub(super) fn from(self, source: Source) -> Self {
        Self { source, ..self }
    }
}

/// Asks every rule that `question` meets.
pub(super) fn ask(question: &Question, reach: &Reach<'_>) -> Asked {
    let looks_at_resource = question.rule().looks_at_resource;
    let mut asks = vec![ask_subject(*reach)];
    if asks.iter().any(|ask| !ask.passed) {
        // An unknown or disabled subject holds `none` on any resource (1.7).
        return Asked {
            asks,
            level: looks_at_resource.then_some(Level::Hidden),
        };
    }
    asks.extend(ask_edition(question, *reach));
    asks.extend(ask_permission(question, *reach));
    let mut level = None;
    if looks_at_resource && let Some(resource) = question.resource() {
        let (catalog_asks, held) = catalog::ask_catalog(question, resource, *reach);
        asks.extend(catalog_asks);
        level = Some(held);
    }
    Asked { asks, level }
}

fn ask_subject(reach: Reach<'_>) -> Ask {
    match reach.subject {
        None => Ask::new(ReasonCode::SubjectUnknown, "1.6", false),
        Some(subject) => Ask::new(ReasonCode::SubjectDisabled, "1.6", subject.enabled),
    }
}

fn ask_edition(question: &Question, reach: Reach<'_>) -> Option<Ask> {
    let rule = question.rule();
    if !rule.enterprise {
        return None;
    }
    let permission = rule.permission.map(|id| CATALOGUE.permission(id).code);
    let number = if permission.is_some() { "2.4" } else { "9" };
    let passed = reach.facts.vocabulary.edition.is_enterprise();
    Some(Ask {
        permission,
        ..Ask::new(ReasonCode::Edition, number, passed)
    })
}

/// Asks for the permission; the edition is asked apart (rules 8.1).
fn ask_permission(question: &Question, reach: Reach<'_>) -> Option<Ask> {
    let asked = CATALOGUE.permission(question.rule().permission?);
    let kind = reach.subject_ref.kind;
    let everyones = question.action() == Action::Level(LevelAction::ReadSystemVersion);
    if everyones && kind != SubjectKind::User {
        return None;
    }
    let held = CATALOGUE.with_implied(&granted(reach));
    let missing = if held.contains(asked.id) {
        asked.requires.iter().find(|id| !held.contains(*id))
    } else {
        Some(asked.id)
    };
    let (code, rule) = match kind {
        SubjectKind::App => (ReasonCode::Scope, "5.5"),
        SubjectKind::User | SubjectKind::Connection => (ReasonCode::Permission, "2.2"),
    };
    let named = CATALOGUE.permission(missing.unwrap_or(asked.id)).code;
    Some(Ask {
        permission: Some(named),
        ..Ask::new(code, rule, missing.is_none())
    })
}

/// The permissions granted to the subject: the union of its roles (rules 2.2),
/// or its scopes' (rules 5.5); nothing implied yet.
pub(super) fn granted(reach: Reach<'_>) -> PermissionSet {
    let Some(subject) = reach.subject else {
        return PermissionSet::default();
    };
    let roles = subject
        .roles
        .iter()
        .filter_map(|id| reach.facts.vocabulary.roles.get(id));
    roles.fold(
        CATALOGUE.permissions_of_scopes(subject.scopes),
        |granted, role| granted.union(&role.permissions),
    )
}

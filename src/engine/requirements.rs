//! The requirements of a question, in the order of rules 8.1.
//!
//! Those on the subject, the edition and the permission or scope are evaluated
//! here; those on the resource and its context in `resource_rules`. All are
//! evaluated, also after one has failed, since an explanation shows each of them.
//! Only an unknown or disabled subject ends the list (rules 1.6).

use crate::domain::{
    Action, CATALOGUE, Level, LevelAction, PermissionId, Question, ReasonCode, SubjectKind,
};

use super::{
    app_scopes::required_permission,
    categories::CategoryLevels,
    effective_access::EffectiveAccess,
    requirement::{Requirement, Source},
    resource_rules,
};

/// Largest number of rules that apply to a question on a product: subject, edition,
/// permission or scope, four axes, resource.
const MOST_RULES: usize = 8;

/// The requirements of a question, in the order of rules 8.1.
#[derive(Debug)]
pub(super) struct Requirements<'f> {
    /// Each rule that applies, passed or failed.
    pub(super) requirements: Vec<Requirement<'f>>,
    /// The level held on the resource; `None` if the question does not look at
    /// one.
    pub(super) level: Option<Level>,
}

/// Evaluates every rule that applies to `question`, in the order of rules 8.1.
/// `levels` is shared by questions on the same facts.
pub(super) fn collect<'f>(
    question: &'f Question,
    access: &EffectiveAccess<'f>,
    levels: &mut CategoryLevels,
) -> Requirements<'f> {
    let requires_resource = question.rule().requires_resource;
    let mut requirements = Vec::with_capacity(MOST_RULES);
    requirements.push(require_subject(access));
    if requirements.iter().any(|requirement| !requirement.passed) {
        // An unknown or disabled subject holds `none` on any resource (rules
        // 1.7).
        return Requirements {
            requirements,
            level: requires_resource.then_some(Level::Hidden),
        };
    }
    requirements.extend(require_edition(question, access));
    requirements.extend(require_permission(question, access));
    let mut level = None;
    if requires_resource && let Some(resource) = question.resource() {
        level = Some(resource_rules::require_resource(
            question,
            resource,
            access,
            levels,
            &mut requirements,
        ));
    }
    Requirements {
        requirements,
        level,
    }
}

/// Requires a known and enabled subject (rules 1.6).
fn require_subject<'f>(access: &EffectiveAccess<'_>) -> Requirement<'f> {
    match access.subject {
        None => Requirement::new(ReasonCode::SubjectUnknown, "1.6", false),
        Some(subject) => Requirement::new(ReasonCode::SubjectDisabled, "1.6", subject.enabled),
    }
}

/// Requires the enterprise edition if the action does (rules 2.4, 9).
fn require_edition<'f>(
    question: &Question,
    access: &EffectiveAccess<'_>,
) -> Option<Requirement<'f>> {
    let rule = question.rule();
    if !rule.enterprise {
        return None;
    }
    let permission = rule.permission.map(|id| CATALOGUE.permission(id).code);
    let number = if permission.is_some() { "2.4" } else { "9" };
    let passed = access.vocabulary.edition.is_enterprise();
    Some(Requirement {
        permission,
        ..Requirement::new(ReasonCode::Edition, number, passed)
    })
}

/// Requires the permission of the action; the edition is a rule of its own (rules
/// 8.1).
fn require_permission<'f>(
    question: &Question,
    access: &EffectiveAccess<'_>,
) -> Option<Requirement<'f>> {
    let kind = access.subject_ref.kind;
    let everyones = question.action() == Action::Level(LevelAction::ReadSystemVersion);
    if everyones && kind != SubjectKind::User {
        return None;
    }
    match (question.rule().permission, kind) {
        (Some(required), SubjectKind::App) => {
            Some(require_counting(required, ReasonCode::Scope, "5.5", access))
        }
        (Some(required), SubjectKind::User | SubjectKind::Connection) => Some(require_counting(
            required,
            ReasonCode::Permission,
            "2.2",
            access,
        )),
        (None, SubjectKind::App) => require_scope(question, access),
        (None, SubjectKind::User | SubjectKind::Connection) => None,
    }
}

/// Requires the scope that a level action of an app needs (rules 5.12).
fn require_scope<'f>(question: &Question, access: &EffectiveAccess<'_>) -> Option<Requirement<'f>> {
    let Action::Level(action) = question.action() else {
        return None;
    };
    Some(
        match required_permission(action, question.resource()?.kind) {
            Some(required) => require_counting(required, ReasonCode::Scope, "5.12", access),
            None => Requirement::new(ReasonCode::Scope, "5.12", false),
        },
    )
}

/// Requires that a permission counts: it and all that it requires are held (rules
/// 2.3), and the edition has it (rules 2.4).
fn require_counting<'f>(
    required: PermissionId,
    code: ReasonCode,
    rule: &'static str,
    access: &EffectiveAccess<'_>,
) -> Requirement<'f> {
    let permission = CATALOGUE.permission(required);
    let held = CATALOGUE.with_implied(&access.granted_permissions());
    let edition_has_it = !permission.enterprise || access.vocabulary.edition.is_enterprise();
    let missing = if held.contains(required) && edition_has_it {
        permission.requires.iter().find(|id| !held.contains(*id))
    } else {
        Some(required)
    };
    Requirement {
        permission: Some(CATALOGUE.permission(missing.unwrap_or(required)).code),
        ..Requirement::new(code, rule, missing.is_none())
    }
    .from(Source::Permission(required))
}

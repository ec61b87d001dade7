//! The decision as a tree of steps (rules 8.2).
//!
//! The root states the decision (rules 8.1). Below it is one step per
//! requirement, passed or failed, and below the category of a product one step
//! per effective category. The steps come from the requirements that
//! [`super::decide`] evaluates, so that an explanation cannot disagree with a
//! decision.

use crate::domain::{
    CATALOGUE, Code, Explanation, Facts, GroupFacts, ItemId, ItemKind, Level, Question, Reason,
    ReasonCode, ReasonItem, Step,
};

use super::{
    categories::CategoryLevels,
    decision,
    effective_access::{self, EffectiveAccess, most_permissive},
    remedy,
    requirement::{Requirement, Source},
    requirements,
};

/// Decides one question and explains the decision (rules 8.2).
///
/// The explanation holds every rule that applies, the groups and roles that give
/// what is held, and the smallest set of grants that would turn a denial into an
/// allow.
///
/// `facts` holds what [`super::needs`] returns for the question, with the rights
/// of every user group ([`crate::domain::GroupsNeeded::All`]).
#[must_use]
pub fn explain(question: &Question, facts: &Facts) -> Explanation {
    let access = EffectiveAccess::of(question.subject(), facts);
    let mut requirements = requirements::collect(question, &access, &mut CategoryLevels::default());
    name_categories(&mut requirements.requirements, question, access);
    let decision = decision(question, &requirements);
    let steps: Vec<Step> = requirements
        .requirements
        .iter()
        .map(|requirement| step(requirement, access))
        .collect();
    let (remedies, no_remedy_reason) = match &decision.denial {
        None => (Vec::new(), None),
        Some(_) => match remedy::find(&requirements.requirements, access) {
            Ok(remedies) => (remedies, None),
            Err(why) => (Vec::new(), Some(why)),
        },
    };
    let root = Step {
        passed: decision.is_allowed(),
        message: root_message(question, decision.denial.as_ref()),
        needed: question.rule().level,
        held: decision.level,
        steps,
        ..blank("8.1")
    };
    Explanation {
        decision,
        root,
        remedies,
        no_remedy_reason,
    }
}

/// Fills in the effective categories of a product, which a plain decision omits.
fn name_categories(
    requirements: &mut [Requirement],
    question: &Question,
    access: EffectiveAccess<'_>,
) {
    let lists = question.resource().and_then(|resource| {
        let kind = resource.kind.product_kind()?;
        access.category_lists(kind, resource)
    });
    let Some(lists) = lists else {
        return;
    };
    for requirement in requirements {
        if let Source::Categories(ids, _) = &mut requirement.source {
            *ids = lists.ids(access);
        }
    }
}

/// Returns the sentence that states the decision and the reason of a denial.
fn root_message(question: &Question, denial: Option<&Reason>) -> String {
    let subject = question.subject();
    let action = question.action();
    let what = question.resource().map_or(String::new(), |resource| {
        let kind = resource.kind.to_string().replace('_', " ");
        resource
            .id
            .as_ref()
            .map_or(format!(" a {kind}"), |id| format!(" the {kind} `{id}`"))
    });
    match denial {
        None => format!("`{subject}` may `{action}`{what}."),
        Some(reason) => format!("`{subject}` may not `{action}`{what}: {reason}"),
    }
}

/// Returns a failed step of a rule with every other field empty.
fn blank(rule: &'static str) -> Step {
    Step {
        rule,
        axis: None,
        item: None,
        needed: None,
        held: None,
        groups: Vec::new(),
        roles: Vec::new(),
        permission: None,
        passed: false,
        message: String::new(),
        steps: Vec::new(),
    }
}

/// Converts a requirement into a step of the explanation (rules 8.2).
fn step(requirement: &Requirement, access: EffectiveAccess<'_>) -> Step {
    Step {
        axis: Some(requirement.code),
        item: requirement.item.clone(),
        needed: requirement.needed,
        held: requirement.held,
        groups: giving_groups(requirement, access),
        roles: giving_roles(requirement, access),
        permission: requirement.permission,
        passed: requirement.passed,
        message: message(requirement),
        steps: category_steps(requirement, access),
        ..blank(requirement.rule)
    }
}

/// Returns the subject's groups that give the level held.
fn giving_groups(requirement: &Requirement, access: EffectiveAccess<'_>) -> Vec<Code> {
    let Some(held) = requirement.held else {
        return Vec::new();
    };
    if !access.facts.vocabulary.edition.is_enterprise() {
        return Vec::new(); // rights do not count (rules 3.4)
    }
    let level = |group: &GroupFacts| match &requirement.source {
        Source::Other | Source::Permission(_) => Level::Hidden,
        Source::Item(id) => right(group, *id),
        Source::Any(axis) => group.highest_on_any(*axis),
        Source::Categories(ids, _) => most_permissive(ids.iter().map(|id| right(group, *id))),
    };
    giving(held, level, access)
}

/// Returns the groups that give the level held (rules 3.5).
fn giving(
    held: Level,
    level: impl Fn(&GroupFacts) -> Level,
    access: EffectiveAccess<'_>,
) -> Vec<Code> {
    let groups = access.groups().map(|group| (group, level(group)));
    let groups = effective_access::giving_groups(held, groups).into_iter();
    groups.map(|group| group.code.clone()).collect()
}

/// Returns the subject's roles that give the permission, directly or by
/// implication (rules 2.3).
fn giving_roles(requirement: &Requirement, access: EffectiveAccess<'_>) -> Vec<Code> {
    let (ReasonCode::Permission, Some(code)) = (requirement.code, requirement.permission) else {
        return Vec::new();
    };
    let (Some(subject), Some(required)) = (access.subject, CATALOGUE.find_permission(code)) else {
        return Vec::new();
    };
    let roles = subject
        .roles
        .iter()
        .filter_map(|id| access.facts.vocabulary.roles.get(id));
    roles
        .filter(|role| {
            CATALOGUE
                .with_implied(&role.permissions)
                .contains(required.id)
        })
        .map(|role| role.code.clone())
        .collect()
}

/// Returns one step per effective category: the level held and the groups that
/// give it. Empty outside the enterprise edition (rules 3.4).
fn category_steps(requirement: &Requirement, access: EffectiveAccess<'_>) -> Vec<Step> {
    let Source::Categories(ids, _) = &requirement.source else {
        return Vec::new();
    };
    if !access.facts.vocabulary.edition.is_enterprise() {
        return Vec::new();
    }
    ids.iter()
        .map(|id| {
            let held = access.level_on(*id);
            let needed = requirement.needed.unwrap_or_default();
            let code = access.code_of(*id).cloned();
            let item = ReasonItem {
                kind: ItemKind::Category,
                code,
            };
            Step {
                axis: Some(ReasonCode::Category),
                message: format!("{}: held is `{held}`.", capitalised(&item.to_string())),
                item: Some(item),
                needed: Some(needed),
                held: Some(held),
                groups: giving(held, |group| right(group, *id), access),
                passed: held.allows(needed),
                ..blank("3.5")
            }
        })
        .collect()
}

/// Returns the level of a group on an item; `Hidden` if it has no right there.
fn right(group: &GroupFacts, id: ItemId) -> Level {
    group.rights.get(&id).copied().unwrap_or_default()
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// Returns the message of a step: the reason if it failed, else what is
/// satisfied.
fn message(requirement: &Requirement) -> String {
    if !requirement.passed {
        return requirement.reason().to_string();
    }
    let permission = requirement
        .permission
        .map_or("the action".to_owned(), |code| format!("`{code}`"));
    match requirement.code {
        ReasonCode::SubjectUnknown | ReasonCode::SubjectDisabled => {
            "The subject is known and enabled.".to_owned()
        }
        ReasonCode::Edition => format!("The edition has {permission}."),
        ReasonCode::Permission => format!("A role gives the permission {permission}."),
        ReasonCode::Scope => format!("A scope gives {permission}."),
        ReasonCode::ResourceUnknown => "The resource is stored, or described.".to_owned(),
        ReasonCode::Channel
        | ReasonCode::Locale
        | ReasonCode::Category
        | ReasonCode::AttributeGroup
        | ReasonCode::Item => level_message(requirement),
    }
}

/// Returns the message of a level requirement that is satisfied.
fn level_message(requirement: &Requirement) -> String {
    let held = requirement.held.unwrap_or_default();
    if requirement.rule == "4.3" {
        return "It is in no category: every enabled subject owns it.".to_owned();
    }
    match &requirement.item {
        Some(item) if held.allows(requirement.needed.unwrap_or_default()) => {
            format!("{}: held is `{held}`.", capitalised(&item.to_string()))
        }
        Some(ReasonItem { kind, code: None }) => format!("The tenant has no {kind}: no gate."),
        Some(_) | None => format!("Held is `{held}`."),
    }
}

//! The decision as a tree of steps (rules 8.2).
//!
//! The root states the decision (rules 8.1). Below it is one step per
//! requirement, passed or failed, and below the category of a product one step
//! per effective category. The steps come from the requirements that
//! [`super::decide`] evaluates, so that an explanation cannot disagree with a
//! decision.

use crate::domain::{
    CATALOGUE, Code, Decision, Explanation, Facts, Level, Question, Reason, ReasonCode, ReasonItem,
    Step,
};

use super::{
    category_rights::{CategoryRights, held_on},
    decider::Decider,
    decision,
    effective_access::{self, EffectiveAccess},
    remedy,
    requirement::{Requirement, Source},
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
    Explainer::new(question, facts).explain()
}

/// Explains one question, as [`explain`] does, in parts: a product in many
/// categories takes millions of reads.
#[derive(Debug)]
pub struct Explainer<'q> {
    question: &'q Question,
    facts: &'q Facts,
    access: EffectiveAccess<'q>,
    decider: Decider,
    /// `None` until what the decision requires is prepared.
    decided: Option<Decided<'q>>,
}

/// A decision, and what explains it.
#[derive(Debug)]
struct Decided<'q> {
    decision: Decision,
    requirements: Vec<Requirement<'q>>,
    categories: CategoryRights<'q>,
}

impl<'q> Explainer<'q> {
    /// Prepares nothing yet. See [`explain`] for the facts needed.
    #[must_use]
    pub fn new(question: &'q Question, facts: &'q Facts) -> Self {
        Self {
            question,
            facts,
            access: EffectiveAccess::of(question.subject(), facts),
            decider: Decider::default(),
            decided: None,
        }
    }

    /// Does a part of the work of [`Explainer::explain`] in advance, up to about
    /// `most` reads of rights. The caller can yield before it continues.
    ///
    /// True if more is left.
    #[must_use]
    pub fn prepare(&mut self, most: u64) -> bool {
        let (question, access) = (self.question, &self.access);
        if self.decided.is_none() && self.decider.prepare(question, self.facts, most) {
            return true;
        }
        let decided = self
            .decided
            .get_or_insert_with(|| Decided::of(question, access, &mut self.decider));
        let needed = decided.needed_on_categories();
        needed.is_some_and(|needed| decided.categories.read(needed, access, most))
    }

    /// Returns the explanation, after preparing what is left of it.
    #[must_use]
    pub fn explain(mut self) -> Explanation {
        while self.prepare(u64::MAX) {}
        let (question, access) = (self.question, &self.access);
        let decided = self.decided.take();
        let decided = decided.unwrap_or_else(|| Decided::of(question, access, &mut self.decider));
        decided.explain(question, access)
    }
}

impl<'q> Decided<'q> {
    fn of(question: &'q Question, access: &EffectiveAccess<'q>, decider: &mut Decider) -> Self {
        let requirements = decider.requirements(question, access);
        let decision = decision(question, &requirements);
        Self {
            categories: CategoryRights::of(question, access, !decision.is_allowed()),
            decision,
            requirements: requirements.requirements,
        }
    }

    /// Returns the level needed on one of the product's categories. `None`: the
    /// decision does not depend on them.
    fn needed_on_categories(&self) -> Option<Level> {
        let mut requirements = self.requirements.iter();
        let categories =
            requirements.find(|requirement| matches!(requirement.source, Source::Categories(_)));
        categories.map(|requirement| requirement.needed.unwrap_or_default())
    }

    fn explain(self, question: &Question, access: &EffectiveAccess<'_>) -> Explanation {
        let Self {
            decision,
            requirements,
            categories,
        } = self;
        let (remedies, no_remedy_reason) = match &decision.denial {
            None => (Vec::new(), None),
            Some(_) => match remedy::find(&requirements, access, &categories) {
                Ok(remedies) => (remedies, None),
                Err(why) => (Vec::new(), Some(why)),
            },
        };
        let mut steps: Vec<Step> = requirements
            .iter()
            .map(|requirement| step(requirement, access, &categories))
            .collect();
        let of_product = |(requirement, _): &(&Requirement<'_>, &mut Step)| {
            matches!(requirement.source, Source::Categories(_))
        };
        if let Some((_, step)) = requirements.iter().zip(&mut steps).find(of_product) {
            step.steps = categories.into_steps();
        }
        let root = Step {
            passed: decision.is_allowed(),
            message: root_message(question, decision.denial.as_ref()),
            needed: question.rule().level,
            held: decision.level,
            steps,
            ..Step::failed("8.1")
        };
        Explanation {
            decision,
            root,
            remedies,
            no_remedy_reason,
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

/// Converts a requirement into a step of the explanation (rules 8.2).
fn step(
    requirement: &Requirement<'_>,
    access: &EffectiveAccess<'_>,
    categories: &CategoryRights<'_>,
) -> Step {
    Step {
        axis: Some(requirement.code),
        item: requirement.item.map(ReasonItem::cloned),
        needed: requirement.needed,
        held: requirement.held,
        groups: giving_groups(requirement, access, categories),
        roles: giving_roles(requirement, access),
        permission: requirement.permission,
        passed: requirement.passed,
        message: message(requirement),
        ..Step::failed(requirement.rule)
    }
}

/// Returns the subject's groups that give the level held (rules 3.5).
fn giving_groups(
    requirement: &Requirement<'_>,
    access: &EffectiveAccess<'_>,
    categories: &CategoryRights<'_>,
) -> Vec<Code> {
    let Some(held) = requirement.held else {
        return Vec::new();
    };
    if !access.is_enterprise() {
        return Vec::new(); // rights do not count (rules 3.4)
    }
    let groups = access.numbered_groups();
    let groups =
        groups.map(|(id, group)| (group, requirement.level_of(group, categories.highest(id))));
    let groups = effective_access::giving_groups(held, groups).into_iter();
    groups.map(|group| group.code.clone()).collect()
}

/// Returns the subject's roles that give the permission, directly or by
/// implication (rules 2.3).
fn giving_roles(requirement: &Requirement<'_>, access: &EffectiveAccess<'_>) -> Vec<Code> {
    let (ReasonCode::Permission, Some(code)) = (requirement.code, requirement.permission) else {
        return Vec::new();
    };
    let (Some(subject), Some(required)) = (access.subject, CATALOGUE.find_permission(code)) else {
        return Vec::new();
    };
    let roles = subject.roles.iter().filter_map(|id| access.role(*id));
    roles
        .filter(|role| {
            CATALOGUE
                .with_implied(&role.permissions)
                .contains(required.id)
        })
        .map(|role| role.code.clone())
        .collect()
}

/// Returns the message of a step: the reason if it failed, else what is
/// satisfied.
fn message(requirement: &Requirement<'_>) -> String {
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
fn level_message(requirement: &Requirement<'_>) -> String {
    let held = requirement.held.unwrap_or_default();
    if requirement.rule == "4.3" {
        return "It is in no category: every enabled subject owns it.".to_owned();
    }
    match requirement.item {
        Some(item) if held.allows(requirement.needed.unwrap_or_default()) => held_on(item, held),
        Some(ReasonItem { kind, code: None }) => format!("The tenant has no {kind}: no gate."),
        Some(_) | None => format!("Held is `{held}`."),
    }
}

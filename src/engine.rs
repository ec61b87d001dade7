//! Decides questions: pure functions of facts, without I/O.
//!
//! A decision is a list of *requirements*, one for each rule that applies to the
//! question, in the order of rules 8.1: subject, edition, permission or scope,
//! channel, locale, category, attribute group, item, resource unknown. The first
//! that fails is the reason of the denial; if none fails, the subject is allowed.
//! [`explain`] uses the same list with its sources, so that it cannot disagree
//! with [`decide`].
//!
//! Three users want to edit the German name of the product `hat`, which is in the
//! category `caps`:
//!
//! - Julia's groups hold `own` on `caps`, `edit` on `de_DE` and on the attribute
//!   group `marketing`: allowed, directly.
//! - Mary's hold `edit` on `caps` and the same otherwise: allowed, as a proposal
//!   (rules 4.6).
//! - Robert's hold `own` on `caps`, but `view` on `de_DE`: denied by the locale,
//!   since it comes before the category.
//!
//! "The most permissive group wins" (rules 3.5) is decided in `effective_access`, for the
//! items that a question reads. Merging all rights of all groups of a subject beforehand
//! was rejected: it would have to be redone at each change of each group. What is merged
//! is noted with the facts, for all subjects in the same groups.

mod access_filter;
mod app_scopes;
mod categories;
mod category_lists;
mod category_rights;
mod decider;
mod effective_access;
mod explain;
mod needs;
mod product_access;
mod remedy;
mod requirement;
mod requirements;
mod resource_rules;

use crate::domain::{Decision, EditMode, FactSource, Level, Question, Reason};

pub use self::{
    access_filter::access_filter,
    decider::Decider,
    effective_access::{effective_right, highest_level, most_permissive},
    explain::{Explainer, explain},
    needs::needs,
    product_access::{CategoryTest, ProductAccess, product_access},
};
use self::{
    categories::CategoryLevels, effective_access::EffectiveAccess, requirement::Requirement,
    requirements::Requirements,
};

/// Decides one question.
///
/// `facts` holds at least the facts that [`needs`] returns for the question.
#[must_use]
pub fn decide(question: &Question, facts: &dyn FactSource) -> Decision {
    let access = EffectiveAccess::of(question.subject(), facts);
    let requirements = requirements::collect(question, &access, &mut CategoryLevels::default());
    decision(question, &requirements)
}

/// Builds the decision from the requirements: the first failed one is the denial
/// (rules 8.1).
fn decision(question: &Question, requirements: &Requirements<'_>) -> Decision {
    let denial = requirements
        .requirements
        .iter()
        .find(|requirement| !requirement.passed);
    let denial: Option<Reason> = denial.map(Requirement::reason);
    let edit_mode = match denial {
        None => edit_mode(question, requirements.level),
        Some(_) => None,
    };
    Decision {
        denial,
        level: requirements.level,
        edit_mode,
    }
}

/// Returns how an allowed edit takes effect (rules 4.6, 4.8). `None`: the action
/// is not an edit of a product or model.
fn edit_mode(question: &Question, level: Option<Level>) -> Option<EditMode> {
    question.resource()?.kind.product_kind()?;
    if question.rule().level? != Level::Edit {
        return None;
    }
    match level? {
        Level::Own => Some(EditMode::Direct),
        Level::Edit => Some(EditMode::Proposal),
        Level::Hidden | Level::View | Level::Execute | Level::ExecuteAndEdit => None,
    }
}

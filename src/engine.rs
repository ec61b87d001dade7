//! How a question is answered: pure functions of facts.
//!
//! A decision is a list of *requirements*, one for each rule that the question meets,
//! in the order of rules 8.1: subject, edition, permission or scope, channel,
//! locale, category, attribute group, item, resource unknown. The first that
//! fails is the reason; none, and the subject may. [`explain`] is the same list
//! with its sources, so that it cannot disagree with [`decide`].
//!
//! Three users requirement to edit the German name of the product `hat`, which lies in
//! the category `caps`:
//!
//! - Julia's groups hold `own` on `caps`, `edit` on `de_DE` and on the
//!   attribute group `marketing`: allowed, directly.
//! - Mary's hold `edit` on `caps` and the same otherwise: allowed, as a
//!   proposal (rules 4.6).
//! - Robert's hold `own` on `caps`, but `view` on `de_DE`: denied by the
//!   locale, since it comes before the category.
//!
//! "The most permissive group wins" (rules 3.5) is decided in `access`.
//! Merging all groups of a subject into one set of rights beforehand was set
//! aside: it has to be redone at each change of each group, and a check looks
//! at a handful of items.

mod access_filter;
mod app_scopes;
mod categories;
mod decider;
mod effective_access;
mod explain;
mod needs;
mod product_access;
mod remedy;
mod requirements;
mod resource_rules;

use crate::domain::{Decision, EditMode, Facts, Level, Question, Reason};

pub use self::{
    access_filter::access_filter,
    decider::Decider,
    explain::explain,
    needs::needs,
    product_access::{CategoryTest, ProductAccess, product_access},
};
use self::{
    categories::CategoryLevels,
    effective_access::EffectiveAccess,
    requirements::{Requirement, Requirements},
};

/// Decides one question.
///
/// `facts` holds at least what [`needs`] says of the question.
#[must_use]
pub fn decide(question: &Question, facts: &Facts) -> Decision {
    let access = EffectiveAccess::of(question.subject(), facts);
    let asked = requirements::collect(question, &access, &mut CategoryLevels::default());
    decision(question, &asked)
}

fn decision(question: &Question, asked: &Requirements) -> Decision {
    let denial = asked
        .requirements
        .iter()
        .find(|requirement| !requirement.passed);
    let denial: Option<Reason> = denial.map(Requirement::reason);
    let edit_mode = match denial {
        None => edit_mode(question, asked.level),
        Some(_) => None,
    };
    Decision {
        denial,
        level: asked.level,
        edit_mode,
    }
}

/// How an allowed edit takes effect (rules 4.6, 4.8): `None` for whatever is
/// not an edit of a product.
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

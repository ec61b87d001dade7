//! The smallest set of grants that would turn a denial (rules 8.2).
//!
//! What is missing of permissions and what is missing of rights are turned by
//! different grants, so each part is made smallest by itself. A right is raised
//! one by one; joining a group can turn several at once. With the axes that a
//! product question has, at most two groups can be better than raising, so sets
//! of none, one and two groups are compared.

mod access;
mod permission;

use crate::domain::{Question, ReasonCode, Remedy};

use super::{asks::Ask, reach::Reach};

/// Finds the set; where no grant can turn the denial, says why.
pub(super) fn find(
    question: &Question,
    asks: &[Ask],
    reach: Reach<'_>,
) -> Result<Vec<Remedy>, String> {
    let failed: Vec<&Ask> = asks.iter().filter(|ask| !ask.passed).collect();
    for ask in &failed {
        if let Some(why) = beyond_grants(ask.code) {
            return Err(why.to_owned());
        }
    }
    let mut remedies = Vec::new();
    let lacks_permission = failed
        .iter()
        .any(|ask| [ReasonCode::Permission, ReasonCode::Scope].contains(&ask.code));
    if lacks_permission && let Some(asked) = question.rule().permission {
        remedies.extend(permission::find(asked, reach)?);
    }
    let rights: Vec<&Ask> = failed
        .into_iter()
        .filter(|ask| ask.needed.is_some())
        .collect();
    remedies.extend(access::find(&rights, asks, reach)?);
    Ok(remedies)
}

fn beyond_grants(code: ReasonCode) -> Option<&'static str> {
    match code {
        ReasonCode::SubjectUnknown => Some("the tenant has no such subject"),
        ReasonCode::SubjectDisabled => Some("the subject is disabled"),
        ReasonCode::Edition => Some("the tenant's edition does not have the action"),
        ReasonCode::ResourceUnknown => Some("the tenant has no such resource"),
        ReasonCode::Permission
        | ReasonCode::Scope
        | ReasonCode::Channel
        | ReasonCode::Locale
        | ReasonCode::Category
        | ReasonCode::AttributeGroup
        | ReasonCode::Item => None,
    }
}

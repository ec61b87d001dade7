//! The smallest set of grants that would turn a denial (rules 8.2).
//!
//! What is missing of permissions and what is missing of rights are turned by
//! different grants, so each part is made smallest by itself. A right is raised
//! one by one; joining a group can turn several at once. With the axes that a
//! product question has, at most two groups can be better than raising, so sets
//! of none, one and two groups are compared.

mod access;
mod permission;

use crate::domain::{ReasonCode, Remedy};

use super::{
    effective_access::EffectiveAccess,
    requirements::{Requirement, Source},
};

/// Finds the set; where no grant can turn the denial, says why: the first rule,
/// in the order of rules 8.1, that no grant turns.
pub(super) fn find(
    requirements: &[Requirement],
    access: EffectiveAccess<'_>,
) -> Result<Vec<Remedy>, String> {
    let mut remedies = Vec::new();
    let mut raises = Vec::new();
    for requirement in requirements
        .iter()
        .filter(|requirement| !requirement.passed)
    {
        match requirement.code {
            ReasonCode::SubjectUnknown => return Err("the tenant has no such subject".to_owned()),
            ReasonCode::SubjectDisabled => return Err("the subject is disabled".to_owned()),
            ReasonCode::Edition => {
                return Err("the tenant's edition does not have the action".to_owned());
            }
            ReasonCode::ResourceUnknown => return Err(unknown(requirement)),
            ReasonCode::Permission | ReasonCode::Scope => {
                remedies.extend(turn_permission(requirement, access)?);
            }
            ReasonCode::Channel
            | ReasonCode::Locale
            | ReasonCode::Category
            | ReasonCode::AttributeGroup
            | ReasonCode::Item => raises.push((requirement, access::raise(requirement, access)?)),
        }
    }
    remedies.extend(access::find(raises, requirements, access)?);
    Ok(remedies)
}

fn turn_permission(
    requirement: &Requirement,
    access: EffectiveAccess<'_>,
) -> Result<Vec<Remedy>, String> {
    match &requirement.source {
        Source::Permission(asked) => permission::find(*asked, access),
        Source::Other | Source::Item(_) | Source::Any(_) | Source::Categories(..) => {
            Err("no scope gives the action".to_owned())
        }
    }
}

/// Says what the tenant does not store.
fn unknown(requirement: &Requirement) -> String {
    let name = requirement.unknown.as_ref();
    name.map_or_else(
        || "the tenant has no such resource".to_owned(),
        |unknown| format!("the tenant has no {unknown}"),
    )
}

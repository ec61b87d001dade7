//! The smallest set of grants that would turn a denial into an allow (rules 8.2).
//!
//! Missing permissions and missing rights need different grants, so each part is
//! minimized by itself. Raising a right satisfies one requirement; joining a
//! group can satisfy several at once. With the axes of a product question,
//! joining more than two groups is never better than raising rights, so sets of
//! zero, one and two groups are compared.

mod access;
mod permission;

use crate::domain::{ReasonCode, Remedy};

use super::{
    category_rights::CategoryRights,
    effective_access::EffectiveAccess,
    requirement::{Requirement, Source},
};

/// Returns the smallest set of grants, given the rights of all groups on the
/// product's `categories`. Fails with the explanation of the first
/// rule, in the order of rules 8.1, that no grant satisfies.
pub(super) fn find(
    requirements: &[Requirement<'_>],
    access: &EffectiveAccess<'_>,
    categories: &CategoryRights<'_>,
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
            | ReasonCode::Item => {
                let raise = access::raise(requirement, access, categories.first())?;
                raises.push((requirement, raise));
            }
        }
    }
    remedies.extend(access::find(raises, requirements, access, categories)?);
    Ok(remedies)
}

/// Returns the grants for a missing permission or scope; fails if no scope gives
/// the action (rules 5.12).
fn turn_permission(
    requirement: &Requirement<'_>,
    access: &EffectiveAccess<'_>,
) -> Result<Vec<Remedy>, String> {
    match &requirement.source {
        Source::Permission(wanted) => permission::find(*wanted, access),
        Source::Other | Source::Item(_) | Source::Any(_) | Source::Categories(_) => {
            Err("no scope gives the action".to_owned())
        }
    }
}

/// Returns the text that names what the tenant does not store (rules 1.7).
fn unknown(requirement: &Requirement<'_>) -> String {
    let name = requirement.unknown.as_ref();
    name.map_or_else(
        || "the tenant has no such resource".to_owned(),
        |unknown| format!("the tenant has no {unknown}"),
    )
}

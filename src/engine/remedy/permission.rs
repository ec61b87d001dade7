//! The permissions or the scope to add, so that a permission counts (rules 8.2).
//!
//! A user needs `category.view_history` and holds neither it nor
//! `category.edit`, which it requires (rules 2.3): the remedy adds both to the
//! first of the user's roles, since one alone does not suffice.

use crate::domain::{
    Audience, CATALOGUE, PermissionId, PermissionSet, Remedy, ScopeKind, SubjectKind,
};

use crate::engine::effective_access::EffectiveAccess;

/// Returns the fewest permissions to add to a role of the subject so that `wanted`
/// counts (rules 8.2). For an app it is the scope to add.
pub(super) fn find(
    wanted: PermissionId,
    access: &EffectiveAccess<'_>,
) -> Result<Vec<Remedy>, String> {
    match access.subject_ref.kind {
        SubjectKind::App => scope(wanted, access).map(|remedy| vec![remedy]),
        SubjectKind::User => add_to_role(wanted, Audience::User, access),
        SubjectKind::Connection => add_to_role(wanted, Audience::Connection, access),
    }
}

/// Returns the permissions to add to the subject's first role by code. Fails if
/// it has no role, or if no role for the audience can hold the permission (rules
/// 2.5).
fn add_to_role(
    wanted: PermissionId,
    audience: Audience,
    access: &EffectiveAccess<'_>,
) -> Result<Vec<Remedy>, String> {
    let roles = access.subject.iter().flat_map(|subject| &subject.roles);
    let role = roles
        .filter_map(|id| access.role(*id))
        .map(|role| &role.code)
        .min();
    let Some(role) = role else {
        return Err("the subject holds no role that a permission could be added to".to_owned());
    };
    let missing = fewest(wanted, audience, access).ok_or_else(|| {
        format!(
            "no role for a {} may hold `{}`",
            access.subject_ref.kind,
            CATALOGUE.permission(wanted).code
        )
    })?;
    let remedies = missing.into_iter().map(|permission| Remedy::Permission {
        role: role.clone(),
        permission,
    });
    Ok(remedies.collect())
}

/// Returns the fewest permissions that make `wanted` count. Among equals the order
/// is: `wanted` itself, then those it requires, then those that imply them (rules
/// 8.2).
fn fewest(
    wanted: PermissionId,
    audience: Audience,
    access: &EffectiveAccess<'_>,
) -> Option<Vec<PermissionId>> {
    let granted = access.granted_permissions();
    let candidates: Vec<PermissionId> = candidates(wanted)
        .into_iter()
        .map(|id| CATALOGUE.permission(id))
        .filter(|permission| permission.may_be_held_by(audience))
        .filter(|permission| !granted.contains(permission.id))
        .map(|permission| permission.id)
        .collect();
    (1..=candidates.len()).find_map(|size| {
        choices(&candidates, size).into_iter().find(|chosen| {
            let added: PermissionSet = chosen.iter().copied().collect();
            let granted = granted.union(&added);
            CATALOGUE
                .counted(&granted, access.vocabulary.edition)
                .contains(wanted)
        })
    })
}

/// Returns the permissions that can help to make `wanted` count, in the order in
/// which they are preferred.
fn candidates(wanted: PermissionId) -> Vec<PermissionId> {
    let permission = CATALOGUE.permission(wanted);
    let mut candidates = vec![wanted];
    let mut implying: Vec<PermissionId> = permission.implied_by.iter().collect();
    for required in permission.requires.iter() {
        candidates.push(required);
        implying.extend(CATALOGUE.permission(required).implied_by.iter());
    }
    implying.sort_by_key(|id| CATALOGUE.permission(*id).code);
    for id in implying {
        if !candidates.contains(&id) {
            candidates.push(id);
        }
    }
    candidates
}

/// Returns every combination of `size` elements of `from`, in their order.
fn choices(from: &[PermissionId], size: usize) -> Vec<Vec<PermissionId>> {
    if size == 0 {
        return vec![Vec::new()];
    }
    let Some((first, rest)) = from.split_first() else {
        return Vec::new();
    };
    let with_first = choices(rest, size - 1).into_iter().map(|mut chosen| {
        chosen.insert(0, *first);
        chosen
    });
    with_first.chain(choices(rest, size)).collect()
}

/// Returns the scope to add: one that no smaller scope could replace, the first
/// by code.
fn scope(wanted: PermissionId, access: &EffectiveAccess<'_>) -> Result<Remedy, String> {
    let gives = |scope: &crate::domain::Scope| {
        let alone = std::iter::once(scope.id).collect();
        CATALOGUE.permissions_of_scopes(alone).contains(wanted)
    };
    let offered = |scope: &&crate::domain::Scope| {
        scope.kind == ScopeKind::Authorization && scope.is_offered_in(access.vocabulary.edition)
    };
    let smallest = |scope: &&crate::domain::Scope| {
        !scope
            .implies
            .iter()
            .any(|implied| gives(CATALOGUE.scope(implied)))
    };
    let giving = || CATALOGUE.scopes().iter().filter(|scope| gives(scope));
    let best = giving()
        .filter(offered)
        .filter(smallest)
        .min_by_key(|scope| scope.code);
    let code = CATALOGUE.permission(wanted).code;
    match best {
        Some(scope) => Ok(Remedy::Scope(scope.id)),
        None if giving().next().is_some() => Err(format!(
            "no scope that the tenant's edition offers gives `{code}`"
        )),
        None => Err(format!("no scope gives `{code}`")),
    }
}

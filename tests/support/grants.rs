//! Enumerates every single grant that rules 8.2 allows to be suggested.

use pim_authz::domain::{
    Action, CATALOGUE, Code, Level, PermissionId, Question, Remedy, Scope, Strictness, SubjectKind,
    SubjectRef,
};

use super::{
    random_world::levels_of,
    reference,
    world::{World, code},
};

impl World {
    /// True if all grants together make the reference allow the question.
    pub(crate) fn is_turned_by(&self, question: &Question, grants: &[Remedy]) -> bool {
        let mut world = self.clone();
        for grant in grants {
            world.apply(grant, question.subject());
        }
        reference::decide(&world, question).is_allowed()
    }

    /// Returns every grant that could contribute to turning the question's
    /// denial.
    pub(crate) fn every_grant(&self, question: &Question) -> Vec<Remedy> {
        let subject = question.subject();
        let is_stored = match subject.kind {
            SubjectKind::App => self.apps.contains_key(&subject.code),
            SubjectKind::User | SubjectKind::Connection => self.member(subject).is_some(),
        };
        if !is_stored {
            return Vec::new();
        }
        let mut grants = self.every_raise(question);
        grants.extend(self.every_membership(subject));
        if let Some(required) = question.rule().permission {
            grants.extend(self.every_permission(subject, required));
        }
        grants.extend(self.every_scope(question));
        grants
    }

    /// Returns raises for the subject's own groups, on the items that the
    /// decision depends on; for a connection in no group, for any group, which it
    /// has to join as well.
    fn every_raise(&self, question: &Question) -> Vec<Remedy> {
        let facts = self.facts_to_explain(question);
        let mut grants = Vec::new();
        let mut groups = self.groups_of(question.subject());
        if groups.is_empty() {
            groups.clone_from(&self.groups);
        }
        for group in groups {
            for item in &self.items {
                let is_looked_at = facts
                    .vocabulary
                    .item_facts
                    .values()
                    .any(|known| known.kind == item.kind && known.code == item.code);
                let held = self.right(&group, item);
                let higher = levels_of(item.kind)
                    .iter()
                    .filter(|level| is_looked_at && !held.allows(**level));
                grants.extend(higher.map(|level| Remedy::Access {
                    group: group.clone(),
                    item: item.clone(),
                    level: *level,
                }));
            }
        }
        grants
    }

    /// Returns the non-private groups that the subject is not in (rules 1.4).
    fn every_membership(&self, subject: &SubjectRef) -> Vec<Remedy> {
        if subject.kind == SubjectKind::App {
            return Vec::new();
        }
        let joined = self.groups_of(subject);
        let others = self.groups.difference(&joined).cloned();
        others.map(|group| Remedy::Membership { group }).collect()
    }

    /// Returns grants, to the subject's roles, of the required permission, of
    /// those that it requires, and of those that imply either (rules 2.3, 2.5).
    fn every_permission(&self, subject: &SubjectRef, required: PermissionId) -> Vec<Remedy> {
        let of = |id| CATALOGUE.permission(id);
        let wanted: Vec<PermissionId> = of(required).requires.iter().chain([required]).collect();
        let implying = wanted.iter().flat_map(|id| of(*id).implied_by.iter());
        let useful: Vec<PermissionId> = wanted.iter().copied().chain(implying).collect();
        let roles: Vec<Code> = match self.member(subject) {
            Some(member) => member.roles.iter().cloned().collect(),
            None => Vec::new(),
        };
        let mut grants = Vec::new();
        for role in roles {
            let stored = &self.roles[&role];
            for permission in &useful {
                let is_new = !stored.permissions.contains(*permission);
                if is_new && of(*permission).may_be_held_by(stored.audience) {
                    grants.push(Remedy::Permission {
                        role: role.clone(),
                        permission: *permission,
                    });
                }
            }
        }
        grants
    }

    /// Returns the scopes that the edition offers, the app lacks, and that grant
    /// the required permission, directly or by implication (rules 5.3, 5.12).
    fn every_scope(&self, question: &Question) -> Vec<Remedy> {
        let subject = question.subject();
        if subject.kind != SubjectKind::App {
            return Vec::new();
        }
        let kind = question.resource().map(|resource| resource.kind);
        let needed = match (question.rule().permission, question.action(), kind) {
            (None, Action::Level(action), Some(kind)) => reference::needed_of_an_app(action, kind),
            (permission, ..) => permission,
        };
        let Some(needed) = needed else {
            return Vec::new();
        };
        let gives = |scope: &Scope| {
            let alone = std::iter::once(scope.id).collect();
            CATALOGUE.permissions_of_scopes(alone).contains(needed)
        };
        let granted = self.apps[&subject.code];
        let scopes = CATALOGUE.scopes().iter();
        scopes
            .filter(|scope| scope.is_offered_in(self.edition) && !granted.contains(scope.id))
            .filter(|scope| gives(scope))
            .map(|scope| Remedy::Scope(scope.id))
            .collect()
    }

    /// Returns every set of `size` grants that turns the denial.
    pub(crate) fn turning_sets(
        &self,
        question: &Question,
        grants: &[Remedy],
        size: usize,
    ) -> Vec<Vec<Remedy>> {
        if size == 0 {
            let turned = reference::decide(self, question).is_allowed();
            return if turned { vec![Vec::new()] } else { Vec::new() };
        }
        // More grants are never harmful, except where a level must not be too
        // high.
        let more_may_hurt = question.rule().strictness == Strictness::Exactly;
        if !more_may_hurt && !self.is_turned_by(question, grants) {
            return Vec::new();
        }
        let mut sets = Vec::new();
        for (place, grant) in grants.iter().enumerate() {
            let mut world = self.clone();
            world.apply(grant, question.subject());
            for mut set in world.turning_sets(question, &grants[place + 1..], size - 1) {
                set.push(grant.clone());
                sets.push(set);
            }
        }
        sets
    }
}

/// Cost by rules 8.2 for sets of equal size, the lowest preferred: the required
/// permission itself, a scope before one that implies it, raises before
/// memberships, any group before `All`, low levels.
pub(crate) fn cost(set: &[Remedy], required: Option<PermissionId>) -> [usize; 4] {
    let count = |is: &dyn Fn(&Remedy) -> bool| set.iter().filter(|grant| is(grant)).count();
    let group = |grant: &Remedy| match grant {
        Remedy::Access { group, .. } | Remedy::Membership { group } => Some(group.clone()),
        Remedy::Permission { .. } | Remedy::Scope(_) => None,
    };
    let level = |grant: &Remedy| match grant {
        Remedy::Access { level, .. } => *level,
        _ => Level::Hidden,
    };
    [
        set.iter().map(|grant| excess(grant, required)).sum(),
        count(&|grant| matches!(grant, Remedy::Membership { .. })),
        count(&|grant| group(grant) == Some(World::all())),
        set.iter()
            .map(|grant| usize::from(level(grant).bits()))
            .sum(),
    ]
}

/// Tie-breaker among single grants of the same cost: their codes.
pub(crate) fn codes(grant: &Remedy) -> Vec<Code> {
    match grant {
        Remedy::Access { group, item, .. } => vec![group.clone(), item.code.clone()],
        Remedy::Permission { role, permission } => {
            vec![role.clone(), code(CATALOGUE.permission(*permission).code)]
        }
        Remedy::Scope(scope) => vec![code(CATALOGUE.scope(*scope).code)],
        Remedy::Membership { group } => vec![group.clone()],
    }
}

/// Returns how much a grant exceeds what is required: a permission that implies
/// the required one, a scope that implies others.
fn excess(grant: &Remedy, required: Option<PermissionId>) -> usize {
    match (grant, required) {
        (Remedy::Permission { permission, .. }, Some(required)) => {
            let conditions = &CATALOGUE.permission(required).requires;
            usize::from(*permission != required && !conditions.contains(*permission))
        }
        (Remedy::Scope(scope), _) => CATALOGUE.scope(*scope).implies.iter().count(),
        (Remedy::Permission { .. } | Remedy::Access { .. } | Remedy::Membership { .. }, _) => 0,
    }
}

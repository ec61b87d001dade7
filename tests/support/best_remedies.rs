//! The set of grants that rules 8.2 prefers, found by exhaustive search.
//!
//! Roles and scopes affect one rule, user groups the others, so each part is
//! searched separately. A single right either satisfies a rule or has no effect
//! on it, because the highest right applies (rules 3.5): of the rights that
//! satisfy the same rules, only the preferred one is tried.

use std::collections::{BTreeMap, BTreeSet};

use pim_authz::domain::{Code, Question, ReasonCode, Remedy};

use super::{
    grants::{codes, cost},
    reference,
    world::World,
};

/// Sort key of a set of grants; the lowest is preferred.
type Rank = (usize, [usize; 4], Vec<Vec<Code>>);

impl World {
    /// Returns the preferred set, unordered; `None` if no set turns the denial.
    /// Not for grid views: they have many rules, and any set from which no grant
    /// can be left out may be suggested.
    pub(crate) fn best_remedies(&self, question: &Question) -> Option<Vec<Remedy>> {
        let grants = self.every_grant(question);
        let is_of_permissions =
            |grant: &Remedy| matches!(grant, Remedy::Permission { .. } | Remedy::Scope(_));
        let (permissions, others): (Vec<Remedy>, Vec<Remedy>) =
            grants.into_iter().partition(is_of_permissions);
        let (memberships, raises): (Vec<Remedy>, Vec<Remedy>) = others
            .into_iter()
            .partition(|grant| matches!(grant, Remedy::Membership { .. }));
        let mut best = self.best_permissions(question, &permissions)?;
        let mut joined = subsets(&memberships);
        joined.retain(|set| set.len() <= 4);
        let sets = joined.into_iter().filter_map(|mut set| {
            let world = self.granting(question, &set);
            set.extend(world.best_raises(question, &raises)?);
            Some(set)
        });
        best.extend(sets.min_by_key(|set| rank(question, set))?);
        Some(best)
    }

    /// Returns a copy of the world with all these grants.
    fn granting(&self, question: &Question, grants: &[Remedy]) -> Self {
        let mut world = self.clone();
        for grant in grants {
            world.apply(grant, question.subject());
        }
        world
    }

    /// Returns the denying rules that roles and scopes affect, or the other
    /// denying rules.
    fn denied(&self, question: &Question, by_permissions: bool) -> BTreeSet<ReasonCode> {
        let of_permissions = [ReasonCode::Permission, ReasonCode::Scope];
        let denials = reference::denials(self, question).into_iter();
        denials
            .filter(|code| of_permissions.contains(code) == by_permissions)
            .collect()
    }

    fn best_permissions(&self, question: &Question, grants: &[Remedy]) -> Option<Vec<Remedy>> {
        if self.denied(question, true).is_empty() {
            return Some(Vec::new());
        }
        let is_turned = |set: &&Vec<Remedy>| {
            self.granting(question, set)
                .denied(question, true)
                .is_empty()
        };
        (1..=4).find_map(|size| {
            let sets = sets_of(grants, size);
            let best = sets.iter().filter(is_turned);
            best.min_by_key(|set| rank(question, set)).cloned()
        })
    }

    fn best_raises(&self, question: &Question, raises: &[Remedy]) -> Option<Vec<Remedy>> {
        let denied = self.denied(question, false);
        if denied.is_empty() {
            return Some(Vec::new());
        }
        let mut by_turned: BTreeMap<Vec<ReasonCode>, &Remedy> = BTreeMap::new();
        for raise in raises {
            let left = self.granting(question, std::slice::from_ref(raise));
            let left = left.denied(question, false);
            let turned: Vec<ReasonCode> = denied.difference(&left).copied().collect();
            if turned.is_empty() || !left.is_subset(&denied) {
                continue;
            }
            let best = by_turned.entry(turned).or_insert(raise);
            if rank(question, std::slice::from_ref(raise))
                < rank(question, std::slice::from_ref(best))
            {
                *best = raise;
            }
        }
        let few: Vec<Remedy> = by_turned.into_values().cloned().collect();
        let turning = subsets(&few).into_iter();
        turning
            .filter(|set| {
                self.granting(question, set)
                    .denied(question, false)
                    .is_empty()
            })
            .min_by_key(|set| rank(question, set))
    }
}

/// Rank by rules 8.2: fewest grants first; then by [`cost`]; then by code, with
/// the groups to join first.
fn rank(question: &Question, set: &[Remedy]) -> Rank {
    let is_raise = |grant: &&Remedy| matches!(grant, Remedy::Access { .. });
    let mut raised: Vec<Vec<Code>> = set.iter().filter(is_raise).map(codes).collect();
    let others = set.iter().filter(|grant| !is_raise(grant));
    let mut all: Vec<Vec<Code>> = others.map(codes).collect();
    raised.sort();
    all.sort();
    all.extend(raised);
    (set.len(), cost(set, question.rule().permission), all)
}

/// Returns every subset, including the empty one.
fn subsets(grants: &[Remedy]) -> Vec<Vec<Remedy>> {
    let sizes = 0..=grants.len();
    sizes.flat_map(|size| sets_of(grants, size)).collect()
}

/// Returns every subset with `size` elements.
fn sets_of(grants: &[Remedy], size: usize) -> Vec<Vec<Remedy>> {
    if size == 0 {
        return vec![Vec::new()];
    }
    let firsts = grants.iter().enumerate();
    let sets = firsts.flat_map(|(place, first)| {
        let rest = sets_of(&grants[place + 1..], size - 1).into_iter();
        rest.map(|mut set| {
            set.insert(0, first.clone());
            set
        })
    });
    sets.collect()
}

/// Renders the grants in a canonical order.
pub(crate) fn sorted(set: &[Remedy]) -> Vec<String> {
    let mut texts: Vec<String> = set
        .iter()
        .map(|grant| Code::fold(&format!("{grant:?}")))
        .collect();
    texts.sort();
    texts
}

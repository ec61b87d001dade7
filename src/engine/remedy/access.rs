//! The groups to join and the rights to raise that turn a denial (rules 8.2).
//!
//! Mary's group holds `view` on the category `caps` and on the locale `de_DE`,
//! and she wants to edit. Two rights of her group can be raised; if the group
//! `Editors` holds `edit` on both, joining it is one grant, and therefore the
//! remedy.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Code, GroupFacts, ItemId, ItemRef, Level, Remedy, Strictness, SubjectKind};

use super::unknown;
use crate::engine::{
    category_rights::CategoryRights,
    effective_access::EffectiveAccess,
    requirement::{Requirement, Source},
};

/// A set of failed requirements that a group satisfies, by their index.
type Turned = BTreeSet<usize>;

/// The right to raise that satisfies a requirement.
type Raise = (ItemRef, Level);

/// Returns the fewest groups to join and rights to raise that satisfy every
/// failed requirement without failing any other of `requirements` (rules 8.2).
///
/// `failed` holds the failed requirements, each with the right to raise that
/// satisfies it.
pub(super) fn find(
    failed: Vec<(&Requirement<'_>, Raise)>,
    requirements: &[Requirement<'_>],
    access: &EffectiveAccess<'_>,
    categories: &CategoryRights<'_>,
) -> Result<Vec<Remedy>, String> {
    if failed.is_empty() {
        return Ok(Vec::new());
    }
    let (failed, raises): (Vec<&Requirement<'_>>, Vec<Raise>) = failed.into_iter().unzip();
    let own_group = preferred(access.groups()).map(|group| &group.code);
    let joinable = joinable(&failed, requirements, access, categories);
    let no_group = || own_group.map(|_| Vec::new());
    let one_group = || joinable.iter().map(|group| vec![group]);
    let two_groups = || {
        let pairs = joinable.iter().enumerate();
        pairs.flat_map(|(place, first)| {
            joinable
                .iter()
                .skip(place + 1)
                .map(move |second| vec![first, second])
        })
    };
    let sets = no_group()
        .into_iter()
        .chain(one_group())
        .chain(two_groups());
    // Sets are ordered by code, and `min_by_key` returns the first of equals.
    let best = sets
        .map(|joined| Choice::new(joined, &raises))
        .min_by_key(Choice::cost);
    let Some(Choice { joined, left }) = best else {
        return Err(
            "every user group that the subject could join would make it an owner of the product"
                .to_owned(),
        );
    };
    let raised_group = own_group.or_else(|| joined.iter().map(|group| group.code).next());
    let memberships = joined.iter().map(|group| Remedy::Membership {
        group: group.code.clone(),
    });
    let rights = left.into_iter().filter_map(|(item, level)| {
        Some(Remedy::Access {
            group: raised_group?.clone(),
            item: item.clone(),
            level: *level,
        })
    });
    Ok(memberships.chain(rights).collect())
}

/// A set of groups to join, and the rights that remain to be raised.
struct Choice<'c, 'f> {
    joined: Vec<&'c Joinable<'f>>,
    left: Vec<&'c Raise>,
}

impl<'c, 'f> Choice<'c, 'f> {
    /// Computes the rights that joining these groups leaves to be raised.
    fn new(joined: Vec<&'c Joinable<'f>>, raises: &'c [Raise]) -> Self {
        let is_turned = |place: &usize| joined.iter().any(|group| group.turns.contains(place));
        let left = raises.iter().enumerate();
        let left = left.filter(|(place, _)| !is_turned(place));
        Self {
            left: left.map(|(_, raise)| raise).collect(),
            joined,
        }
    }

    /// Returns the sort key of a choice, lowest first (rules 8.2).
    ///
    /// It compares the number of grants, the number of groups joined, whether
    /// `All` is one of them, and the sum of the levels raised.
    fn cost(&self) -> (usize, usize, bool, u32) {
        let levels = self.left.iter().map(|(_, level)| u32::from(level.bits()));
        (
            self.joined.len() + self.left.len(),
            self.joined.len(),
            self.joined.iter().any(|group| is_all(group.code)),
            levels.sum(),
        )
    }
}

/// A group that the subject could join, and the failed requirements that it
/// satisfies.
struct Joinable<'f> {
    code: &'f Code,
    turns: Turned,
}

/// Returns the groups to join, any before `All`, then by code. Of groups that
/// satisfy the same requirements only the first is returned, to keep them few.
fn joinable<'f>(
    failed: &[&Requirement<'_>],
    requirements: &[Requirement<'_>],
    access: &EffectiveAccess<'f>,
    categories: &CategoryRights<'_>,
) -> Vec<Joinable<'f>> {
    if access.subject_ref.kind == SubjectKind::App {
        return Vec::new(); // an app is in no group but its own (rules 1.4)
    }
    let joined: BTreeSet<&Code> = access.groups().map(|group| &group.code).collect();
    let others = access
        .all_groups()
        .into_iter()
        .map(|(id, group)| Candidate {
            group,
            on_categories: categories.highest(id),
        });
    let mut others: Vec<Candidate<'f>> = others
        .filter(|other| !other.group.private && !joined.contains(&other.group.code))
        .filter(|other| {
            !requirements
                .iter()
                .any(|requirement| other.overshoots(requirement))
        })
        .collect();
    others.sort_by_key(|other| (is_all(&other.group.code), &other.group.code));
    let mut by_turned: BTreeMap<Turned, (usize, &Code)> = BTreeMap::new();
    for (place, other) in others.into_iter().enumerate() {
        let turned = |(_, requirement): &(usize, &&Requirement<'_>)| other.turns(requirement);
        let turned: Turned = failed
            .iter()
            .enumerate()
            .filter(turned)
            .map(|(place, _)| place)
            .collect();
        by_turned
            .entry(turned)
            .or_insert((place, &other.group.code));
    }
    let mut firsts: Vec<_> = by_turned.into_iter().collect();
    firsts.sort_by_key(|(_, (place, _))| *place);
    firsts
        .into_iter()
        .map(|(turns, (_, code))| Joinable { code, turns })
        .collect()
}

/// A group that the subject is not in.
struct Candidate<'f> {
    group: &'f GroupFacts,
    /// Its highest level on the product's categories.
    on_categories: Level,
}

impl Candidate<'_> {
    /// True if joining the group satisfies the requirement.
    fn turns(&self, requirement: &Requirement<'_>) -> bool {
        self.level(requirement)
            .allows(requirement.needed.unwrap_or_default())
    }

    /// True if joining the group gives more than an action allows that needs an
    /// exact level (`send_proposal`, rules 9).
    fn overshoots(&self, requirement: &Requirement<'_>) -> bool {
        let exactly = matches!(requirement.source, Source::Categories(Strictness::Exactly));
        exactly && self.turns(requirement) && Some(self.level(requirement)) != requirement.needed
    }

    /// Returns the level that the group alone gives for the requirement.
    fn level(&self, requirement: &Requirement<'_>) -> Level {
        requirement.level_of(self.group, self.on_categories)
    }
}

/// Returns the right to raise that satisfies the requirement. Fails with the
/// explanation if no right does.
pub(super) fn raise(
    requirement: &Requirement<'_>,
    access: &EffectiveAccess<'_>,
    first_category: Option<ItemId>,
) -> Result<Raise, String> {
    let needed = requirement.needed.unwrap_or_default();
    let too_high = requirement.held.is_some_and(|held| held.allows(needed));
    if too_high && matches!(requirement.source, Source::Categories(Strictness::Exactly)) {
        return Err(
            "the product is held at own: an owner has no need to send a proposal".to_owned(),
        );
    }
    if !access.vocabulary.edition.is_enterprise() {
        return Err(nothing_to_raise(requirement)); // every stored item is held at its highest level
    }
    let id = match &requirement.source {
        Source::Other | Source::Permission(_) => None,
        Source::Item(id) => Some(*id),
        Source::Any(axis) => access.first_of(*axis),
        Source::Categories(_) => first_category,
    };
    let item = id.and_then(|id| access.vocabulary.item_facts.get(&id));
    let item = item.ok_or_else(|| nothing_to_raise(requirement))?;
    Ok((
        ItemRef {
            kind: item.kind,
            code: item.code.clone(),
        },
        needed,
    ))
}

/// Returns why there is no right to raise: the named item is not stored, or the
/// tenant has no item of the kind.
fn nothing_to_raise(requirement: &Requirement<'_>) -> String {
    match &requirement.item {
        Some(item) if item.code.is_none() => {
            let entity = item.kind.to_string().replace('_', " ");
            format!("the tenant has no {entity}")
        }
        Some(_) | None => unknown(requirement),
    }
}

/// Returns the group of the subject to raise: any before `All`, then by code
/// (rules 8.2).
fn preferred<'f>(groups: impl Iterator<Item = &'f GroupFacts>) -> Option<&'f GroupFacts> {
    groups.min_by_key(|group| (is_all(&group.code), &group.code))
}

/// True for the default group `All` (rules 1.4).
fn is_all(group: &Code) -> bool {
    group.folded() == "all"
}

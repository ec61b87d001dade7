use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Code, GroupFacts, ItemId, ItemRef, Level, Remedy, Strictness, SubjectKind};

use super::unknown;
use crate::engine::{
    asks::{Ask, Source},
    reach::Reach,
};

/// A set of failed asks, by their place.
type Turned = BTreeSet<usize>;

/// The right to raise that turns an ask.
type Raise = (ItemRef, Level);

/// The fewest groups to join and rights to raise that turn every failed ask, and
/// none of the others of `asks`.
///
/// `failed` holds the failed asks, each with the right to raise that turns it.
pub(super) fn find(
    failed: Vec<(&Ask, Raise)>,
    asks: &[Ask],
    reach: Reach<'_>,
) -> Result<Vec<Remedy>, String> {
    if failed.is_empty() {
        return Ok(Vec::new());
    }
    let (failed, raises): (Vec<&Ask>, Vec<Raise>) = failed.into_iter().unzip();
    let own_group = preferred(reach.groups()).map(|group| &group.code);
    let joinable = joinable(&failed, asks, reach);
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
    // Sets come in the order of codes, and the first of equals is taken.
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

/// A set of groups to join, and the rights to raise that these leave.
struct Choice<'c, 'f> {
    joined: Vec<&'c Joinable<'f>>,
    left: Vec<&'c Raise>,
}

impl<'c, 'f> Choice<'c, 'f> {
    fn new(joined: Vec<&'c Joinable<'f>>, raises: &'c [Raise]) -> Self {
        let is_turned = |place: &usize| joined.iter().any(|group| group.turns.contains(place));
        let left = raises.iter().enumerate();
        let left = left.filter(|(place, _)| !is_turned(place));
        Self {
            left: left.map(|(_, raise)| raise).collect(),
            joined,
        }
    }

    /// Returns what is compared, the least first (rules 8.2): how many grants,
    /// how many groups joined, whether `All` is one, and the levels raised.
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

/// A group that the subject could join, and the failed asks that this turns.
struct Joinable<'f> {
    code: &'f Code,
    turns: Turned,
}

/// Groups to join, any before `All`, then by code; of those that turn the same
/// asks the first, so that there are few.
fn joinable<'f>(failed: &[&Ask], asks: &[Ask], reach: Reach<'f>) -> Vec<Joinable<'f>> {
    if reach.subject_ref.kind == SubjectKind::App {
        return Vec::new(); // in no group but its own (rules 1.4)
    }
    let joined: BTreeSet<&Code> = reach.groups().map(|group| &group.code).collect();
    let others = reach.facts.groups.values().map(AsRef::as_ref);
    let mut others: Vec<&GroupFacts> = others
        .filter(|group| !group.private && !joined.contains(&group.code))
        .filter(|group| !asks.iter().any(|ask| overshoots(ask, group)))
        .collect();
    others.sort_by_key(|group| (is_all(&group.code), &group.code));
    let mut by_turned: BTreeMap<Turned, (usize, &Code)> = BTreeMap::new();
    for (place, group) in others.into_iter().enumerate() {
        let turned = |(_, ask): &(usize, &&Ask)| turns(ask, group);
        let turned: Turned = failed
            .iter()
            .enumerate()
            .filter(turned)
            .map(|(place, _)| place)
            .collect();
        by_turned.entry(turned).or_insert((place, &group.code));
    }
    let mut firsts: Vec<_> = by_turned.into_iter().collect();
    firsts.sort_by_key(|(_, (place, _))| *place);
    firsts
        .into_iter()
        .map(|(turns, (_, code))| Joinable { code, turns })
        .collect()
}

/// Whether joining `group` turns the ask.
fn turns(ask: &Ask, group: &GroupFacts) -> bool {
    level_by(ask, group).allows(ask.needed.unwrap_or_default())
}

/// Whether joining `group` gives more than an action that needs a level exactly
/// can bear.
fn overshoots(ask: &Ask, group: &GroupFacts) -> bool {
    let exactly = matches!(ask.source, Source::Categories(_, Strictness::Exactly));
    exactly && turns(ask, group) && Some(level_by(ask, group)) != ask.needed
}

fn level_by(ask: &Ask, group: &GroupFacts) -> Level {
    let right = |id: &ItemId| group.rights.get(id).copied().unwrap_or_default();
    match &ask.source {
        Source::Other | Source::Permission(_) => Level::Hidden,
        Source::Item(id) => right(id),
        Source::Any(axis) => group.highest_on_any(*axis),
        Source::Categories(ids, _) => ids.iter().map(right).fold(Level::Hidden, Level::or),
    }
}

/// The right to raise that turns the ask, or why no right does.
pub(super) fn raise(ask: &Ask, reach: Reach<'_>) -> Result<Raise, String> {
    let needed = ask.needed.unwrap_or_default();
    let too_high = ask.held.is_some_and(|held| held.allows(needed));
    if too_high && matches!(ask.source, Source::Categories(_, Strictness::Exactly)) {
        return Err(
            "the product is held at own: an owner has no need to send a proposal".to_owned(),
        );
    }
    if !reach.facts.vocabulary.edition.is_enterprise() {
        return Err(nothing_to_raise(ask)); // every stored item is held at its highest level
    }
    let id = match &ask.source {
        Source::Other | Source::Permission(_) => None,
        Source::Item(id) => Some(*id),
        Source::Any(axis) => reach.first_of(*axis),
        Source::Categories(ids, _) => ids.first().copied(), // they are sorted by code
    };
    let item = id.and_then(|id| reach.facts.vocabulary.item_facts.get(&id));
    let item = item.ok_or_else(|| nothing_to_raise(ask))?;
    Ok((
        ItemRef {
            kind: item.kind,
            code: item.code.clone(),
        },
        needed,
    ))
}

/// Says why there is no right to raise: what is named is not stored, or nothing
/// of the kind is.
fn nothing_to_raise(ask: &Ask) -> String {
    match &ask.item {
        Some(item) if item.code.is_none() => {
            let noun = item.kind.to_string().replace('_', " ");
            format!("the tenant has no {noun}")
        }
        Some(_) | None => unknown(ask),
    }
}

/// The subject's own group to raise: any before `All`, then by code.
fn preferred<'f>(groups: impl Iterator<Item = &'f GroupFacts>) -> Option<&'f GroupFacts> {
    groups.min_by_key(|group| (is_all(&group.code), &group.code))
}

fn is_all(group: &Code) -> bool {
    group.folded() == "all"
}

//! The level on a product, from the levels on its effective categories (rules 4.1
//! to 4.3).
//!
//! A short list of categories is resolved for each question. A list of [`LONG`]
//! or more is resolved once per call, and the highest level of each user group on
//! it is computed once; [`CategoryLevels`] holds both.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::domain::{
    Code, GroupFacts, GroupId, ItemId, ItemKind, ItemRef, Level, ResourceType, UnknownName,
};

use super::{
    category_lists::{CategoryList, CategoryLists},
    effective_access::EffectiveAccess,
};

/// Number of categories from which a list is resolved once per call, not per
/// question. Resolving a shorter list costs less than looking up the cached
/// result.
pub(super) const LONG: usize = 32;

/// Cost of resolving one category, in reads of a group's right.
const RESOLVING: u64 = 8;

/// The level held on a product, and what gives it.
#[derive(Debug)]
pub(super) struct OnProduct {
    /// The level held (rules 3.4, 4.1, 4.3).
    pub(super) held: Level,
    /// The effective category held highest, the first by code among equals.
    /// `None`: none is stored.
    pub(super) highest: Option<ItemId>,
    /// The first category that the question names and that is not stored, else
    /// such a parent (rules 1.7).
    pub(super) unknown: Option<UnknownName>,
}

/// Levels on lists of categories; those on long lists, which several questions share, are
/// computed once.
#[derive(Debug, Default)]
pub(super) struct CategoryLevels {
    /// `None`: no list was long so far.
    long: Option<Box<LongLists>>,
    /// Work done so far, in reads of a group's right on an item.
    work: u64,
}

/// The resolved categories of each long list, and the highest level of each user group
/// on it.
///
/// A subject's level is the highest of its groups' levels (rules 3.5). Subjects
/// therefore share the results of the groups they have in common, and a question
/// costs one read per group instead of one per category and group.
#[derive(Debug, Default)]
struct LongLists {
    /// Keyed by address; holds the list, so that its address is not reused.
    described: HashMap<usize, (Arc<[Code]>, usize)>,
    /// Index in `resolved` of each long list of a stored product or model.
    stored: HashMap<Box<[ItemId]>, usize>,
    /// The long lists that were resolved so far.
    resolved: Vec<Resolved>,
    /// Keyed by the index of the list in `resolved` and by group.
    highest: HashMap<(usize, GroupId), Highest>,
}

/// The categories of a list.
#[derive(Debug, Default)]
struct Resolved {
    /// The stored categories, ordered by code, without duplicates.
    ids: Vec<ItemId>,
    /// The first category that is not stored (rules 1.7).
    unknown: Option<UnknownName>,
}

/// The highest level on a list of categories, and the index in `ids` of the first
/// category held at it.
#[derive(Clone, Copy, Debug, Default)]
struct Highest {
    level: Level,
    place: usize,
}

impl CategoryLevels {
    /// Returns the approximate number of rights read so far.
    pub(super) fn work(&self) -> u64 {
        self.work
    }

    /// Adds work that was done elsewhere.
    pub(super) fn add_work(&mut self, work: u64) {
        self.work += work;
    }

    /// Computes in advance the levels on the long ones of `lists`, and stops
    /// after about `most` reads of rights plus one list. True if some are left.
    pub(super) fn prepare(
        &mut self,
        lists: &CategoryLists<'_>,
        access: &EffectiveAccess<'_>,
        most: u64,
    ) -> bool {
        let until = self.work + most;
        for list in lists.lists.iter().filter(|list| list.is_long()) {
            let place = self.place(*list, access);
            for (id, group) in access.numbered_groups() {
                if self.work >= until {
                    return true;
                }
                self.highest_of(place, id, group);
            }
        }
        false
    }

    /// Returns the level on a product with these categories (rules 4.1, 4.3).
    pub(super) fn on_product(
        &mut self,
        lists: CategoryLists<'_>,
        access: &EffectiveAccess<'_>,
    ) -> OnProduct {
        let mut highest: Option<(Level, ItemId)> = None;
        let mut unknown = None;
        for list in lists.lists {
            let (found, unknown_here) = if list.is_long() {
                let place = self.place(list, access);
                self.on_long_list(place, access)
            } else {
                self.on_short_list(list, access)
            };
            unknown = unknown.or(unknown_here);
            highest = match (highest, found) {
                (Some(one), Some(other)) => Some(higher(one, other, access)),
                (one, other) => one.or(other),
            };
        }
        let unknown = unknown.or(lists.unknown_parent);
        let held = match highest {
            _ if !access.is_enterprise() => Level::Own,
            Some((level, _)) => level,
            // A product without effective categories is owned by everyone (rules
            // 4.3).
            None if unknown.is_none() => Level::Own,
            None => Level::Hidden,
        };
        OnProduct {
            held,
            highest: highest.map(|(_, id)| id),
            unknown,
        }
    }

    /// Returns the index of a long list in `resolved`, resolving it if it is new.
    fn place(&mut self, list: CategoryList<'_>, access: &EffectiveAccess<'_>) -> usize {
        let long = self.long.get_or_insert_default();
        let known = match list {
            CategoryList::Described(codes) => {
                let found = long.described.get(&address(codes));
                found.map(|(_, place)| *place)
            }
            CategoryList::Stored(ids) => long.stored.get(ids).copied(),
        };
        if let Some(place) = known {
            return place;
        }
        let place = long.resolved.len();
        long.resolved.push(Resolved::of(list, access));
        self.work += RESOLVING * list.length();
        match list {
            CategoryList::Described(codes) => {
                let kept = (Arc::clone(codes), place);
                long.described.insert(address(codes), kept);
            }
            CategoryList::Stored(ids) => {
                long.stored.insert(ids.into(), place);
            }
        }
        place
    }

    /// Returns the category of a long list that the subject holds highest, the first by
    /// code among equals, with its level; and the first that is not stored.
    fn on_long_list(
        &mut self,
        place: usize,
        access: &EffectiveAccess<'_>,
    ) -> (Option<(Level, ItemId)>, Option<UnknownName>) {
        let mut highest = Highest::default();
        if access.is_enterprise() {
            for (id, group) in access.numbered_groups() {
                highest = highest.or(self.highest_of(place, id, group));
            }
        }
        let long = self.long.get_or_insert_default();
        let resolved = long.resolved.get(place);
        let found = resolved.and_then(|at| at.named(highest));
        (found, resolved.and_then(|at| at.unknown.clone()))
    }

    /// Returns the highest level of one group on a long list, computed once.
    fn highest_of(&mut self, place: usize, id: GroupId, group: &GroupFacts) -> Highest {
        let long = self.long.get_or_insert_default();
        if let Some(known) = long.highest.get(&(place, id)) {
            return *known;
        }
        let resolved = long.resolved.get(place);
        let (highest, looked_at) = resolved.map(|at| at.highest(group)).unwrap_or_default();
        self.work += looked_at;
        long.highest.insert((place, id), highest);
        highest
    }

    /// Returns the category of a short list that the subject holds highest, the first by
    /// code among equals, with its level; and the first that is not stored.
    fn on_short_list(
        &mut self,
        list: CategoryList<'_>,
        access: &EffectiveAccess<'_>,
    ) -> (Option<(Level, ItemId)>, Option<UnknownName>) {
        let mut highest = None;
        let mut add = |id: ItemId| {
            let level = if access.is_enterprise() {
                access.granted_on(id)
            } else {
                Level::Hidden
            };
            let other = (level, id);
            highest = Some(highest.map_or(other, |one| higher(one, other, access)));
        };
        let mut unknown = None;
        match list {
            CategoryList::Stored(ids) => ids.iter().copied().for_each(add),
            CategoryList::Described(codes) => {
                let find = |code| find_category(code, access, &mut unknown);
                codes.iter().filter_map(find).for_each(&mut add);
            }
        }
        let looks = RESOLVING.saturating_add(access.number_of_groups());
        self.work += list.length().saturating_mul(looks);
        (highest, unknown)
    }
}

impl CategoryList<'_> {
    /// Number of categories in the list.
    fn length(self) -> u64 {
        let length = match self {
            Self::Described(codes) => codes.len(),
            Self::Stored(ids) => ids.len(),
        };
        u64::try_from(length).unwrap_or(u64::MAX)
    }

    /// True if the list has at least [`LONG`] categories.
    fn is_long(&self) -> bool {
        match self {
            Self::Described(codes) => codes.len() >= LONG,
            Self::Stored(ids) => ids.len() >= LONG,
        }
    }
}

impl CategoryLists<'_> {
    /// Returns all effective categories that are stored, by code, without
    /// duplicates.
    pub(super) fn ids(&self, access: &EffectiveAccess<'_>) -> Vec<ItemId> {
        let lists = self.lists.iter();
        let ids = lists.flat_map(|list| Resolved::of(*list, access).ids);
        in_order(ids.collect(), access)
    }
}

impl Resolved {
    /// Looks up the items of a list and records the first code that is not
    /// stored.
    fn of(list: CategoryList<'_>, access: &EffectiveAccess<'_>) -> Self {
        let mut unknown = None;
        let ids: Vec<ItemId> = match list {
            CategoryList::Stored(ids) => ids.to_vec(),
            CategoryList::Described(codes) => {
                let find = |code| find_category(code, access, &mut unknown);
                codes.iter().filter_map(find).collect()
            }
        };
        Self {
            ids: in_order(ids, access),
            unknown,
        }
    }

    /// Returns the highest level of a group and the number of rights read.
    fn highest(&self, group: &GroupFacts) -> (Highest, u64) {
        let mut highest = Highest::default();
        let mut looked_at = 0;
        for (place, id) in self.ids.iter().enumerate() {
            looked_at += 1;
            let level = group.rights.get(id).copied().unwrap_or_default();
            highest = highest.or(Highest { level, place });
            if level == Level::Own {
                break; // nothing is higher
            }
        }
        (highest, looked_at)
    }

    /// Replaces the index of a category by its item; `None` for an empty list.
    fn named(&self, highest: Highest) -> Option<(Level, ItemId)> {
        let id = self.ids.get(highest.place)?;
        Some((highest.level, *id))
    }
}

impl Highest {
    /// Returns the higher of two levels, the first by code among equals.
    fn or(self, other: Self) -> Self {
        let is_before = self.level == other.level && self.place <= other.place;
        let is_higher = self.level != other.level && self.level.allows(other.level);
        if is_before || is_higher { self } else { other }
    }
}

/// Returns the id of a category; if it is the first that is not stored, it is noted as
/// `unknown` (rules 1.7).
fn find_category(
    code: &Code,
    access: &EffectiveAccess<'_>,
    unknown: &mut Option<UnknownName>,
) -> Option<ItemId> {
    let kind = ItemKind::Category;
    let code = code.clone();
    let category = ItemRef { kind, code };
    let found = access.find(&category);
    if found.is_none() && unknown.is_none() {
        *unknown = Some(UnknownName {
            kind: ResourceType::Category,
            code: category.code,
        });
    }
    found
}

/// Returns the category held higher, the first by code among equals.
fn higher(
    one: (Level, ItemId),
    other: (Level, ItemId),
    access: &EffectiveAccess<'_>,
) -> (Level, ItemId) {
    let is_before = one.0 == other.0 && access.code_of(one.1) <= access.code_of(other.1);
    let is_higher = one.0 != other.0 && one.0.allows(other.0);
    if is_before || is_higher { one } else { other }
}

/// Sorts items by code and removes duplicates.
fn in_order(mut ids: Vec<ItemId>, access: &EffectiveAccess<'_>) -> Vec<ItemId> {
    if ids.len() < LONG {
        ids.sort_by_key(|id| access.code_of(*id));
    } else {
        ids.sort_by_cached_key(|id| access.code_of(*id));
    }
    ids.dedup();
    ids
}

/// Returns the address that identifies a shared list of codes.
fn address(codes: &Arc<[Code]>) -> usize {
    Arc::as_ptr(codes).cast::<Code>().addr()
}

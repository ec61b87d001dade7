use std::{collections::HashMap, sync::Arc};

use crate::domain::{
    Code, GroupFacts, GroupId, ItemId, ItemKind, ItemRef, Level, ProductRef, ResourceType,
    UnknownName,
};

use super::effective_access::EffectiveAccess;

/// From how many categories a list is resolved once a call, not once a question:
/// a shorter one costs less than to find it again.
pub(super) const LONG: usize = 32;

/// How much resolving a category costs, in looks at a group's right.
const RESOLVING: u64 = 8;

/// The lists of categories in force for a product: its own, and those of all its
/// ancestors (rules 4.2, 7.1).
#[derive(Debug)]
pub(super) struct CategoryLists<'a> {
    pub(super) lists: Vec<CategoryList<'a>>,
    /// A parent that is named and not stored.
    pub(super) unknown_parent: Option<UnknownName>,
}

/// One of these lists.
#[derive(Clone, Copy, Debug)]
pub(super) enum CategoryList<'a> {
    /// It came with the question.
    Described(&'a Arc<[Code]>),
    /// The categories of a stored product's or model's own.
    Stored(&'a ProductRef, &'a [ItemId]),
}

/// The level held on a product, and what gives it.
#[derive(Debug)]
pub(super) struct OnProduct {
    /// The level (rules 3.4, 4.1, 4.3).
    pub(super) held: Level,
    /// Of the categories in force the one held highest, the first by code;
    /// `None`: none is stored.
    pub(super) highest: Option<ItemId>,
    /// The first category that the question names and that is not stored, else
    /// such a parent.
    pub(super) unknown: Option<UnknownName>,
}

/// The levels on long lists of categories that some questions share, each found
/// once: the categories of a list, and the highest of them for each user group.
///
/// A subject's level is the highest of its groups' levels (rules 3.5), so that
/// subjects share what they have groups in common, and a question costs a look
/// at each group, not at each category for each group.
#[derive(Debug, Default)]
pub(super) struct CategoryLevels {
    /// By address; each list is kept, so that no other takes its address.
    described: HashMap<usize, (Arc<[Code]>, usize)>,
    stored: HashMap<ProductRef, usize>,
    resolved: Vec<Resolved>,
    /// By the place of a list in `resolved`.
    highest: HashMap<(usize, GroupId), Highest>,
    work: u64,
}

/// The categories of a list.
#[derive(Debug, Default)]
struct Resolved {
    /// Those that are stored, by code, each once.
    ids: Vec<ItemId>,
    /// The first that is not.
    unknown: Option<UnknownName>,
}

/// The highest level on a list of categories, and the place of the first that is
/// held at it.
#[derive(Clone, Copy, Debug, Default)]
struct Highest {
    level: Level,
    place: usize,
}

impl CategoryLevels {
    /// How many rights were looked at so far, about.
    pub(super) fn work(&self) -> u64 {
        self.work
    }

    /// Counts work that was done elsewhere.
    pub(super) fn add_work(&mut self, work: u64) {
        self.work += work;
    }

    /// Finds what `lists` take that is worth keeping, as far as `most` looks go,
    /// and a list more. Whether that was not all.
    pub(super) fn prepare(
        &mut self,
        lists: &CategoryLists<'_>,
        access: EffectiveAccess<'_>,
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

    /// The level on a product with these categories.
    pub(super) fn on_product(
        &mut self,
        lists: CategoryLists<'_>,
        access: EffectiveAccess<'_>,
    ) -> OnProduct {
        let mut highest: Option<(Level, ItemId)> = None;
        let mut unknown = None;
        for list in lists.lists {
            let (found, unknown_here) = if list.is_long() {
                let place = self.place(list, access);
                let found = self.highest_in(place, access);
                let unknown = self.resolved.get(place).and_then(|at| at.unknown.clone());
                (found, unknown)
            } else {
                let resolved = Resolved::of(list, access);
                self.work += RESOLVING * list.length();
                let highest = self.highest_now(&resolved, access);
                (resolved.named(highest), resolved.unknown)
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
            // One that lies nowhere is everyone's (rules 4.3).
            None if unknown.is_none() => Level::Own,
            None => Level::Hidden,
        };
        OnProduct {
            held,
            highest: highest.map(|(_, id)| id),
            unknown,
        }
    }

    /// The place of a long list in `resolved`.
    fn place(&mut self, list: CategoryList<'_>, access: EffectiveAccess<'_>) -> usize {
        let known = match list {
            CategoryList::Described(codes) => {
                let found = self.described.get(&address(codes));
                found.map(|(_, place)| *place)
            }
            CategoryList::Stored(product, _) => self.stored.get(product).copied(),
        };
        if let Some(place) = known {
            return place;
        }
        let place = self.resolved.len();
        self.resolved.push(Resolved::of(list, access));
        self.work += RESOLVING * list.length();
        match list {
            CategoryList::Described(codes) => {
                let kept = (Arc::clone(codes), place);
                self.described.insert(address(codes), kept);
            }
            CategoryList::Stored(product, _) => {
                self.stored.insert(product.clone(), place);
            }
        }
        place
    }

    /// The highest of a long list for the subject.
    fn highest_in(&mut self, place: usize, access: EffectiveAccess<'_>) -> Option<(Level, ItemId)> {
        let mut highest = Highest::default();
        if access.is_enterprise() {
            for (id, group) in access.numbered_groups() {
                highest = highest.or(self.highest_of(place, id, group));
            }
        }
        self.resolved.get(place)?.named(highest)
    }

    /// The highest of a long list for a group.
    fn highest_of(&mut self, place: usize, id: GroupId, group: &GroupFacts) -> Highest {
        if let Some(known) = self.highest.get(&(place, id)) {
            return *known;
        }
        let resolved = self.resolved.get(place);
        let (highest, looked_at) = resolved.map(|at| at.highest(group)).unwrap_or_default();
        self.work += looked_at;
        self.highest.insert((place, id), highest);
        highest
    }

    /// The highest of a list that is not kept.
    fn highest_now(&mut self, resolved: &Resolved, access: EffectiveAccess<'_>) -> Highest {
        let mut highest = Highest::default();
        if access.is_enterprise() && !resolved.ids.is_empty() {
            for group in access.groups() {
                let (of_group, looked_at) = resolved.highest(group);
                self.work += looked_at;
                highest = highest.or(of_group);
            }
        }
        highest
    }
}

impl CategoryList<'_> {
    fn length(self) -> u64 {
        let length = match self {
            Self::Described(codes) => codes.len(),
            Self::Stored(_, ids) => ids.len(),
        };
        u64::try_from(length).unwrap_or(u64::MAX)
    }

    fn is_long(&self) -> bool {
        match self {
            Self::Described(codes) => codes.len() >= LONG,
            Self::Stored(_, ids) => ids.len() >= LONG,
        }
    }
}

impl CategoryLists<'_> {
    /// All categories in force that are stored, by code, each once.
    pub(super) fn ids(&self, access: EffectiveAccess<'_>) -> Vec<ItemId> {
        let lists = self.lists.iter();
        let ids = lists.flat_map(|list| Resolved::of(*list, access).ids);
        in_order(ids.collect(), access)
    }
}

impl Resolved {
    fn of(list: CategoryList<'_>, access: EffectiveAccess<'_>) -> Self {
        let mut unknown = None;
        let ids: Vec<ItemId> = match list {
            CategoryList::Stored(_, ids) => ids.to_vec(),
            CategoryList::Described(codes) => {
                let find = |code: &Code| {
                    let kind = ItemKind::Category;
                    let found = access.find(&ItemRef {
                        kind,
                        code: code.clone(),
                    });
                    if found.is_none() && unknown.is_none() {
                        unknown = Some(UnknownName {
                            kind: ResourceType::Category,
                            code: code.clone(),
                        });
                    }
                    found
                };
                codes.iter().filter_map(find).collect()
            }
        };
        Self {
            ids: in_order(ids, access),
            unknown,
        }
    }

    /// The highest for a group, and how many rights were looked at.
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

    fn named(&self, highest: Highest) -> Option<(Level, ItemId)> {
        let id = self.ids.get(highest.place)?;
        Some((highest.level, *id))
    }
}

impl Highest {
    fn or(self, other: Self) -> Self {
        let is_before = self.level == other.level && self.place <= other.place;
        let is_higher = self.level != other.level && self.level.allows(other.level);
        if is_before || is_higher { self } else { other }
    }
}

/// The one held higher, else the first by code.
fn higher(
    one: (Level, ItemId),
    other: (Level, ItemId),
    access: EffectiveAccess<'_>,
) -> (Level, ItemId) {
    let is_before = one.0 == other.0 && access.code_of(one.1) <= access.code_of(other.1);
    let is_higher = one.0 != other.0 && one.0.allows(other.0);
    if is_before || is_higher { one } else { other }
}

fn in_order(mut ids: Vec<ItemId>, access: EffectiveAccess<'_>) -> Vec<ItemId> {
    if ids.len() < LONG {
        ids.sort_by_key(|id| access.code_of(*id));
    } else {
        ids.sort_by_cached_key(|id| access.code_of(*id));
    }
    ids.dedup();
    ids
}

fn address(codes: &Arc<[Code]>) -> usize {
    Arc::as_ptr(codes).cast::<Code>().addr()
}

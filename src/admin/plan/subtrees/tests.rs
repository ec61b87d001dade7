use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use proptest::prelude::*;

use super::*;
use crate::{
    admin::{
        change_set::ChangeSet,
        plan::{AccessVerb, Levels, ReplacedRights},
    },
    domain::{Category, Edition, GroupId, Item, ItemKind, Label, Level, UserGroup},
    store::StoredEntities,
};

/// The groups; the last one is the private group of an app.
const GROUPS: [GroupId; 4] = [GroupId(1), GroupId(2), GroupId(3), PRIVATE];
const PRIVATE: GroupId = GroupId(4);
const FIRST: i32 = 100;
const LEVELS: [Level; 4] = [Level::Hidden, Level::View, Level::Edit, Level::Own];

/// The index of a category, a group, and the index of its level.
type Right = (usize, GroupId, usize);

/// Builds categories, each with the index of its parent among those before it.
fn change_set(parents: &[Option<usize>], rights: &[Right]) -> ChangeSet {
    let mut entities = StoredEntities::default();
    for id in GROUPS {
        let group = UserGroup {
            code: format!("group_{}", id.0).parse().unwrap(),
            label: Label::default(),
            private: id == PRIVATE,
        };
        entities.groups.insert(id, group);
    }
    for (place, parent) in parents.iter().enumerate() {
        let category = Category {
            code: format!("category_{place}").parse().unwrap(),
            parent: parent.map(id),
        };
        entities.items.insert(id(place), Item::Category(category));
    }
    let mut change_set = ChangeSet::new(Edition::Enterprise, 1_000_000, entities);
    for (place, group, level) in rights {
        change_set.rights.set(id(*place), *group, LEVELS[*level]);
    }
    change_set
}

fn id(place: usize) -> ItemId {
    ItemId(FIRST + i32::try_from(place).unwrap())
}

fn held(change_set: &ChangeSet, places: usize) -> BTreeMap<(ItemId, GroupId), Level> {
    let items = (0..places).map(id);
    let held = items
        .flat_map(|item| GROUPS.map(|group| ((item, group), change_set.rights.level(item, group))));
    held.collect()
}

/// Returns the items that an order reaches, by checking all categories.
fn reached(change_set: &ChangeSet, places: usize, item: ItemId, below: bool) -> Vec<ItemId> {
    let lies_below = |id: &ItemId| {
        let mut at = Some(*id);
        while let Some(here) = at.filter(|here| *here != item) {
            at = change_set.items.get(here).and_then(Item::parent);
        }
        at.is_some()
    };
    let all = (0..places).map(id);
    if below {
        return all.filter(lies_below).collect();
    }
    vec![item]
}

fn count<O>(_: &O, counted: &Cell<usize>) {
    counted.set(counted.get() + 1);
}

/// Returns how often orders are joined and applied on a chain of so many
/// categories, each of which has a grant for itself and all descendants.
fn steps(categories: usize) -> (usize, usize) {
    let parents: Vec<_> = (0..categories).map(|place| place.checked_sub(1)).collect();
    let mut change_set = change_set(&parents, &[]);
    let orders = (0..categories).map(|place| Order {
        item: id(place),
        reaches_below: true,
        what: Levels::from([(GroupId(1), Level::View)]),
    });
    let (joins, applied) = (Cell::new(0), Cell::new(0));
    Planner::new(&mut change_set).carry_out(
        orders.collect(),
        |all: &mut Levels, more| {
            count(more, &joins);
            all.extend(more);
        },
        |_, _, levels| count(levels, &applied),
    );
    (joins.get(), applied.get())
}

#[test]
fn each_item_is_visited_once_for_many_orders() {
    for categories in [100, 1_000] {
        assert_eq!(steps(categories), (2 * categories, categories));
    }
}

#[test]
fn nested_categories_are_counted_once() {
    // 0 ← 1 ← 2 and 1 ← 3; 4 alone.
    let parents = [None, Some(0), Some(1), Some(1), None];
    let mut change_set = change_set(&parents, &[]);
    let descendants = Planner::new(&mut change_set).descendants();
    let counts = descendants.counts(|category| category != id(2));
    let of = |place| counts.get(&id(place)).copied().unwrap_or_default();
    assert_eq!([0, 1, 2, 3, 4].map(of), [2, 1, 0, 0, 0]);
    let mut found = descendants.with([id(1), id(0), id(3)]);
    found.sort_unstable();
    assert_eq!(found, [0, 1, 2, 3].map(id));
}

fn group() -> impl Strategy<Value = GroupId> {
    prop::sample::select(GROUPS.to_vec())
}

/// Generates up to seven categories, and rights on them.
fn trees_with_rights() -> impl Strategy<Value = (Vec<Option<usize>>, Vec<Right>)> {
    let parents = prop::collection::vec(
        prop::option::weighted(0.8, any::<prop::sample::Index>()),
        1..8,
    );
    parents.prop_flat_map(|parents| {
        let places = parents.len();
        let parents = parents.iter().enumerate();
        let parents: Vec<Option<usize>> = parents
            .map(|(place, parent)| parent.filter(|_| place > 0).map(|at| at.index(place)))
            .collect();
        let rights = prop::collection::vec((0..places, group(), 0..4_usize), 0..12);
        (Just(parents), rights)
    })
}

proptest! {
    #[test]
    fn rule_3_7_joined_changes_equal_sequential_ones(
        (parents, rights) in trees_with_rights(),
        entries in prop::collection::vec((any::<prop::sample::Index>(), group(), 1..4_usize, any::<bool>()), 0..10),
        grants in any::<bool>(),
    ) {
        let verb = if grants { AccessVerb::Grant } else { AccessVerb::Revoke };
        let places = parents.len();
        let mut expected = change_set(&parents, &rights);
        let mut found = change_set(&parents, &rights);
        let before = held(&expected, places);
        let mut named = BTreeSet::new();
        let mut orders = Vec::new();
        for (at, group, level, below) in entries {
            let (item, level) = (id(at.index(places)), LEVELS[level]);
            for item in reached(&expected, places, item, below) {
                named.insert((item, group));
                let held = expected.rights.level(item, group);
                let level = match verb {
                    AccessVerb::Grant => held.or(level),
                    AccessVerb::Revoke => held.without(level, ItemKind::Category),
                };
                expected.rights.set(item, group, level);
            }
            orders.push(Order { item, reaches_below: below, what: Levels::from([(group, level)]) });
        }
        let unchanged = Planner::new(&mut found).change_rights(verb, orders);
        let after = held(&expected, places);
        prop_assert_eq!(held(&found, places), after.clone());
        let same = named.iter().filter(|key| before[*key] == after[*key]).count();
        prop_assert_eq!(unchanged, u64::try_from(same).unwrap());
    }

    #[test]
    fn rule_3_7_joined_replacements_equal_sequential_ones(
        (parents, rights) in trees_with_rights(),
        entries in prop::collection::btree_map(
            0..8_usize,
            (prop::collection::btree_map(group(), 0..4_usize, 0..4), any::<bool>()),
            0..6,
        ),
    ) {
        let places = parents.len();
        let mut expected = change_set(&parents, &rights);
        let mut found = change_set(&parents, &rights);
        let before = held(&expected, places);
        let mut named = BTreeSet::new();
        let mut orders = Vec::new();
        let entries = entries.into_iter().filter(|(place, _)| *place < places);
        // In another order than that of the tree.
        for (number, (place, (levels, below))) in entries.rev().enumerate() {
            let levels: Vec<(GroupId, Level)> =
                levels.into_iter().map(|(group, level)| (group, LEVELS[level])).collect();
            for item in reached(&expected, places, id(place), below) {
                let mut wanted = levels.clone();
                let is_named = levels.iter().any(|(group, _)| *group == PRIVATE);
                let private = expected.rights.level(item, PRIVATE);
                wanted.extend((!is_named).then_some((PRIVATE, private)));
                named.extend(levels.iter().map(|(group, _)| (item, *group)));
                expected.rights.replace(item, wanted);
            }
            let what = ReplacedRights::new(number, &levels);
            orders.push(Order { item: id(place), reaches_below: below, what });
        }
        let unchanged = Planner::new(&mut found).replace_rights(orders);
        let after = held(&expected, places);
        prop_assert_eq!(held(&found, places), after.clone());
        let same = named.iter().filter(|key| before[*key] == after[*key]).count();
        prop_assert_eq!(unchanged, u64::try_from(same).unwrap());
    }
}

//! The statements that repeat *the most permissive user group wins* (rules 3.5) in
//! SQL, compared with the engine on the same rights: `levels_on`,
//! `levels_of_kinds`, and the highest levels on any channel and locale that
//! `find_facts` and `load_rights` read with each group.

use std::collections::{BTreeMap, HashMap};

use pim_authz::{
    domain::{
        Code, FactsNeeded, GroupFacts, GroupId, GroupsNeeded, ItemId, ItemKind, ItemRef, Level,
    },
    engine::most_permissive,
    store::{Bounds, Found, Snapshot, Store},
};

use crate::{
    harness::{Seed, TestServer, first_seed, seeds, stored_worlds::store_world},
    support::{Entropy, World, random_stored_world},
};

const WORLDS: usize = 8;

/// Sets of user groups tried in each world, besides all groups and none.
const SETS_OF_GROUPS: usize = 6;

/// The kinds whose levels `levels_of_kinds` reads: the axes of an access filter.
const AXES: [ItemKind; 4] = [
    ItemKind::Category,
    ItemKind::Channel,
    ItemKind::Locale,
    ItemKind::AttributeGroup,
];

/// A stored world, with the numbers that the store gave its groups and items.
struct Twin<'w> {
    world: &'w World,
    groups: BTreeMap<GroupId, Code>,
    items: BTreeMap<ItemId, ItemRef>,
}

impl Twin<'_> {
    /// Returns what the engine makes of the rights of some groups on an item.
    fn level(&self, groups: &[GroupId], item: &ItemRef) -> Level {
        let codes = groups.iter().map(|group| &self.groups[group]);
        most_permissive(codes.map(|group| self.world.right(group, item)))
    }

    /// Returns the highest level of a group on any item of a kind.
    fn highest(&self, group: GroupId, kind: ItemKind) -> Level {
        let items = self.world.items_of(kind);
        most_permissive(items.map(|item| self.level(&[group], item)))
    }
}

/// How often the levels of several rights differ, so that their union is not
/// simply each of them.
#[derive(Debug, Default)]
struct Telling {
    on_items: usize,
    on_any: usize,
}

#[tokio::test]
async fn rule_3_5_every_sql_twin_computes_the_engines_level() {
    let server = TestServer::start().await;
    let store = Store::new(server.database.url(), 1).unwrap();
    let mut telling = Telling::default();
    for seed in (first_seed()..).take(seeds(WORLDS)) {
        let _printed_on_failure = Seed(seed);
        let mut entropy = Entropy::seeded(seed + 9_000, 8_000);
        let world = random_stored_world(&mut entropy);
        let tenant: Code = format!("world_{seed}").parse().unwrap();
        store_world(&server, tenant.as_str(), &world).await;
        let twin = compare_highest(&store, &tenant, &world, &mut telling).await;
        let mut reader = store.reader(&tenant).await.unwrap();
        let Found::Tenant(snapshot) = reader.snapshot(&tenant, Bounds::READ).await.unwrap() else {
            panic!("{tenant} is not stored");
        };
        let all: Vec<GroupId> = twin.groups.keys().copied().collect();
        let mut sets = vec![Vec::new(), all.clone()];
        sets.extend((0..SETS_OF_GROUPS).map(|_| entropy.some(50, &all)));
        for groups in sets {
            compare_levels_on(&snapshot, &twin, &groups, &mut telling).await;
            compare_levels_of_kinds(&snapshot, &twin, &groups).await;
        }
    }
    // Every statement had to compute a union often enough.
    assert!(telling.on_items > 50 && telling.on_any > 0, "{telling:?}");
}

/// Compares the highest levels on any channel and locale that both statements read.
async fn compare_highest<'w>(
    store: &Store,
    tenant: &Code,
    world: &'w World,
    telling: &mut Telling,
) -> Twin<'w> {
    let needed = FactsNeeded {
        items: world.items.clone(),
        groups: GroupsNeeded::All,
        ..FactsNeeded::default()
    };
    let facts = store.facts(tenant, &needed).await.unwrap().found.unwrap();
    let groups: HashMap<GroupId, GroupFacts> = facts
        .groups
        .iter()
        .map(|(id, group)| (*id, GroupFacts::clone(group)))
        .collect();
    let codes = groups.iter().map(|(id, group)| (*id, group.code.clone()));
    let items = facts.vocabulary.items.iter();
    let twin = Twin {
        world,
        groups: codes.collect(),
        items: items.map(|(item, id)| (*id, item.clone())).collect(),
    };
    assert_eq!(twin.groups.len(), world.every_group().len());
    assert_eq!(twin.items.len(), world.items.len());
    let ids: Vec<GroupId> = twin.groups.keys().copied().collect();
    let loaded = store.group_rights(tenant, &ids).await.unwrap().found;
    for id in ids {
        let expected = [ItemKind::Channel, ItemKind::Locale].map(|kind| twin.highest(id, kind));
        for (statement, read) in [("find_facts", &groups[&id]), ("load_rights", &loaded[&id])] {
            let found = [read.highest_channel, read.highest_locale];
            assert_eq!(found, expected, "{statement} {tenant} `{}`", read.code);
        }
        for kind in [ItemKind::Channel, ItemKind::Locale] {
            let held = world.items_of(kind).map(|item| twin.level(&[id], item));
            telling.on_any += usize::from(differ(held));
        }
    }
    twin
}

async fn compare_levels_on(
    snapshot: &Snapshot<'_>,
    twin: &Twin<'_>,
    groups: &[GroupId],
    telling: &mut Telling,
) {
    let ids: Vec<ItemId> = twin.items.keys().copied().collect();
    let found = snapshot.levels_on(groups, &ids).await.unwrap();
    for (id, item) in &twin.items {
        let held = found.get(id).copied().unwrap_or_default();
        assert_eq!(held, twin.level(groups, item), "{item} {groups:?}");
        let each = groups.iter().map(|group| twin.level(&[*group], item));
        telling.on_items += usize::from(differ(each));
    }
}

async fn compare_levels_of_kinds(snapshot: &Snapshot<'_>, twin: &Twin<'_>, groups: &[GroupId]) {
    for kinds in [&AXES[..], &AXES[1..2]] {
        let found = snapshot.levels_of_kinds(groups, kinds).await.unwrap();
        let mut found: Vec<(ItemRef, Level)> = found
            .into_iter()
            .map(|(kind, code, level)| (ItemRef { kind, code }, level))
            .collect();
        found.sort_by(|(item, _), (other, _)| item.cmp(other));
        let items = twin.world.items.iter();
        let expected = items
            .filter(|item| kinds.contains(&item.kind))
            .map(|item| (item.clone(), twin.level(groups, item)));
        assert_eq!(found, expected.collect::<Vec<_>>(), "{groups:?}");
    }
}

/// True if several of the levels are not hidden, and they are not all the same.
fn differ(levels: impl Iterator<Item = Level>) -> bool {
    let mut held = levels.filter(|level| *level != Level::Hidden);
    let first = held.next();
    held.any(|level| Some(level) != first)
}

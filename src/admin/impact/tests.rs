use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::*;
use crate::{
    admin::work::Patience,
    domain::{
        Code, GroupId, Item, ItemId, ItemKind, Label, Level, Subject, SubjectId, SubjectKind,
        UserGroup,
    },
    store::{AffectedBy, AffectedProduct, StoredEntities},
};

/// Number of groups that have members; the ids begin at [`GroupId::ALL`].
const GROUPS: i32 = 14;
/// A group without members.
const EMPTY: GroupId = GroupId(GROUPS + 1);
const FIRST_CATEGORY: i32 = 1_000_000;
const FIRST_SUBJECT: i32 = 2_000_000;
const LOCALE: ItemId = ItemId(3_000_000);

fn code(text: &str) -> Code {
    text.parse().unwrap()
}

/// Returns the group that holds right number `turn` on a category.
fn group_of(turn: i32) -> GroupId {
    GroupId(2 + turn % (GROUPS - 1))
}

fn category(n: i32) -> ItemId {
    ItemId(FIRST_CATEGORY + n)
}

/// A tenant of `size` categories with rights of rotating groups, and `size`
/// users, each in a set of groups that few others share; one connection is in no
/// group.
fn entities(size: i32) -> StoredEntities {
    let mut entities = StoredEntities::default();
    for id in (GroupId::ALL.0..=EMPTY.0).map(GroupId) {
        let name = if id == GroupId::ALL {
            "All".to_owned()
        } else {
            format!("group_{}", id.0)
        };
        let group = UserGroup {
            code: code(&name),
            label: Label::default(),
            private: false,
        };
        entities.groups.insert(id, group);
    }
    for n in 0..size {
        let id = category(n);
        entities
            .items
            .insert(id, item(ItemKind::Category, &format!("category_{n}")));
        let levels = [Level::View, Level::Edit, Level::Own].into_iter();
        let mut rights: Vec<(GroupId, Level)> = (0..)
            .zip(levels)
            .map(|(turn, level)| (group_of(n + 3 * turn), level))
            .collect();
        rights.sort_by_key(|(group, _)| *group);
        entities.rights.insert(id, rights);
        let bits = (2..=GROUPS).filter(|group| n >> (group - 2) & 1 == 1);
        let groups = bits.map(GroupId).chain([GroupId::ALL]);
        let user = subject(SubjectKind::User, n, groups.collect());
        entities.subjects.insert(SubjectId(FIRST_SUBJECT + n), user);
    }
    let connection = subject(SubjectKind::Connection, size, BTreeSet::new());
    let id = SubjectId(FIRST_SUBJECT + size);
    entities.subjects.insert(id, connection);
    entities
}

fn item(kind: ItemKind, name: &str) -> Item {
    Item::new(kind, code(name))
}

fn subject(kind: SubjectKind, n: i32, groups: BTreeSet<GroupId>) -> Subject {
    Subject {
        code: code(&format!("subject_{n}")),
        kind,
        enabled: true,
        roles: BTreeSet::new(),
        groups,
    }
}

/// As many products as categories, each in two categories.
fn products(size: i32) -> Vec<AffectedProduct> {
    let products = (0..size).map(|n| {
        let categories = vec![category(n), category((7 * n + 1) % size)];
        AffectedProduct {
            code: format!("product_{n}"),
            before: Some(categories.clone()),
            after: Some(categories),
        }
    });
    products.collect()
}

/// The result of a comparison, and the steps that it took.
#[derive(Debug)]
struct Found {
    classes: usize,
    classes_affected: usize,
    products_affected: u64,
    steps: u64,
}

fn found(size: i32, change: &dyn Fn(&mut ChangeSet)) -> Found {
    let mut change_set = ChangeSet::new(Edition::Enterprise, LOCALE.0, entities(size));
    change(&mut change_set);
    let mut work = Work::default();
    let editions = Editions::same(Edition::Enterprise);
    let mut compared = Compared::of(&change_set, editions, &mut work).unwrap();
    products::reached_by(&compared, &mut work).unwrap();
    let affected = products::count_affected(&products(size), &mut compared, &mut work).unwrap();
    let classes = &compared.classes.all;
    Found {
        classes: classes.len(),
        classes_affected: classes.iter().filter(|class| class.affected).count(),
        products_affected: affected,
        steps: work.done(),
    }
}

fn put_locale(change_set: &mut ChangeSet, group: GroupId) {
    change_set
        .items
        .insert(LOCALE, item(ItemKind::Locale, "fr_FR"));
    change_set
        .rights
        .replace(LOCALE, vec![(group, Level::Edit)]);
}

fn grant(change_set: &mut ChangeSet, group: GroupId, share: i32) {
    let categories: Vec<ItemId> = change_set
        .items
        .iter()
        .map(|(id, _)| id)
        .filter(|id| (FIRST_CATEGORY..FIRST_SUBJECT).contains(&id.0) && id.0 % share == 0)
        .collect();
    for category in categories {
        change_set.rights.set(category, group, Level::Own);
    }
}

fn leave(change_set: &mut ChangeSet, group: GroupId) {
    let subjects: Vec<SubjectId> = change_set.subjects.iter().map(|(id, _)| id).collect();
    for id in subjects {
        change_set.subjects.change(id, |subject| {
            subject.groups.remove(&group);
        });
    }
}

/// A modification of a change set.
type Changes = dyn Fn(&mut ChangeSet);

#[test]
fn dry_run_work_grows_linearly_with_tenant_size() {
    // The modification, and whether any class and any product is affected.
    let cases: [(&str, &Changes, [bool; 2]); 7] = [
        ("nothing", &|_| {}, [false, false]),
        (
            "the first locale",
            &|change_set| put_locale(change_set, GroupId::ALL),
            [true, false],
        ),
        (
            "one that nobody holds",
            &|change_set| put_locale(change_set, GroupId(0)),
            [true, true],
        ),
        (
            "one of a group",
            &|change_set| put_locale(change_set, GroupId(3)),
            [true, true],
        ),
        (
            "a right of a group",
            &|change_set| grant(change_set, GroupId(4), 1),
            [true, true],
        ),
        (
            "a right of everybody",
            &|change_set| grant(change_set, GroupId::ALL, 50),
            [true, true],
        ),
        (
            "leavers of a group",
            &|change_set| leave(change_set, GroupId(5)),
            [true, true],
        ),
    ];
    for (what, change, affected) in cases {
        // Four times as much of everything takes about 5 times the steps, since
        // users are in more groups; quadratic growth would take 16 times.
        let [one, four] = [1_000, 4_000].map(|size| found(size, change));
        assert!(four.classes > one.classes * 3, "{what}: {one:?} {four:?}");
        let is_affected = [four.classes_affected > 0, four.products_affected > 0];
        assert_eq!(is_affected, affected, "{what}: {four:?}");
        assert!(
            four.steps <= one.steps * 8,
            "{what} is more than linear: {one:?} {four:?}"
        );
    }
}

#[test]
fn additional_locale_reads_no_products() {
    let mut stored = entities(1_000);
    let locale = ItemId(LOCALE.0 - 1);
    stored.items.insert(locale, item(ItemKind::Locale, "en_US"));
    stored
        .rights
        .insert(locale, vec![(GroupId::ALL, Level::View)]);
    let mut change_set = ChangeSet::new(Edition::Enterprise, LOCALE.0, stored);
    put_locale(&mut change_set, GroupId::ALL);
    let mut work = Work::default();
    let editions = Editions::same(Edition::Enterprise);
    let compared = Compared::of(&change_set, editions, &mut work).unwrap();
    let by = products::reached_by(&compared, &mut work).unwrap();
    assert_eq!(by, AffectedBy::NOTHING);
}

#[test]
fn only_members_of_changed_groups_are_compared_on_products() {
    let size = 2_000;
    let steps = |group| found(size, &|change_set| grant(change_set, group, 1)).steps;
    let nothing = found(size, &|_| {}).steps;
    let [nobody, all] = [EMPTY, GroupId::ALL].map(|group| steps(group) - nothing);
    assert!(nobody * 3 < all, "{nothing}, {nobody} and {all} more");
}

#[test]
fn comparison_stops_after_caller_left_or_deadline() {
    let mut change_set = ChangeSet::new(Edition::Enterprise, LOCALE.0, entities(5_000));
    put_locale(&mut change_set, GroupId::ALL);
    let editions = Editions::same(Edition::Enterprise);
    let gone = Patience::of(None, &Arc::new(()));
    let over = Patience::of(
        Some(Instant::now() - Duration::from_millis(1)),
        &Arc::new(()),
    );
    for patience in [gone, over] {
        let ended = Compared::of(&change_set, editions, &mut Work::new(patience));
        assert!(matches!(ended, Err(AdminError::DeadlinePassed)));
    }
}

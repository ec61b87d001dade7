use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crate::{
    admin::world::{Coded, Table, World},
    domain::{
        AttributeFacts, Code, Edition, Facts, GridViewFacts, GroupFacts, GroupId, ItemFacts,
        ItemId, ItemKind, Level, Revision, ScopeId, SubjectFacts, SubjectKind, SubjectRef,
        Vocabulary,
    },
    store::{AppRow, GroupRow, ItemRow, SubjectRow},
};

/// One side of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// What is stored.
    Before,
    /// What the change leaves.
    After,
}

/// A tenant on one side of a change.
#[derive(Debug)]
pub(super) struct Side<'w> {
    pub(super) world: &'w World,
    pub(super) edition: Edition,
    pub(super) at: At,
    /// What the engine decides by: no categories, and of attributes and grid
    /// views those alone that the change touches.
    pub(super) facts: Facts,
}

/// What the levels of an enabled subject depend on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Member {
    pub(super) kind: SubjectKind,
    pub(super) groups: BTreeSet<i32>,
    /// The scopes of an app, which take the place of roles (rules 1.3).
    pub(super) scopes: Vec<ScopeId>,
}

impl<'w> Side<'w> {
    pub(super) fn of(world: &'w World, edition: Edition, at: At) -> Self {
        let mut side = Self {
            world,
            edition,
            at,
            facts: Facts {
                revision: Revision(0),
                vocabulary: Arc::new(no_vocabulary(edition)),
                subjects: HashMap::new(),
                groups: HashMap::new(),
                products: HashMap::new(),
            },
        };
        let (vocabulary, groups) = (side.vocabulary(), side.groups());
        side.facts.vocabulary = Arc::new(vocabulary);
        side.facts.groups = groups;
        side
    }

    /// A row on this side.
    fn row<'t, T: Coded + Clone + PartialEq>(&self, table: &'t Table<T>, id: i32) -> Option<&'t T> {
        match self.at {
            At::Before => table.before(id),
            At::After => table.get(id),
        }
    }

    /// The rights on an item on this side.
    pub(super) fn rights(&self, item: i32) -> &'w [(i32, Level)] {
        match self.at {
            At::Before => self.world.rights.before(item),
            At::After => self.world.rights.of(item),
        }
    }

    /// A subject, if it is enabled on this side: else it holds nothing at all
    /// (rules 1.6).
    pub(super) fn enabled(&self, subject: i32) -> Option<&'w SubjectRow> {
        let row = self.row(&self.world.subjects, subject);
        row.filter(|row| row.enabled)
    }

    /// What the levels of a subject depend on, if it is enabled.
    pub(super) fn member(&self, subject: i32) -> Option<Member> {
        let row = self.enabled(subject)?;
        let app = self.app(subject).filter(|_| row.kind == SubjectKind::App);
        Some(Member {
            kind: row.kind,
            groups: row.groups.clone(),
            scopes: app.into_iter().flat_map(|app| app.scopes.iter()).collect(),
        })
    }

    /// What is stored of an app beside its subject.
    pub(super) fn app(&self, subject: i32) -> Option<&'w AppRow> {
        match self.at {
            At::Before => self.world.app_before(subject),
            At::After => self.world.apps.get(&subject),
        }
    }

    /// Lets the engine decide for a member, as this subject.
    pub(super) fn know(&mut self, subject: &SubjectRef, member: Option<&Member>) {
        let Some(member) = member else { return };
        let facts = SubjectFacts {
            code: subject.code.clone(),
            enabled: true,
            groups: member.groups.iter().map(|id| GroupId(*id)).collect(),
            roles: Vec::new(),
            scopes: member.scopes.iter().copied().collect(),
        };
        self.facts.subjects.insert(subject.clone(), Arc::new(facts));
    }

    /// The level of a member on an item: the most permissive group wins
    /// (rules 3.5); outside the enterprise edition it is the highest on what is
    /// stored (rules 3.4).
    pub(super) fn level_on(&self, member: &Member, item: i32) -> Level {
        if self.edition.is_enterprise() {
            return level_of(self.rights(item), &member.groups);
        }
        let item = self.row(&self.world.items, item);
        let highest = item.and_then(|item| item.kind.levels().last());
        highest.copied().unwrap_or_default()
    }

    /// The level of a member on a product in these categories (rules 3.4, 4.1,
    /// 4.3).
    pub(super) fn level_on_product(&self, member: &Member, categories: &[i32]) -> Level {
        if categories.is_empty() || !self.edition.is_enterprise() {
            return Level::Own;
        }
        let levels = categories.iter().map(|id| self.level_on(member, *id));
        levels.fold(Level::Hidden, Level::or)
    }

    fn vocabulary(&self) -> Vocabulary {
        let world = self.world;
        let items = world.items.both();
        let items = items.filter_map(|(id, before, after)| {
            let item = self.pick(before, after)?;
            (item.kind != ItemKind::Category).then_some((id, item))
        });
        let items: Vec<(i32, &ItemRow)> = items.collect();
        let first = |kind| {
            let of_kind = items.iter().filter(|(_, item)| item.kind == kind);
            let first = of_kind.min_by_key(|(_, item)| &item.code);
            first.map(|(id, _)| ItemId(*id))
        };
        let facts = |item: &ItemRow| ItemFacts {
            kind: item.kind,
            code: item.code.clone(),
            parent: None,
        };
        Vocabulary {
            item_facts: items
                .iter()
                .map(|(id, item)| (ItemId(*id), facts(item)))
                .collect(),
            first_channel: first(ItemKind::Channel),
            first_locale: first(ItemKind::Locale),
            attributes: self.touched_attributes(),
            grid_views: self.touched_grid_views(),
            ..no_vocabulary(self.edition)
        }
    }

    fn touched_attributes(&self) -> HashMap<Code, AttributeFacts> {
        let changes = self.world.attributes.changes();
        let rows = changes.filter_map(|(_, before, after)| self.pick(before, after));
        let facts = rows.map(|row| {
            let facts = AttributeFacts {
                code: row.code.clone(),
                group: ItemId(row.group),
                scopable: row.scopable,
                localizable: row.localizable,
            };
            (row.code.clone(), facts)
        });
        facts.collect()
    }

    fn touched_grid_views(&self) -> HashMap<Code, GridViewFacts> {
        let changes = self.world.grid_views.changes();
        let rows = changes.filter_map(|(_, before, after)| self.pick(before, after));
        let facts = rows.map(|row| {
            let facts = GridViewFacts {
                code: row.code.clone(),
                attribute_groups: row.groups.iter().map(|id| ItemId(*id)).collect(),
            };
            (row.code.clone(), facts)
        });
        facts.collect()
    }

    /// The groups, with their rights on attribute groups and the highest on
    /// channels and locales.
    fn groups(&self) -> HashMap<GroupId, Arc<GroupFacts>> {
        let rows = self.world.groups.both();
        let rows = rows.filter_map(|(id, before, after)| Some((id, self.pick(before, after)?)));
        let mut groups: HashMap<i32, GroupFacts> =
            rows.map(|(id, row)| (id, without_rights(row))).collect();
        for (item, kind) in self.items_of_axes() {
            for (group, level) in self.rights(item) {
                let Some(facts) = groups.get_mut(group) else {
                    continue;
                };
                let held = if kind == ItemKind::Channel {
                    &mut facts.highest_channel
                } else if kind == ItemKind::Locale {
                    &mut facts.highest_locale
                } else {
                    facts.rights.entry(ItemId(item)).or_default()
                };
                *held = held.or(*level);
            }
        }
        let groups = groups.into_iter();
        groups
            .map(|(id, facts)| (GroupId(id), Arc::new(facts)))
            .collect()
    }

    /// Channels, locales and attribute groups.
    fn items_of_axes(&self) -> Vec<(i32, ItemKind)> {
        const KINDS: [ItemKind; 3] = [
            ItemKind::Channel,
            ItemKind::Locale,
            ItemKind::AttributeGroup,
        ];
        let items = self.world.items.both();
        let items = items.filter_map(|(id, before, after)| {
            let kind = self.pick(before, after)?.kind;
            KINDS.contains(&kind).then_some((id, kind))
        });
        items.collect()
    }

    /// Of two states the one of this side.
    pub(super) fn pick<'t, T>(&self, before: Option<&'t T>, after: Option<&'t T>) -> Option<&'t T> {
        match self.at {
            At::Before => before,
            At::After => after,
        }
    }
}

/// The level of some groups by the rights on an item (rules 3.5).
fn level_of(rights: &[(i32, Level)], groups: &BTreeSet<i32>) -> Level {
    let held = rights.iter().filter(|(group, _)| groups.contains(group));
    held.fold(Level::Hidden, |highest, (_, level)| highest.or(*level))
}

fn without_rights(row: &GroupRow) -> GroupFacts {
    GroupFacts {
        code: row.code.clone(),
        private: row.private,
        rights: HashMap::new(),
        highest_channel: Level::Hidden,
        highest_locale: Level::Hidden,
    }
}

fn no_vocabulary(edition: Edition) -> Vocabulary {
    Vocabulary {
        edition,
        roles: HashMap::new(),
        items: HashMap::new(),
        item_facts: HashMap::new(),
        first_channel: None,
        first_locale: None,
        attributes: HashMap::new(),
        grid_views: HashMap::new(),
        groups: Vec::new(),
    }
}

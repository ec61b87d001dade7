//! The facts that the store would read from a world.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::Hash,
    sync::Arc,
};

use hashbrown::HashMap;
use pim_authz::domain::{
    Attribute, Code, Facts, FactsNeeded, GridViewFacts, GroupFacts, GroupId, GroupsNeeded,
    ItemFacts, ItemId, ItemKind, ItemRef, Level, ProductFacts, ProductKind, ProductRef, Revision,
    RoleFacts, RoleId, ScopeSet, SubjectFacts, SubjectKind, SubjectRef, Vocabulary,
};

use super::world::World;

impl World {
    /// Returns the facts for the engine: exactly those that are needed and
    /// stored.
    pub(crate) fn facts(&self, needed: &FactsNeeded) -> Facts {
        Reader::new(self).read(needed)
    }
}

/// A world with ids assigned to its entities.
struct Reader<'a> {
    world: &'a World,
    items: BTreeMap<&'a ItemRef, ItemId>,
    groups: BTreeMap<Code, GroupId>,
    roles: BTreeMap<&'a Code, RoleId>,
}

fn shared<K: Eq + Hash, V>(facts: HashMap<K, V>) -> HashMap<K, Arc<V>> {
    let shared = facts.into_iter().map(|(key, fact)| (key, Arc::new(fact)));
    shared.collect()
}

fn numbers() -> impl Iterator<Item = i32> {
    (1..10_000).rev()
}

impl<'a> Reader<'a> {
    fn new(world: &'a World) -> Self {
        let groups = world.every_group().into_iter();
        Self {
            world,
            // Ids are descending, so that no test relies on the order of codes.
            items: world.items.iter().zip(numbers().map(ItemId)).collect(),
            groups: groups.zip(numbers().map(GroupId)).collect(),
            roles: world.roles.keys().zip(numbers().map(RoleId)).collect(),
        }
    }

    fn read(&self, needed: &FactsNeeded) -> Facts {
        let world = self.world;
        let subjects = self.subjects(&needed.subjects);
        let products = self.products(&needed.products);
        let attributes = self.attributes(&needed.attributes);
        let grid_views = self.grid_views(&needed.grid_views);
        let items: HashMap<ItemRef, ItemId> = needed
            .items
            .iter()
            .filter_map(|item| Some((item.clone(), *self.items.get(item)?)))
            .collect();
        let first_channel = self.first(ItemKind::Channel);
        let first_locale = self.first(ItemKind::Locale);
        let named: BTreeSet<ItemId> = items
            .values()
            .copied()
            .chain(products.values().flat_map(|p| p.categories.clone()))
            .chain(attributes.values().map(|attribute| attribute.group))
            .chain(
                grid_views
                    .values()
                    .flat_map(|view| view.attribute_groups.clone()),
            )
            .chain(first_channel)
            .chain(first_locale)
            .collect();
        let groups = self.groups(needed.groups, &subjects, &named);
        let vocabulary = Vocabulary {
            edition: world.edition,
            item_facts: self.item_facts(&named),
            items,
            first_channel,
            first_locale,
            attributes,
            grid_views,
            groups: groups.keys().copied().collect(),
        };
        Facts {
            revision: Revision(7),
            vocabulary: Arc::new(vocabulary),
            roles: shared(self.roles_of(&subjects)),
            subjects: shared(subjects),
            groups: shared(groups),
            products: shared(products),
        }
    }

    fn first(&self, kind: ItemKind) -> Option<ItemId> {
        Some(self.items[self.world.items_of(kind).next()?])
    }

    fn subjects(&self, needed: &BTreeSet<SubjectRef>) -> HashMap<SubjectRef, SubjectFacts> {
        let facts = |subject: &SubjectRef| Some((subject.clone(), self.subject(subject)?));
        needed.iter().filter_map(facts).collect()
    }

    fn subject(&self, subject: &SubjectRef) -> Option<SubjectFacts> {
        let world = self.world;
        let stored = match subject.kind {
            SubjectKind::User => world.users.get_key_value(&subject.code)?.0,
            SubjectKind::Connection => world.connections.get_key_value(&subject.code)?.0,
            SubjectKind::App => world.apps.get_key_value(&subject.code)?.0,
        };
        let groups = world.groups_of(subject);
        let member = world.member(subject);
        let roles = member
            .map(|member| member.roles.clone())
            .unwrap_or_default();
        let scopes = match subject.kind {
            SubjectKind::App => world.apps[&subject.code],
            SubjectKind::User | SubjectKind::Connection => ScopeSet::default(),
        };
        Some(SubjectFacts {
            code: stored.clone(),
            enabled: !member.is_some_and(|member| member.disabled),
            groups: groups.iter().map(|group| self.groups[group]).collect(),
            roles: roles.iter().map(|role| self.roles[role]).collect(),
            scopes,
        })
    }

    fn roles_of(&self, subjects: &HashMap<SubjectRef, SubjectFacts>) -> HashMap<RoleId, RoleFacts> {
        let held: BTreeSet<RoleId> = subjects.values().flat_map(|s| s.roles.clone()).collect();
        let facts = |(role, id): (&&Code, &RoleId)| {
            let facts = RoleFacts {
                code: (*role).clone(),
                permissions: self.world.roles[*role].permissions,
            };
            (*id, facts)
        };
        let stored = self.roles.iter().filter(|(_, id)| held.contains(id));
        stored.map(facts).collect()
    }

    fn groups(
        &self,
        needed: GroupsNeeded,
        subjects: &HashMap<SubjectRef, SubjectFacts>,
        items: &BTreeSet<ItemId>,
    ) -> HashMap<GroupId, GroupFacts> {
        let joined: BTreeSet<GroupId> = subjects.values().flat_map(|s| s.groups.clone()).collect();
        self.groups
            .iter()
            .filter(|(_, id)| needed == GroupsNeeded::All || joined.contains(id))
            .map(|(group, id)| (*id, self.group(group, items)))
            .collect()
    }

    fn group(&self, group: &Code, items: &BTreeSet<ItemId>) -> GroupFacts {
        let rights = self
            .items
            .iter()
            .map(|(item, id)| (*id, self.world.right(group, item)))
            .filter(|(id, level)| items.contains(id) && *level != Level::Hidden)
            .collect();
        let highest = |kind| {
            let items = self.world.items_of(kind);
            items
                .map(|item| self.world.right(group, item))
                .fold(Level::Hidden, Level::or)
        };
        GroupFacts {
            code: group.clone(),
            private: !self.world.groups.contains(group),
            rights,
            highest_channel: highest(ItemKind::Channel),
            highest_locale: highest(ItemKind::Locale),
        }
    }

    fn item_facts(&self, named: &BTreeSet<ItemId>) -> HashMap<ItemId, ItemFacts> {
        let facts = |(item, id): (&&ItemRef, &ItemId)| {
            let facts = ItemFacts {
                kind: item.kind,
                code: item.code.clone(),
                parent: None,
            };
            (*id, facts)
        };
        let stored = self.items.iter().filter(|(_, id)| named.contains(id));
        stored.map(facts).collect()
    }

    fn item_id(&self, kind: ItemKind, code: &Code) -> ItemId {
        let code = code.clone();
        self.items[&ItemRef { kind, code }]
    }

    fn attributes(&self, needed: &BTreeSet<Code>) -> HashMap<Code, Attribute> {
        let facts = |code: &Code| {
            let (stored, attribute) = self.world.attributes.get_key_value(code)?;
            let facts = Attribute {
                code: stored.clone(),
                group: self.item_id(ItemKind::AttributeGroup, &attribute.group),
                scopable: attribute.scopable,
                localizable: attribute.localizable,
            };
            Some((code.clone(), facts))
        };
        needed.iter().filter_map(facts).collect()
    }

    fn grid_views(&self, needed: &BTreeSet<Code>) -> HashMap<Code, GridViewFacts> {
        let facts = |code: &Code| {
            let (stored, groups) = self.world.grid_views.get_key_value(code)?;
            let group_id = |group| self.item_id(ItemKind::AttributeGroup, group);
            let facts = GridViewFacts {
                code: stored.clone(),
                attribute_groups: groups.iter().map(group_id).collect(),
            };
            Some((code.clone(), facts))
        };
        needed.iter().filter_map(facts).collect()
    }

    /// Returns the products needed and all their ancestor models.
    fn products(&self, needed: &BTreeSet<ProductRef>) -> HashMap<ProductRef, ProductFacts> {
        let mut found = HashMap::new();
        let mut open: Vec<ProductRef> = needed.iter().cloned().collect();
        while let Some(wanted) = open.pop() {
            let Some((stored, product)) = self.world.products.get_key_value(&wanted) else {
                continue;
            };
            open.extend(product.parent.clone().map(|code| ProductRef {
                kind: ProductKind::Model,
                code,
            }));
            let category_id = |category| self.item_id(ItemKind::Category, category);
            let facts = ProductFacts {
                code: stored.code.clone(),
                parent: product.parent.clone(),
                categories: product.categories.iter().map(category_id).collect(),
            };
            found.insert(wanted, facts);
        }
        found
    }
}

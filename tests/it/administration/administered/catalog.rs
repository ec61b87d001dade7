use std::collections::{BTreeMap, BTreeSet};

use pim_authz::domain::{Code, ItemKind, ItemRef, Level, MAX_CATEGORY_LEVELS};
use pim_authz::pb;

use super::{
    Administered, Channel, Faults,
    names::{entity, read, refuse_twice},
};
use crate::support::{World, world::Attribute};

impl Administered {
    /// Stores an item; gives it its default rights if it is new and the request
    /// does not suppress them (rules 3.8).
    fn put_item(&mut self, kind: ItemKind, code: &Code, without_default_rights: bool) {
        let item = ItemRef {
            kind,
            code: code.clone(),
        };
        if self.world.items.insert(item.clone()) && !without_default_rights {
            self.give_defaults(&item);
        }
    }

    fn give_defaults(&mut self, item: &ItemRef) {
        let kind = item.kind;
        let default = match kind {
            ItemKind::Category => Level::Own,
            ItemKind::ImportProfile | ItemKind::ExportProfile => Level::ExecuteAndEdit,
            ItemKind::Channel
            | ItemKind::Locale
            | ItemKind::AttributeGroup
            | ItemKind::AssetFamily
            | ItemKind::ReferenceEntity => Level::Edit,
        };
        self.world.grant(World::all(), item.clone(), default);
        for (app, connected) in &self.apps {
            let group = World::private_group(app);
            if kind == ItemKind::Channel && connected.later_channels {
                self.world.grant(group.clone(), item.clone(), Level::Edit);
            }
            for (axis, bits, code) in &connected.chosen {
                if *axis == kind && code.is_none() {
                    let level = Level::from_bits(*bits);
                    self.world.grant(group.clone(), item.clone(), level);
                }
            }
        }
    }

    fn put_plain(&mut self, kind: ItemKind, codes: &[&String], without: bool, faults: &mut Faults) {
        for text in codes {
            if let Some(code) = read(text, faults) {
                self.put_item(kind, &code, without);
            }
        }
    }

    pub(super) fn put_locales(&mut self, request: &pb::PutLocalesRequest, faults: &mut Faults) {
        let codes: Vec<&String> = request.locales.iter().map(|entry| &entry.code).collect();
        let without = request.without_default_rights;
        self.put_plain(ItemKind::Locale, &codes, without, faults);
    }

    pub(super) fn put_attribute_groups(
        &mut self,
        request: &pb::PutAttributeGroupsRequest,
        faults: &mut Faults,
    ) {
        let groups = request.attribute_groups.iter();
        let codes: Vec<&String> = groups.map(|entry| &entry.code).collect();
        let without = request.without_default_rights;
        self.put_plain(ItemKind::AttributeGroup, &codes, without, faults);
    }

    pub(super) fn put_families(
        &mut self,
        request: &pb::PutAssetFamiliesRequest,
        faults: &mut Faults,
    ) {
        let families = request.asset_families.iter();
        let codes: Vec<&String> = families.map(|entry| &entry.code).collect();
        let without = request.without_default_rights;
        self.put_plain(ItemKind::AssetFamily, &codes, without, faults);
    }

    pub(super) fn put_entities(
        &mut self,
        request: &pb::PutReferenceEntitiesRequest,
        faults: &mut Faults,
    ) {
        let entities = request.reference_entities.iter();
        let codes: Vec<&String> = entities.map(|entry| &entry.code).collect();
        let without = request.without_default_rights;
        self.put_plain(ItemKind::ReferenceEntity, &codes, without, faults);
    }

    pub(super) fn put_profiles(&mut self, request: &pb::PutProfilesRequest, faults: &mut Faults) {
        let profiles = &request.profiles;
        refuse_twice(profiles, |entry| Code::fold(&entry.code), faults);
        for entry in profiles {
            let Some(code) = read(&entry.code, faults) else {
                continue;
            };
            let kinds = [ItemKind::ImportProfile, ItemKind::ExportProfile];
            let stored = kinds.into_iter().find(|kind| self.has(*kind, &code));
            let requested = match entry.kind() {
                pb::ProfileKind::Unspecified => None,
                pb::ProfileKind::Import => Some(ItemKind::ImportProfile),
                pb::ProfileKind::Export => Some(ItemKind::ExportProfile),
            };
            match (stored, requested) {
                (None, None) => faults.unfit(),
                (Some(stored), Some(requested)) if stored != requested => {
                    faults.add(format!("{}_EXISTS", entity(stored)));
                }
                (None, Some(kind)) => self.put_item(kind, &code, request.without_default_rights),
                (Some(_), _) => {}
            }
        }
    }

    pub(super) fn put_channels(&mut self, request: &pb::PutChannelsRequest, faults: &mut Faults) {
        let channels = &request.channels;
        refuse_twice(channels, |entry| Code::fold(&entry.code), faults);
        for entry in channels {
            let Some(code) = read(&entry.code, faults) else {
                continue;
            };
            self.put_item(ItemKind::Channel, &code, request.without_default_rights);
            let tree: Vec<String> = if entry.tree.is_empty() {
                Vec::new()
            } else {
                vec![entry.tree.clone()]
            };
            let trees = self.named(ItemKind::Category, &tree, faults);
            let channel = Channel {
                tree: trees.into_iter().next(),
                locales: self.named(ItemKind::Locale, &entry.locales, faults),
            };
            self.channels.insert(code, channel);
        }
    }

    pub(super) fn put_attributes(&mut self, entries: &[pb::Attribute], faults: &mut Faults) {
        refuse_twice(entries, |entry| Code::fold(&entry.code), faults);
        for entry in entries {
            let Some(code) = read(&entry.code, faults) else {
                continue;
            };
            let stored = self.world.attributes.get(&code).map(|a| a.group.clone());
            let group = match stored {
                Some(group) if entry.group.is_empty() => group,
                None if entry.group.is_empty() => {
                    faults.unfit();
                    continue;
                }
                _ => {
                    let requested = std::slice::from_ref(&entry.group);
                    let requested = self.named(ItemKind::AttributeGroup, requested, faults);
                    let Some(group) = requested.into_iter().next() else {
                        continue;
                    };
                    group
                }
            };
            let attribute = Attribute {
                group,
                scopable: entry.scopable,
                localizable: entry.localizable,
            };
            self.world.attributes.insert(code, attribute);
        }
    }

    pub(super) fn put_grid_views(&mut self, entries: &[pb::GridView], faults: &mut Faults) {
        refuse_twice(entries, |entry| Code::fold(&entry.code), faults);
        for entry in entries {
            if let Some(code) = read(&entry.code, faults) {
                let groups = self.named(ItemKind::AttributeGroup, &entry.attribute_groups, faults);
                self.world.grid_views.insert(code, groups);
            }
        }
    }

    /// Stores the categories and their parents first, since references may
    /// point forward; then gives rights to the new ones.
    pub(super) fn put_categories(
        &mut self,
        request: &pb::PutCategoriesRequest,
        faults: &mut Faults,
    ) {
        let categories = &request.categories;
        refuse_twice(categories, |entry| Code::fold(&entry.code), faults);
        let before = self.world.items.clone();
        let parents_before = self.world.category_parents.clone();
        let mut requested: BTreeMap<Code, Option<String>> = BTreeMap::new();
        for entry in categories {
            if let Some(code) = read(&entry.code, faults) {
                let kind = ItemKind::Category;
                let item = ItemRef {
                    kind,
                    code: code.clone(),
                };
                self.world.items.insert(item);
                requested.insert(code, entry.parent.clone());
            }
        }
        for (code, parent) in &requested {
            match parent.as_deref() {
                None => {}
                Some("") => {
                    self.world.category_parents.remove(code);
                }
                Some(parent) => {
                    let parents = self.named(ItemKind::Category, &[parent.to_owned()], faults);
                    let parent = parents.into_iter().next().unwrap();
                    self.world.category_parents.insert(code.clone(), parent);
                }
            }
        }
        if requested.keys().any(|code| self.is_below_itself(code)) {
            faults.add("CATEGORY_LOOP");
        }
        let is_placed = |code: &&Code| {
            let (kind, code) = (ItemKind::Category, (*code).clone());
            let moved = parents_before.get(&code) != self.world.category_parents.get(&code);
            moved || !before.contains(&ItemRef { kind, code })
        };
        let placed: BTreeSet<Code> = requested.keys().filter(is_placed).cloned().collect();
        if faults.are_none() && self.is_too_deep(&placed) {
            faults.add("CATEGORY_TOO_DEEP");
        }
        faults.dangle("CATEGORY_NOT_FOUND");
        if !faults.are_none() || request.without_default_rights {
            return;
        }
        let is_new = |code: &&Code| {
            let (kind, code) = (ItemKind::Category, (*code).clone());
            !before.contains(&ItemRef { kind, code })
        };
        let new: BTreeSet<Code> = requested.keys().filter(is_new).cloned().collect();
        self.give_categories_their_rights(new);
    }

    /// Whether one of these categories, or a descendant of one, is deeper than
    /// the last level (rules 3.10). Checking the leaves suffices, since the
    /// deepest category has no children.
    fn is_too_deep(&self, placed: &BTreeSet<Code>) -> bool {
        let parents = &self.world.category_parents;
        let above: BTreeSet<&Code> = parents.values().collect();
        let categories = self.world.items_of(ItemKind::Category);
        let mut lowest = categories.filter(|item| !above.contains(&item.code));
        lowest.any(|item| {
            let path = std::iter::successors(Some(&item.code), |code| parents.get(code));
            let path: Vec<&Code> = path.collect();
            path.len() > MAX_CATEGORY_LEVELS && path.iter().any(|code| placed.contains(code))
        })
    }

    fn is_below_itself(&self, code: &Code) -> bool {
        let mut above = self.world.category_parents.get(code);
        for _ in 0..=self.world.items.len() {
            match above {
                Some(parent) if parent == code => return true,
                Some(parent) => above = self.world.category_parents.get(parent),
                None => return false,
            }
        }
        true
    }

    /// Gives a root its default rights, and a child the rights of its parent as
    /// they are once the same request is applied (rules 3.8).
    fn give_categories_their_rights(&mut self, mut new: BTreeSet<Code>) {
        let kind = ItemKind::Category;
        while let Some(code) = new.first().cloned() {
            // The topmost new ancestor comes first.
            let mut next = code;
            while let Some(parent) = self.world.category_parents.get(&next) {
                if !new.contains(parent) {
                    break;
                }
                next = parent.clone();
            }
            new.remove(&next);
            let item = ItemRef {
                kind,
                code: next.clone(),
            };
            let Some(parent) = self.world.category_parents.get(&next).cloned() else {
                self.give_defaults(&item);
                continue;
            };
            let above = ItemRef { kind, code: parent };
            for group in self.world.every_group() {
                let level = self.world.right(&group, &above);
                self.world.grant(group, item.clone(), level);
            }
        }
    }
}

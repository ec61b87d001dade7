use std::collections::BTreeSet;

use pim_authz::domain::{Code, ItemKind, ItemRef, ProductKind, ProductRef};

use super::{
    Administered, Faults,
    names::{entity, read},
    products,
};
use crate::administration::calls::Call;
use crate::support::World;

impl Administered {
    pub(super) fn carry_out_removals(&mut self, call: &Call, faults: &mut Faults) {
        match call {
            Call::DeleteUsers(request) => {
                let codes = existing(&request.codes, faults, "USER", |code| {
                    self.world.users.contains_key(code)
                });
                self.world.users.retain(|code, _| !codes.contains(code));
            }
            Call::DeleteConnections(request) => {
                let codes = existing(&request.codes, faults, "CONNECTION", |code| {
                    self.world.connections.contains_key(code)
                });
                let connections = &mut self.world.connections;
                connections.retain(|code, _| !codes.contains(code));
            }
            Call::DeleteUserGroups(request) => {
                self.delete_groups(&request.codes, request.cascade, faults);
            }
            Call::DeleteRoles(request) => {
                self.delete_roles(&request.codes, request.cascade, faults);
            }
            Call::DeleteAttributes(request) => {
                let codes = existing(&request.codes, faults, "ATTRIBUTE", |code| {
                    self.world.attributes.contains_key(code)
                });
                let attributes = &mut self.world.attributes;
                attributes.retain(|code, _| !codes.contains(code));
            }
            Call::DeleteGridViews(request) => {
                let codes = existing(&request.codes, faults, "GRID_VIEW", |code| {
                    self.world.grid_views.contains_key(code)
                });
                let views = &mut self.world.grid_views;
                views.retain(|code, _| !codes.contains(code));
            }
            Call::DeleteProducts(request) => {
                let kind = products::kind(request.kind());
                self.delete_products(kind, &request.codes, request.cascade, faults);
            }
            _ => self.carry_out_removals_of_items(call, faults),
        }
    }

    fn carry_out_removals_of_items(&mut self, call: &Call, faults: &mut Faults) {
        match call {
            Call::DeleteChannels(request) => {
                self.delete_items(ItemKind::Channel, &request.codes, faults);
            }
            Call::DeleteAssetFamilies(request) => {
                self.delete_items(ItemKind::AssetFamily, &request.codes, faults);
            }
            Call::DeleteReferenceEntities(request) => {
                self.delete_items(ItemKind::ReferenceEntity, &request.codes, faults);
            }
            Call::DeleteProfiles(request) => self.delete_profiles(&request.codes, faults),
            Call::DeleteLocales(request) => {
                self.delete_locales(&request.codes, request.cascade, faults);
            }
            Call::DeleteAttributeGroups(request) => {
                self.delete_attribute_groups(&request.codes, request.cascade, faults);
            }
            Call::DeleteCategories(request) => {
                self.delete_categories(&request.codes, request.cascade, faults);
            }
            _ => panic!("the model does not know {call:?}"),
        }
    }

    fn delete_groups(&mut self, texts: &[String], cascade: bool, faults: &mut Faults) {
        for text in texts {
            let Some(code) = read(text, faults) else {
                continue;
            };
            match self.is_private(&code) {
                None if code.folded().starts_with("app:") => {
                    faults.either(&["GROUP_IS_PRIVATE", "USER_GROUP_NOT_FOUND"]);
                }
                None => faults.add("USER_GROUP_NOT_FOUND"),
                Some(true) => faults.add("GROUP_IS_PRIVATE"),
                Some(false) if code == World::all() => faults.add("GROUP_ALL_IS_FIXED"),
                Some(false) => {
                    let users = self.world.users.values_mut();
                    for member in users.chain(self.world.connections.values_mut()) {
                        if member.groups.remove(&code) && !cascade {
                            faults.add("USER_GROUP_IN_USE");
                        }
                    }
                }
            }
            self.group_labels.remove(&code);
            self.world.groups.remove(&code);
            self.world.rights.retain(|(group, _), _| *group != code);
        }
    }

    fn delete_roles(&mut self, texts: &[String], cascade: bool, faults: &mut Faults) {
        let codes = existing(texts, faults, "ROLE", |code| {
            self.world.roles.contains_key(code)
        });
        for code in codes {
            let users = self.world.users.values_mut();
            for member in users.chain(self.world.connections.values_mut()) {
                if member.roles.remove(&code) && !cascade {
                    faults.add("ROLE_IN_USE");
                }
            }
            self.role_labels.remove(&code);
            self.world.roles.remove(&code);
        }
    }

    /// Deletes products; a model is in use by its variants (rules 3.9).
    fn delete_products(
        &mut self,
        kind: ProductKind,
        texts: &[String],
        cascade: bool,
        faults: &mut Faults,
    ) {
        let key = |code: &Code| ProductRef {
            kind,
            code: code.clone(),
        };
        let entity = kind.to_string().to_uppercase();
        let codes = existing(texts, faults, &entity, |code| {
            self.world.products.contains_key(&key(code))
        });
        let mut gone: Vec<ProductRef> = codes.iter().map(key).collect();
        while let Some(product) = gone.pop() {
            self.world.products.remove(&product);
            if product.kind == ProductKind::Product {
                continue;
            }
            for (variant, stored) in &self.world.products {
                if stored.parent.as_ref() == Some(&product.code) {
                    gone.push(variant.clone());
                    if !cascade {
                        faults.add("PRODUCT_MODEL_IN_USE");
                    }
                }
            }
        }
    }

    /// Deletes items, with the rights on them and the selections of them.
    fn delete_items(&mut self, kind: ItemKind, texts: &[String], faults: &mut Faults) -> Vec<Code> {
        let codes = existing(texts, faults, &entity(kind), |code| self.has(kind, code));
        for code in &codes {
            self.delete_item(kind, code);
        }
        codes.into_iter().collect()
    }

    fn delete_item(&mut self, kind: ItemKind, code: &Code) {
        let item = ItemRef {
            kind,
            code: code.clone(),
        };
        self.world.items.remove(&item);
        self.world.rights.retain(|(_, of), _| *of != item);
        for connected in self.apps.values_mut() {
            let chosen = &mut connected.chosen;
            chosen.retain(|(axis, _, of)| *axis != kind || of.as_ref() != Some(code));
        }
        if kind == ItemKind::Channel {
            self.channels.remove(code);
        }
    }

    fn delete_profiles(&mut self, texts: &[String], faults: &mut Faults) {
        for text in texts {
            let Some(code) = read(text, faults) else {
                continue;
            };
            let kinds = [ItemKind::ImportProfile, ItemKind::ExportProfile];
            match kinds.into_iter().find(|kind| self.has(*kind, &code)) {
                Some(kind) => self.delete_item(kind, &code),
                None => faults.either(&["IMPORT_PROFILE_NOT_FOUND", "EXPORT_PROFILE_NOT_FOUND"]),
            }
        }
    }

    fn delete_locales(&mut self, texts: &[String], cascade: bool, faults: &mut Faults) {
        for code in self.delete_items(ItemKind::Locale, texts, faults) {
            for channel in self.channels.values_mut() {
                if channel.locales.remove(&code) && !cascade {
                    faults.add("LOCALE_IN_USE");
                }
            }
        }
    }

    fn delete_attribute_groups(&mut self, texts: &[String], cascade: bool, faults: &mut Faults) {
        for code in self.delete_items(ItemKind::AttributeGroup, texts, faults) {
            let before = self.world.attributes.len();
            self.world
                .attributes
                .retain(|_, attribute| attribute.group != code);
            let mut is_used = self.world.attributes.len() < before;
            for groups in self.world.grid_views.values_mut() {
                is_used |= groups.remove(&code);
            }
            if is_used && !cascade {
                faults.add("ATTRIBUTE_GROUP_IN_USE");
            }
        }
    }

    fn delete_categories(&mut self, texts: &[String], cascade: bool, faults: &mut Faults) {
        let kind = ItemKind::Category;
        let codes = existing(texts, faults, &entity(kind), |code| self.has(kind, code));
        for code in codes {
            let mut is_used = false;
            for below in self.tree_below(&code) {
                is_used |= below != code;
                for product in self.world.products.values_mut() {
                    is_used |= product.categories.remove(&below);
                }
                for channel in self.channels.values_mut() {
                    if channel.tree.as_ref() == Some(&below) {
                        channel.tree = None;
                        is_used = true;
                    }
                }
                self.delete_item(kind, &below);
                self.world.category_parents.remove(&below);
            }
            if is_used && !cascade {
                faults.add("CATEGORY_IN_USE");
            }
        }
    }

    /// The category and all its descendants.
    pub(super) fn tree_below(&self, root: &Code) -> BTreeSet<Code> {
        let mut below = BTreeSet::from([root.clone()]);
        loop {
            let parents = self.world.category_parents.iter();
            let child = parents
                .filter(|(_, parent)| below.contains(*parent))
                .find(|(child, _)| !below.contains(*child));
            match child {
                Some((child, _)) => below.insert(child.clone()),
                None => return below,
            };
        }
    }
}

/// Parses the codes to delete; each must exist.
fn existing(
    texts: &[String],
    faults: &mut Faults,
    entity: &str,
    is_there: impl Fn(&Code) -> bool,
) -> BTreeSet<Code> {
    let mut codes = BTreeSet::new();
    for text in texts {
        let Some(code) = read(text, faults) else {
            continue;
        };
        if is_there(&code) {
            codes.insert(code);
        } else {
            faults.add(format!("{entity}_NOT_FOUND"));
        }
    }
    codes
}

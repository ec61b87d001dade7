use pim_authz::domain::{Code, ItemKind, ProductKind, ProductRef};
use pim_authz::pb;

use super::{
    Administered, Faults,
    names::{read, refuse_twice},
};

/// The code space of an entry; product unless specified.
pub(super) fn kind(kind: pb::ProductKind) -> ProductKind {
    match kind {
        pb::ProductKind::Unspecified | pb::ProductKind::Product => ProductKind::Product,
        pb::ProductKind::Model => ProductKind::Model,
    }
}

impl Administered {
    pub(super) fn put_products(&mut self, entries: &[pb::Product], faults: &mut Faults) {
        let key = |entry: &pb::Product| format!("{} {}", kind(entry.kind()), entry.code);
        let mut twice = Faults::default();
        refuse_twice(entries, |entry| Code::fold(&key(entry)), &mut twice);
        if !twice.are_none() {
            // The service compares products in the order of the entries.
            faults.unfit();
        }
        let mut put = Vec::new();
        for entry in entries {
            let Some(code) = read(&entry.code, faults) else {
                continue;
            };
            let kind = kind(entry.kind());
            let key = ProductRef { kind, code };
            let stored = self.world.products.get(&key).cloned();
            let mut product = stored.unwrap_or_default();
            match entry.parent.as_deref() {
                None => {}
                Some("") => product.parent = None,
                Some(parent) => product.parent = read(parent, faults),
            }
            if let Some(categories) = &entry.categories {
                let named = self.named(ItemKind::Category, &categories.codes, faults);
                product.categories = named;
            }
            self.world.products.insert(key.clone(), product);
            put.push(key);
        }
        // References may point forward, so parents are checked at the end.
        for key in &put {
            self.check_parent(key, faults);
        }
        let models = self.world.products.iter();
        let models = models.filter(|(key, _)| key.kind == ProductKind::Model);
        if models.clone().any(|(key, _)| self.height(key) > 2) {
            faults.add("PARENT_INVALID");
        }
        faults.dangle("PRODUCT_MODEL_NOT_FOUND");
    }

    /// Checks that a parent is an existing model.
    fn check_parent(&self, key: &ProductRef, faults: &mut Faults) {
        let Some(code) = self.world.products[key].parent.clone() else {
            return;
        };
        let of = |kind| ProductRef {
            kind,
            code: code.clone(),
        };
        if self.world.products.contains_key(&of(ProductKind::Model)) {
            return;
        }
        if self.world.products.contains_key(&of(ProductKind::Product)) {
            faults.either(&["PARENT_INVALID", "PRODUCT_MODEL_NOT_FOUND"]);
        } else {
            faults.add("PRODUCT_MODEL_NOT_FOUND");
        }
    }

    /// Number of models from this one up to its root, itself included; more
    /// than 10 in a loop.
    fn height(&self, model: &ProductRef) -> usize {
        let mut height = 0;
        let mut next = Some(model.clone());
        while let Some(model) = next {
            height += 1;
            if height > 10 {
                break;
            }
            let stored = self.world.products.get(&model);
            let parent = stored.and_then(|stored| stored.parent.clone());
            next = parent.map(|code| ProductRef {
                kind: ProductKind::Model,
                code,
            });
        }
        height
    }
}

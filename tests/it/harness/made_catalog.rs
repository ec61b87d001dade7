//! A generated catalog of thousands of products that a test can change, with a
//! computation from the rules alone of what a user may view.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::Entropy;

use super::import::{File, file};

/// The place of a product or model: its parent model, and its own categories.
type Place = (Option<String>, BTreeSet<String>);

/// The content of one tenant: categories from `c0`, models, products, and one
/// user per group with the name of the group.
#[derive(Clone, Debug)]
pub(crate) struct MadeCatalog {
    categories: Vec<String>,
    models: BTreeMap<String, Place>,
    pub(crate) products: BTreeMap<String, Place>,
    /// The categories that each group may view.
    rights: BTreeMap<String, BTreeSet<String>>,
}

impl MadeCatalog {
    /// Generates a catalog in which each group may view one category of every
    /// `n`, where `n` is the number beside the group.
    pub(crate) fn make(products: usize, groups: &[(&str, usize)], tape: &mut Entropy) -> Self {
        let categories: Vec<String> = (0..60).map(|number| format!("c{number}")).collect();
        let mut made = Self {
            categories,
            models: BTreeMap::new(),
            products: BTreeMap::new(),
            rights: BTreeMap::new(),
        };
        for number in 0..40 {
            let place = (None, made.some_categories(tape));
            made.models.insert(format!("root{number}"), place);
            let above = Some(format!("root{}", tape.below(number + 1)));
            let place = (above, made.some_categories(tape));
            made.models.insert(format!("sub{number}"), place);
        }
        for number in 0..products {
            let place = made.some_place(tape);
            made.products.insert(format!("p{number}"), place);
        }
        for (group, one_of) in groups {
            let viewed = made.categories.iter().step_by(*one_of).cloned().collect();
            made.rights.insert((*group).to_owned(), viewed);
        }
        made
    }

    /// Changes the places of some products and of a model, and the rights of
    /// each group on one category.
    pub(crate) fn change(&mut self, tape: &mut Entropy) {
        for _ in 0..40 {
            let number = tape.below(self.products.len());
            let place = self.some_place(tape);
            self.products.insert(format!("p{number}"), place);
        }
        let place = (None, self.some_categories(tape));
        self.models.insert(format!("root{}", tape.below(40)), place);
        let category = tape.pick(&self.categories).clone();
        for viewed in self.rights.values_mut() {
            if !viewed.remove(&category) {
                viewed.insert(category.clone());
            }
        }
    }

    /// The products that the user of a group may view: those without an
    /// effective category, and those with one that the group may view (rules
    /// 4.1 to 4.3).
    pub(crate) fn viewed_by(&self, group: &str) -> BTreeSet<String> {
        let viewed = &self.rights[group];
        let is_viewed = |(_, place): &(&String, &Place)| {
            let effective = self.effective(place);
            effective.is_empty() || !effective.is_disjoint(viewed)
        };
        let products = self.products.iter().filter(is_viewed);
        products.map(|(code, _)| code.clone()).collect()
    }

    fn effective(&self, (parent, own): &Place) -> BTreeSet<String> {
        let mut effective = own.clone();
        if let Some(parent) = parent {
            effective.extend(self.effective(&self.models[parent]));
        }
        effective
    }

    fn some_place(&self, tape: &mut Entropy) -> Place {
        match tape.below(20) {
            0 => (None, BTreeSet::new()),
            1..4 => {
                let models: Vec<&String> = self.models.keys().collect();
                let own = match tape.below(2) {
                    0 => BTreeSet::new(),
                    _ => self.some_categories(tape),
                };
                (Some((*tape.pick(&models)).clone()), own)
            }
            _ => (None, self.some_categories(tape)),
        }
    }

    fn some_categories(&self, tape: &mut Entropy) -> BTreeSet<String> {
        (0..=tape.below(3))
            .map(|_| tape.pick(&self.categories).clone())
            .collect()
    }

    /// The import files that create this catalog.
    pub(crate) fn files(&self) -> Vec<File> {
        let mut categories = vec!["code;parent".to_owned()];
        let mut accesses = vec!["category;view_items;edit_items;own_items".to_owned()];
        for category in &self.categories {
            categories.push(format!("{category};"));
            let viewing = self.rights.iter().filter(|(_, of)| of.contains(category));
            let viewing: Vec<&str> = viewing.map(|(group, _)| group.as_str()).collect();
            accesses.push(format!("{category};{};;", viewing.join(",")));
        }
        let mut groups = vec!["name".to_owned()];
        groups.extend(self.rights.keys().cloned());
        let mut users = vec!["username;roles;groups".to_owned()];
        users.extend(self.rights.keys().map(|group| format!("{group};;{group}")));
        let mut files = vec![
            lines("categories.csv", categories),
            lines("product_category_accesses.csv", accesses),
            lines("user_groups.csv", groups),
            lines("users.csv", users),
        ];
        for (name, key, products) in [
            ("product_models.csv", "code", &self.models),
            ("products.csv", "sku", &self.products),
        ] {
            let mut rows = vec![format!("{key};parent;categories")];
            rows.extend(products.iter().map(|(code, (parent, own))| {
                let own: Vec<&str> = own.iter().map(String::as_str).collect();
                let parent = parent.as_deref().unwrap_or_default();
                format!("{code};{parent};{}", own.join(","))
            }));
            files.push(lines(name, rows));
        }
        files
    }
}

fn lines(name: &str, lines: impl AsRef<[String]>) -> File {
    let lines = lines.as_ref().iter();
    file(name, &lines.map(String::as_str).collect::<Vec<_>>())
}

use std::collections::BTreeMap;

use crate::{
    domain::{Level, SubjectKind},
    store::ProductCounts,
};

use super::{
    outcome::Effect,
    rights::pairs,
    world::{Coded, Table, World},
};

/// What is new, different and gone, by what it is called.
#[derive(Debug, Default)]
struct Tally(BTreeMap<&'static str, [u64; 3]>);

impl Tally {
    fn add(&mut self, noun: &'static str, [created, changed, removed]: [u64; 3]) {
        let counts = self.0.entry(noun).or_default();
        for (count, more) in counts.iter_mut().zip([created, changed, removed]) {
            *count += more;
        }
    }

    fn add_table<T: Coded + Clone + PartialEq>(
        &mut self,
        table: &Table<T>,
        noun: impl Fn(&T) -> Option<&'static str>,
    ) {
        for (_, before, after) in table.changes() {
            if let Some(noun) = after.or(before).and_then(&noun) {
                self.add(noun, counts(before, after));
            }
        }
    }

    fn add_rights(&mut self, world: &World) {
        for (_, before, after) in world.rights.changes() {
            for (_, old, new) in pairs(before, after) {
                let counts = match (old, new) {
                    _ if old == new => continue,
                    (Level::Hidden, _) => [1, 0, 0],
                    (_, Level::Hidden) => [0, 0, 1],
                    _ => [0, 1, 0],
                };
                self.add("access_right", counts);
            }
        }
    }

    fn effect(self) -> Effect {
        let mut effect = Effect::default();
        for (noun, [created, changed, removed]) in self.0 {
            effect.created += created;
            effect.changed += changed;
            effect.removed += removed;
            let noun = noun.replace('_', " ");
            let sentences = [(created, "new"), (changed, "different"), (removed, "gone")];
            let told = sentences.into_iter().filter(|(count, _)| *count > 0);
            effect
                .sample
                .extend(told.map(|(count, what)| format!("{noun}: {count} would be {what}")));
        }
        effect.sample.truncate(Effect::SAMPLE);
        effect
    }
}

/// One thing, as new, different or gone.
fn counts<T>(before: Option<&T>, after: Option<&T>) -> [u64; 3] {
    match (before, after) {
        (None, _) => [1, 0, 0],
        (Some(_), Some(_)) => [0, 1, 0],
        (Some(_), None) => [0, 0, 1],
    }
}

/// What differs in the end, counted.
pub(super) fn effect_of(
    world: &World,
    products: &[ProductCounts; 2],
    is_new_tenant: bool,
) -> Effect {
    let mut tally = Tally::default();
    if is_new_tenant {
        tally.add("tenant", [1, 0, 0]);
        tally.add("user_group", [1, 0, 0]);
    }
    tally.add_table(&world.groups, |_| Some("user_group"));
    tally.add_table(&world.roles, |_| Some("role"));
    tally.add_table(&world.subjects, |subject| {
        (subject.kind != SubjectKind::App).then(|| subject.kind.into())
    });
    tally.add_table(&world.items, |item| Some(item.kind.into()));
    tally.add_table(&world.attributes, |_| Some("attribute"));
    tally.add_table(&world.grid_views, |_| Some("grid_view"));
    for (_, before, after) in world.app_changes() {
        tally.add("app", counts(before, after));
    }
    tally.add_rights(world);
    for (noun, counts) in ["product_model", "product"].into_iter().zip(products) {
        let ProductCounts {
            created,
            changed,
            removed,
            ..
        } = *counts;
        tally.add(noun, [created, changed, removed]);
    }
    tally.effect()
}

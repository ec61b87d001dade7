use std::collections::BTreeMap;

use crate::{
    domain::{Level, SubjectKind},
    store::ProductCounts,
};

use super::{
    change_set::{ChangeSet, Coded, Table},
    error::AdminError,
    outcome::Effect,
    rights::pairs,
    work::Work,
};

/// Numbers of entities created, changed and removed, by kind of entity.
#[derive(Debug, Default)]
struct EffectCounter(BTreeMap<&'static str, [u64; 3]>);

impl EffectCounter {
    fn add(&mut self, entity: &'static str, [created, changed, removed]: [u64; 3]) {
        let counts = self.0.entry(entity).or_default();
        for (count, more) in counts.iter_mut().zip([created, changed, removed]) {
            *count += more;
        }
    }

    fn add_table<T: Coded + Clone + PartialEq>(
        &mut self,
        table: &Table<T>,
        entity: impl Fn(&T) -> Option<&'static str>,
    ) {
        for (_, before, after) in table.changes() {
            if let Some(entity) = after.or(before).and_then(&entity) {
                self.add(entity, counts(before, after));
            }
        }
    }

    fn add_rights(&mut self, change_set: &ChangeSet, work: &mut Work) -> Result<(), AdminError> {
        for (_, before, after) in change_set.rights.changes() {
            work.step(before.len() + after.len())?;
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
        Ok(())
    }

    fn effect(self) -> Effect {
        let mut effect = Effect::default();
        for (entity, [created, changed, removed]) in self.0 {
            effect.add([created, changed, removed]);
            let entity = entity.replace('_', " ");
            let sentences = [(created, "new"), (changed, "different"), (removed, "gone")];
            let nonzero = sentences.into_iter().filter(|(count, _)| *count > 0);
            effect
                .sample
                .extend(nonzero.map(|(count, what)| format!("{entity}: {count} would be {what}")));
        }
        effect.sample.truncate(Effect::SAMPLE);
        effect
    }
}

/// Returns the counts for one entity created, changed or removed.
pub(super) fn counts<T>(before: Option<&T>, after: Option<&T>) -> [u64; 3] {
    match (before, after) {
        (None, _) => [1, 0, 0],
        (Some(_), Some(_)) => [0, 1, 0],
        (Some(_), None) => [0, 0, 1],
    }
}

/// Returns the effect of a change: its final differences, counted.
///
/// # Errors
///
/// [`AdminError::DeadlinePassed`] when the caller no longer waits.
pub(super) fn effect_of(
    change_set: &ChangeSet,
    products: &[ProductCounts; 2],
    is_new_tenant: bool,
    work: &mut Work,
) -> Result<Effect, AdminError> {
    let mut counter = EffectCounter::default();
    if is_new_tenant {
        counter.add("tenant", [1, 0, 0]);
        counter.add("user_group", [1, 0, 0]);
    }
    counter.add_table(&change_set.groups, |_| Some("user_group"));
    counter.add_table(&change_set.roles, |_| Some("role"));
    counter.add_table(&change_set.subjects, |subject| {
        (subject.kind != SubjectKind::App).then(|| subject.kind.into())
    });
    counter.add_table(&change_set.items, |item| Some(item.kind().into()));
    counter.add_table(&change_set.attributes, |_| Some("attribute"));
    counter.add_table(&change_set.grid_views, |_| Some("grid_view"));
    for (_, before, after) in change_set.apps.changes() {
        counter.add("app", counts(before, after));
    }
    counter.add_rights(change_set, work)?;
    for (entity, counts) in ["product_model", "product"].into_iter().zip(products) {
        let ProductCounts {
            created,
            changed,
            removed,
            ..
        } = *counts;
        counter.add(entity, [created, changed, removed]);
    }
    Ok(counter.effect())
}

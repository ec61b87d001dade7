use std::collections::HashMap;

use crate::{
    admin::{
        entry::AccessTarget,
        fault::Fault,
        plan::{Outcome, Planned},
        rights::{GroupLevels, pairs},
    },
    domain::{Code, ItemKind, Level},
};

use super::{
    names::GroupNames,
    rows::{AccessRow, Input, RowPlanner, repeated},
};

impl RowPlanner<'_> {
    /// Makes the rights of each item that an access row speaks for exactly what
    /// the row says, apps' private groups aside.
    pub(super) fn replace_rights(&mut self, input: &Input) {
        let groups = GroupNames::of(self.planner.world);
        let mut seen: HashMap<(AccessTarget, &Code), &AccessRow> = HashMap::new();
        for row in &input.access {
            let first = *seen.entry((row.target, &row.code)).or_insert(row);
            let outcome = if std::ptr::eq(first, row) {
                self.replace_item_rights(row, input, &groups)
            } else if first.is_same_as(row) {
                Ok(Outcome::Unchanged)
            } else {
                Err(repeated(row.place.key_column, &row.code, first.place))
            };
            self.note(row.place, outcome);
        }
    }

    fn replace_item_rights(
        &mut self,
        row: &AccessRow,
        input: &Input,
        groups: &GroupNames,
    ) -> Planned {
        let item = self.target(row)?;
        let world = &mut *self.planner.world;
        let mut levels = named_levels(row, input, groups)?;
        let held = world.rights.of(item);
        levels.extend(
            held.iter()
                .copied()
                .filter(|(group, _)| world.is_private(*group)),
        );
        levels.sort_unstable_by_key(|(group, _)| *group);
        let is_new = world.items.is_new(item);
        let is_first = held.is_empty() && !levels.is_empty();
        let mut removed = 0;
        let mut same = 0;
        for (_, old, new) in pairs(held, &levels) {
            if new == Level::Hidden {
                removed += 1;
            } else if old == new {
                same += 1;
            }
        }
        let different = removed > 0 || same != held.len() || same != levels.len();
        self.report.known(row.place.file).removed += removed;
        self.rights_unchanged += u64::try_from(same).unwrap_or(u64::MAX);
        world.rights.replace(item, levels);
        if is_new {
            self.planner.speak_for(item);
        }
        if is_new || is_first {
            return Ok(Outcome::Created);
        }
        Ok(Outcome::of_change(different))
    }

    fn target(&self, row: &AccessRow) -> Result<i32, Fault> {
        let column = row.place.key_column;
        match row.target {
            AccessTarget::Kind(kind) => {
                let found = self.planner.world.find_item(kind, &row.code);
                found.ok_or_else(|| Fault::unknown(column, kind, &row.code))
            }
            AccessTarget::Profile => {
                let kinds = [ItemKind::ImportProfile, ItemKind::ExportProfile];
                let mut found = kinds
                    .into_iter()
                    .filter_map(|kind| self.planner.world.find_item(kind, &row.code));
                found.next().ok_or_else(|| {
                    let code = &row.code;
                    let message = format!(
                        "import or export profile `{code}` is neither stored nor defined by this import"
                    );
                    Fault::invalid(column, message)
                })
            }
        }
    }
}

/// The row's groups by number, a group named twice with both levels.
fn named_levels(row: &AccessRow, input: &Input, groups: &GroupNames) -> Result<GroupLevels, Fault> {
    let mut levels = GroupLevels::with_capacity(row.levels.len());
    for (number, level, place) in &row.levels {
        let Some(name) = input.group_names.code(*number) else {
            continue;
        };
        levels.push((groups.find(row.column(*place), name)?, *level));
    }
    levels.sort_unstable_by_key(|(group, _)| *group);
    levels.dedup_by(|again, first| {
        let same = again.0 == first.0;
        if same {
            first.1 = first.1.or(again.1);
        }
        same
    });
    levels.retain(|(_, level)| *level != Level::Hidden);
    Ok(levels)
}

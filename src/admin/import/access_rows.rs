use hashbrown::{HashMap, HashSet};
use strum::IntoEnumIterator as _;

use crate::{
    admin::{
        coded_kind::CodedKind,
        entry::ImportFile,
        error::AdminError,
        fault::Fault,
        outcome::Prune,
        plan::{Outcome, Planned},
        rights::{GroupLevels, pairs},
    },
    domain::{Code, GroupId, ItemId, Level},
};

use super::{
    names::GroupNames,
    prune::{is_too_much, too_much},
    rows::{AccessRow, Input, NumberedColumn, RowPlanner, STEPS_OF_A_NAME, repeated},
};

impl RowPlanner<'_> {
    /// Sets the rights on each item that has an access row to exactly the rights
    /// in the row, except those of apps' private groups.
    ///
    /// # Errors
    ///
    /// [`AdminError::DeadlinePassed`] when the caller no longer waits.
    pub(super) fn replace_rights(&mut self, input: &Input) -> Result<(), AdminError> {
        let groups = GroupNames::of(self.planner.change_set);
        let mut seen: HashMap<(ImportFile, &Code), &AccessRow> = HashMap::new();
        for row in &input.access {
            let names: usize = row.columns.iter().map(|column| column.names.len()).sum();
            self.work.step((names + 1) * STEPS_OF_A_NAME)?;
            let first = *seen.entry((row.place.file, &row.code)).or_insert(row);
            let outcome = if std::ptr::eq(first, row) {
                self.replace_item_rights(row, input, &groups)
            } else if first.columns == row.columns {
                Ok(Outcome::Unchanged)
            } else {
                let column = self.key_columns.of(row.place.file);
                Err(repeated(column, &row.code, first.place))
            };
            let key = std::ptr::eq(first, row).then_some(&row.code);
            self.note(row.place, key, outcome);
        }
        for row in seen.into_values() {
            if !self.refused.contains(&row.place) {
                self.report.carried_out(row.place.file, &row.code);
            }
        }
        Ok(())
    }

    /// Removes the rights on items that the access files in the import do not
    /// list. Apps' private groups keep their rights, and new items get their
    /// defaults.
    pub(super) fn prune_rights(&mut self, prune: Prune, files: &[ImportFile], input: &Input) {
        if prune == Prune::Nothing {
            return;
        }
        for file in ImportFile::iter().filter(|file| file.is_of_rights()) {
            if files.contains(&file) && self.report.may_prune(&[file]) {
                self.prune_rights_on(prune, file, input);
            }
        }
    }

    fn prune_rights_on(&mut self, prune: Prune, file: ImportFile, input: &Input) {
        let rows = input.access.iter().filter(|row| row.place.file == file);
        let part = rows.clone().next().map_or(Level::Hidden, |row| row.kept);
        let named: HashSet<&Code> = rows.map(|row| &row.code).collect();
        let change_set = &mut *self.planner.change_set;
        let mut held = 0;
        let mut gone: Vec<(ItemId, GroupLevels)> = Vec::new();
        for (id, item) in change_set.items.iter() {
            let kind = CodedKind::Items(item.kind());
            if !file.kinds().contains(&kind) || change_set.items.is_new(id) {
                continue;
            }
            let levels = change_set.rights.of(id).iter().copied();
            let (mut left, others): (GroupLevels, GroupLevels) =
                levels.partition(|(group, _)| change_set.is_private(*group));
            let others_left = kept(&others, part);
            if others == others_left {
                continue;
            }
            held += 1;
            if !named.contains(item.code()) {
                left.extend(others_left);
                gone.push((id, merge_levels(left)));
            }
        }
        let removed = u64::try_from(gone.len()).unwrap_or(u64::MAX);
        if prune == Prune::UpToAFifth && is_too_much(removed, held) {
            let message = too_much("items with rights", removed, held);
            self.report.refuse_whole(file, message);
            return;
        }
        for (id, levels) in gone {
            let taken = change_set.rights.of(id).len().saturating_sub(levels.len());
            self.report.known(file).removed += u64::try_from(taken).unwrap_or(u64::MAX);
            change_set.rights.replace(id, levels);
        }
    }

    fn replace_item_rights(
        &mut self,
        row: &AccessRow,
        input: &Input,
        groups: &GroupNames,
    ) -> Planned {
        let item = self.target(row)?;
        let mut levels = named_levels(row, input, groups)?;
        let is_new = self.planner.change_set.items.is_new(item);
        if is_new && row.kept != Level::Hidden {
            // A new item gets the default of an absent column.
            levels.extend(kept(&self.planner.default_levels(item), row.kept));
        }
        let change_set = &mut *self.planner.change_set;
        let held = change_set.rights.of(item);
        let (of_apps, others): (GroupLevels, GroupLevels) = held
            .iter()
            .partition(|(group, _)| change_set.is_private(*group));
        levels.extend(of_apps.into_iter().chain(kept(&others, row.kept)));
        let levels = merge_levels(levels);
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
        change_set.rights.replace(item, levels);
        if is_new {
            self.planner.mark_explicit(item);
        }
        if is_new || is_first {
            return Ok(Outcome::Created);
        }
        Ok(Outcome::of_change(different))
    }

    fn target(&self, row: &AccessRow) -> Result<ItemId, Fault> {
        let AccessRow { place, code, .. } = row;
        let column = self.key_columns.of(place.file);
        if let [CodedKind::Items(kind)] = place.file.kinds() {
            return self.planner.item(column, *kind, code);
        }
        let found = self.planner.change_set.find_profile(code);
        found.ok_or_else(|| {
            let message = format!(
                "import or export profile `{code}` is neither stored nor defined by this import"
            );
            Fault::invalid(column, message)
        })
    }
}

/// Returns the row's groups by number. A group listed twice gets the higher level
/// (rules 3.1); the flags of profiles are combined (rules 3.3).
fn named_levels(row: &AccessRow, input: &Input, groups: &GroupNames) -> Result<GroupLevels, Fault> {
    let mut levels = GroupLevels::new();
    for NumberedColumn {
        column,
        level,
        names,
    } in &row.columns
    {
        let codes = names
            .iter()
            .filter_map(|number| input.group_names.code(*number).cloned());
        let codes: Vec<Code> = codes.collect();
        let listed: Vec<GroupId> = groups.list(column, &codes)?;
        levels.extend(listed.into_iter().map(|group| (group, *level)));
    }
    Ok(merge_levels(levels))
}

/// Returns the part of the levels that a row without the column of `part`
/// preserves.
fn kept(levels: &[(GroupId, Level)], part: Level) -> GroupLevels {
    let levels = levels.iter().filter(|(_, level)| level.allows(part));
    levels.map(|(group, _)| (*group, part)).collect()
}

/// Merges the levels of each group, sorted by group.
fn merge_levels(mut levels: GroupLevels) -> GroupLevels {
    levels.sort_unstable_by_key(|(group, _)| *group);
    levels.dedup_by(|again, first| {
        let same = again.0 == first.0;
        if same {
            first.1 = first.1.or(again.1);
        }
        same
    });
    levels.retain(|(_, level)| *level != Level::Hidden);
    levels
}

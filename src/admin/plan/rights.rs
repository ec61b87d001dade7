use std::collections::HashMap;

use crate::{
    admin::{
        entry::AccessTarget,
        world::{GroupLevels, pairs},
    },
    domain::{Code, ItemKind, Level},
    store::SelectionAxis,
};

use super::{
    AccessRow, Bad, GroupNames, Input, Outcome, Planner, RowOutcome, noun, repeated, unknown,
};

impl Planner<'_> {
    /// Makes the rights of each item that an access row speaks for exactly what
    /// the row says, apps' private groups aside.
    pub(super) fn replace_rights(&mut self, input: &Input) {
        let groups = GroupNames::of(self.world);
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
    ) -> RowOutcome {
        let item = self.target(row)?;
        let mut levels = self.named_levels(row, input, groups)?;
        let held = self.world.rights.of(item);
        levels.extend(
            held.iter()
                .copied()
                .filter(|(group, _)| self.world.is_private(*group)),
        );
        levels.sort_unstable_by_key(|(group, _)| *group);
        let is_new = self.world.items.is_new(item);
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
        self.world.rights.replace(item, levels);
        if is_new {
            self.spoken_for.insert(item);
        }
        if is_new || is_first {
            return Ok(Outcome::Created);
        }
        Ok(Outcome::of_change(different))
    }

    fn target(&self, row: &AccessRow) -> Result<i32, Bad> {
        let column = row.place.key_column;
        match row.target {
            AccessTarget::Kind(kind) => {
                let found = self.world.find_item(kind, &row.code);
                found.ok_or_else(|| unknown(column, noun(kind), &row.code))
            }
            AccessTarget::Profile => {
                let kinds = [ItemKind::ImportProfile, ItemKind::ExportProfile];
                let found = kinds
                    .into_iter()
                    .find_map(|kind| self.world.find_item(kind, &row.code));
                found.ok_or_else(|| unknown(column, "import or export profile", &row.code))
            }
        }
    }

    /// The row's groups by number, a group named twice with both levels.
    fn named_levels(
        &self,
        row: &AccessRow,
        input: &Input,
        groups: &GroupNames,
    ) -> Result<GroupLevels, Bad> {
        let mut levels = GroupLevels::with_capacity(row.levels.len());
        for (number, level) in &row.levels {
            let Some(name) = input.group_names.code(*number) else {
                continue;
            };
            levels.push((groups.find(row.column(), name)?, *level));
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

    /// Gives each new item its default rights (rules 3.8), and apps theirs
    /// (rules 5.6 `all`, 5.7). Parents come before their children.
    pub(super) fn give_defaults(&mut self) {
        let mut items: Vec<(usize, i32)> = self
            .new_items
            .iter()
            .map(|id| (self.depth(*id), *id))
            .collect();
        items.sort_by_key(|(depth, _)| *depth);
        for (_, id) in items {
            let mut levels: GroupLevels = self.default_levels(id);
            if self.spoken_for.contains(&id) {
                levels.retain(|(group, _)| self.world.is_private(*group));
                levels.extend(self.world.rights.of(id).iter().copied());
            }
            self.world.rights.replace(id, levels);
        }
    }

    fn depth(&self, item: i32) -> usize {
        let above = |id: &i32| self.world.items.get(*id)?.parent;
        // Loops were refused; the bound is for what someone stored by hand.
        std::iter::successors(Some(item), above)
            .take(100_000)
            .count()
    }

    fn default_levels(&self, item: i32) -> GroupLevels {
        let Some(row) = self.world.items.get(item) else {
            return GroupLevels::new();
        };
        if let Some(parent) = row.parent {
            return self.world.rights.of(parent).to_vec();
        }
        let for_all = match row.kind {
            ItemKind::Category => Level::Own,
            ItemKind::ImportProfile | ItemKind::ExportProfile => Level::ExecuteAndEdit,
            ItemKind::Channel
            | ItemKind::Locale
            | ItemKind::AttributeGroup
            | ItemKind::AssetFamily
            | ItemKind::ReferenceEntity => Level::Edit,
        };
        let mut levels = self.app_defaults(row.kind);
        levels.extend(self.world.all_group().map(|all| (all, for_all)));
        levels
    }

    /// What apps hold on a new item that lies below none.
    fn app_defaults(&self, kind: ItemKind) -> GroupLevels {
        let apps = self.world.apps.values();
        if kind == ItemKind::Channel {
            let later = apps.filter(|app| app.later_channels);
            return later.map(|app| (app.group, Level::Edit)).collect();
        }
        let Some(axis) = axis_of(kind) else {
            return GroupLevels::new();
        };
        let of_all = apps.filter_map(|app| {
            let everything = app
                .selections
                .iter()
                .filter(|chosen| chosen.axis == axis && chosen.item.is_none());
            let bits = everything.fold(0, |bits, chosen| bits | chosen.level);
            (bits != 0).then_some((app.group, Level::from_bits(bits)))
        });
        of_all.collect()
    }
}

/// The axis of the permissions step that chooses among a kind of item.
pub(super) fn axis_of(kind: ItemKind) -> Option<SelectionAxis> {
    match kind {
        ItemKind::Category => Some(SelectionAxis::Tree),
        ItemKind::Locale => Some(SelectionAxis::Locale),
        ItemKind::AttributeGroup => Some(SelectionAxis::AttributeGroup),
        ItemKind::Channel
        | ItemKind::AssetFamily
        | ItemKind::ReferenceEntity
        | ItemKind::ImportProfile
        | ItemKind::ExportProfile => None,
    }
}

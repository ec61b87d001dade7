use crate::{
    admin::rights::GroupLevels,
    domain::{ItemId, ItemKind, Level, SelectionAxis, inherit},
    engine,
};

use super::{DefaultRights, Planner};

impl Planner<'_> {
    /// Marks an item whose rights are set explicitly: it gets no defaults except
    /// those of apps.
    pub(in crate::admin) fn mark_explicit(&mut self, item: ItemId) {
        self.spoken_for.insert(item);
    }

    /// Gives each new item its default rights (rules 3.8), and those of apps
    /// (rules 5.6 `all`, 5.7), unless they are withheld. Parents come before
    /// their children.
    pub(in crate::admin) fn give_defaults(&mut self, defaults: DefaultRights) {
        if defaults == DefaultRights::Withheld {
            return;
        }
        let above = |id| self.change_set.items.get(id)?.parent();
        let new = self.new_items.iter().copied();
        let levels = inherit(new, above, |_, above: Option<usize>| {
            above.unwrap_or_default() + 1
        });
        let mut items = self.new_items.clone();
        items.sort_by_key(|id| levels.get(id));
        for id in items {
            let mut levels: GroupLevels = self.default_levels(id);
            if self.spoken_for.contains(&id) {
                levels.retain(|(group, _)| self.change_set.is_private(*group));
                levels.extend(self.change_set.rights.of(id).iter().copied());
            }
            self.change_set.rights.replace(id, levels);
        }
    }

    /// Returns the default rights on a new item (rules 3.8).
    pub(in crate::admin) fn default_levels(&self, item: ItemId) -> GroupLevels {
        let Some(row) = self.change_set.items.get(item) else {
            return GroupLevels::new();
        };
        if let Some(parent) = row.parent() {
            return self.change_set.rights.of(parent).to_vec();
        }
        let for_all = engine::highest_level(row.kind());
        let mut levels = self.app_defaults(row.kind());
        levels.extend(self.change_set.all_group().map(|all| (all, for_all)));
        levels
    }

    /// Returns the rights of apps on a new item without a parent.
    fn app_defaults(&self, kind: ItemKind) -> GroupLevels {
        let apps = self.change_set.apps.values();
        if kind == ItemKind::Channel {
            let later = apps.filter(|app| app.later_channels);
            return later.map(|app| (app.group, Level::Edit)).collect();
        }
        let Some(axis) = SelectionAxis::of(kind) else {
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

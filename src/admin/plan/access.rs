use std::collections::HashMap;

use crate::{
    admin::{
        fault::Fault,
        rights::{GroupLevels, pairs},
    },
    domain::{Code, ItemKind, ItemRef, Level, Noun},
    store::ItemRow,
};

use super::Planner;

/// What is done to single rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::admin) enum AccessVerb {
    /// The level becomes at least the one given (rules 3.1).
    Grant,
    /// The level becomes at most the one below the one given (rules 3.1).
    Revoke,
}

impl AccessVerb {
    fn apply(self, held: Level, level: Level, kind: ItemKind) -> Level {
        match self {
            Self::Grant => held.or(level),
            Self::Revoke => held.without(level, kind),
        }
    }
}

/// The items of each category's own level: itself and what lies below it.
#[derive(Debug)]
pub(in crate::admin) struct Descendants {
    children: HashMap<i32, Vec<i32>>,
}

impl Descendants {
    /// The category and everything below it, parents first.
    pub(in crate::admin) fn with(&self, category: i32) -> Vec<i32> {
        let mut found = vec![category];
        let mut at = 0;
        while let Some(children) = found.get(at).map(|id| self.children.get(id)) {
            found.extend(children.into_iter().flatten());
            at += 1;
        }
        found
    }
}

impl Planner<'_> {
    /// Who lies below whom, as things are now.
    pub(in crate::admin) fn descendants(&self) -> Descendants {
        let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
        for (id, item) in self.world.items.iter() {
            if let Some(parent) = item.parent {
                children.entry(parent).or_default().push(id);
            }
        }
        Descendants { children }
    }

    /// The number of an item that rights are given on.
    pub(in crate::admin) fn ruled_item(&self, item: &ItemRef) -> Result<i32, Fault> {
        let found = self.world.find_item(item.kind, &item.code);
        found.ok_or_else(|| Fault::unknown("item.id", item.kind, &item.code))
    }

    /// The number of a group, an app's own included (rules 1.4).
    pub(in crate::admin) fn ruling_group(&self, field: &str, code: &Code) -> Result<i32, Fault> {
        let found = self.world.groups.find(0, code);
        found.ok_or_else(|| Fault::unknown(field, Noun::UserGroup, code))
    }

    /// Grants or revokes a level on items.
    pub(in crate::admin) fn change_rights(
        &mut self,
        verb: AccessVerb,
        group: i32,
        items: &[i32],
        level: Level,
    ) {
        for item in items {
            let Some(kind) = self.world.items.get(*item).map(|item| item.kind) else {
                continue;
            };
            let held = self.world.rights.level(*item, group);
            let wanted = verb.apply(held, level, kind);
            if wanted != held {
                self.world.rights.set(*item, group, wanted);
                self.end_later_channels(*item, group);
            }
        }
    }

    /// Makes the rights on items exactly these, but for the private groups of
    /// apps that are not named.
    pub(in crate::admin) fn replace_rights(&mut self, items: &[i32], levels: &[(i32, Level)]) {
        for item in items {
            let held: GroupLevels = self.world.rights.of(*item).to_vec();
            let mut wanted: GroupLevels = levels.to_vec();
            let is_named = |group: i32| levels.iter().any(|(named, _)| *named == group);
            let spared = held
                .iter()
                .filter(|(group, _)| self.world.is_private(*group) && !is_named(*group));
            wanted.extend(spared.copied());
            wanted.retain(|(_, level)| *level != Level::Hidden);
            for (group, old, new) in pairs(&held, &wanted) {
                if old != new {
                    self.end_later_channels(*item, group);
                }
            }
            self.world.rights.replace(*item, wanted);
        }
    }

    /// An administrator who changes what an app holds on a channel ends the
    /// "later ones" (rules 5.7).
    fn end_later_channels(&mut self, item: i32, group: i32) {
        let is_channel = |item: &ItemRow| item.kind == ItemKind::Channel;
        if !self.world.is_private(group) || !self.world.items.get(item).is_some_and(is_channel) {
            return;
        }
        let of_group = self.world.apps.iter().find(|(_, app)| app.group == group);
        if let Some((subject, app)) = of_group
            && app.later_channels
        {
            let (subject, mut app) = (*subject, app.clone());
            app.later_channels = false;
            self.world.put_app(subject, app);
        }
    }
}

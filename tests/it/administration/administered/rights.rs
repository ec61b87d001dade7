use pim_authz::domain::{Code, ItemKind, ItemRef, Level};
use pim_authz::pb;

use super::{
    Administered, Faults, level,
    names::{entity, read, refuse_twice},
};

impl Administered {
    /// Raises each level to at least the one given (rules 3.1 and 3.7).
    pub(super) fn grant(&mut self, grants: &[pb::AccessGrant], faults: &mut Faults) {
        for grant in grants {
            let Some((group, items, level)) = self.written_right(grant, faults) else {
                continue;
            };
            for item in items {
                let held = self.world.right(&group, &item);
                self.set_right(&group, item, held.or(level));
            }
        }
    }

    /// Lowers each level to at most the one below the given level
    /// (rules 3.1 and 3.7).
    pub(super) fn revoke(&mut self, revocations: &[pb::AccessGrant], faults: &mut Faults) {
        for revocation in revocations {
            let Some((group, items, level)) = self.written_right(revocation, faults) else {
                continue;
            };
            for item in items {
                let held = self.world.right(&group, &item);
                let left = if item.kind.is_profile() {
                    without_flags(held, level)
                } else {
                    without(held, level)
                };
                self.set_right(&group, item, left);
            }
        }
    }

    /// Replaces all rights on an item; apps' private groups that are not named
    /// keep theirs (rules 3.7).
    pub(super) fn replace(&mut self, entries: &[pb::ItemRights], faults: &mut Faults) {
        let key = |entry: &pb::ItemRights| {
            let item = entry.item.clone().unwrap_or_default();
            Code::fold(&format!("{} {}", item.r#type, item.id))
        };
        refuse_twice(entries, key, faults);
        for entry in entries {
            let items = self.written_items(entry.item.as_ref(), entry.apply_to_children, faults);
            let rights = self.written_levels(entry, faults);
            for item in items.unwrap_or_default() {
                for group in self.world.groups.clone() {
                    self.set_right(&group, item.clone(), Level::Hidden);
                }
                for (group, level) in &rights {
                    self.set_right(group, item.clone(), *level);
                }
            }
        }
    }

    /// Parses the levels of an item's rights; each group may occur once.
    fn written_levels(&self, entry: &pb::ItemRights, faults: &mut Faults) -> Vec<(Code, Level)> {
        let kind = entry.item.as_ref().and_then(|item| kind_of(item, faults));
        let mut rights: Vec<(Code, Level)> = Vec::new();
        for right in &entry.rights {
            let level = level(right.level());
            let fits = |level: &Level| {
                *level == Level::Hidden || kind.is_none_or(|kind| fits(kind, *level))
            };
            let level = level.filter(fits);
            if level.is_none() {
                faults.invalid();
            }
            let Some(group) = read(&right.group, faults) else {
                continue;
            };
            if rights.iter().any(|(named, _)| *named == group) {
                faults.invalid();
            }
            if self.is_private(&group).is_none() {
                faults.add("USER_GROUP_NOT_FOUND");
            }
            rights.push((group, level.unwrap_or_default()));
        }
        rights
    }

    /// Sets a right. A change of one of an app's channel rights by an
    /// administrator ends its right on later channels (rules 5.7).
    fn set_right(&mut self, group: &Code, item: ItemRef, level: Level) {
        if item.kind == ItemKind::Channel
            && self.world.right(group, &item) != level
            && let Some(app) = self.app_of(group)
        {
            self.apps.get_mut(&app).unwrap().later_channels = false;
        }
        self.world.rights.insert((group.clone(), item), level);
    }

    /// The group, the items and the level of a grant or revocation.
    fn written_right(
        &self,
        grant: &pb::AccessGrant,
        faults: &mut Faults,
    ) -> Option<(Code, Vec<ItemRef>, Level)> {
        let group = self.written_group(&grant.group, faults);
        let items = self.written_items(grant.item.as_ref(), grant.apply_to_children, faults);
        let level = level(grant.level());
        if let Some(kind) = grant.item.as_ref().and_then(|item| kind_of(item, faults))
            && !level.is_some_and(|level| fits(kind, level))
        {
            faults.invalid();
            return None;
        }
        Some((group?, items?, level?))
    }

    fn written_group(&self, text: &str, faults: &mut Faults) -> Option<Code> {
        let group = read(text, faults)?;
        if self.is_private(&group).is_none() {
            faults.add("USER_GROUP_NOT_FOUND");
            return None;
        }
        Some(group)
    }

    /// The item, with its descendant categories unless the request excludes
    /// them (rules 3.7).
    fn written_items(
        &self,
        item: Option<&pb::Item>,
        apply_to_children: Option<bool>,
        faults: &mut Faults,
    ) -> Option<Vec<ItemRef>> {
        let Some(item) = item else {
            faults.invalid();
            return None;
        };
        let kind = kind_of(item, faults)?;
        let code = read(&item.id, faults)?;
        if kind != ItemKind::Category && apply_to_children.is_some() {
            faults.invalid();
        }
        if !self.has(kind, &code) {
            faults.add(format!("{}_NOT_FOUND", entity(kind)));
            return None;
        }
        let reaches_children = kind == ItemKind::Category && apply_to_children.unwrap_or(true);
        let codes = if reaches_children {
            self.tree_below(&code).into_iter().collect()
        } else {
            vec![code]
        };
        Some(
            codes
                .into_iter()
                .map(|code| ItemRef { kind, code })
                .collect(),
        )
    }
}

fn kind_of(item: &pb::Item, faults: &mut Faults) -> Option<ItemKind> {
    let kind = item.r#type.parse().ok();
    if kind.is_none() {
        faults.invalid();
    }
    kind
}

/// Whether a right on this kind of item can have this level (rules 3.1, 3.3).
fn fits(kind: ItemKind, level: Level) -> bool {
    match level {
        Level::Hidden => false,
        Level::View => !kind.is_profile(),
        Level::Edit => true,
        Level::Own => kind == ItemKind::Category,
        Level::Execute | Level::ExecuteAndEdit => kind.is_profile(),
    }
}

/// What remains of `held` when `taken` is revoked: at most the level below
/// (rules 3.1).
fn without(held: Level, taken: Level) -> Level {
    let below = match taken {
        Level::Own => Level::Edit,
        Level::Edit => Level::View,
        _ => Level::Hidden,
    };
    if held.allows(below) { below } else { held }
}

/// As [`without`], for the flags of a profile (rules 3.3).
fn without_flags(held: Level, taken: Level) -> Level {
    let keeps = |flag: Level| held.allows(flag) && !taken.allows(flag);
    match (keeps(Level::Execute), keeps(Level::Edit)) {
        (true, true) => Level::ExecuteAndEdit,
        (true, false) => Level::Execute,
        (false, true) => Level::Edit,
        (false, false) => Level::Hidden,
    }
}

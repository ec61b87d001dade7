use std::collections::BTreeSet;

use pim_authz::domain::{Code, ItemKind, ItemRef};
use pim_authz::pb;

use super::{Administered, Faults};
use crate::support::World;

/// Parses a code (rules 1.5).
pub(super) fn read(text: &str, faults: &mut Faults) -> Option<Code> {
    let code = text.parse().ok();
    if code.is_none() {
        faults.invalid();
    }
    code
}

/// Refuses a key that occurs twice in one call, unless the entries are
/// identical.
pub(super) fn refuse_twice<E: PartialEq>(
    entries: &[E],
    key: impl Fn(&E) -> String,
    faults: &mut Faults,
) {
    for (place, entry) in entries.iter().enumerate() {
        for other in &entries[place + 1..] {
            if key(entry) == key(other) && entry != other {
                faults.invalid();
            }
        }
    }
}

/// The name of an item kind in error reasons.
pub(super) fn entity(kind: ItemKind) -> String {
    kind.to_string().to_uppercase()
}

impl Administered {
    pub(super) fn has(&self, kind: ItemKind, code: &Code) -> bool {
        let code = code.clone();
        self.world.items.contains(&ItemRef { kind, code })
    }

    /// Parses the items that an entry refers to; each must exist.
    pub(super) fn named(
        &self,
        kind: ItemKind,
        texts: &[String],
        faults: &mut Faults,
    ) -> BTreeSet<Code> {
        let mut codes = BTreeSet::new();
        for text in texts {
            if let Some(code) = read(text, faults) {
                if !self.has(kind, &code) {
                    faults.add(format!("{}_NOT_FOUND", entity(kind)));
                }
                codes.insert(code);
            }
        }
        codes
    }

    /// Whether the group is the private group of an app (rules 1.4); `None` if
    /// there is no such group.
    pub(super) fn is_private(&self, group: &Code) -> Option<bool> {
        if self.world.groups.contains(group) {
            return Some(false);
        }
        self.app_of(group).map(|_| true)
    }

    /// The app whose private group this is.
    pub(super) fn app_of(&self, group: &Code) -> Option<Code> {
        let mut apps = self.world.apps.keys();
        apps.find(|app| World::private_group(app) == *group)
            .cloned()
    }

    /// Parses the groups that a member joins (rules 1.4).
    pub(super) fn joined(&self, list: &pb::CodeList, faults: &mut Faults) -> BTreeSet<Code> {
        let mut groups = BTreeSet::new();
        for text in &list.codes {
            let Some(code) = read(text, faults) else {
                continue;
            };
            match self.is_private(&code) {
                Some(true) => faults.add("GROUP_IS_PRIVATE"),
                None if code.folded().starts_with("app:") => {
                    faults.either(&["GROUP_IS_PRIVATE", "USER_GROUP_NOT_FOUND"]);
                }
                None => faults.add("USER_GROUP_NOT_FOUND"),
                Some(false) => {}
            }
            groups.insert(code);
        }
        groups
    }
}

use std::collections::HashMap;

use crate::{
    admin::{fault::Fault, world::World},
    domain::Code,
};

/// The user groups by code and by label (`docs/import.md`).
#[derive(Debug)]
pub(super) struct GroupNames {
    by_code: HashMap<String, i32>,
    by_label: HashMap<String, Vec<i32>>,
    private: Vec<i32>,
}

impl GroupNames {
    pub(super) fn of(world: &World) -> Self {
        let mut names = Self {
            by_code: HashMap::new(),
            by_label: HashMap::new(),
            private: Vec::new(),
        };
        for (id, group) in world.groups.iter() {
            names.by_code.insert(group.code.folded().to_owned(), id);
            if group.private {
                names.private.push(id);
            } else if !group.label.is_empty() {
                names
                    .by_label
                    .entry(Code::fold(&group.label))
                    .or_default()
                    .push(id);
            }
        }
        names
    }

    /// The group that a code or label names: the code wins; a label that two
    /// groups share, and an app's private group, are refused.
    pub(super) fn find(&self, column: &'static str, name: &Code) -> Result<i32, Fault> {
        let by_label = || {
            self.by_label
                .get(name.folded())
                .map_or(&[][..], Vec::as_slice)
        };
        let found = match self.by_code.get(name.folded()) {
            Some(id) => std::slice::from_ref(id),
            None => by_label(),
        };
        match found {
            [] => Err(Fault::invalid(
                column,
                format!(
                    "user group `{name}` is neither stored nor defined by this import; name a group by its code or label"
                ),
            )),
            [id] if self.private.contains(id) => Err(Fault::invalid(
                column,
                format!(
                    "user group `{name}` is an app's own; nobody else is in it, and only `apps.csv` gives it rights"
                ),
            )),
            [id] => Ok(*id),
            [..] => Err(Fault::invalid(
                column,
                format!(
                    "`{name}` is the label of {} user groups; name the group by its code",
                    found.len()
                ),
            )),
        }
    }
}

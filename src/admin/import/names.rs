use hashbrown::HashMap;

use crate::{
    admin::{change_set::ChangeSet, fault::Fault},
    domain::{Code, GroupId, UserGroup},
};

use super::joined_names::JoinedNames;

/// The user groups by code and by label (`docs/import.md`).
#[derive(Debug)]
pub(super) struct GroupNames {
    by_code: HashMap<String, GroupId>,
    by_label: HashMap<String, Vec<GroupId>>,
    private: Vec<GroupId>,
    joined: JoinedNames,
}

impl GroupNames {
    pub(super) fn of(change_set: &ChangeSet) -> Self {
        let mut names = Self {
            by_code: HashMap::new(),
            by_label: HashMap::new(),
            private: Vec::new(),
            joined: JoinedNames::default(),
        };
        let mut all: Vec<Code> = Vec::new();
        for (id, group) in change_set.groups.iter() {
            names.by_code.insert(group.code.folded().to_owned(), id);
            all.push(group.code.clone());
            if group.private {
                names.private.push(id);
            } else if !group.label.is_empty() {
                all.extend(another_name(group));
                names
                    .by_label
                    .entry(Code::fold(group.label.as_str()))
                    .or_default()
                    .push(id);
            }
        }
        names.joined = JoinedNames::of(all.iter());
        names
    }

    /// Returns the groups that a list names by code or label.
    ///
    /// # Errors
    ///
    /// Fails if the list has two readings, or if [`GroupNames::find`] rejects a
    /// name.
    pub(super) fn list<C: FromIterator<GroupId>>(
        &self,
        column: &str,
        items: &[Code],
    ) -> Result<C, Fault> {
        let names = self
            .joined
            .read(column, items, |name| !self.named(name).is_empty())?;
        names.iter().map(|name| self.find(column, name)).collect()
    }

    /// Returns the groups of this name: the one with this code, otherwise those
    /// with this label.
    fn named(&self, name: &Code) -> &[GroupId] {
        let by_code = self.by_code.get(name.folded());
        match by_code {
            Some(id) => std::slice::from_ref(id),
            None => self.by_label.get(name.folded()).map_or(&[], Vec::as_slice),
        }
    }

    /// Returns the group that a code or label names; the code takes precedence. A
    /// label shared by several groups, and an app's private group, are rejected.
    fn find(&self, column: &str, name: &Code) -> Result<GroupId, Fault> {
        let found = self.named(name);
        let app = name.folded().strip_prefix(Code::APP_GROUP_PREFIX);
        let message = match (found, app) {
            ([id], _) if !self.private.contains(id) => return Ok(*id),
            ([], None) => format!(
                "user group `{name}` is neither stored nor defined by this import; name a group by its code or label"
            ),
            ([] | [_], _) => {
                let app = name.as_str().get(Code::APP_GROUP_PREFIX.len()..);
                let app = app.unwrap_or_default();
                format!(
                    "user group `{name}` is the private group of app `{app}`: nobody else is in it, and only `apps.csv` gives it rights"
                )
            }
            ([..], _) => format!(
                "`{name}` is the label of {} user groups; name the group by its code",
                found.len()
            ),
        };
        Err(Fault::invalid(column, message))
    }
}

/// Returns the label if it is a different name in lists than the code: a code
/// `Sales,EMEA` and a label `Sales, EMEA` are one reading.
fn another_name(group: &UserGroup) -> Option<Code> {
    let squeezed = |text: &str| Code::fold(text).replace(", ", ",");
    let is_another = squeezed(group.label.as_str()) != squeezed(group.code.as_str());
    group.label.as_str().parse().ok().filter(|_| is_another)
}

use hashbrown::HashMap;

use crate::{
    admin::{change_set::ChangeSet, fault::Fault},
    domain::{Code, ItemKind},
};

use super::{joined_names::JoinedNames, names::GroupNames};

/// The names by which lists refer to entities, stored or created by the import.
#[derive(Debug)]
pub(super) struct Lists {
    pub(super) groups: GroupNames,
    roles: JoinedNames,
    items: HashMap<ItemKind, JoinedNames>,
}

impl Lists {
    pub(super) fn of(change_set: &ChangeSet) -> Self {
        let of_kind =
            |kind| JoinedNames::of(change_set.items_of(kind).map(|(_, item)| item.code()));
        let kinds = [
            ItemKind::Category,
            ItemKind::Locale,
            ItemKind::AttributeGroup,
        ];
        Self {
            groups: GroupNames::of(change_set),
            roles: JoinedNames::of(change_set.roles.iter().map(|(_, role)| &role.code)),
            items: kinds.map(|kind| (kind, of_kind(kind))).into(),
        }
    }

    /// Returns the roles that a list names.
    pub(super) fn roles(&self, change_set: &ChangeSet, items: &[Code]) -> Result<Vec<Code>, Fault> {
        let is_known = |code: &Code| change_set.roles.find(0, code).is_some();
        self.roles.read("roles", items, is_known)
    }

    /// Returns the items of a kind that a list names; `None` where its column is
    /// absent.
    pub(super) fn items_given(
        &self,
        change_set: &ChangeSet,
        kind: ItemKind,
        column: &str,
        items: Option<&[Code]>,
    ) -> Result<Option<Vec<Code>>, Fault> {
        let read = |items| self.items(change_set, kind, column, items);
        items.map(read).transpose()
    }

    /// Returns the items of a kind that a list names.
    pub(super) fn items(
        &self,
        change_set: &ChangeSet,
        kind: ItemKind,
        column: &str,
        items: &[Code],
    ) -> Result<Vec<Code>, Fault> {
        let is_known = |code: &Code| change_set.find_item(kind, code).is_some();
        match self.items.get(&kind) {
            Some(joined) => joined.read(column, items, is_known),
            None => Ok(items.to_vec()),
        }
    }
}

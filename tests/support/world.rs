//! In-memory model of the data that a tenant stores.

use std::collections::{BTreeMap, BTreeSet};

use pim_authz::domain::{
    Audience, Code, Edition, ItemKind, ItemRef, Level, PermissionSet, ProductRef, Remedy, ScopeSet,
    SubjectKind, SubjectRef,
};

/// One tenant. Every entity that is referenced is also stored; the builder
/// (`building.rs`) maintains this.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) edition: Edition,
    pub(crate) users: BTreeMap<Code, Member>,
    pub(crate) connections: BTreeMap<Code, Member>,
    pub(crate) apps: BTreeMap<Code, ScopeSet>,
    /// User groups that subjects can join, including `All`; without the apps'
    /// private groups (rules 1.4).
    pub(crate) groups: BTreeSet<Code>,
    pub(crate) roles: BTreeMap<Code, Role>,
    pub(crate) items: BTreeSet<ItemRef>,
    /// Parent of each category; roots have no entry.
    pub(crate) category_parents: BTreeMap<Code, Code>,
    pub(crate) attributes: BTreeMap<Code, Attribute>,
    pub(crate) products: BTreeMap<ProductRef, Product>,
    pub(crate) grid_views: BTreeMap<Code, BTreeSet<Code>>,
    /// Level of a user group, including private ones, on an item; hidden if there
    /// is no entry.
    pub(crate) rights: BTreeMap<(Code, ItemRef), Level>,
    /// User group and level of the following grants, while building.
    pub(super) granting: (Code, Level),
}

/// A user or a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Member {
    /// Groups, as written; every user is also in `All`.
    pub(crate) groups: BTreeSet<Code>,
    pub(crate) roles: BTreeSet<Code>,
    pub(crate) disabled: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) audience: Audience,
    pub(crate) permissions: PermissionSet,
}

#[derive(Clone, Debug)]
pub(crate) struct Attribute {
    pub(crate) group: Code,
    pub(crate) scopable: bool,
    pub(crate) localizable: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Product {
    /// Code of the parent model.
    pub(crate) parent: Option<Code>,
    pub(crate) categories: BTreeSet<Code>,
}

/// Parses a code; panics if it is invalid.
pub(crate) fn code(text: &str) -> Code {
    text.parse().unwrap()
}

pub(crate) fn item(kind: ItemKind, text: &str) -> ItemRef {
    ItemRef {
        kind,
        code: code(text),
    }
}

impl World {
    /// Returns an empty tenant: only the group `All`.
    pub(crate) fn new(edition: Edition) -> Self {
        Self {
            edition,
            users: BTreeMap::new(),
            connections: BTreeMap::new(),
            apps: BTreeMap::new(),
            groups: BTreeSet::from([Self::all()]),
            roles: BTreeMap::new(),
            items: BTreeSet::new(),
            category_parents: BTreeMap::new(),
            attributes: BTreeMap::new(),
            products: BTreeMap::new(),
            grid_views: BTreeMap::new(),
            rights: BTreeMap::new(),
            granting: (Self::all(), Level::Hidden),
        }
    }

    /// Returns the default group of every user.
    pub(crate) fn all() -> Code {
        code("All")
    }

    /// Returns the private group of an app (rules 1.4).
    pub(crate) fn private_group(app: &Code) -> Code {
        code(&format!("app:{app}"))
    }

    /// Returns every user group, including private ones.
    pub(crate) fn every_group(&self) -> BTreeSet<Code> {
        let private = self.apps.keys().map(Self::private_group);
        self.groups.iter().cloned().chain(private).collect()
    }

    /// Returns the user groups of a stored subject (rules 1.4).
    pub(crate) fn groups_of(&self, subject: &SubjectRef) -> BTreeSet<Code> {
        match subject.kind {
            SubjectKind::User => {
                let mut groups = self.users[&subject.code].groups.clone();
                groups.insert(Self::all());
                groups
            }
            SubjectKind::Connection => self.connections[&subject.code].groups.clone(),
            SubjectKind::App => BTreeSet::from([Self::private_group(&subject.code)]),
        }
    }

    /// Returns the user or connection; `None` for an app or if it is not stored.
    pub(crate) fn member(&self, subject: &SubjectRef) -> Option<&Member> {
        match subject.kind {
            SubjectKind::User => self.users.get(&subject.code),
            SubjectKind::Connection => self.connections.get(&subject.code),
            SubjectKind::App => None,
        }
    }

    /// Returns the level of a group on an item.
    pub(crate) fn right(&self, group: &Code, item: &ItemRef) -> Level {
        let key = (group.clone(), item.clone());
        self.rights.get(&key).copied().unwrap_or_default()
    }

    /// Iterates over the stored items of a kind, by code.
    pub(crate) fn items_of(&self, kind: ItemKind) -> impl Iterator<Item = &ItemRef> {
        self.items.iter().filter(move |item| item.kind == kind)
    }

    /// Returns the root of the tree that contains a category.
    pub(crate) fn root_of(&self, category: &Code) -> Code {
        let mut root = category;
        while let Some(parent) = self.category_parents.get(root) {
            root = parent;
        }
        root.clone()
    }

    /// Raises the group's level on the item, as a grant does (rules 3.1).
    pub(crate) fn grant(&mut self, group: Code, item: ItemRef, level: Level) {
        let held = self.rights.entry((group, item)).or_default();
        *held = held.or(level);
    }

    /// Applies a suggestion of an explanation for `subject` (rules 8.2).
    pub(crate) fn apply(&mut self, remedy: &Remedy, subject: &SubjectRef) {
        match remedy {
            Remedy::Access { group, item, level } => {
                self.grant(group.clone(), item.clone(), *level);
            }
            Remedy::Permission { role, permission } => {
                let role = self.roles.get_mut(role).unwrap();
                role.permissions.insert(*permission);
            }
            Remedy::Scope(scope) => self.apps.get_mut(&subject.code).unwrap().insert(*scope),
            Remedy::Membership { group } => {
                let member = match subject.kind {
                    SubjectKind::User => self.users.get_mut(&subject.code),
                    SubjectKind::Connection => self.connections.get_mut(&subject.code),
                    SubjectKind::App => None,
                };
                member.unwrap().groups.insert(group.clone());
            }
        }
    }
}

//! What one tenant stores.

use std::collections::{BTreeMap, BTreeSet};

use pim_authz::domain::{
    Audience, Code, Edition, ItemKind, ItemRef, Level, PermissionSet, ProductRef, Remedy, ScopeSet,
    SubjectKind, SubjectRef,
};

/// One tenant. Whatever is named in one place is stored in its own place too;
/// the builder (`building.rs`) sees to it.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) edition: Edition,
    pub(crate) users: BTreeMap<Code, Member>,
    pub(crate) connections: BTreeMap<Code, Member>,
    pub(crate) apps: BTreeMap<Code, ScopeSet>,
    /// What people can join, `All` included; the apps' private groups are not
    /// in here (rules 1.4).
    pub(crate) groups: BTreeSet<Code>,
    pub(crate) roles: BTreeMap<Code, Role>,
    pub(crate) items: BTreeSet<ItemRef>,
    /// The category above a category; roots are not in here.
    pub(crate) category_parents: BTreeMap<Code, Code>,
    pub(crate) attributes: BTreeMap<Code, Attribute>,
    pub(crate) products: BTreeMap<ProductRef, Product>,
    pub(crate) grid_views: BTreeMap<Code, BTreeSet<Code>>,
    /// The level of a user group, private ones included, on an item; hidden
    /// where there is none.
    pub(crate) rights: BTreeMap<(Code, ItemRef), Level>,
    /// Whom `may(…)` and what follows it speak of, while building.
    pub(super) granting: (Code, Level),
}

/// A user or a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Member {
    /// As written; every user is in `All` as well.
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
    /// The code of the model above.
    pub(crate) parent: Option<Code>,
    pub(crate) categories: BTreeSet<Code>,
}

/// The code that a test writes.
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
    /// An empty tenant: nothing but the group `All`.
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

    /// The default group of every user.
    pub(crate) fn all() -> Code {
        code("All")
    }

    /// The group of an app's own (rules 1.4).
    pub(crate) fn private_group(app: &Code) -> Code {
        code(&format!("app:{app}"))
    }

    /// Every user group, private ones included.
    pub(crate) fn every_group(&self) -> BTreeSet<Code> {
        let private = self.apps.keys().map(Self::private_group);
        self.groups.iter().cloned().chain(private).collect()
    }

    /// The user groups that a stored subject is in (rules 1.4).
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

    /// The user or connection of this code.
    pub(crate) fn member(&self, subject: &SubjectRef) -> Option<&Member> {
        match subject.kind {
            SubjectKind::User => self.users.get(&subject.code),
            SubjectKind::Connection => self.connections.get(&subject.code),
            SubjectKind::App => None,
        }
    }

    /// The level of one group on one item.
    pub(crate) fn right(&self, group: &Code, item: &ItemRef) -> Level {
        let key = (group.clone(), item.clone());
        self.rights.get(&key).copied().unwrap_or_default()
    }

    /// The stored items of one kind, by code.
    pub(crate) fn items_of(&self, kind: ItemKind) -> impl Iterator<Item = &ItemRef> {
        self.items.iter().filter(move |item| item.kind == kind)
    }

    /// The root of the tree that a category is in.
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

    /// Does what an explanation suggests for `subject` (rules 8.2).
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

use super::{Level, ResourceType};

/// Position of a permission in the catalogue, from 0. It is valid within this
/// program only; the code is what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PermissionId(pub(super) u8);

/// One permission of the catalogue `data/permissions.csv` (rules 2.1).
#[derive(Clone, Debug)]
pub struct Permission {
    /// Position in the catalogue.
    pub id: PermissionId,
    /// Code: `product.create`.
    pub code: &'static str,
    /// Label on the PIM's screen.
    pub label: &'static str,
    /// Audience of the roles that may hold it (rules 2.5).
    pub audience: Audience,
    /// True if it is in effect in the enterprise edition only (rules 2.4).
    pub enterprise: bool,
    /// Permissions each of which implies this one (rules 2.3).
    pub implied_by: PermissionSet,
    /// Permissions that must all be held for this one to be in effect
    /// (rules 2.3).
    pub requires: PermissionSet,
    /// Resource types on which it also requires `level` (rules 4.7).
    pub resource_types: Vec<ResourceType>,
    /// Level required on a resource of `resource_types`.
    pub level: Option<Level>,
    /// Identifier in the PIM's own files.
    pub pim_acl: Option<&'static str>,
}

/// Kind of subjects that may hold a permission or a role (rules 2.5).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::EnumIter,
)]
#[strum(serialize_all = "snake_case")]
pub enum Audience {
    /// Users: any permission.
    User,
    /// Connections: the `api.*` permissions.
    Connection,
}

/// Meaning of a question for a permission on a resource type (rules 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PermissionUse {
    /// The permission alone is required; the resource's id is ignored.
    Alone,
    /// The permission and this level on the resource are required.
    WithLevel(Level),
}

impl Permission {
    /// True if a role of `audience` may hold it (rules 2.5).
    #[must_use]
    pub fn may_be_held_by(&self, audience: Audience) -> bool {
        match audience {
            Audience::User => true,
            Audience::Connection => self.audience == Audience::Connection,
        }
    }

    /// Returns the meaning of a question for it on a resource of `kind`; `None`
    /// if `kind` does not have the permission (rules 9).
    #[must_use]
    pub fn use_on(&self, kind: ResourceType) -> Option<PermissionUse> {
        let with_level = self.level.map(PermissionUse::WithLevel);
        if self.resource_types.contains(&kind) {
            return with_level;
        }
        let kind_name: &'static str = kind.into();
        let own_name = self.code.strip_prefix("api.").unwrap_or(self.code);
        let (entity, _) = own_name.split_once('.')?;
        if kind.has_parent() {
            return if entity == kind_name {
                with_level
            } else {
                None
            };
        }
        let (first_word, _) = self.code.split_once('.')?;
        (first_word == kind_name).then_some(PermissionUse::Alone)
    }
}

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PermissionSet([u64; 4]);

impl PermissionSet {
    /// True if the set contains `id`.
    #[must_use]
    pub fn contains(&self, id: PermissionId) -> bool {
        let (word, bit) = Self::place(id);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// Adds `id`.
    pub fn insert(&mut self, id: PermissionId) {
        let (word, bit) = Self::place(id);
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= bit;
        }
    }

    /// Removes `id`.
    pub fn remove(&mut self, id: PermissionId) {
        let (word, bit) = Self::place(id);
        if let Some(bits) = self.0.get_mut(word) {
            *bits &= !bit;
        }
    }

    /// Returns what a subject holds by the permissions of its roles: their union
    /// (rules 2.2).
    #[must_use]
    pub fn of_roles<'r>(roles: impl IntoIterator<Item = &'r Self>) -> Self {
        let roles = roles.into_iter();
        roles.fold(Self::default(), |all, role| all.union(role))
    }

    /// Returns the union of both sets.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut words = self.0;
        for (word, more) in words.iter_mut().zip(other.0) {
            *word |= more;
        }
        Self(words)
    }

    /// True if both sets have a permission in common.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(a, b)| a & b != 0)
    }

    /// True if this set contains all of `other`.
    #[must_use]
    pub fn is_superset(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(a, b)| a & b == b)
    }

    /// True if the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Iterates over the permissions in the order of the catalogue.
    pub fn iter(&self) -> impl Iterator<Item = PermissionId> + '_ {
        (0..=u8::MAX)
            .map(PermissionId)
            .filter(|id| self.contains(*id))
    }

    fn place(id: PermissionId) -> (usize, u64) {
        (usize::from(id.0 / 64), 1 << (id.0 % 64))
    }
}

impl FromIterator<PermissionId> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = PermissionId>>(ids: I) -> Self {
        let mut set = Self::default();
        for id in ids {
            set.insert(id);
        }
        set
    }
}

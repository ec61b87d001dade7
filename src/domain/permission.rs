use super::{Level, ResourceType};

/// The place of a permission in the catalogue, from 0; good for this program
/// only, so that what is stored is the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PermissionId(pub(super) u8);

/// One permission of the catalogue `data/permissions.csv` (rules 2.1).
#[derive(Clone, Debug)]
pub struct Permission {
    /// Its place in the catalogue.
    pub id: PermissionId,
    /// Its code: `product.create`.
    pub code: &'static str,
    /// What the PIM's screen calls it.
    pub label: &'static str,
    /// Which roles may hold it (rules 2.5).
    pub audience: Audience,
    /// Whether it counts in the enterprise edition only (rules 2.4).
    pub enterprise: bool,
    /// Holding any of these holds this one too (rules 2.3).
    pub implied_by: PermissionSet,
    /// It counts only while all of these are held as well (rules 2.3).
    pub requires: PermissionSet,
    /// The resource types on which it needs `level` as well (rules 4.7).
    pub resource_types: Vec<ResourceType>,
    /// The level needed on a resource of `resource_types`.
    pub level: Option<Level>,
    /// The identifier that the PIM's own files use.
    pub pim_acl: Option<&'static str>,
}

/// Who may hold a permission, or a role (rules 2.5).
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

/// What asking a permission on a resource type means (rules 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PermissionUse {
    /// The permission alone; the resource's id is not looked at.
    Alone,
    /// The permission and this level on the resource.
    WithLevel(Level),
}

impl Permission {
    /// Whether a role of `audience` may hold it (rules 2.5).
    #[must_use]
    pub fn may_be_held_by(&self, audience: Audience) -> bool {
        match audience {
            Audience::User => true,
            Audience::Connection => self.audience == Audience::Connection,
        }
    }

    /// What asking it on a resource of `kind` means; `None` when `kind` does
    /// not have it (rules 9).
    #[must_use]
    pub fn use_on(&self, kind: ResourceType) -> Option<PermissionUse> {
        let with_level = self.level.map(PermissionUse::WithLevel);
        if self.resource_types.contains(&kind) {
            return with_level;
        }
        let kind_name: &'static str = kind.into();
        let own_name = self.code.strip_prefix("api.").unwrap_or(self.code);
        let (entity, _) = own_name.split_once('.')?;
        if kind.lies_in_parent() {
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
    /// Whether `id` is in it.
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

    /// Takes `id` out.
    pub fn remove(&mut self, id: PermissionId) {
        let (word, bit) = Self::place(id);
        if let Some(bits) = self.0.get_mut(word) {
            *bits &= !bit;
        }
    }

    /// What is in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut words = self.0;
        for (word, more) in words.iter_mut().zip(other.0) {
            *word |= more;
        }
        Self(words)
    }

    /// Whether a permission is in both sets.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(a, b)| a & b != 0)
    }

    /// Whether all of `other` is in this set.
    #[must_use]
    pub fn is_superset(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(a, b)| a & b == b)
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Its members in the order of the catalogue.
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

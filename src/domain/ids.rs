/// Identifies an item: a category, channel, locale, attribute group, asset family,
/// reference entity or profile. Unique within its tenant and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub i32);

/// Identifies a user group, private ones of apps included. Unique within its
/// tenant and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub i32);

/// Identifies a role. Unique within its tenant and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleId(pub i32);

/// Identifies a user, app or connection. Unique within its tenant and never
/// reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectId(pub i32);

/// Identifies an attribute. Unique within its tenant and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeId(pub i32);

/// Identifies a grid view. Unique within its tenant and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GridViewId(pub i32);

/// Identifies a product or product model. Unique within its tenant, among both,
/// and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductId(pub i32);

/// Identifies a caller of this service. Unique within the installation, which
/// stands for its tenant, and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallerId(pub i32);

impl GroupId {
    /// The group `All`, the first entity of every tenant (rules 1.4).
    pub const ALL: Self = Self(1);
}

impl ProductId {
    /// Precedes the id of every product: where a list by id begins.
    pub const BEFORE_FIRST: Self = Self(0);
}

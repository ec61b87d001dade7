use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    Code, Edition, ItemKind, ItemRef, Level, PermissionSet, ProductRef, Revision, ScopeSet,
    SubjectRef,
};

/// The number of an item inside its tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub i32);

/// The number of a user group inside its tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub i32);

/// The number of a role inside its tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleId(pub i32);

/// What a set of questions needs to know of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactsNeeded {
    /// Who asks.
    pub subjects: BTreeSet<SubjectRef>,
    /// Items named: resources, families, channels, locales, attribute groups,
    /// categories of described products.
    pub items: BTreeSet<ItemRef>,
    /// Products and models named, parents of described products included. What
    /// lies above them comes with them.
    pub products: BTreeSet<ProductRef>,
    /// Attributes named; their groups come with them.
    pub attributes: BTreeSet<Code>,
    /// Grid views named; their attribute groups come with them.
    pub grid_views: BTreeSet<Code>,
    /// Whose rights on all of these.
    pub groups: GroupsNeeded,
}

/// Whose rights are needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupsNeeded {
    /// Those of the subjects' user groups.
    #[default]
    OfSubjects,
    /// Those of every user group, to see what joining one would change.
    All,
}

/// What is stored about whatever some questions name, true at one instant of one
/// tenant. What is not stored is not in here.
#[derive(Clone, Debug)]
pub struct Facts {
    /// A revision that all of it is at least as new as.
    pub revision: Revision,
    /// What every question of the tenant shares.
    pub vocabulary: Arc<Vocabulary>,
    /// The subjects needed.
    pub subjects: HashMap<SubjectRef, Arc<SubjectFacts>>,
    /// The user groups needed.
    pub groups: HashMap<GroupId, Arc<GroupFacts>>,
    /// The products and models needed, and all that lie above them.
    pub products: HashMap<ProductRef, Arc<ProductFacts>>,
}

/// The edition, the roles and the catalog but for products: small, and shared
/// by all questions. It holds all of a tenant, or what some questions name of
/// it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// The tenant's edition.
    pub edition: Edition,
    /// The roles that the subjects hold.
    pub roles: HashMap<RoleId, RoleFacts>,
    /// The items needed that are stored.
    pub items: HashMap<ItemRef, ItemId>,
    /// Every item that any other fact names.
    pub item_facts: HashMap<ItemId, ItemFacts>,
    /// The first channel by code; `None`: the tenant has no channel.
    pub first_channel: Option<ItemId>,
    /// The first locale by code; `None`: the tenant has no locale.
    pub first_locale: Option<ItemId>,
    /// The attributes needed.
    pub attributes: HashMap<Code, AttributeFacts>,
    /// The grid views needed.
    pub grid_views: HashMap<Code, GridViewFacts>,
    /// The user groups, where all are needed.
    pub groups: Vec<GroupId>,
}

/// A stored subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectFacts {
    /// Its code as it was first written.
    pub code: Code,
    /// Whether it may do anything at all (rules 1.6).
    pub enabled: bool,
    /// The user groups it is in, `All` included (rules 1.4), by code.
    pub groups: Vec<GroupId>,
    /// The roles it holds, by code; none for an app.
    pub roles: Vec<RoleId>,
    /// The scopes granted to an app, as granted; none for others.
    pub scopes: ScopeSet,
}

/// A stored role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleFacts {
    /// Its code as it was first written.
    pub code: Code,
    /// The permissions granted to it, as granted: what they imply is not in
    /// here, and what does not count in the edition is.
    pub permissions: PermissionSet,
}

/// A stored user group and its rights on the items that were needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupFacts {
    /// Its code as it was first written.
    pub code: Code,
    /// Whether it is an app's own, that nobody else can join (rules 1.4).
    pub private: bool,
    /// Its levels; an item that is not in here is hidden from it.
    pub rights: HashMap<ItemId, Level>,
    /// Its highest level on any channel.
    pub highest_channel: Level,
    /// Its highest level on any locale.
    pub highest_locale: Level,
}

/// A stored item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemFacts {
    /// Its kind.
    pub kind: ItemKind,
    /// Its code as it was first written.
    pub code: Code,
    /// The category above it; `None`: it is a root or no category, or the
    /// vocabulary does not hold all of the tenant.
    pub parent: Option<ItemId>,
}

/// A stored attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeFacts {
    /// Its code as it was first written.
    pub code: Code,
    /// Its attribute group.
    pub group: ItemId,
    /// Whether its values are specific to a channel.
    pub scopable: bool,
    /// Whether its values are specific to a locale.
    pub localizable: bool,
}

/// A stored product or product model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductFacts {
    /// Its code as it was first written.
    pub code: Code,
    /// The code of the model above it.
    pub parent: Option<Code>,
    /// The categories of its own.
    pub categories: Vec<ItemId>,
}

/// A stored grid view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GridViewFacts {
    /// Its code as it was first written.
    pub code: Code,
    /// The attribute groups that it uses as columns or filters, by code.
    pub attribute_groups: Vec<ItemId>,
}

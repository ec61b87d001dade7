use std::{collections::BTreeSet, sync::Arc};

use hashbrown::HashMap;

use super::{
    Attribute, Code, Edition, GroupId, ItemId, ItemKind, ItemRef, Level, PermissionSet, ProductRef,
    Revision, RoleId, ScopeSet, SubjectRef,
};

/// Facts of a tenant that a set of questions needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactsNeeded {
    /// Subjects of the questions.
    pub subjects: BTreeSet<SubjectRef>,
    /// Items named: resources, families, channels, locales, attribute groups,
    /// categories of described products.
    pub items: BTreeSet<ItemRef>,
    /// Products and models named, including parents of described products. Their
    /// ancestors are read with them.
    pub products: BTreeSet<ProductRef>,
    /// Attributes named; their attribute groups are read with them.
    pub attributes: BTreeSet<Code>,
    /// Grid views named; their attribute groups are read with them.
    pub grid_views: BTreeSet<Code>,
    /// User groups whose rights on these items are needed.
    pub groups: GroupsNeeded,
}

/// User groups whose rights are needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupsNeeded {
    /// The user groups of the subjects.
    #[default]
    OfSubjects,
    /// All user groups, to find out what joining one would change.
    All,
}

/// Stored facts about everything that some questions name, consistent at one
/// instant of one tenant. Names that are not stored are absent.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Revision that every fact is at least as new as.
    pub revision: Revision,
    /// Facts that all questions of the tenant share.
    pub vocabulary: Arc<Vocabulary>,
    /// Subjects needed.
    pub subjects: HashMap<SubjectRef, Arc<SubjectFacts>>,
    /// User groups needed.
    pub groups: HashMap<GroupId, Arc<GroupFacts>>,
    /// Products and models needed, with all their ancestors.
    pub products: HashMap<ProductRef, Arc<ProductFacts>>,
}

/// The edition, the roles and the catalog except products: small, and shared by
/// all questions. It covers the whole tenant, or only what some questions name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// Edition of the tenant.
    pub edition: Edition,
    /// Roles held by the subjects.
    pub roles: HashMap<RoleId, RoleFacts>,
    /// Items needed that are stored.
    pub items: HashMap<ItemRef, ItemId>,
    /// Every item that another fact refers to.
    pub item_facts: HashMap<ItemId, ItemFacts>,
    /// First channel by code; `None` if the tenant has no channel.
    pub first_channel: Option<ItemId>,
    /// First locale by code; `None` if the tenant has no locale.
    pub first_locale: Option<ItemId>,
    /// Attributes needed.
    pub attributes: HashMap<Code, Attribute>,
    /// Grid views needed.
    pub grid_views: HashMap<Code, GridViewFacts>,
    /// All user groups of the tenant, if they are needed.
    pub groups: Vec<GroupId>,
}

/// A stored subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectFacts {
    /// Code, as it was first written.
    pub code: Code,
    /// False if the subject is disabled and may do nothing (rules 1.6).
    pub enabled: bool,
    /// User groups of the subject, including `All` (rules 1.4), by code.
    pub groups: Vec<GroupId>,
    /// Roles of the subject, by code; empty for an app.
    pub roles: Vec<RoleId>,
    /// Scopes of an app, as granted; empty for other subjects.
    pub scopes: ScopeSet,
}

/// A stored role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleFacts {
    /// Code, as it was first written.
    pub code: Code,
    /// Permissions as granted: without those that they imply, and with those that
    /// are not in effect in the edition.
    pub permissions: PermissionSet,
}

/// A stored user group, with its rights on the items needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupFacts {
    /// Code, as it was first written.
    pub code: Code,
    /// True if it is an app's private group, which no other subject can join
    /// (rules 1.4).
    pub private: bool,
    /// Levels by item; an item without an entry is hidden from the group.
    pub rights: HashMap<ItemId, Level>,
    /// Highest level on any channel.
    pub highest_channel: Level,
    /// Highest level on any locale.
    pub highest_locale: Level,
}

/// A stored item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemFacts {
    /// Kind of the item.
    pub kind: ItemKind,
    /// Code, as it was first written.
    pub code: Code,
    /// Parent category; `None` if the item is a root or no category, or the
    /// vocabulary does not cover the whole tenant.
    pub parent: Option<ItemId>,
}

/// A stored product or product model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductFacts {
    /// Code, as it was first written.
    pub code: Code,
    /// Code of the parent model.
    pub parent: Option<Code>,
    /// Categories assigned to the product itself, not inherited.
    pub categories: Vec<ItemId>,
}

/// A stored grid view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GridViewFacts {
    /// Code, as it was first written.
    pub code: Code,
    /// Attribute groups that it uses as columns or filters, by code.
    pub attribute_groups: Vec<ItemId>,
}

use std::{collections::BTreeSet, fmt, sync::Arc};

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::{
    Attribute, Code, Edition, GroupId, ItemId, ItemKind, ItemRef, Level, MODELS_ABOVE,
    PermissionSet, ProductKind, ProductRef, Revision, RoleId, ScopeSet, SubjectRef,
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
    /// Roles held by the subjects.
    pub roles: HashMap<RoleId, Arc<RoleFacts>>,
    /// User groups needed.
    pub groups: HashMap<GroupId, Arc<GroupFacts>>,
    /// Products and models needed, with all their ancestors.
    pub products: HashMap<ProductRef, Arc<ProductFacts>>,
}

/// Lends the stored facts of one tenant to a decision: [`Facts`], or whoever has them
/// where they are cached. All are true at one instant; what is not stored is `None`.
pub trait FactSource: fmt::Debug + Sync {
    /// Returns the facts that all questions of the tenant share.
    fn vocabulary(&self) -> &Vocabulary;

    /// Returns a subject of the questions.
    fn subject(&self, subject: &SubjectRef) -> Option<&SubjectFacts>;

    /// Returns a role that one of these subjects holds.
    fn role(&self, role: RoleId) -> Option<&RoleFacts>;

    /// Returns the user groups of one of these subjects with their ids, ordered by code.
    fn groups_of(&self, subject: &SubjectFacts) -> NumberedGroups<'_>;

    /// Returns all user groups that the source has, in any order.
    fn groups(&self) -> NumberedGroups<'_>;

    /// Returns a product or model that the questions name.
    fn product(&self, product: &ProductRef) -> Option<StoredProduct<'_>>;

    /// Returns the highest level that the user groups of the only subject were granted, if
    /// it was noted.
    fn merged(&self, _on: GrantedOn) -> Option<Level> {
        None
    }

    /// Notes the highest level that the user groups of the only subject were granted, for
    /// subjects in the same groups. A source may not.
    fn note_merged(&self, _on: GrantedOn, _level: Level) {}
}

/// What a level is granted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GrantedOn {
    /// A stored item.
    Item(ItemId),
    /// Any channel: the highest level on one of them.
    AnyChannel,
    /// Any locale.
    AnyLocale,
}

/// User groups with their ids; up to eight need no allocation.
pub type NumberedGroups<'f> = SmallVec<[(GroupId, &'f GroupFacts); 8]>;

/// A stored product or model, as a decision reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredProduct<'f> {
    /// Categories assigned to the product itself, not inherited.
    pub categories: &'f [ItemId],
    /// Its ancestors, nearest first (rules 4.2); where it has fewer, the rest have no
    /// code.
    pub above: [StoredModel<'f>; MODELS_ABOVE],
}

impl StoredProduct<'_> {
    /// Returns the number of its effective categories, duplicates included.
    #[must_use]
    pub fn number_of_categories(&self) -> usize {
        let above = self.above.iter().map(|model| model.categories.len());
        above.sum::<usize>() + self.categories.len()
    }
}

/// A model above a stored product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredModel<'f> {
    /// Code, as it was first written.
    pub code: &'f str,
    /// Categories assigned to the model itself.
    pub categories: &'f [ItemId],
}

impl FactSource for Facts {
    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn subject(&self, subject: &SubjectRef) -> Option<&SubjectFacts> {
        self.subjects.get(subject).map(AsRef::as_ref)
    }

    fn role(&self, role: RoleId) -> Option<&RoleFacts> {
        self.roles.get(&role).map(AsRef::as_ref)
    }

    fn groups_of(&self, subject: &SubjectFacts) -> NumberedGroups<'_> {
        let ids = subject.groups.iter();
        let groups = ids.filter_map(|id| Some((*id, self.groups.get(id)?.as_ref())));
        groups.collect()
    }

    fn groups(&self) -> NumberedGroups<'_> {
        let groups = self.groups.iter();
        groups.map(|(id, group)| (*id, group.as_ref())).collect()
    }

    fn product(&self, product: &ProductRef) -> Option<StoredProduct<'_>> {
        let product = self.products.get(product)?;
        let mut above = [StoredModel::default(); MODELS_ABOVE];
        let mut parent = product.parent.as_ref();
        for model in &mut above {
            let Some(found) = parent.and_then(|code| self.model(code)) else {
                break;
            };
            *model = StoredModel {
                code: found.code.as_str(),
                categories: &found.categories,
            };
            parent = found.parent.as_ref();
        }
        Some(StoredProduct {
            categories: &product.categories,
            above,
        })
    }
}

impl Facts {
    fn model(&self, code: &Code) -> Option<&ProductFacts> {
        let model = ProductRef {
            kind: ProductKind::Model,
            code: code.clone(),
        };
        self.products.get(&model).map(AsRef::as_ref)
    }
}

/// The edition and the catalog except products: small, and shared by all questions. It covers the whole tenant, or only what some questions name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// Edition of the tenant.
    pub edition: Edition,
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

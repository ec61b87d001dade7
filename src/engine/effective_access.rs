//! The levels that one subject holds, over all its user groups.
//!
//! The highest level of all groups wins, on each axis by itself (rules 3.5): one
//! group can give the category and another the locale. Levels are not merged in
//! advance; each is computed when a requirement needs it. Outside the enterprise
//! edition rights do not apply, and every subject holds the highest level on
//! every stored item (rules 3.4).

use std::cell::OnceCell;

use crate::domain::{
    CATALOGUE, Code, Edition, FactSource, GrantedOn, GroupFacts, GroupId, ItemId, ItemKind,
    ItemRef, Level, NumberedGroups, Parent, PermissionSet, ProductKind, ProductRef, Resource,
    ResourceType, RoleFacts, RoleId, SubjectFacts, SubjectRef, UnknownName, Vocabulary,
};

use super::category_lists::{CategoryList, CategoryLists};

/// What one subject has access to over all its user groups, according to the
/// facts.
#[derive(Clone, Debug)]
pub(super) struct EffectiveAccess<'f> {
    /// The facts of one tenant that the question needs.
    source: &'f dyn FactSource,
    /// The facts that all questions of the tenant share.
    pub(super) vocabulary: &'f Vocabulary,
    /// The subject as the question names it.
    pub(super) subject_ref: &'f SubjectRef,
    /// The stored subject; `None`: the tenant has no such subject (rules 1.6).
    pub(super) subject: Option<&'f SubjectFacts>,
    /// The subject's user groups with their ids, ordered by code, once they are needed.
    groups: OnceCell<NumberedGroups<'f>>,
}

/// Channel or locale: the axes that a question may leave unnamed (rules 4.4,
/// 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenAxis {
    Channel,
    Locale,
}

impl OpenAxis {
    /// Returns the kind of the items on this axis.
    pub(super) fn kind(self) -> ItemKind {
        match self {
            Self::Channel => ItemKind::Channel,
            Self::Locale => ItemKind::Locale,
        }
    }
}

impl<'f> EffectiveAccess<'f> {
    /// Looks up `subject` in `facts`; an unknown one has no groups and no rights.
    pub(super) fn of(subject: &'f SubjectRef, source: &'f dyn FactSource) -> Self {
        let stored = source.subject(subject);
        Self {
            source,
            vocabulary: source.vocabulary(),
            subject_ref: subject,
            subject: stored,
            groups: OnceCell::new(),
        }
    }

    /// Returns all user groups that the facts hold, with their ids.
    pub(super) fn all_groups(&self) -> NumberedGroups<'f> {
        self.source.groups()
    }

    /// Returns the subject's user groups, ordered by code.
    pub(super) fn groups(&self) -> impl Iterator<Item = &'f GroupFacts> {
        self.numbered_groups().map(|(_, group)| group)
    }

    /// Returns the subject's user groups with their ids, ordered by code.
    pub(super) fn numbered_groups(&self) -> impl Iterator<Item = (GroupId, &'f GroupFacts)> {
        let of_subject = || {
            let groups = self.subject.map(|subject| self.source.groups_of(subject));
            groups.unwrap_or_default()
        };
        self.groups.get_or_init(of_subject).iter().copied()
    }

    /// Returns the number of the subject's user groups.
    pub(super) fn number_of_groups(&self) -> u64 {
        let groups = self.subject.map_or(0, |subject| subject.groups.len());
        u64::try_from(groups).unwrap_or(u64::MAX)
    }

    /// True if the edition applies access rights (rules 3.4).
    pub(super) fn is_enterprise(&self) -> bool {
        self.vocabulary.edition.is_enterprise()
    }

    /// Returns a role that the subject holds.
    pub(super) fn role(&self, role: RoleId) -> Option<&'f RoleFacts> {
        self.source.role(role)
    }

    /// Returns the permissions granted to the subject, without implied ones. They
    /// are the union of its roles (rules 2.2), or those of its scopes (rules 5.5).
    pub(super) fn granted_permissions(&self) -> PermissionSet {
        let Some(subject) = self.subject else {
            return PermissionSet::default();
        };
        let roles = subject.roles.iter();
        let roles = roles.filter_map(|id| self.role(*id));
        let of_roles = PermissionSet::of_roles(roles.map(|role| &role.permissions));
        of_roles.union(&CATALOGUE.permissions_of_scopes(subject.scopes))
    }

    /// Returns the level on a stored item: the highest of all groups' levels
    /// (rules 3.5). Outside the enterprise edition it is the highest level of its
    /// kind (rules 3.4).
    pub(super) fn level_on(&self, item: ItemId) -> Level {
        if !self.vocabulary.edition.is_enterprise() {
            let kind = self.vocabulary.item_facts.get(&item).map(|item| item.kind);
            return kind.map_or(Level::Hidden, highest_level);
        }
        self.granted_on(item)
    }

    /// Returns the highest level that the subject's groups were granted on an item
    /// (rules 3.5), whatever the edition.
    pub(super) fn granted_on(&self, item: ItemId) -> Level {
        self.merged(GrantedOn::Item(item), |group| group.right(item))
    }

    /// Returns the highest level of the subject's groups (rules 3.5), merged once for all
    /// subjects in the same groups where the source notes it.
    fn merged(&self, on: GrantedOn, of_group: impl Fn(&GroupFacts) -> Level) -> Level {
        self.source.merged(on).unwrap_or_else(|| {
            let level = most_permissive(self.groups().map(of_group));
            self.source.note_merged(on, level);
            level
        })
    }

    /// Returns the level on a stored item of `kind`, given the highest level
    /// `granted` to the subject's groups. `Hidden` for an unknown or disabled
    /// subject (rules 1.7, 3.4).
    pub(super) fn level_of_granted(&self, kind: ItemKind, granted: Level) -> Level {
        if !self.subject.is_some_and(|subject| subject.enabled) {
            return Level::Hidden;
        }
        if self.vocabulary.edition.is_enterprise() {
            granted
        } else {
            highest_level(kind)
        }
    }

    /// Returns the highest level on any channel or locale (rules 4.4, 4.5).
    pub(super) fn highest_on_any(&self, axis: OpenAxis) -> Level {
        if self.first_of(axis).is_none() {
            return Level::Hidden;
        }
        if !self.vocabulary.edition.is_enterprise() {
            return highest_level(axis.kind());
        }
        let on = match axis {
            OpenAxis::Channel => GrantedOn::AnyChannel,
            OpenAxis::Locale => GrantedOn::AnyLocale,
        };
        self.merged(on, |group| group.highest_on_any(axis))
    }

    /// Returns the first channel or locale by code. `None`: the tenant has none.
    pub(super) fn first_of(&self, axis: OpenAxis) -> Option<ItemId> {
        match axis {
            OpenAxis::Channel => self.vocabulary.first_channel,
            OpenAxis::Locale => self.vocabulary.first_locale,
        }
    }

    /// Returns the id of an item that a question names. `None`: it is not stored.
    pub(super) fn find(&self, item: &ItemRef) -> Option<ItemId> {
        self.vocabulary.items.get(item).copied()
    }

    /// Returns the code of an item in its stored spelling (rules 1.5).
    pub(super) fn code_of(&self, item: ItemId) -> Option<&'f Code> {
        self.vocabulary.item_facts.get(&item).map(|item| &item.code)
    }

    /// Returns the lists of effective categories of a product or model: its own
    /// and those of all its ancestors. Facts of the request replace the stored
    /// ones (rules 4.2, 7.1).
    ///
    /// `None`: the resource is neither stored nor described (rules 1.7).
    pub(super) fn category_lists<'a>(
        &self,
        kind: ProductKind,
        resource: &'a Resource,
    ) -> Option<CategoryLists<'a>>
    where
        'f: 'a,
    {
        let itself = resource.id.clone().map(|code| ProductRef { kind, code });
        let stored = itself
            .as_ref()
            .and_then(|itself| self.source.product(itself));
        let described = &resource.description;
        if stored.is_none() && !described.is_given() {
            return None;
        }
        let mut lists = CategoryLists::default();
        match (&described.categories, &stored) {
            (Some(codes), _) => lists.lists.push(CategoryList::Described(codes)),
            (None, Some(stored)) => lists.lists.push(CategoryList::Stored(stored.categories)),
            (None, None) => {}
        }
        match (&described.parent, &stored) {
            (Some(Parent::Code(code)), _) => self.add_parent(code, itself.as_ref(), &mut lists),
            (None, Some(stored)) => {
                let above = stored.above.iter();
                let above = above.map(|model| CategoryList::Stored(model.categories));
                lists.lists.extend(above);
            }
            (Some(Parent::Absent), _) | (None, None) => {}
        }
        Some(lists)
    }

    /// Adds the categories of the parent that the request gives a product, and of the
    /// models above it (rules 7.1). A model is not its own ancestor.
    fn add_parent<'a>(
        &self,
        code: &Code,
        itself: Option<&ProductRef>,
        lists: &mut CategoryLists<'a>,
    ) where
        'f: 'a,
    {
        let kind = ProductKind::Model;
        let is_itself = |code: &str| {
            itself.is_some_and(|itself| itself.kind == kind && itself.code.is_spelled(code))
        };
        let code = code.clone();
        let parent = ProductRef { kind, code };
        let Some(stored) = self.source.product(&parent) else {
            lists.unknown_parent = Some(UnknownName {
                kind: ResourceType::ProductModel,
                code: parent.code,
            });
            return;
        };
        if is_itself(parent.code.as_str()) {
            return;
        }
        lists.lists.push(CategoryList::Stored(stored.categories));
        let above = stored.above.iter();
        let above = above.take_while(|model| !is_itself(model.code));
        let above = above.map(|model| CategoryList::Stored(model.categories));
        lists.lists.extend(above);
    }
}

/// Returns the highest of some levels: the most permissive user group wins (rules
/// 3.5), and the highest category (rules 4.1); flags of profiles add up (rules
/// 3.3). [`Level::Hidden`] if there are none.
///
/// Every layer determines it here. SQL repeats it as `bit_or` where rights are too
/// many to be read; `tests/it/effective_twins.rs` compares those statements with it.
#[must_use]
pub fn most_permissive(levels: impl IntoIterator<Item = Level>) -> Level {
    levels.into_iter().fold(Level::Hidden, Level::or)
}

/// Returns the level on a product: the highest on its effective categories (rules
/// 4.1). Without any it is `Own` (rules 4.3).
pub(super) fn level_of_categories(levels: impl IntoIterator<Item = Level>) -> Level {
    levels.into_iter().reduce(Level::or).unwrap_or(Level::Own)
}

/// Returns those of some user groups that give the level `held` over all of them:
/// the groups whose own level equals it or, where flags of several groups combine
/// (rules 3.3), every group with any level.
pub(super) fn giving_groups<G>(
    held: Level,
    groups: impl IntoIterator<Item = (G, Level)>,
) -> Vec<G> {
    let holding = groups
        .into_iter()
        .filter(|(_, level)| *level != Level::Hidden);
    let (alone, combined): (Vec<_>, Vec<_>) = holding.partition(|(_, level)| *level == held);
    let giving = if alone.is_empty() { combined } else { alone };
    giving.into_iter().map(|(group, _)| group).collect()
}

/// Returns the level that a subject holds on a stored item of `kind` and the user
/// groups that give it, from the rights of its groups. Outside the enterprise
/// edition it is the highest level of the kind, which no group gives (rules 3.4).
#[must_use]
pub fn effective_right<G>(
    edition: Edition,
    kind: ItemKind,
    rights: Vec<(G, Level)>,
) -> (Level, Vec<G>) {
    if !edition.is_enterprise() {
        return (highest_level(kind), Vec::new());
    }
    let held = most_permissive(rights.iter().map(|(_, level)| *level));
    (held, giving_groups(held, rights))
}

impl GroupFacts {
    /// Returns the group's level on an item; `Hidden` if it has no right there.
    pub(super) fn right(&self, id: ItemId) -> Level {
        self.rights.get(&id).copied().unwrap_or_default()
    }

    /// Returns the group's highest level on any channel or locale.
    pub(super) fn highest_on_any(&self, axis: OpenAxis) -> Level {
        match axis {
            OpenAxis::Channel => self.highest_channel,
            OpenAxis::Locale => self.highest_locale,
        }
    }
}

/// Returns the level that everyone holds on a stored item outside the enterprise
/// edition (rules 3.4): the highest of its kind (rules 3.1, 3.3).
#[must_use]
pub fn highest_level(kind: ItemKind) -> Level {
    most_permissive(kind.levels().iter().copied())
}

#[cfg(test)]
mod tests {
    use Level::{Edit, Execute, ExecuteAndEdit, Hidden, Own, View};

    use super::*;

    #[test]
    fn rule_3_5_the_most_permissive_group_wins_and_gives_the_level() {
        let rights = |levels: &[Level]| (1..).zip(levels.iter().copied()).collect::<Vec<_>>();
        let of =
            |kind, levels: &[Level]| effective_right(Edition::Enterprise, kind, rights(levels));
        let category = ItemKind::Category;
        assert_eq!(of(category, &[View, Own, Own, Hidden]), (Own, vec![2, 3]));
        assert_eq!(of(category, &[Hidden]), (Hidden, Vec::new()));
        assert_eq!(of(category, &[]), (Hidden, Vec::new()));
        // Flags of profiles combine (rules 3.3).
        let profile = ItemKind::ExportProfile;
        assert_eq!(
            of(profile, &[Execute, Edit, Hidden]),
            (ExecuteAndEdit, vec![1, 2])
        );
        assert_eq!(
            of(profile, &[Execute, ExecuteAndEdit]),
            (ExecuteAndEdit, vec![2])
        );
    }

    #[test]
    fn rule_3_4_outside_the_enterprise_edition_everybody_holds_the_highest_level() {
        let of = |kind| effective_right(Edition::Growth, kind, vec![(1, Level::View)]);
        assert_eq!(of(ItemKind::Category), (Level::Own, Vec::new()));
        assert_eq!(of(ItemKind::Locale), (Level::Edit, Vec::new()));
        assert_eq!(
            of(ItemKind::ImportProfile),
            (Level::ExecuteAndEdit, Vec::new())
        );
    }
}

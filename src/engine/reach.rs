use std::collections::HashSet;

use crate::domain::{
    Code, Facts, GroupFacts, ItemId, ItemKind, ItemRef, Level, Parent, ProductKind, ProductRef,
    Resource, ResourceType, SubjectFacts, SubjectRef, UnknownName,
};

/// What one subject reaches, by the facts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach<'f> {
    pub(super) facts: &'f Facts,
    pub(super) subject_ref: &'f SubjectRef,
    pub(super) subject: Option<&'f SubjectFacts>,
}

/// Channels or locales: the two axes of which a question may leave the item
/// open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenAxis {
    Channel,
    Locale,
}

/// The categories in force for a product (rules 4.2, 7.1).
#[derive(Debug)]
pub(super) struct Effective {
    /// Those that are stored.
    pub(super) categories: Vec<ItemId>,
    /// The first category that the question names and that is not stored, else
    /// such a parent.
    pub(super) unknown: Option<UnknownName>,
}

impl OpenAxis {
    pub(super) fn kind(self) -> ItemKind {
        match self {
            Self::Channel => ItemKind::Channel,
            Self::Locale => ItemKind::Locale,
        }
    }
}

impl<'f> Reach<'f> {
    pub(super) fn of(subject: &'f SubjectRef, facts: &'f Facts) -> Self {
        Self {
            facts,
            subject_ref: subject,
            subject: facts.subjects.get(subject).map(AsRef::as_ref),
        }
    }

    /// The subject's user groups, by code.
    pub(super) fn groups(self) -> impl Iterator<Item = &'f GroupFacts> {
        let ids = self.subject.map(|subject| subject.groups.iter());
        ids.into_iter()
            .flatten()
            .filter_map(move |id| self.facts.groups.get(id).map(AsRef::as_ref))
    }

    /// The level on a stored item: of all groups' levels the most permissive
    /// (rules 3.5); outside the enterprise edition the highest there is
    /// (rules 3.4).
    pub(super) fn level_on(self, item: ItemId) -> Level {
        if !self.facts.vocabulary.edition.is_enterprise() {
            let kind = self
                .facts
                .vocabulary
                .item_facts
                .get(&item)
                .map(|item| item.kind);
            return kind.map_or(Level::Hidden, highest_level);
        }
        let levels = self
            .groups()
            .filter_map(|group| group.rights.get(&item).copied());
        levels.fold(Level::Hidden, Level::or)
    }

    /// The level on a stored item of a kind on which the subject's groups were
    /// granted `granted`; nothing for who is unknown or disabled (rules 1.7,
    /// 3.4).
    pub(super) fn level_of_granted(self, kind: ItemKind, granted: Level) -> Level {
        if !self.subject.is_some_and(|subject| subject.enabled) {
            return Level::Hidden;
        }
        if self.facts.vocabulary.edition.is_enterprise() {
            granted
        } else {
            highest_level(kind)
        }
    }

    /// The level on an item that a question names; one that is not stored is
    /// hidden in every edition (rules 1.7).
    pub(super) fn level_on_named(self, item: &ItemRef) -> Level {
        self.find(item)
            .map_or(Level::Hidden, |id| self.level_on(id))
    }

    /// The highest level on any channel or locale (rules 4.4, 4.5).
    pub(super) fn highest_on_any(self, axis: OpenAxis) -> Level {
        if self.first_of(axis).is_none() {
            return Level::Hidden;
        }
        if !self.facts.vocabulary.edition.is_enterprise() {
            return highest_level(axis.kind());
        }
        self.groups()
            .map(|group| group.highest_on_any(axis))
            .fold(Level::Hidden, Level::or)
    }

    /// The first channel or locale by code; `None`: the tenant has none.
    pub(super) fn first_of(self, axis: OpenAxis) -> Option<ItemId> {
        match axis {
            OpenAxis::Channel => self.facts.vocabulary.first_channel,
            OpenAxis::Locale => self.facts.vocabulary.first_locale,
        }
    }

    /// The number of an item that a question names; `None`: it is not stored.
    pub(super) fn find(self, item: &ItemRef) -> Option<ItemId> {
        self.facts.vocabulary.items.get(item).copied()
    }

    /// The code of an item in its first spelling.
    pub(super) fn code_of(self, item: ItemId) -> Option<&'f Code> {
        self.facts
            .vocabulary
            .item_facts
            .get(&item)
            .map(|item| &item.code)
    }

    /// The categories in force for a product or model: its own and those of all
    /// its ancestors, with the facts that came with the question in place of
    /// the stored ones (rules 4.2, 7.1). `None`: it is neither stored nor
    /// described (rules 1.7).
    pub(super) fn effective_categories(
        self,
        kind: ProductKind,
        resource: &Resource,
    ) -> Option<Effective> {
        let itself = resource.id.clone().map(|code| ProductRef { kind, code });
        let stored = itself
            .as_ref()
            .and_then(|itself| self.facts.products.get(itself));
        let described = &resource.description;
        if stored.is_none() && !described.is_given() {
            return None;
        }
        let mut effective = Effective {
            categories: Vec::new(),
            unknown: None,
        };
        match &described.categories {
            Some(codes) => self.add_named(codes, &mut effective),
            None => effective
                .categories
                .extend(stored.iter().flat_map(|s| &s.categories)),
        }
        let mut above: Option<&Code> = match &described.parent {
            Some(Parent::Code(code)) => Some(code),
            Some(Parent::Absent) => None,
            None => stored.and_then(|stored| stored.parent.as_ref()),
        };
        let mut counted: HashSet<ProductRef> = itself.into_iter().collect();
        while let Some(code) = above {
            let ancestor = ProductRef {
                kind: ProductKind::Model,
                code: code.clone(),
            };
            let Some(facts) = self.facts.products.get(&ancestor) else {
                let kind = ResourceType::ProductModel;
                let code = code.clone();
                effective.unknown.get_or_insert(UnknownName { kind, code });
                break;
            };
            if !counted.insert(ancestor) {
                break;
            }
            effective.categories.extend(&facts.categories);
            above = facts.parent.as_ref();
        }
        effective.categories.sort_by_key(|id| self.code_of(*id));
        effective.categories.dedup();
        Some(effective)
    }

    fn add_named(self, codes: &[Code], effective: &mut Effective) {
        for code in codes {
            let named = ItemRef {
                kind: ItemKind::Category,
                code: code.clone(),
            };
            if let Some(id) = self.find(&named) {
                effective.categories.push(id);
            } else {
                let kind = ResourceType::Category;
                let code = code.clone();
                effective.unknown.get_or_insert(UnknownName { kind, code });
            }
        }
    }

    /// The level on a product: the highest on any effective category
    /// (rules 4.1); one without any is everyone's (rules 4.3); outside the
    /// enterprise edition every product is (rules 3.4).
    pub(super) fn level_on_product(self, effective: &Effective) -> Level {
        if !self.facts.vocabulary.edition.is_enterprise() {
            return Level::Own;
        }
        let unknown = effective.unknown.as_ref().map(|_| Level::Hidden);
        let levels = effective.categories.iter().map(|id| self.level_on(*id));
        level_of_categories(unknown.into_iter().chain(levels))
    }
}

/// The level on a product by the levels on its effective categories: the most
/// permissive (rules 4.1); one without any is everyone's (rules 4.3).
pub(super) fn level_of_categories(levels: impl IntoIterator<Item = Level>) -> Level {
    levels.into_iter().reduce(Level::or).unwrap_or(Level::Own)
}

impl GroupFacts {
    /// The group's highest level on any channel or locale.
    pub(super) fn highest_on_any(&self, axis: OpenAxis) -> Level {
        match axis {
            OpenAxis::Channel => self.highest_channel,
            OpenAxis::Locale => self.highest_locale,
        }
    }
}

fn highest_level(kind: ItemKind) -> Level {
    match kind {
        ItemKind::Category => Level::Own,
        ItemKind::ImportProfile | ItemKind::ExportProfile => Level::ExecuteAndEdit,
        ItemKind::Channel
        | ItemKind::Locale
        | ItemKind::AttributeGroup
        | ItemKind::AssetFamily
        | ItemKind::ReferenceEntity => Level::Edit,
    }
}

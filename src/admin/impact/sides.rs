use std::{hash::Hash, sync::Arc};

use hashbrown::HashMap;

use crate::{
    admin::{change_set::ChangeSet, tracked::Tracked},
    domain::{
        App, Attribute, Code, Edition, Facts, GridViewFacts, GroupFacts, GroupId, Item, ItemFacts,
        ItemId, ItemKind, Level, Revision, Subject, SubjectFacts, SubjectId, SubjectRef,
        Vocabulary,
    },
    engine,
};

use super::profile::{Profile, Rule};

/// One side of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// The stored state.
    Before,
    /// The state after the change.
    After,
}

/// A tenant on one side of a change.
#[derive(Debug)]
pub(super) struct Side<'w> {
    pub(super) change_set: &'w ChangeSet,
    pub(super) edition: Edition,
    pub(super) at: At,
    /// The facts that the engine decides by: no categories, and only the
    /// attributes and grid views that the change affects.
    vocabulary: Arc<Vocabulary>,
}

impl<'w> Side<'w> {
    pub(super) fn of(change_set: &'w ChangeSet, edition: Edition, at: At) -> Self {
        let mut side = Self {
            change_set,
            edition,
            at,
            vocabulary: Arc::new(no_vocabulary(edition)),
        };
        side.vocabulary = Arc::new(side.build_vocabulary());
        side
    }

    /// Returns a row on this side.
    pub(super) fn row<'t, K, T>(&self, rows: &'t Tracked<K, T>, key: &K) -> Option<&'t T>
    where
        K: Clone + Ord + Hash,
        T: Clone + PartialEq,
    {
        match self.at {
            At::Before => rows.before(key),
            At::After => rows.get(key),
        }
    }

    /// Returns the rights on an item on this side.
    pub(super) fn rights(&self, item: ItemId) -> &'w [(GroupId, Level)] {
        match self.at {
            At::Before => self.change_set.rights.before(item),
            At::After => self.change_set.rights.of(item),
        }
    }

    /// Returns a subject if it is enabled on this side; otherwise it has no
    /// rights at all (rules 1.6).
    pub(super) fn enabled(&self, subject: SubjectId) -> Option<&'w Subject> {
        let row = self.row(&self.change_set.subjects, &subject);
        row.filter(|row| row.enabled)
    }

    /// Returns the row that an app has beside its subject.
    pub(super) fn app(&self, subject: SubjectId) -> Option<&'w App> {
        self.row(&self.change_set.apps, &subject)
    }

    /// Returns the facts for an enabled subject of this profile, which holds
    /// these levels on attribute groups.
    pub(super) fn facts(
        &self,
        subject: &SubjectRef,
        profile: Profile,
        rights: HashMap<ItemId, Level>,
    ) -> Facts {
        // One group that holds the levels of all groups of the subject.
        let group = GroupId(0);
        let holds = GroupFacts {
            code: subject.code.clone(),
            private: false,
            rights,
            highest_channel: profile.axes.channel,
            highest_locale: profile.axes.locale,
        };
        let facts = SubjectFacts {
            code: subject.code.clone(),
            enabled: true,
            groups: vec![group],
            roles: Vec::new(),
            scopes: profile.scopes,
        };
        Facts {
            subjects: HashMap::from([(subject.clone(), Arc::new(facts))]),
            groups: HashMap::from([(group, Arc::new(holds))]),
            ..self.facts_of_nobody()
        }
    }

    /// Returns the facts for a subject that is disabled or missing.
    pub(super) fn facts_of_nobody(&self) -> Facts {
        Facts {
            revision: Revision(0),
            vocabulary: Arc::clone(&self.vocabulary),
            subjects: HashMap::new(),
            roles: HashMap::new(),
            groups: HashMap::new(),
            products: HashMap::new(),
        }
    }

    /// Returns how the level on an item is determined: outside the enterprise
    /// edition everybody holds the highest level on each stored item (rules 3.4).
    pub(super) fn rule_of_item(&self, item: ItemId) -> Rule {
        if self.edition.is_enterprise() {
            return Rule::Groups;
        }
        let item = self.row(&self.change_set.items, &item);
        let highest = item.map(|item| engine::highest_level(item.kind()));
        Rule::Everybody(highest.unwrap_or_default())
    }

    /// Returns how the level on a product in these categories is determined
    /// (rules 3.4, 4.1, 4.3); `None`: it is not stored.
    pub(super) fn rule_of_product(&self, categories: Option<&[ItemId]>) -> Rule {
        match categories {
            None => Rule::NotStored,
            Some(categories) if categories.is_empty() || !self.edition.is_enterprise() => {
                Rule::Everybody(Level::Own)
            }
            Some(_) => Rule::Groups,
        }
    }

    fn build_vocabulary(&self) -> Vocabulary {
        let change_set = self.change_set;
        let items = change_set.items.both();
        let items = items.filter_map(|(id, before, after)| {
            let item = self.pick(before, after)?;
            (item.kind() != ItemKind::Category).then_some((id, item))
        });
        let items: Vec<(ItemId, &Item)> = items.collect();
        let first = |kind| {
            let of_kind = items.iter().filter(|(_, item)| item.kind() == kind);
            let first = of_kind.min_by_key(|(_, item)| item.code());
            first.map(|(id, _)| *id)
        };
        let facts = |item: &Item| ItemFacts {
            kind: item.kind(),
            code: item.code().clone(),
            parent: None,
        };
        Vocabulary {
            item_facts: items.iter().map(|(id, item)| (*id, facts(item))).collect(),
            first_channel: first(ItemKind::Channel),
            first_locale: first(ItemKind::Locale),
            attributes: self.changed_attributes(),
            grid_views: self.changed_grid_views(),
            ..no_vocabulary(self.edition)
        }
    }

    fn changed_attributes(&self) -> HashMap<Code, Attribute> {
        let changes = self.change_set.attributes.changes();
        let rows = changes.filter_map(|(_, before, after)| self.pick(before, after));
        rows.map(|row| (row.code.clone(), row.clone())).collect()
    }

    fn changed_grid_views(&self) -> HashMap<Code, GridViewFacts> {
        let changes = self.change_set.grid_views.changes();
        let rows = changes.filter_map(|(_, before, after)| self.pick(before, after));
        let facts = rows.map(|row| {
            let facts = GridViewFacts {
                code: row.code.clone(),
                attribute_groups: row.attribute_groups.iter().copied().collect(),
            };
            (row.code.clone(), facts)
        });
        facts.collect()
    }

    /// Returns the channels and locales.
    pub(super) fn axis_items(&self) -> Vec<(ItemId, ItemKind)> {
        let items = self.change_set.items.both();
        let items = items.filter_map(|(id, before, after)| {
            let kind = self.pick(before, after)?.kind();
            matches!(kind, ItemKind::Channel | ItemKind::Locale).then_some((id, kind))
        });
        items.collect()
    }

    /// Returns the one of two states that is of this side.
    pub(super) fn pick<'t, T>(&self, before: Option<&'t T>, after: Option<&'t T>) -> Option<&'t T> {
        match self.at {
            At::Before => before,
            At::After => after,
        }
    }
}

fn no_vocabulary(edition: Edition) -> Vocabulary {
    Vocabulary {
        edition,
        items: HashMap::new(),
        item_facts: HashMap::new(),
        first_channel: None,
        first_locale: None,
        attributes: HashMap::new(),
        grid_views: HashMap::new(),
        groups: Vec::new(),
    }
}

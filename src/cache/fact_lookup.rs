//! The look-up of the facts of some questions in the cache.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
};

use hashbrown::HashMap;

use crate::{
    domain::{
        Code, FactKey, Facts, FactsNeeded, GroupFacts, GroupId, GroupsNeeded, ProductFacts,
        ProductKind, ProductRef, Revision, Section, SubjectFacts, SubjectRef,
    },
    failpoints::pause_long,
};

use super::{
    background_loads::Misses,
    core::Core,
    memory::{CachedSubject, CachedVocabulary, Fact, ReadPositions},
    products,
    watermarks::ReadPosition,
};

/// Looks up the facts of some questions in the cache. Returns all of them, or the
/// misses that the statement for the questions will not load.
pub(super) fn look_up(
    core: &Arc<Core>,
    tenant: &Code,
    needed: &FactsNeeded,
) -> Result<(Option<Facts>, Option<CachedVocabulary>, ReadPositions), Misses> {
    let mut lookup = Lookup {
        core,
        tenant,
        positions: ReadPositions::default(),
        missing: Misses::default(),
        is_complete: true,
        groups: HashMap::new(),
    };
    let known = match lookup.vocabulary() {
        Some(Some(known)) => known,
        Some(None) => return Ok((None, None, lookup.positions)),
        None => {
            lookup.missing.vocabulary = true;
            return Err(lookup.missing);
        }
    };
    let (subjects, groups) = match needed.groups {
        GroupsNeeded::All => (
            lookup.subjects(&needed.subjects, |_, _| {}),
            lookup.groups(&known.vocabulary.groups),
        ),
        GroupsNeeded::OfSubjects => {
            let mut groups = HashMap::new();
            let subjects = lookup.subjects(&needed.subjects, |lookup, subject| {
                lookup.groups_of(subject, &mut groups);
            });
            (subjects, groups)
        }
    };
    pause_long();
    let products = lookup.products(&needed.products, &known);
    if !lookup.is_complete {
        return Err(lookup.missing);
    }
    // Loaded after the facts: they are at least as new as the revision, and it is
    // never older than one returned before.
    let revision = Revision(known.revision.load(Ordering::SeqCst));
    let facts = Facts {
        revision,
        vocabulary: Arc::clone(&known.vocabulary),
        subjects,
        groups,
        products,
    };
    Ok((Some(facts), Some(known), lookup.positions))
}

struct Lookup<'a> {
    core: &'a Arc<Core>,
    tenant: &'a Code,
    positions: ReadPositions,
    missing: Misses,
    is_complete: bool,
    /// The user groups that were looked up; `None`: not cached.
    groups: HashMap<GroupId, Option<(Arc<GroupFacts>, ReadPosition)>>,
}

impl Lookup<'_> {
    fn hit(&mut self, key: &FactKey) -> Option<Fact> {
        let entry = self.core.hit(key);
        let Some(entry) = entry else {
            self.is_complete = false;
            return None;
        };
        self.positions.facts.push(entry.position);
        Some(entry.fact)
    }

    /// Returns the vocabulary; the inner value is `None` if the tenant does not
    /// exist.
    #[expect(clippy::option_option, reason = "not there, and known not to be")]
    fn vocabulary(&mut self) -> Option<Option<CachedVocabulary>> {
        let key = FactKey::Section(self.tenant.clone(), Section::Vocabulary);
        match self.hit(&key)? {
            Fact::Vocabulary(known) => Some(known),
            Fact::Subject(_) | Fact::Rights(_) | Fact::Product(_) => None,
        }
    }

    /// Returns the subjects, each of which is also passed to `found`.
    fn subjects(
        &mut self,
        needed: &BTreeSet<SubjectRef>,
        mut found: impl FnMut(&mut Self, &CachedSubject),
    ) -> HashMap<SubjectRef, Arc<SubjectFacts>> {
        let mut subjects = HashMap::with_capacity(needed.len());
        for subject in needed {
            let key = FactKey::Subject(self.tenant.clone(), subject.clone());
            if let Some(Fact::Subject(Some(cached))) = self.hit(&key) {
                found(self, &cached);
                subjects.insert(subject.clone(), cached.facts);
            }
        }
        subjects
    }

    fn groups(&mut self, needed: &[GroupId]) -> HashMap<GroupId, Arc<GroupFacts>> {
        let mut found = HashMap::with_capacity(needed.len());
        for group in needed {
            if let Some((rights, _)) = self.group(*group) {
                found.insert(*group, rights);
            }
        }
        found
    }

    /// Adds the user groups of a subject to those that were `found`.
    fn groups_of(
        &mut self,
        subject: &CachedSubject,
        found: &mut HashMap<GroupId, Arc<GroupFacts>>,
    ) {
        let core = self.core;
        let epoch = core.lease.hold().epoch;
        found.reserve(subject.facts.groups.len());
        let are_known = subject.rights.all(
            |position| core.is_current(position, epoch),
            |group, rights, position| {
                found.entry(group).or_insert_with(|| {
                    self.positions.facts.push(position);
                    rights
                });
            },
        );
        if are_known {
            return;
        }
        let mut noted = Vec::with_capacity(subject.facts.groups.len());
        for group in &subject.facts.groups {
            let Some((rights, position)) = self.group(*group) else {
                continue;
            };
            noted.push((*group, Arc::downgrade(&rights), position));
            found.insert(*group, rights);
        }
        if noted.len() == subject.facts.groups.len() {
            subject.rights.note(noted);
        }
    }

    /// Looks up the rights of a user group, once.
    fn group(&mut self, group: GroupId) -> Option<(Arc<GroupFacts>, ReadPosition)> {
        let known = self.groups.get(&group);
        known.cloned().unwrap_or_else(|| {
            let found = self.look_up_group(group);
            self.groups.insert(group, found.clone());
            found
        })
    }

    fn look_up_group(&mut self, group: GroupId) -> Option<(Arc<GroupFacts>, ReadPosition)> {
        let key = FactKey::Rights(self.tenant.clone(), group);
        let Some(entry) = self.core.hit(&key) else {
            self.is_complete = false;
            self.missing.groups.push(group);
            return None;
        };
        self.positions.facts.push(entry.position);
        match entry.fact {
            Fact::Rights(rights) => Some((rights, entry.position)),
            Fact::Vocabulary(_) | Fact::Subject(_) | Fact::Product(_) => None,
        }
    }

    /// Returns the products and their ancestors.
    fn products(
        &mut self,
        needed: &BTreeSet<ProductRef>,
        known: &CachedVocabulary,
    ) -> HashMap<ProductRef, Arc<ProductFacts>> {
        let mut found = HashMap::with_capacity(needed.len());
        if !needed.is_empty() {
            products::want(self.core, &known.products);
        }
        for product in needed {
            let mut at = Some(product.clone());
            while let Some(product) = at.take() {
                if found.contains_key(&product) {
                    break;
                }
                if let Some(facts) = self.product(&product, known) {
                    at = facts.parent.clone().map(|code| ProductRef {
                        kind: ProductKind::Model,
                        code,
                    });
                    found.insert(product, facts);
                }
            }
        }
        found
    }

    /// Returns a product from the tenant's index, or else from the cache of
    /// single products.
    fn product(
        &mut self,
        product: &ProductRef,
        known: &CachedVocabulary,
    ) -> Option<Arc<ProductFacts>> {
        let epoch = self.core.lease.hold().epoch;
        if let Some((facts, position)) = known.products.product(product, epoch) {
            self.positions.products.push(position);
            return facts.map(Arc::new);
        }
        let key = FactKey::Product(self.tenant.clone(), product.clone());
        match self.hit(&key)? {
            Fact::Product(facts) => facts,
            Fact::Vocabulary(_) | Fact::Subject(_) | Fact::Rights(_) => None,
        }
    }
}

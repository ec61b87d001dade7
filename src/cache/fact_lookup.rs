//! The look-up of the facts of some questions in the cache.

mod lent;

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
};

use hashbrown::HashMap;
use smallvec::SmallVec;

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

pub(super) use self::lent::lend;

/// The rights of user groups, each with its position.
type FoundRights = SmallVec<[(GroupId, Arc<GroupFacts>, ReadPosition); 8]>;

/// Looks up the facts of some questions in the cache. Returns all of them, or the
/// misses that the statement for the questions will not load.
pub(super) fn look_up(
    core: &Arc<Core>,
    tenant: &Code,
    needed: &FactsNeeded,
) -> Result<(Option<Facts>, Option<CachedVocabulary>, ReadPositions), Misses> {
    let mut lookup = Lookup::of(core, tenant);
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
                for (group, rights, position) in lookup.groups_of(subject) {
                    groups.entry(group).or_insert_with(|| {
                        lookup.positions.facts.push(position);
                        rights
                    });
                }
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
    /// The epoch of the lease, in which each fact must have been read.
    epoch: u64,
    positions: ReadPositions,
    missing: Misses,
    is_complete: bool,
    /// The user groups that were looked up; `None`: not cached.
    groups: HashMap<GroupId, Option<(Arc<GroupFacts>, ReadPosition)>>,
}

impl<'a> Lookup<'a> {
    fn of(core: &'a Arc<Core>, tenant: &'a Code) -> Self {
        Self {
            core,
            tenant,
            epoch: core.lease.hold().epoch,
            positions: ReadPositions::default(),
            missing: Misses::default(),
            is_complete: true,
            groups: HashMap::new(),
        }
    }

    fn hit(&mut self, key: &FactKey) -> Option<Fact> {
        let entry = self.core.hit(key, self.epoch);
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
            if let Some(Some(cached)) = self.subject(subject) {
                found(self, &cached);
                subjects.insert(subject.clone(), cached.facts);
            }
        }
        subjects
    }

    /// Returns a subject; the inner value is `None` if it is not stored.
    #[expect(clippy::option_option, reason = "not there, and known not to be")]
    fn subject(&mut self, subject: &SubjectRef) -> Option<Option<CachedSubject>> {
        let key = FactKey::Subject(self.tenant.clone(), subject.clone());
        match self.hit(&key)? {
            Fact::Subject(found) => Some(found),
            Fact::Vocabulary(_) | Fact::Rights(_) | Fact::Product(_) => None,
        }
    }

    fn groups(&mut self, needed: &[GroupId]) -> HashMap<GroupId, Arc<GroupFacts>> {
        let mut found = HashMap::with_capacity(needed.len());
        for group in needed {
            if let Some((rights, position)) = self.group(*group) {
                self.positions.facts.push(position);
                found.insert(*group, rights);
            }
        }
        found
    }

    /// Returns the rights of a subject's user groups, in the order of the groups; those
    /// that are not cached are absent.
    fn groups_of(&mut self, subject: &CachedSubject) -> FoundRights {
        let mut found = FoundRights::new();
        let (core, epoch) = (self.core, self.epoch);
        let are_known = subject.rights.all(
            |position| core.is_current(position, epoch),
            |group, rights, position| found.push((group, rights, position)),
        );
        if are_known {
            return found;
        }
        found.clear();
        for group in &subject.facts.groups {
            if let Some((rights, position)) = self.group(*group) {
                found.push((*group, rights, position));
            }
        }
        if found.len() == subject.facts.groups.len() {
            let noted = found.iter();
            let noted = noted.map(|(group, rights, at)| (*group, Arc::downgrade(rights), *at));
            subject.rights.note(noted.collect());
        }
        found
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
        let Some(entry) = self.core.hit(&key, self.epoch) else {
            self.is_complete = false;
            self.missing.groups.push(group);
            return None;
        };
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
        if let Some((facts, position)) = known.products.product(product, self.epoch) {
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

//! The look-up of the facts of some questions in the cache.

mod lent;

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
};

use hashbrown::HashMap;

use crate::{
    domain::{
        Code, FactKey, Facts, FactsNeeded, GroupFacts, GroupId, GroupsNeeded, ProductFacts,
        ProductKind, ProductRef, Revision, RoleFacts, RoleId, Section, SubjectFacts, SubjectRef,
    },
    failpoints::{Gate, reach},
};

use super::{
    background_loads::Misses,
    cached_vocabulary::CachedVocabulary,
    core::Core,
    memory::{CachedSubject, Fact, ReadPositions},
    noted_facts::{FoundFacts, FoundRoles},
    products,
    rights_set::{FoundRights, RightsSet},
    watermarks::ReadPosition,
};

pub(crate) use self::lent::LentFacts;
pub(super) use self::lent::lend;

/// The facts of some questions and the vocabulary, `None` if the tenant does not exist,
/// with the positions of all.
type FoundInCache = (Option<Facts>, Option<Arc<CachedVocabulary>>, ReadPositions);

/// Looks up the facts of some questions in the cache. Returns all of them, or the
/// misses that the statement for the questions will not load.
pub(super) fn look_up(
    core: &Arc<Core>,
    tenant: &Code,
    needed: &FactsNeeded,
) -> Result<FoundInCache, Misses> {
    let mut lookup = Lookup::of(core, tenant);
    let Some(found) = vocabulary(core, tenant, lookup.epoch) else {
        lookup.missing.vocabulary = true;
        return Err(lookup.missing);
    };
    let (known, position) = found;
    lookup.positions.facts.push(position);
    let Some(known) = known else {
        return Ok((None, None, lookup.positions));
    };
    let vocabulary = (&known, position);
    let (subjects, groups) = match needed.groups {
        GroupsNeeded::All => (
            lookup.subjects(&needed.subjects, |_, _| {}),
            lookup.groups(&known.vocabulary.groups),
        ),
        GroupsNeeded::OfSubjects => {
            let mut groups = HashMap::new();
            let subjects = lookup.subjects(&needed.subjects, |lookup, subject| {
                for (group, rights, position) in lookup.groups_of(subject, vocabulary) {
                    groups.entry(group).or_insert_with(|| {
                        lookup.positions.facts.push(position);
                        rights
                    });
                }
            });
            (subjects, groups)
        }
    };
    reach(Gate::SubjectsFound);
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
        roles: lookup.roles,
        groups,
        products,
    };
    Ok((Some(facts), Some(known), lookup.positions))
}

/// Notes what was found beside a subject, and returns it: the vocabulary, its roles, and the
/// rights of all its user groups, which it shares with subjects in the same groups.
fn note(
    subject: &CachedSubject,
    (vocabulary, position): (&Arc<CachedVocabulary>, ReadPosition),
    roles: FoundRoles,
    rights: &FoundRights,
    core: &Core,
) -> FoundFacts {
    let groups: Arc<[GroupId]> = subject.facts.groups.as_slice().into();
    let products = &vocabulary.products;
    let known = core.memory.rights_set(products.id(), &groups);
    let set = known.filter(|set| set.is_of(rights)).unwrap_or_else(|| {
        let set = Arc::new(RightsSet::new(products.tenant(), rights, &core.watermarks));
        core.memory
            .put_rights_set(products.id(), groups, Arc::clone(&set));
        set
    });
    let found = FoundFacts {
        vocabulary: (Arc::clone(vocabulary), position),
        roles,
        rights: set,
    };
    subject.noted.note(&found);
    found
}

/// Looks up a tenant's vocabulary; it is `None` if the tenant does not exist.
fn vocabulary(
    core: &Core,
    tenant: &Code,
    epoch: u64,
) -> Option<(Option<Arc<CachedVocabulary>>, ReadPosition)> {
    let key = FactKey::Section(tenant.clone(), Section::Vocabulary);
    let entry = core.hit(&key, epoch)?;
    match entry.fact {
        Fact::Vocabulary(known) => Some((known, entry.position)),
        Fact::Subject(_) | Fact::Role(_) | Fact::Rights(_) | Fact::Product(_) => None,
    }
}

/// Looks up the roles of a subject. `None`: some are not cached.
fn roles(core: &Core, tenant: &Code, subject: &SubjectFacts, epoch: u64) -> Option<FoundRoles> {
    let roles = subject.roles.iter().map(|role| {
        let key = FactKey::Role(tenant.clone(), *role);
        let entry = core.hit(&key, epoch)?;
        match entry.fact {
            Fact::Role(found) => Some((*role, found, entry.position)),
            Fact::Vocabulary(_) | Fact::Subject(_) | Fact::Rights(_) | Fact::Product(_) => None,
        }
    });
    roles.collect()
}

/// Looks up the rights of a user group.
fn rights(
    core: &Core,
    tenant: &Code,
    group: GroupId,
    epoch: u64,
) -> Option<(Arc<GroupFacts>, ReadPosition)> {
    let key = FactKey::Rights(tenant.clone(), group);
    let entry = core.hit(&key, epoch)?;
    match entry.fact {
        Fact::Rights(rights) => Some((rights, entry.position)),
        Fact::Vocabulary(_) | Fact::Subject(_) | Fact::Role(_) | Fact::Product(_) => None,
    }
}

struct Lookup<'a> {
    core: &'a Arc<Core>,
    tenant: &'a Code,
    /// The epoch of the lease, in which each fact must have been read.
    epoch: u64,
    positions: ReadPositions,
    missing: Misses,
    is_complete: bool,
    /// The roles of the subjects.
    roles: HashMap<RoleId, Arc<RoleFacts>>,
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
            roles: HashMap::new(),
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
                self.add_roles(&cached.facts);
                found(self, &cached);
                subjects.insert(subject.clone(), cached.facts);
            }
        }
        subjects
    }

    fn add_roles(&mut self, subject: &SubjectFacts) {
        let Some(found) = roles(self.core, self.tenant, subject, self.epoch) else {
            self.is_complete = false;
            return;
        };
        for (role, facts, position) in found {
            self.positions.facts.push(position);
            self.roles.insert(role, facts);
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
    fn groups_of(
        &mut self,
        subject: &CachedSubject,
        (vocabulary, position): (&Arc<CachedVocabulary>, ReadPosition),
    ) -> FoundRights {
        let core = self.core;
        let noted = subject.noted.find(&core.watermarks, self.epoch);
        if let Some(found) = noted.and_then(|noted| noted.rights.found()) {
            return found;
        }
        let mut found = FoundRights::new();
        for group in &subject.facts.groups {
            if let Some((rights, position)) = self.group(*group) {
                found.push((*group, rights, position));
            }
        }
        let roles = roles(core, self.tenant, &subject.facts, self.epoch);
        if let Some(roles) = roles
            && found.len() == subject.facts.groups.len()
        {
            note(subject, (vocabulary, position), roles, &found, core);
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
        let found = rights(self.core, self.tenant, group, self.epoch);
        if found.is_none() {
            self.is_complete = false;
            self.missing.groups.push(group);
        }
        found
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
            Fact::Vocabulary(_) | Fact::Subject(_) | Fact::Role(_) | Fact::Rights(_) => None,
        }
    }
}

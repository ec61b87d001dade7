//! The facts of one question, lent to its decision where they are cached: no fact is
//! copied, and none is collected.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    cache::{
        cached_vocabulary::CachedVocabulary,
        core::{Core, Unconfirmed},
        memory::{CachedSubject, Entry, Fact},
        noted_facts::FoundFacts,
        products::{LentProducts, ProductsReadPosition},
        rights_set::{FoundRights, RightsSet},
        watermarks::ReadPosition,
    },
    domain::{
        Code, FactKey, FactSource, GrantedOn, Level, NumberedGroups, ProductRef, Question,
        Revision, StoredProduct, SubjectFacts, SubjectRef, Vocabulary,
    },
    failpoints::{Gate, mistakes, reach},
};

use super::{note, rights, vocabulary};

/// The facts of one question, lent to its decision where they are cached.
pub(in crate::cache) struct LentFacts<'a> {
    subject_ref: &'a SubjectRef,
    subject_at: ReadPosition,
    /// `None`: the subject is not stored.
    subject: Option<CachedSubject>,
    vocabulary: Arc<CachedVocabulary>,
    vocabulary_at: ReadPosition,
    /// `None`: the subject is not stored.
    rights: Option<Arc<RightsSet>>,
    /// The rights of each group, once they are needed.
    of_groups: OnceLock<FoundRights>,
    /// True if rights were needed that are evicted, so that the decision does not count.
    lacks_rights: AtomicBool,
    /// `None`: the question is about no product.
    products: Option<(LentProducts, ProductsReadPosition)>,
    /// Revision that every fact is at least as new as.
    pub(in crate::cache) revision: Revision,
}

/// Number of user groups of a subject, and of categories in a question, up to which its
/// facts are lent: a decision on more must yield to others.
const LENT_AT_MOST: usize = 64;

/// Lends the facts of one question. `None`: some are not cached, or not in the index of
/// products, or the decision takes so long that it must yield.
pub(in crate::cache) fn lend<'a>(
    core: &Core,
    tenant: &Code,
    question: &'a Question,
) -> Option<LentFacts<'a>> {
    let described = question
        .resource()
        .and_then(|resource| resource.description.categories.as_ref());
    if described.is_some_and(|codes| codes.len() > LENT_AT_MOST) {
        return None;
    }
    if !mistakes::lease_at_first(|| core.lease.is_running()) {
        return None;
    }
    let epoch = core.lease.hold().epoch;
    let key = FactKey::Subject(tenant.clone(), question.subject().clone());
    let Entry { position, fact } = core.hit(&key, epoch)?;
    let Fact::Subject(subject) = fact else {
        return None;
    };
    let (known, rights) = match &subject {
        Some(subject) => {
            let found = found_beside(subject, core, tenant, epoch)?;
            (found.vocabulary, Some(found.rights))
        }
        None => (known_vocabulary(core, tenant, epoch)?, None),
    };
    if rights.as_ref().is_some_and(|set| set.len() > LENT_AT_MOST) {
        return None;
    }
    reach(Gate::SubjectLent);
    let (vocabulary, vocabulary_at) = known;
    let mut named = question.products().peekable();
    let mut products = None;
    if named.peek().is_some() {
        products = Some(vocabulary.products.lend(named, epoch)?);
    }
    // Loaded after the facts: they are at least as new as the revision, and it is
    // never older than one returned before.
    let revision = Revision(vocabulary.revision.load(Ordering::SeqCst));
    Some(LentFacts {
        subject_ref: question.subject(),
        subject_at: position,
        subject,
        vocabulary,
        vocabulary_at,
        rights,
        of_groups: OnceLock::new(),
        lacks_rights: AtomicBool::new(false),
        products,
        revision,
    })
}

/// Returns the vocabulary and the rights of all user groups of a subject.
fn found_beside(
    subject: &CachedSubject,
    core: &Core,
    tenant: &Code,
    epoch: u64,
) -> Option<FoundFacts> {
    if let Some(found) = subject.noted.find(&core.watermarks, epoch) {
        return Some(found);
    }
    let mut of_groups = FoundRights::new();
    for group in &subject.facts.groups {
        let (rights, position) = rights(core, tenant, *group, epoch)?;
        of_groups.push((*group, rights, position));
    }
    let (known, position) = known_vocabulary(core, tenant, epoch)?;
    Some(note(subject, (&known, position), &of_groups, core))
}

/// Looks up the vocabulary of a tenant that exists.
fn known_vocabulary(
    core: &Core,
    tenant: &Code,
    epoch: u64,
) -> Option<(Arc<CachedVocabulary>, ReadPosition)> {
    let (known, position) = vocabulary(core, tenant, epoch)?;
    Some((known?, position))
}

impl LentFacts<'_> {
    /// Confirms a decision on these facts, as [`Core::confirm`] does; must be called last.
    pub(in crate::cache) fn confirm(&self, core: &Core) -> Result<(), Unconfirmed> {
        if self.lacks_rights.load(Ordering::Relaxed) {
            return Err(Unconfirmed::Stale);
        }
        core.confirm_all([&self.subject_at, &self.vocabulary_at], |epoch| {
            let rights = self.rights.as_ref();
            let products = self.products.as_ref();
            rights.is_none_or(|rights| rights.is_current(&core.watermarks, epoch))
                && products.is_none_or(|(_, position)| position.counts(epoch))
        })
    }

    fn of_groups(&self) -> &FoundRights {
        self.of_groups.get_or_init(|| {
            let Some(rights) = &self.rights else {
                return FoundRights::new();
            };
            rights.found().unwrap_or_else(|| {
                self.lacks_rights.store(true, Ordering::Relaxed);
                FoundRights::new()
            })
        })
    }
}

impl fmt::Debug for LentFacts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LentFacts")
            .field("subject_ref", &self.subject_ref)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

impl FactSource for LentFacts<'_> {
    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary.vocabulary
    }

    fn subject(&self, subject: &SubjectRef) -> Option<&SubjectFacts> {
        let found = self.subject.as_ref();
        let found = found.filter(|_| subject == self.subject_ref);
        found.map(|found| found.facts.as_ref())
    }

    fn groups_of(&self, _: &SubjectFacts) -> NumberedGroups<'_> {
        self.groups()
    }

    fn groups(&self) -> NumberedGroups<'_> {
        let groups = self.of_groups().iter();
        groups.map(|(id, group, _)| (*id, group.as_ref())).collect()
    }

    fn product(&self, product: &ProductRef) -> Option<StoredProduct<'_>> {
        let (products, _) = self.products.as_ref()?;
        products.product(product)
    }

    fn merged(&self, on: GrantedOn) -> Option<Level> {
        self.rights.as_ref()?.merged(on)
    }

    fn note_merged(&self, on: GrantedOn, level: Level) {
        if let Some(rights) = &self.rights
            && !self.lacks_rights.load(Ordering::Relaxed)
        {
            rights.note_merged(on, level);
        }
    }
}

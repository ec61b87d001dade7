//! The facts of some questions, lent to their decisions where they are cached: no fact is
//! copied, and none is collected.

use std::{
    fmt, iter,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use hashbrown::HashMap;

use crate::{
    cache::{
        cached_vocabulary::CachedVocabulary,
        core::{Core, Unconfirmed},
        memory::{CachedSubject, Entry, Fact},
        noted_facts::{FoundFacts, FoundRoles},
        products::LentProducts,
        rights_set::{FoundRights, RightsSet},
        watermarks::ReadPosition,
    },
    domain::{
        Code, FactKey, FactSource, GrantedOn, Level, NumberedGroups, ProductRef, Question,
        Revision, RoleFacts, RoleId, StoredProduct, SubjectFacts, SubjectRef, Vocabulary,
    },
    failpoints::{Gate, mistakes, reach},
};

use super::{note, rights, roles, vocabulary};

/// The facts of some questions of one tenant, lent to their decisions where they are
/// cached.
pub(crate) struct LentFacts<'a> {
    subjects: LentSubjects<'a>,
    vocabulary: Arc<CachedVocabulary>,
    vocabulary_at: ReadPosition,
    /// `None`: no question is about a product.
    products: Option<LentProducts>,
    /// True if a fact was needed that is evicted, so that the decisions do not count.
    lacks_a_fact: AtomicBool,
    /// Revision that every fact is at least as new as.
    pub(in crate::cache) revision: Revision,
}

/// The subjects of some questions, each once.
#[derive(Default)]
struct LentSubjects<'a> {
    subjects: Vec<LentSubject<'a>>,
    /// The place of each, if there are several.
    places: HashMap<&'a SubjectRef, usize>,
}

/// A subject of some questions, with the rights of its user groups.
struct LentSubject<'a> {
    named: &'a SubjectRef,
    position: ReadPosition,
    /// `None`: the subject is not stored.
    stored: Option<StoredSubject>,
    /// The rights of each group, once they are needed.
    of_groups: OnceLock<Box<FoundRights>>,
}

/// A stored subject with its roles.
struct StoredSubject {
    subject: CachedSubject,
    roles: FoundRoles,
    rights: Arc<RightsSet>,
}

/// The facts of one question among those lent.
#[derive(Clone, Copy)]
pub(crate) struct FactsOfQuestion<'f> {
    lent: &'f LentFacts<'f>,
    /// `None`: the question is not one of those that facts were lent for.
    subject: Option<&'f LentSubject<'f>>,
}

/// Number of user groups of a subject, and of categories in a question, up to which its
/// facts are lent: a decision on more must yield to others.
const LENT_AT_MOST: usize = 64;

/// Lends the facts of some questions. `None`: there is no question, some facts are not
/// cached or not in the index of products, or a decision takes so long that it must yield.
pub(in crate::cache) fn lend<'a>(
    core: &Core,
    tenant: &Code,
    questions: impl Iterator<Item = &'a Question> + Clone,
) -> Option<LentFacts<'a>> {
    if !mistakes::lease_at_first(|| core.lease.is_running()) {
        return None;
    }
    let epoch = core.lease.hold().epoch;
    let mut subjects = LentSubjects::default();
    let mut known = None;
    for question in questions.clone() {
        if describes_much(question) {
            return None;
        }
        let named = question.subject();
        if subjects.find(named).is_none() {
            let (subject, beside) = lend_subject(core, tenant, named, epoch)?;
            known = known.or(beside);
            subjects.push(subject);
        }
    }
    if subjects.subjects.is_empty() {
        return None;
    }
    let known = known.or_else(|| known_vocabulary(core, tenant, epoch));
    let (vocabulary, vocabulary_at) = known?;
    reach(Gate::SubjectLent);
    let mut named = questions.flat_map(Question::products).peekable();
    let products = match named.peek() {
        Some(_) => Some(vocabulary.products.lend(named, epoch)?),
        None => None,
    };
    // Loaded after the facts: they are at least as new as the revision, and it is
    // never older than one returned before.
    let revision = Revision(vocabulary.revision.load(Ordering::SeqCst));
    Some(LentFacts {
        subjects,
        vocabulary,
        vocabulary_at,
        products,
        lacks_a_fact: AtomicBool::new(false),
        revision,
    })
}

/// True if the categories in a question are too many.
fn describes_much(question: &Question) -> bool {
    let described = question
        .resource()
        .and_then(|resource| resource.description.categories.as_ref());
    described.is_some_and(|codes| codes.len() > LENT_AT_MOST)
}

/// The vocabulary of a tenant that exists, with its position.
type KnownVocabulary = (Arc<CachedVocabulary>, ReadPosition);

/// Lends a subject, and returns the vocabulary that was found beside it. `None`: it is not
/// cached, or in too many user groups.
fn lend_subject<'a>(
    core: &Core,
    tenant: &Code,
    named: &'a SubjectRef,
    epoch: u64,
) -> Option<(LentSubject<'a>, Option<KnownVocabulary>)> {
    let key = FactKey::Subject(tenant.clone(), named.clone());
    let Entry { position, fact } = core.hit(&key, epoch)?;
    let Fact::Subject(subject) = fact else {
        return None;
    };
    let (mut stored, mut known) = (None, None);
    if let Some(subject) = subject {
        let found = found_beside(&subject, core, tenant, epoch)?;
        if found.rights.len() > LENT_AT_MOST {
            return None;
        }
        known = Some(found.vocabulary);
        let (roles, rights) = (found.roles, found.rights);
        stored = Some(StoredSubject {
            subject,
            roles,
            rights,
        });
    }
    let subject = LentSubject {
        named,
        position,
        stored,
        of_groups: OnceLock::new(),
    };
    Some((subject, known))
}

/// Returns the vocabulary, the roles, and the rights of all user groups of a subject.
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
    let roles = roles(core, tenant, &subject.facts, epoch)?;
    let (known, position) = known_vocabulary(core, tenant, epoch)?;
    Some(note(subject, (&known, position), roles, &of_groups, core))
}

/// Looks up the vocabulary of a tenant that exists.
fn known_vocabulary(core: &Core, tenant: &Code, epoch: u64) -> Option<KnownVocabulary> {
    let (known, position) = vocabulary(core, tenant, epoch)?;
    Some((known?, position))
}

impl<'a> LentSubjects<'a> {
    fn push(&mut self, subject: LentSubject<'a>) {
        let place = self.subjects.len();
        if place == 1 {
            let first = self.subjects.first();
            self.places.extend(first.map(|first| (first.named, 0)));
        }
        if place > 0 {
            self.places.insert(subject.named, place);
        }
        self.subjects.push(subject);
    }

    fn find(&self, named: &SubjectRef) -> Option<&LentSubject<'a>> {
        match self.subjects.as_slice() {
            [only] => Some(only).filter(|only| only.named == named),
            subjects => subjects.get(*self.places.get(named)?),
        }
    }
}

impl<'a> LentFacts<'a> {
    /// Returns the facts of one of the questions.
    pub(crate) fn of<'f>(&'f self, question: &Question) -> FactsOfQuestion<'f> {
        let subject = self.subjects.find(question.subject());
        if subject.is_none() {
            self.note_lack();
        }
        FactsOfQuestion {
            lent: self,
            subject,
        }
    }

    /// Confirms decisions on these facts, as [`Core::confirm`] does, for the questions that
    /// they were lent for; must be called last.
    pub(in crate::cache) fn confirm(
        &self,
        core: &Core,
        questions: impl Iterator<Item = &'a Question>,
    ) -> Result<(), Unconfirmed> {
        if self.lacks_a_fact() {
            return Err(Unconfirmed::Stale);
        }
        let subjects = self.subjects.subjects.iter();
        let positions = subjects.clone().flat_map(LentSubject::positions);
        let positions = positions.chain([&self.vocabulary_at]);
        core.confirm_all(positions, |epoch| {
            let mut rights = subjects.filter_map(LentSubject::rights);
            let products = self.products.as_ref();
            let named = questions.flat_map(Question::products);
            rights.all(|rights| rights.is_current(&core.watermarks, epoch))
                && products.is_none_or(|lent| lent.counts(epoch, named))
        })
    }

    /// True if a fact was needed that is evicted.
    pub(in crate::cache) fn lacks_a_fact(&self) -> bool {
        self.lacks_a_fact.load(Ordering::Relaxed)
    }

    fn note_lack(&self) {
        self.lacks_a_fact.store(true, Ordering::Relaxed);
    }
}

impl LentSubject<'_> {
    fn rights(&self) -> Option<&RightsSet> {
        let stored = self.stored.as_ref();
        stored.map(|stored| stored.rights.as_ref())
    }

    /// Returns the positions of the subject and of its roles.
    fn positions(&self) -> impl Iterator<Item = &ReadPosition> {
        let stored = self.stored.iter();
        let roles = stored.flat_map(|stored| stored.roles.iter());
        iter::once(&self.position).chain(roles.map(|(_, _, position)| position))
    }
}

impl fmt::Debug for LentFacts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LentFacts")
            .field("subjects", &self.subjects.subjects.len())
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for FactsOfQuestion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FactsOfQuestion")
            .field("subject", &self.subject.map(|subject| subject.named))
            .finish_non_exhaustive()
    }
}

impl FactSource for FactsOfQuestion<'_> {
    fn vocabulary(&self) -> &Vocabulary {
        &self.lent.vocabulary.vocabulary
    }

    fn subject(&self, subject: &SubjectRef) -> Option<&SubjectFacts> {
        let lent = self.subject.filter(|lent| lent.named == subject)?;
        let stored = lent.stored.as_ref()?;
        Some(stored.subject.facts.as_ref())
    }

    fn role(&self, role: RoleId) -> Option<&RoleFacts> {
        let stored = self.subject?.stored.as_ref()?;
        let mut roles = stored.roles.iter();
        let (_, found, _) = roles.find(|(id, _, _)| *id == role)?;
        Some(found.as_ref())
    }

    fn groups_of(&self, _: &SubjectFacts) -> NumberedGroups<'_> {
        self.groups()
    }

    fn groups(&self) -> NumberedGroups<'_> {
        let Some(subject) = self.subject else {
            return NumberedGroups::new();
        };
        let of_groups = subject.of_groups.get_or_init(|| {
            let Some(rights) = subject.rights() else {
                return Box::default();
            };
            let found = rights.found();
            if found.is_none() {
                self.lent.note_lack();
            }
            Box::new(found.unwrap_or_default())
        });
        let groups = of_groups.iter();
        groups.map(|(id, group, _)| (*id, group.as_ref())).collect()
    }

    fn product(&self, product: &ProductRef) -> Option<StoredProduct<'_>> {
        self.lent.products.as_ref()?.product(product)
    }

    fn merged(&self, on: GrantedOn) -> Option<Level> {
        self.subject?.rights()?.merged(on)
    }

    fn note_merged(&self, on: GrantedOn, level: Level) {
        if let Some(rights) = self.subject.and_then(LentSubject::rights)
            && !self.lent.lacks_a_fact()
        {
            rights.note_merged(on, level);
        }
    }
}

#[cfg(test)]
mod tests;

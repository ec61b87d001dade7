//! The facts of one question, lent to its decision where they are cached: no fact is
//! copied, and none is collected.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

use crate::{
    cache::{
        core::Core,
        memory::{CachedSubject, CachedVocabulary, ReadPositions},
        products::LentProducts,
    },
    domain::{
        Code, FactSource, NumberedGroups, ProductRef, Question, Revision, StoredProduct,
        SubjectFacts, SubjectRef, Vocabulary,
    },
    failpoints::pause_long,
};

use super::{FoundRights, Lookup};

/// The facts of one question, lent to its decision where they are cached.
pub(in crate::cache) struct LentFacts<'a> {
    subject_ref: &'a SubjectRef,
    known: CachedVocabulary,
    subject: Option<CachedSubject>,
    groups: FoundRights,
    /// `None`: the question is about no product.
    products: Option<LentProducts>,
    /// Revision that every fact is at least as new as.
    pub(in crate::cache) revision: Revision,
    pub(in crate::cache) positions: ReadPositions,
}

/// Number of user groups of a subject, and of categories in a question, up to which its
/// facts are lent: a decision on more must yield to others.
const LENT_AT_MOST: usize = 64;

/// Lends the facts of one question. `None`: some are not cached, or not in the index of
/// products, or the decision takes so long that it must yield.
pub(in crate::cache) fn lend<'a>(
    core: &'a Arc<Core>,
    tenant: &'a Code,
    question: &'a Question,
) -> Option<LentFacts<'a>> {
    let described = question
        .resource()
        .and_then(|resource| resource.description.categories.as_ref());
    if described.is_some_and(|codes| codes.len() > LENT_AT_MOST) {
        return None;
    }
    let mut lookup = Lookup::of(core, tenant);
    let known = lookup.vocabulary()??;
    let subject = lookup.subject(question.subject())?;
    let mut groups = FoundRights::new();
    if let Some(subject) = &subject {
        groups = lookup.groups_of(subject);
        if groups.len() != subject.facts.groups.len() || groups.len() > LENT_AT_MOST {
            return None;
        }
    }
    let mut positions = lookup.positions;
    positions
        .facts
        .extend(groups.iter().map(|(_, _, position)| *position));
    pause_long();
    let mut named = question.products().peekable();
    let mut products = None;
    if named.peek().is_some() {
        let (lent, position) = known.products.lend(named, lookup.epoch)?;
        products = Some(lent);
        positions.list = Some(position);
    }
    // Loaded after the facts: they are at least as new as the revision, and it is
    // never older than one returned before.
    let revision = Revision(known.revision.load(Ordering::SeqCst));
    Some(LentFacts {
        subject_ref: question.subject(),
        known,
        subject,
        groups,
        products,
        revision,
        positions,
    })
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
        &self.known.vocabulary
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
        let groups = self.groups.iter();
        groups.map(|(id, group, _)| (*id, group.as_ref())).collect()
    }

    fn product(&self, product: &ProductRef) -> Option<StoredProduct<'_>> {
        self.products.as_ref()?.product(product)
    }
}

//! The facts of one question, lent to its decision where they are cached: no fact is
//! copied, and none is collected.

use std::{fmt, sync::atomic::Ordering};

use crate::{
    cache::{
        core::{Core, Unconfirmed},
        memory::{CachedSubject, Entry, Fact},
        noted_facts::{FoundFacts, FoundRights},
        products::{LentProducts, ProductsReadPosition},
        watermarks::ReadPosition,
    },
    domain::{
        Code, FactKey, FactSource, NumberedGroups, ProductRef, Question, Revision, StoredProduct,
        SubjectFacts, SubjectRef, Vocabulary,
    },
    failpoints::pause_long,
};

use super::{rights, vocabulary};

/// The facts of one question, lent to its decision where they are cached.
pub(in crate::cache) struct LentFacts<'a> {
    subject_ref: &'a SubjectRef,
    subject: Option<CachedSubject>,
    subject_at: ReadPosition,
    found: FoundFacts,
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
    let epoch = core.lease.hold().epoch;
    let key = FactKey::Subject(tenant.clone(), question.subject().clone());
    let Entry { position, fact } = core.hit(&key, epoch)?;
    let Fact::Subject(subject) = fact else {
        return None;
    };
    let found = match &subject {
        Some(subject) => found_beside(subject, core, tenant, epoch)?,
        None => with_rights(FoundRights::new(), core, tenant, epoch)?,
    };
    if found.rights.len() > LENT_AT_MOST {
        return None;
    }
    pause_long();
    let (known, _) = &found.vocabulary;
    let mut named = question.products().peekable();
    let mut products = None;
    if named.peek().is_some() {
        products = Some(known.products.lend(named, epoch)?);
    }
    // Loaded after the facts: they are at least as new as the revision, and it is
    // never older than one returned before.
    let revision = Revision(known.revision.load(Ordering::SeqCst));
    Some(LentFacts {
        subject_ref: question.subject(),
        subject,
        subject_at: position,
        found,
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
    let noted = &subject.noted;
    if let Some(found) = noted.find(|position| core.is_current(position, epoch)) {
        return Some(found);
    }
    let mut of_groups = FoundRights::new();
    for group in &subject.facts.groups {
        let (rights, position) = rights(core, tenant, *group, epoch)?;
        of_groups.push((*group, rights, position));
    }
    let found = with_rights(of_groups, core, tenant, epoch)?;
    noted.note(&found);
    Some(found)
}

/// Looks up the vocabulary that belongs to these rights.
fn with_rights(rights: FoundRights, core: &Core, tenant: &Code, epoch: u64) -> Option<FoundFacts> {
    let (known, position) = vocabulary(core, tenant, epoch)?;
    Some(FoundFacts {
        vocabulary: (known?, position),
        rights,
    })
}

impl LentFacts<'_> {
    /// Confirms a decision on these facts, as [`Core::confirm`] does; must be called last.
    pub(in crate::cache) fn confirm(&self, core: &Core) -> Result<(), Unconfirmed> {
        let (_, vocabulary_at) = &self.found.vocabulary;
        let rights = self.found.rights.iter().map(|(_, _, position)| position);
        let facts = [&self.subject_at, vocabulary_at].into_iter().chain(rights);
        core.confirm_all(facts, |epoch| {
            let products = self.products.as_ref();
            products.is_none_or(|(_, position)| position.counts(epoch))
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
        &self.found.vocabulary.0.vocabulary
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
        let groups = self.found.rights.iter();
        groups.map(|(id, group, _)| (*id, group.as_ref())).collect()
    }

    fn product(&self, product: &ProductRef) -> Option<StoredProduct<'_>> {
        let (products, _) = self.products.as_ref()?;
        products.product(product)
    }
}

use hashbrown::HashSet;
use tokio::task::yield_now;

use crate::{
    cache::{Cache, CacheError},
    domain::{Code, Facts, FactsNeeded, GroupId, OpenQuestion, Question, SubjectKind, SubjectRef},
    engine,
    store::{Bounds, Snapshot, Store, StoreError, TenantId, read_tenant},
};

use super::{Page, yielding::YieldingDecider};

/// Minimum and maximum number of subjects that one statement reads.
const FEWEST_AT_ONCE: usize = 64;
const MOST_AT_ONCE: usize = 1_024;

/// The subjects that may do what a question requires: each is decided on its own,
/// in the order of types and folded codes.
#[derive(Debug)]
pub struct SubjectList {
    tenant: Code,
    question: OpenQuestion,
    kind: Option<SubjectKind>,
}

impl SubjectList {
    /// Prepares to list who is allowed to do what `question` describes,
    /// optionally only subjects of one type.
    #[must_use]
    pub fn new(tenant: Code, question: OpenQuestion, kind: Option<SubjectKind>) -> Self {
        Self {
            tenant,
            question,
            kind,
        }
    }

    /// Reads the next `size` subjects; `after` is the last of the page before.
    /// Returns the id of the tenant too. `None`: the tenant does not exist.
    ///
    /// # Errors
    ///
    /// [`CacheError::Store`] if the database does not answer,
    /// [`CacheError::LeaseLost`] if its answer may not be current.
    pub async fn page(
        &self,
        cache: &Cache,
        store: &Store,
        after: Option<SubjectRef>,
        size: usize,
    ) -> Result<Option<(TenantId, Page<SubjectRef, SubjectRef>)>, CacheError> {
        let read = read_tenant!(store, &self.tenant, Bounds::READ, |snapshot| {
            let page = self.page_of(&snapshot, after.clone(), size).await?;
            Ok::<_, StoreError>((snapshot.tenant().id, page))
        })?;
        cache.confirmed(read).await
    }

    async fn page_of(
        &self,
        snapshot: &Snapshot<'_>,
        after: Option<SubjectRef>,
        size: usize,
    ) -> Result<Page<SubjectRef, SubjectRef>, StoreError> {
        let mut page = Page::empty(snapshot.tenant().revision);
        let mut looked_at = after;
        let mut known = KnownFacts::default();
        let mut window = (size + 1).clamp(FEWEST_AT_ONCE, MOST_AT_ONCE);
        while !page.more {
            let subjects = snapshot
                .subjects_after(self.kind, looked_at.as_ref(), window)
                .await?;
            let Some(last) = subjects.last() else {
                break;
            };
            looked_at = Some(last.clone());
            page.found
                .extend(self.allowed(subjects, &mut known, snapshot).await?);
            page.more = page.found.len() > size;
            page.found.truncate(size);
            window = (window * 2).min(MOST_AT_ONCE);
            yield_now().await;
        }
        page.last = page.found.last().cloned();
        Ok(page)
    }

    /// Returns those of `subjects` that a Check allows.
    async fn allowed(
        &self,
        subjects: Vec<SubjectRef>,
        known: &mut KnownFacts,
        snapshot: &Snapshot<'_>,
    ) -> Result<Vec<SubjectRef>, StoreError> {
        let question_of = |subject: SubjectRef| self.question.for_subject(subject);
        let questions: Vec<Question> = subjects.into_iter().map(question_of).collect();
        let facts = known.facts(&questions, snapshot).await?;
        let mut allowed = Vec::new();
        for question in &questions {
            let decision = known.decider.decide(question, &facts).await;
            if decision.is_allowed() {
                allowed.push(question.subject().clone());
            }
        }
        Ok(allowed)
    }
}

/// Facts that the subjects of one page share, all of one snapshot.
#[derive(Debug, Default)]
struct KnownFacts {
    decider: YieldingDecider,
    /// The facts that the first question needs; except for subjects, all others
    /// need the same.
    resource: Option<Facts>,
}

impl KnownFacts {
    /// Returns the facts that `questions` need, and reads those that are new: the
    /// subjects, and the rights of groups that no earlier subject was in.
    async fn facts(
        &mut self,
        questions: &[Question],
        snapshot: &Snapshot<'_>,
    ) -> Result<Facts, StoreError> {
        let Some(mut known) = self.resource.take() else {
            let facts = snapshot.facts(&engine::needs(questions)).await?;
            self.resource = Some(facts.clone());
            return Ok(facts);
        };
        let subjects = questions.iter().map(|question| question.subject().clone());
        let needed = FactsNeeded {
            subjects: subjects.collect(),
            ..FactsNeeded::default()
        };
        let found = snapshot.facts(&needed).await?;
        let mut met: HashSet<GroupId> = known.groups.keys().copied().collect();
        let brings_groups = |question: &&Question| {
            let subject = found.subjects.get(question.subject());
            let groups = subject.map_or(&[][..], |subject| &subject.groups);
            groups.iter().filter(|id| met.insert(**id)).count() > 0
        };
        let with_new: Vec<&Question> = questions.iter().filter(brings_groups).collect();
        if !with_new.is_empty() {
            let needed = engine::needs(with_new);
            known.groups.extend(snapshot.facts(&needed).await?.groups);
        }
        known.subjects = found.subjects;
        known.roles.extend(found.roles);
        self.resource = Some(known.clone());
        Ok(known)
    }
}

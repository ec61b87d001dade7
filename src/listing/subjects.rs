use std::{collections::HashSet, sync::Arc};

use tokio::task::yield_now;

use crate::{
    cache::{Cache, CacheError},
    domain::{Code, Facts, FactsNeeded, GroupId, OpenQuestion, Question, SubjectKind, SubjectRef},
    engine,
    store::{Bounds, Snapshot, Store, StoreError, TenantId, read_tenant},
};

use super::{Page, existing, turns::Turns};

/// The fewest and the most that one statement looks at.
const FEWEST_AT_ONCE: usize = 64;
const MOST_AT_ONCE: usize = 1_024;

/// The subjects that may do what a question asks: each is asked about, in the
/// order of types and folded codes.
#[derive(Debug)]
pub struct SubjectList {
    tenant: Code,
    question: OpenQuestion,
    kind: Option<SubjectKind>,
}

impl SubjectList {
    /// Prepares to list who may do what `question` asks; of one type, if that is
    /// said.
    #[must_use]
    pub fn new(tenant: Code, question: OpenQuestion, kind: Option<SubjectKind>) -> Self {
        Self {
            tenant,
            question,
            kind,
        }
    }

    /// Reads the next `size` subjects; `after` is the last of the page before.
    /// Returns which tenant they are of as well; `None`: there is none.
    ///
    /// # Errors
    ///
    /// [`CacheError::Store`] when the database does not answer,
    /// [`CacheError::LeaseLost`] when what it answers may not be current.
    pub async fn page(
        &self,
        cache: &Cache,
        store: &Store,
        after: Option<SubjectRef>,
        size: usize,
    ) -> Result<Option<(TenantId, Page<SubjectRef, SubjectRef>)>, CacheError> {
        read_tenant!(store, &self.tenant, Bounds::READ, |found| {
            let Some(snapshot) = existing(cache, found).await? else {
                return Ok(None);
            };
            let page = self.page_of(&snapshot, after.clone(), size).await?;
            cache.confirm_snapshot(snapshot.epoch()).await?;
            Ok(Some((snapshot.tenant().id, page)))
        })
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

    /// Those of `subjects` whom a Check allows.
    async fn allowed(
        &self,
        subjects: Vec<SubjectRef>,
        known: &mut KnownFacts,
        snapshot: &Snapshot<'_>,
    ) -> Result<Vec<SubjectRef>, StoreError> {
        let ask = |subject: SubjectRef| self.question.asked_by(subject);
        let questions: Vec<Question> = subjects.into_iter().map(ask).collect();
        let facts = known.facts(&questions, snapshot).await?;
        let mut allowed = Vec::new();
        for question in &questions {
            let decision = known.turns.decide(question, &facts).await;
            if decision.is_allowed() {
                allowed.push(question.subject().clone());
            }
        }
        Ok(allowed)
    }
}

/// What the subjects of one page share, all of it of one snapshot.
#[derive(Debug, Default)]
struct KnownFacts {
    turns: Turns,
    /// What the first question of all needs; subjects aside, it is what every
    /// one needs.
    resource: Option<Facts>,
}

impl KnownFacts {
    /// Reads the facts that `questions` need, and that are not known yet: the
    /// subjects, and the rights of the groups that no subject before was in.
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
        // No other question reads the vocabulary that this page has read.
        let roles = found.vocabulary.roles.iter();
        let roles = roles.map(|(id, role)| (*id, role.clone()));
        Arc::make_mut(&mut known.vocabulary).roles.extend(roles);
        self.resource = Some(known.clone());
        Ok(known)
    }
}

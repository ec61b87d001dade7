use tokio::task::yield_now;

use crate::{
    cache::{Cache, CacheError},
    domain::{Code, OpenQuestion, Question, SubjectKind, SubjectRef},
    engine,
    store::{Bounds, Snapshot, Store, StoreError, TenantId, read_tenant},
};

use super::{Page, existing};

/// The fewest and the most that one statement looks at; so many questions are
/// decided before other calls get a turn, too.
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
        let mut window = (size + 1).clamp(FEWEST_AT_ONCE, MOST_AT_ONCE);
        while !page.more {
            let subjects = snapshot
                .subjects_after(self.kind, looked_at.as_ref(), window)
                .await?;
            let Some(last) = subjects.last() else {
                break;
            };
            looked_at = Some(last.clone());
            page.found.extend(self.allowed(subjects, snapshot).await?);
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
        snapshot: &Snapshot<'_>,
    ) -> Result<Vec<SubjectRef>, StoreError> {
        let ask = |subject: SubjectRef| self.question.asked_by(subject);
        let questions: Vec<Question> = subjects.into_iter().map(ask).collect();
        let facts = snapshot.facts(&engine::needs(&questions)).await?;
        let allowed = questions
            .iter()
            .filter(|question| engine::decide(question, &facts).is_allowed());
        Ok(allowed.map(|question| question.subject().clone()).collect())
    }
}

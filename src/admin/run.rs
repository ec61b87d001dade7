use crate::domain::{FactKey, Revision};

use super::{
    change::{Change, ComparedWith, Pass, Rehearsal},
    compared::Verdict,
    error::AdminError,
    outcome::{Encode, Written},
};

/// A change that is being made: what it was last compared with, and how its answer
/// is stored.
pub(super) struct Run<C: Change> {
    change: C,
    encode: Encode<C::Details>,
    compared: Option<ComparedWith<C>>,
}

impl<C: Change> Run<C> {
    pub(super) fn new(change: C, encode: Encode<C::Details>) -> Self {
        Self {
            change,
            encode,
            compared: None,
        }
    }

    pub(super) fn change(&self) -> &C {
        &self.change
    }

    /// Compares the change with what is stored, unless the last comparison still
    /// holds.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when the rules reject the change, or the database does not
    /// answer.
    pub(super) async fn compare(
        &mut self,
        pass: &Pass<'_>,
        rehearsal: Rehearsal,
    ) -> Result<Verdict, AdminError> {
        let holds = rehearsal == Rehearsal::Holds && !self.change.depends_on_time();
        let compared = match self.compared.take().filter(|_| holds) {
            Some(compared) => compared,
            None => self.change.compare(pass).await?,
        };
        let verdict = compared.verdict;
        self.compared = Some(compared);
        Ok(verdict)
    }

    /// Forgets the last comparison, which may hold a part of the tenant.
    pub(super) fn forget_comparison(&mut self) {
        self.compared = None;
    }

    /// Writes the difference that [`Run::compare`] found, with its audit entries.
    ///
    /// # Errors
    ///
    /// [`AdminError::Store`] when the database does not answer.
    pub(super) async fn write(&mut self, pass: &mut Pass<'_>) -> Result<(), AdminError> {
        match &mut self.compared {
            Some(compared) => self.change.write(pass, compared).await,
            None => Ok(()),
        }
    }

    /// Returns the keys whose cached facts the change invalidates.
    pub(super) fn keys(&self) -> &[FactKey] {
        self.compared.as_ref().map_or(&[], |found| &found.keys)
    }

    /// Returns the answer at the revision that the change created or read.
    pub(super) fn answer(&self, revision: Revision) -> Written<C::Details> {
        let compared = self.compared.as_ref();
        let found = compared.map(|found| (found.effect.clone(), found.details.clone()));
        let (effect, details) = found.unwrap_or_default();
        Written {
            revision,
            effect,
            details,
        }
    }

    /// Returns the same answer as it is stored for retries.
    pub(super) fn encoded_answer(&self, revision: Revision) -> Vec<u8> {
        (self.encode)(&self.answer(revision))
    }
}

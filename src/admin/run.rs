use crate::domain::{FactKey, Revision};

use super::{
    change::{Change, Pass, Rehearsal},
    error::AdminError,
    outcome::{Effect, Encode, Written},
};

/// What is to become of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is something to commit.
    Changed,
    /// Everything is stored like this already.
    Unchanged,
    /// It is rejected: nothing is committed, and the answer gives the reasons.
    Refused,
}

/// The difference between a change and what is stored, yet to be written.
#[derive(Debug)]
pub(crate) struct Compared<P, D> {
    /// What changes.
    pub(super) effect: Effect,
    /// The keys whose cached facts it invalidates.
    pub(super) keys: Vec<FactKey>,
    pub(super) verdict: Verdict,
    /// What is to be written.
    pub(super) plan: P,
    /// What the answer has besides revision and effect.
    pub(super) details: D,
}

/// The comparison of a change.
pub(super) type ComparedWith<C> = Compared<<C as Change>::Plan, <C as Change>::Details>;

impl<P, D> Compared<P, D> {
    pub(super) fn of((effect, keys): (Effect, Vec<FactKey>), plan: P, details: D) -> Self {
        let verdict = if effect.is_empty() {
            Verdict::Unchanged
        } else {
            Verdict::Changed
        };
        Self {
            effect,
            keys,
            verdict,
            plan,
            details,
        }
    }

    pub(super) fn refused(plan: P, details: D) -> Self {
        Self {
            verdict: Verdict::Refused,
            ..Self::of((Effect::default(), Vec::new()), plan, details)
        }
    }
}

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

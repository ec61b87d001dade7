use crate::domain::FactKey;

use super::outcome::Effect;

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

use tokio::task::yield_now;

use crate::{
    domain::{Decision, Explanation, FactSource, Facts, Question},
    engine::{Decider, Explainer},
};

/// Number of reads of rights before other calls run: about half a millisecond.
const READS_PER_TURN: u64 = 16_384;

/// Decides the questions of one call one after the other and yields to other
/// calls.
///
/// It yields by work done, not by the number of questions: one question may read
/// 10,000 categories for each of 100 user groups.
#[derive(Debug, Default)]
pub struct YieldingDecider {
    decider: Decider,
    /// The work done at the last yield.
    yielded_at: u64,
}

impl YieldingDecider {
    /// Decides one question; see [`Decider`] for the invariant on the facts
    /// passed.
    pub async fn decide(&mut self, question: &Question, facts: &Facts) -> Decision {
        while self.decider.prepare(question, facts, READS_PER_TURN) {
            self.yield_to_others().await;
        }
        self.decide_at_once(question, facts).await
    }

    /// Decides one question that takes no long, and yields after many of them.
    pub async fn decide_at_once(
        &mut self,
        question: &Question,
        facts: &dyn FactSource,
    ) -> Decision {
        let decision = self.decider.decide(question, facts);
        if self.decider.work().saturating_sub(self.yielded_at) >= READS_PER_TURN {
            self.yield_to_others().await;
        }
        decision
    }

    async fn yield_to_others(&mut self) {
        self.yielded_at = self.decider.work();
        yield_now().await;
    }
}

/// Explains one question, and yields to other calls while it reads the rights on
/// a product's categories; see [`Explainer`] for the facts needed.
pub async fn explain(question: &Question, facts: &Facts) -> Explanation {
    let mut explainer = Explainer::new(question, facts);
    while explainer.prepare(READS_PER_TURN) {
        yield_now().await;
    }
    explainer.explain()
}

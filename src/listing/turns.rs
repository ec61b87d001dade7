use tokio::task::yield_now;

use crate::{
    domain::{Decision, Facts, Question},
    engine::Decider,
};

/// After how many looks at rights other calls get a turn: about half a
/// millisecond.
const A_TURN: u64 = 16_384;

/// Decides the questions of one call one after the other, and gives other calls
/// a turn by the work done, not by the questions: one may take a look at 10,000
/// categories for each of 100 user groups.
#[derive(Debug, Default)]
pub struct Turns {
    decider: Decider,
    /// The work done when others had the last turn.
    rested_at: u64,
}

impl Turns {
    /// Decides one question; see [`Decider`] for what must hold of all facts
    /// given to one.
    pub async fn decide(&mut self, question: &Question, facts: &Facts) -> Decision {
        while self.decider.prepare(question, facts, A_TURN) {
            self.rest().await;
        }
        let decision = self.decider.decide(question, facts);
        if self.decider.work().saturating_sub(self.rested_at) >= A_TURN {
            self.rest().await;
        }
        decision
    }

    async fn rest(&mut self) {
        self.rested_at = self.decider.work();
        yield_now().await;
    }
}

use std::sync::Arc;

use metrics::Counter;
use strum::VariantArray as _;

use super::{decision_log::DecisionLog, metrics::DECISIONS};
use crate::domain::{Code, Decision, Question, ReasonCode, Revision};

/// Records the decisions returned to callers: counts all, and logs those that the
/// decision log selects.
#[derive(Clone, Debug)]
pub struct DecisionRecorder {
    meters: Arc<Meters>,
    log: Option<DecisionLog>,
}

#[derive(Debug)]
struct Meters {
    allowed: Counter,
    /// One counter for each reason, in the order of declaration.
    denied: Vec<(ReasonCode, Counter)>,
}

impl DecisionRecorder {
    /// Records decisions in the metrics and in `log`; `None` logs nothing.
    #[must_use]
    pub fn new(log: Option<DecisionLog>) -> Self {
        Self {
            meters: Arc::new(Meters::new()),
            log,
        }
    }

    /// Records the decision on a question of a tenant.
    pub fn note(
        &self,
        tenant: &Code,
        question: &Question,
        decision: &Decision,
        revision: Revision,
    ) {
        self.meters.count(decision);
        if let Some(log) = &self.log {
            log.note(tenant, question, decision, revision);
        }
    }
}

impl Meters {
    fn new() -> Self {
        let denied = ReasonCode::VARIANTS.iter().map(|reason| {
            let name: &'static str = reason.into();
            let counter =
                metrics::counter!(DECISIONS.name, "outcome" => "denied", "reason" => name);
            (*reason, counter)
        });
        Self {
            allowed: metrics::counter!(DECISIONS.name, "outcome" => "allowed", "reason" => "none"),
            denied: denied.collect(),
        }
    }

    fn count(&self, decision: &Decision) {
        let counter = match &decision.denial {
            None => Some(&self.allowed),
            Some(denial) => {
                let mut denied = self.denied.iter();
                let found = denied.find(|(reason, _)| *reason == denial.code);
                found.map(|(_, counter)| counter)
            }
        };
        if let Some(counter) = counter {
            counter.increment(1);
        }
    }
}

//! What can happen next, gathered.

use crate::state::State;

/// The successors of one state.
#[derive(Default)]
pub struct Steps {
    /// The states that may follow.
    pub states: Vec<State>,
    /// One for each state, if wanted.
    pub labels: Vec<String>,
    /// Whether labels are made.
    pub wants_labels: bool,
    /// What is wrong in this state already.
    pub violation: Option<String>,
}

impl Steps {
    /// Adds a successor.
    pub fn add(&mut self, state: State, label: impl FnOnce() -> String) {
        self.states.push(state);
        if self.wants_labels {
            self.labels.push(label());
        }
    }

    /// Reports a violation; the first counts.
    pub fn violation(&mut self, text: impl FnOnce() -> String) {
        self.violation.get_or_insert_with(text);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.states.clear();
        self.labels.clear();
        self.violation = None;
    }
}

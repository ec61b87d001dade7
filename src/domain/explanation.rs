use super::{Code, Decision, ItemRef, Level, PermissionId, ReasonCode, ReasonItem, ScopeId};

/// A decision with its reasons (rules 8.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The decision that `Check` returns.
    pub decision: Decision,
    /// Every rule that was evaluated.
    pub root: Step,
    /// Smallest set of grants that would turn a denial into an allowed decision;
    /// empty if the decision is allowed or no grant can.
    pub remedies: Vec<Remedy>,
    /// Reason why no grant turns the denial.
    pub no_remedy_reason: Option<String>,
}

/// One rule that was evaluated, with the steps it depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Number of the rule in `docs/rules.md`: `4.1`.
    pub rule: &'static str,
    /// Kind of the rule; `None` on the root.
    pub axis: Option<ReasonCode>,
    /// Item that the rule evaluated.
    pub item: Option<ReasonItem>,
    /// Level required.
    pub needed: Option<Level>,
    /// Level held: the highest over the subject's groups.
    pub held: Option<Level>,
    /// User groups of the subject that grant the level held.
    pub groups: Vec<Code>,
    /// Roles of the subject that grant the permission.
    pub roles: Vec<Code>,
    /// Permission required.
    pub permission: Option<&'static str>,
    /// True if the rule allows.
    pub passed: bool,
    /// One short sentence for human readers.
    pub message: String,
    /// Steps that the result depends on.
    pub steps: Vec<Step>,
}

impl Step {
    /// Returns a failed step of a rule with every other field empty.
    #[must_use]
    pub fn failed(rule: &'static str) -> Self {
        Self {
            rule,
            axis: None,
            item: None,
            needed: None,
            held: None,
            groups: Vec::new(),
            roles: Vec::new(),
            permission: None,
            passed: false,
            message: String::new(),
            steps: Vec::new(),
        }
    }
}

/// One grant of a set that turns a denial into an allowed decision (rules 8.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Raise the level of a user group on an item.
    Access {
        /// The group.
        group: Code,
        /// The item.
        item: ItemRef,
        /// The new level.
        level: Level,
    },
    /// Add a permission to a role that the subject holds.
    Permission {
        /// The role.
        role: Code,
        /// The permission.
        permission: PermissionId,
    },
    /// Add a scope to the app that is the subject.
    Scope(ScopeId),
    /// Add the subject to a user group.
    Membership {
        /// The group.
        group: Code,
    },
}

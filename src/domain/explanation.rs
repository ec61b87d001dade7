use super::{Code, Decision, ItemRef, Level, PermissionId, ReasonCode, ReasonItem, ScopeId};

/// A decision with its reasons (rules 8.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What Check answers.
    pub decision: Decision,
    /// Every rule that was asked.
    pub root: Step,
    /// The smallest set of grants that would turn a denial; empty on an allowed
    /// question and where no grant can.
    pub remedies: Vec<Remedy>,
    /// Why no grant turns the denial.
    pub no_remedy_reason: Option<String>,
}

/// One rule that was asked, with the steps it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The rule's number in `docs/rules.md`: `4.1`.
    pub rule: &'static str,
    /// The kind of rule; `None` on the root.
    pub axis: Option<ReasonCode>,
    /// The item it looked at.
    pub item: Option<ReasonItem>,
    /// The level needed.
    pub needed: Option<Level>,
    /// The level held: the highest over the subject's groups.
    pub held: Option<Level>,
    /// The subject's user groups that give the level held.
    pub groups: Vec<Code>,
    /// The subject's roles that give the permission.
    pub roles: Vec<Code>,
    /// The permission asked.
    pub permission: Option<&'static str>,
    /// Whether it allows.
    pub passed: bool,
    /// One short sentence for people.
    pub message: String,
    /// The steps it rests on.
    pub steps: Vec<Step>,
}

/// One grant of a set that turns a denial (rules 8.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Raise a user group's level on an item.
    Access {
        /// The group.
        group: Code,
        /// The item.
        item: ItemRef,
        /// The level to reach.
        level: Level,
    },
    /// Add a permission to a role that the subject holds.
    Permission {
        /// The role.
        role: Code,
        /// The permission.
        permission: PermissionId,
    },
    /// Add a scope to the app that asks.
    Scope(ScopeId),
    /// Put the subject that asks into a user group.
    Membership {
        /// The group.
        group: Code,
    },
}

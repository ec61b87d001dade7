use crate::domain::{
    Code, GroupFacts, ItemId, Level, PermissionId, Reason, ReasonCode, ReasonItem, Strictness,
    UnknownName,
};

use super::effective_access::OpenAxis;

/// One rule that applies to a question, and whether it passed.
#[derive(Clone, Debug)]
pub(super) struct Requirement<'f> {
    /// The kind of rule, which is the reason of a denial if it fails (rules 8.1).
    pub(super) code: ReasonCode,
    /// The number of the rule in `docs/rules.md`, such as `4.5`.
    pub(super) rule: &'static str,
    /// The item that the rule is about; without a code it is any item of the
    /// kind.
    pub(super) item: Option<ReasonItem<&'f Code>>,
    /// The level needed; `None` if the rule is not about a level.
    pub(super) needed: Option<Level>,
    /// The level held; `None` if the rule is not about a level.
    pub(super) held: Option<Level>,
    /// The permission that the rule is about; if it fails, the missing one (rules
    /// 2.3).
    pub(super) permission: Option<&'static str>,
    /// The name that is not stored, where that is why the rule fails (rules 1.7).
    pub(super) unknown: Option<UnknownName>,
    /// True if the subject satisfies the rule.
    pub(super) passed: bool,
    /// The facts that the rule was decided on.
    pub(super) source: Source,
}

/// The facts that a requirement was decided on, for its explanation and remedy.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// Neither rights nor permissions.
    Other,
    /// The permissions held, and whether this one counts.
    Permission(PermissionId),
    /// The right on one stored item.
    Item(ItemId),
    /// The rights on all channels or all locales.
    Any(OpenAxis),
    /// The rights on the categories of a product, of which one suffices.
    Categories(Strictness),
}

impl<'f> Requirement<'f> {
    /// Creates a requirement that is not about a level.
    pub(super) fn new(code: ReasonCode, rule: &'static str, passed: bool) -> Self {
        Self {
            code,
            rule,
            item: None,
            needed: None,
            held: None,
            permission: None,
            unknown: None,
            passed,
            source: Source::Other,
        }
    }

    /// Creates a requirement for a level on an item.
    pub(super) fn level(
        code: ReasonCode,
        rule: &'static str,
        item: Option<ReasonItem<&'f Code>>,
        needed: Level,
        held: Level,
    ) -> Self {
        Self {
            item,
            needed: Some(needed),
            held: Some(held),
            ..Self::new(code, rule, held.allows(needed))
        }
    }

    /// Sets the facts that the requirement was decided on.
    pub(super) fn from(self, source: Source) -> Self {
        Self { source, ..self }
    }

    /// Sets the name that the question uses and the tenant does not store.
    pub(super) fn naming(self, unknown: Option<UnknownName>) -> Self {
        Self { unknown, ..self }
    }

    /// Returns the level that a group alone gives for the requirement, with its highest
    /// level on the categories of the product.
    pub(super) fn level_of(&self, group: &GroupFacts, on_categories: Level) -> Level {
        match &self.source {
            Source::Other | Source::Permission(_) => Level::Hidden,
            Source::Item(id) => group.right(*id),
            Source::Any(axis) => group.highest_on_any(*axis),
            Source::Categories(_) => on_categories,
        }
    }

    /// Returns the reason of a denial by this rule (rules 8.1).
    pub(super) fn reason(&self) -> Reason {
        Reason {
            code: self.code,
            item: self.item.map(ReasonItem::cloned),
            needed: self.needed,
            held: self.held,
            permission: self.permission,
            unknown: self.unknown.clone(),
        }
    }
}

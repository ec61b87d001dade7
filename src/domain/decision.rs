use std::fmt;

use super::{CATALOGUE, Code, ItemKind, Level, ResourceType};

/// Answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Reason of the denial; `None` if the action is allowed.
    pub denial: Option<Reason>,
    /// Level held on the resource, also on a denial (rules 4.1); `None` if the
    /// question does not depend on levels.
    pub level: Option<Level>,
    /// How an allowed edit of a product takes effect (rules 4.6, 4.8).
    pub edit_mode: Option<EditMode>,
}

impl Decision {
    /// True if the action is allowed.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.denial.is_none()
    }
}

/// How an edit of a product takes effect (rules 4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::Display)]
#[strum(serialize_all = "snake_case")]
pub enum EditMode {
    /// Immediately: the subject owns the product.
    Direct,
    /// As a draft that an owner reviews.
    Proposal,
}

/// Reason of a denial: the first rule that denied (rules 8.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Kind of the rule.
    pub code: ReasonCode,
    /// Item that caused the denial.
    pub item: Option<ReasonItem>,
    /// Level required on `item`, or on the product if no item is known.
    pub needed: Option<Level>,
    /// Level held on `item`, or on the product if no item is known.
    pub held: Option<Level>,
    /// Permission that the subject lacks.
    pub permission: Option<&'static str>,
    /// Name in the question that caused the denial because the tenant does not
    /// store it (rules 1.7); `None` if a level or a permission caused it.
    pub unknown: Option<UnknownName>,
}

/// A name in a question that the tenant does not store (rules 1.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// Type of the named resource.
    pub kind: ResourceType,
    /// Code, as spelled in the question.
    pub code: Code,
}

/// Item that a rule evaluated. `C` is its code, or a reference to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReasonItem<C = Code> {
    /// Kind of the item.
    pub kind: ItemKind,
    /// Code of the item; `None` if every item of the kind was evaluated
    /// (rules 4.5), or no code is known.
    pub code: Option<C>,
}

impl ReasonItem<&Code> {
    /// Returns the item with a code of its own.
    #[must_use]
    pub fn cloned(self) -> ReasonItem {
        ReasonItem {
            kind: self.kind,
            code: self.code.cloned(),
        }
    }
}

/// Kinds of rules that deny, in the order in which they are evaluated
/// (rules 8.1).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum ReasonCode {
    /// The tenant has no such subject (rules 1.6).
    SubjectUnknown,
    /// The subject is disabled (rules 1.6).
    SubjectDisabled,
    /// The action exists in the enterprise edition only (rules 2.4, 9).
    Edition,
    /// No role of the subject grants the permission (rules 2.2).
    Permission,
    /// No scope of the app grants the permission (rules 5.5).
    Scope,
    /// The level on the channel does not suffice (rules 4.4, 4.5).
    Channel,
    /// The level on the locale does not suffice (rules 4.4, 4.5).
    Locale,
    /// The level on the categories does not suffice (rules 4.1).
    Category,
    /// The level on the attribute group does not suffice (rules 4.4, 4.10).
    AttributeGroup,
    /// The level on the family, entity or profile does not suffice.
    Item,
    /// The resource is neither stored nor described (rules 1.7).
    ResourceUnknown,
}

impl<C: fmt::Display> fmt::Display for ReasonItem<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entity = self.kind.to_string().replace('_', " ");
        match &self.code {
            Some(code) => write!(f, "{entity} `{code}`"),
            None => write!(f, "any {entity}"),
        }
    }
}

impl fmt::Display for UnknownName {
    /// Renders the entity and the code: ``attribute `color` ``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // For an enriched category, the category is what is stored (rules 9).
        let kind = if self.kind == ResourceType::EnrichedCategory {
            ResourceType::Category
        } else {
            self.kind
        };
        let entity = kind.to_string().replace('_', " ");
        write!(f, "{entity} `{}`", self.code)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(unknown) = &self.unknown {
            return write!(f, "The tenant has no {unknown}.");
        }
        match self.code {
            ReasonCode::SubjectUnknown => f.write_str("The tenant has no such subject."),
            ReasonCode::SubjectDisabled => f.write_str("The subject is disabled."),
            ReasonCode::Edition => match self.permission {
                Some(code) => write!(f, "`{code}` exists in the enterprise edition only."),
                None => f.write_str("The action exists in the enterprise edition only."),
            },
            ReasonCode::Permission => {
                let permission = self.permission.unwrap_or_default();
                write!(
                    f,
                    "No role of the subject gives the permission `{permission}`."
                )
            }
            ReasonCode::Scope => f.write_str(&scope_message(self.permission)),
            ReasonCode::ResourceUnknown => f.write_str("The tenant has no such resource."),
            ReasonCode::Channel
            | ReasonCode::Locale
            | ReasonCode::Category
            | ReasonCode::AttributeGroup
            | ReasonCode::Item => {
                let held = self.held.unwrap_or_default();
                let needed = self.needed.unwrap_or_default();
                // An owner holds more, but has no need to send proposals
                // (rules 9).
                let exactly = if held.allows(needed) { "exactly " } else { "" };
                write!(f, "Needs {exactly}`{needed}` on ")?;
                match &self.item {
                    Some(item) => write!(f, "{item}")?,
                    None => f.write_str("the product")?,
                }
                write!(f, "; held is `{held}`.")
            }
        }
    }
}

/// Returns the message of a denial by scope that lacks `permission`; `None` if no
/// permission stands for the action (rules 5.12).
fn scope_message(permission: Option<&'static str>) -> String {
    let Some(permission) = permission else {
        return "No scope gives an app this action.".to_owned();
    };
    let is_enterprise = |code| {
        let found = CATALOGUE.find_permission(code);
        found.is_some_and(|permission| permission.enterprise)
    };
    if is_enterprise(permission) {
        // A scope granted before a downgrade is not in effect (rules 2.4).
        return format!("No scope of the app gives `{permission}` in the tenant's edition.");
    }
    format!("No scope of the app gives `{permission}`.")
}

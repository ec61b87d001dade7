use super::{Action, ActionRule, Code, Parent, Resource, ResourceType, SubjectRef};

/// What a caller asks: may this subject do this action on this resource, in
/// this context?
///
/// Invariant: the resource's type has the action, what is said of the resource
/// and the context belongs to its type, and what must be said is said
/// (rules 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    subject: SubjectRef,
    action: Action,
    resource: Option<Resource>,
    context: Context,
    rule: ActionRule,
}

/// What of a resource is meant; `None` is not named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// A channel.
    pub channel: Option<Code>,
    /// A locale.
    pub locale: Option<Code>,
    /// The attribute whose value is meant.
    pub attribute: Option<Code>,
    /// The attribute group, in place of the attribute's stored one or alone.
    pub attribute_group: Option<Code>,
}

/// Why there is no such question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct InvalidQuestion {
    /// The path of the field in the question: `resource.id`.
    pub field: &'static str,
    /// What was wrong, and what is allowed.
    pub message: String,
}

impl InvalidQuestion {
    pub(super) fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self {
            field,
            message: message.into(),
        }
    }
}

impl Question {
    /// Puts a question together.
    ///
    /// # Errors
    ///
    /// [`InvalidQuestion`] when rules 9 has no such question.
    pub fn new(
        subject: SubjectRef,
        action: Action,
        resource: Option<Resource>,
        context: Context,
    ) -> Result<Self, InvalidQuestion> {
        let rule = Self::check(action, resource.as_ref(), &context)?;
        Ok(Self::of_checked(subject, action, resource, context, rule))
    }

    /// Checks that there is such a question, whoever asks it.
    pub(super) fn check(
        action: Action,
        resource: Option<&Resource>,
        context: &Context,
    ) -> Result<ActionRule, InvalidQuestion> {
        let rule = Self::rule_of(action, resource.map(|resource| resource.kind))?;
        Self::check_surroundings(resource, context)?;
        if let Some(resource) = resource
            && resource.id.is_none()
            && rule.looks_at_resource
            && !id_may_be_empty(resource)
        {
            return Err(InvalidQuestion::new(
                "resource.id",
                format!("is empty; `{action}` needs the code of a {}", resource.kind),
            ));
        }
        Ok(rule)
    }

    /// Puts a question together whose parts were checked before.
    pub(super) fn of_checked(
        subject: SubjectRef,
        action: Action,
        resource: Option<Resource>,
        context: Context,
        rule: ActionRule,
    ) -> Self {
        Self {
            subject,
            action,
            resource,
            context,
            rule,
        }
    }

    /// What `action` asks for on a resource of `kind`, or without one.
    pub(super) fn rule_of(
        action: Action,
        kind: Option<ResourceType>,
    ) -> Result<ActionRule, InvalidQuestion> {
        let rule = action.rule_on(kind);
        rule.ok_or_else(|| no_such_action(action, kind))
    }

    /// Checks what is said of a resource and its context, for calls that ask
    /// about every action at once.
    ///
    /// # Errors
    ///
    /// [`InvalidQuestion`] when something does not belong to the resource's
    /// type, or an asset's or record's parent is missing.
    pub fn check_surroundings(
        resource: Option<&Resource>,
        context: &Context,
    ) -> Result<(), InvalidQuestion> {
        let kind = resource.map(|resource| resource.kind);
        let is_product = kind.is_some_and(|kind| kind.product_kind().is_some());
        let takes_channel = kind.is_some_and(ResourceType::takes_channel_and_locale);
        let lies_in_parent = kind.is_some_and(ResourceType::lies_in_parent);
        let described = resource.map(|resource| &resource.description);
        let categories = described.is_some_and(|described| described.categories.is_some());
        let parent = described.and_then(|described| described.parent.as_ref());
        let misplaced = [
            (
                "context.channel",
                context.channel.is_some() && !takes_channel,
            ),
            ("context.locale", context.locale.is_some() && !takes_channel),
            (
                "context.attribute",
                context.attribute.is_some() && !is_product,
            ),
            (
                "context.attribute_group",
                context.attribute_group.is_some() && !is_product,
            ),
            ("resource.categories", categories && !is_product),
            (
                "resource.parent",
                parent.is_some() && !is_product && !lies_in_parent,
            ),
        ];
        if let Some((field, _)) = misplaced.into_iter().find(|(_, wrong)| *wrong) {
            return Err(InvalidQuestion::new(field, misplacement(field, kind)));
        }
        if lies_in_parent && !matches!(parent, Some(Parent::Code(_))) {
            return Err(InvalidQuestion::new(
                "resource.parent",
                "is missing; name the asset family or reference entity",
            ));
        }
        Ok(())
    }

    /// Every question about the same resource and context, one an action that
    /// the resource's type has; without a resource, one a permission code.
    ///
    /// # Errors
    ///
    /// [`InvalidQuestion`] as [`Question::new`].
    pub fn every_action(
        subject: &SubjectRef,
        resource: Option<&Resource>,
        context: &Context,
    ) -> Result<Vec<Self>, InvalidQuestion> {
        Self::check_surroundings(resource, context)?;
        let kind = resource.map(|resource| resource.kind);
        Action::all()
            .filter(|action| kind.is_some() || matches!(action, Action::Permission(_)))
            .filter(|action| action.rule_on(kind).is_some())
            .map(|action| Self::new(subject.clone(), action, resource.cloned(), context.clone()))
            .collect()
    }

    /// Who asks.
    #[must_use]
    pub fn subject(&self) -> &SubjectRef {
        &self.subject
    }

    /// What it wants to do.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// What it is about; `None`: the permission alone.
    #[must_use]
    pub fn resource(&self) -> Option<&Resource> {
        self.resource.as_ref()
    }

    /// What of the resource is meant.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// What the action asks for on the resource.
    #[must_use]
    pub fn rule(&self) -> ActionRule {
        self.rule
    }
}

/// The id is not looked at on assets, records and the system version, and a
/// described product has none (`api.md`).
fn id_may_be_empty(resource: &Resource) -> bool {
    let is_product = resource.kind.product_kind().is_some();
    resource.kind.lies_in_parent()
        || resource.kind == ResourceType::SystemVersion
        || is_product && resource.description.is_given()
}

fn no_such_action(action: Action, kind: Option<ResourceType>) -> InvalidQuestion {
    let allowed: Vec<&str> = Action::all()
        .filter(|other| other.rule_on(kind).is_some())
        .map(Action::as_str)
        .collect();
    let message = match kind {
        Some(kind) => format!(
            "a {kind} has no action `{action}`; it has: {}",
            allowed.join(", ")
        ),
        None => format!(
            "`{action}` needs a resource; without one, ask a permission code or `system_version.read`"
        ),
    };
    InvalidQuestion::new("action", message)
}

fn misplacement(field: &str, kind: Option<ResourceType>) -> String {
    let belongs_to = match field {
        "context.channel" | "context.locale" => {
            "products, product models, attributes, enriched categories, assets and reference-entity records"
        }
        "resource.parent" => "products, product models, assets and reference-entity records",
        _ => "products and product models",
    };
    match kind {
        Some(kind) => format!("does not belong to a {kind}; it belongs to {belongs_to}"),
        None => format!("needs a resource; it belongs to {belongs_to}"),
    }
}

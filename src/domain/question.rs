use super::{
    Action, ActionRule, Code, Parent, ProductKind, ProductRef, Resource, ResourceType, SubjectRef,
};

/// A question of a caller: may this subject perform this action on this resource,
/// in this context?
///
/// Invariant: the resource's type has the action, the description of the resource
/// and the context fit the type, and required fields are set (rules 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    subject: SubjectRef,
    action: Action,
    resource: Option<Resource>,
    context: Context,
    rule: ActionRule,
}

/// Part of a resource that a question is about; a field is `None` if not given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Channel.
    pub channel: Option<Code>,
    /// Locale.
    pub locale: Option<Code>,
    /// Attribute whose value the question is about.
    pub attribute: Option<Code>,
    /// Attribute group, instead of the attribute's stored one or without an
    /// attribute.
    pub attribute_group: Option<Code>,
}

/// Error of building a question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct InvalidQuestion {
    /// Path of the field in the question: `resource.id`.
    pub field: &'static str,
    /// What is wrong, and what is allowed.
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
    /// Builds a question.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidQuestion`] if rules 9 has no such question.
    pub fn new(
        subject: SubjectRef,
        action: Action,
        resource: Option<Resource>,
        context: Context,
    ) -> Result<Self, InvalidQuestion> {
        let rule = Self::check(action, resource.as_ref(), &context)?;
        Ok(Self::of_checked(subject, action, resource, context, rule))
    }

    /// Checks that there is such a question, independent of its subject, and
    /// returns its requirements.
    pub(super) fn check(
        action: Action,
        resource: Option<&Resource>,
        context: &Context,
    ) -> Result<ActionRule, InvalidQuestion> {
        let rule = Self::rule_of(action, resource.map(|resource| resource.kind))?;
        Self::validate_context(resource, context)?;
        if let Some(resource) = resource
            && resource.id.is_none()
            && rule.requires_resource
            && !id_may_be_empty(resource)
        {
            return Err(InvalidQuestion::new(
                "resource.id",
                format!("is empty; `{action}` needs the code of a {}", resource.kind),
            ));
        }
        Ok(rule)
    }

    /// Builds a question whose parts have been checked.
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

    /// Returns the products and models that the question names and that decide it: its
    /// resource, and the parent that describes it (rules 7.1).
    pub fn products(&self) -> impl Iterator<Item = ProductRef> {
        let resource = self.resource.as_ref();
        let resource = resource.filter(|_| self.rule.requires_resource);
        let of_product =
            resource.and_then(|resource| Some((resource, resource.kind.product_kind()?)));
        of_product.into_iter().flat_map(|(resource, kind)| {
            let itself = resource.id.clone().map(|code| ProductRef { kind, code });
            let above = match &resource.description.parent {
                Some(Parent::Code(code)) => Some(ProductRef {
                    kind: ProductKind::Model,
                    code: code.clone(),
                }),
                Some(Parent::Absent) | None => None,
            };
            itself.into_iter().chain(above)
        })
    }

    /// Returns the requirements of `action` on a resource of `kind`, or without
    /// one.
    pub(super) fn rule_of(
        action: Action,
        kind: Option<ResourceType>,
    ) -> Result<ActionRule, InvalidQuestion> {
        let rule = action.rule_on(kind);
        rule.ok_or_else(|| no_such_action(action, kind))
    }

    /// Checks the description of a resource and the context, for calls about
    /// every action at once.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidQuestion`] if a field does not apply to the resource's
    /// type, or the parent of an asset or record is missing.
    pub fn validate_context(
        resource: Option<&Resource>,
        context: &Context,
    ) -> Result<(), InvalidQuestion> {
        let kind = resource.map(|resource| resource.kind);
        let is_product = kind.is_some_and(|kind| kind.product_kind().is_some());
        let takes_channel = kind.is_some_and(ResourceType::takes_channel_and_locale);
        let has_parent = kind.is_some_and(ResourceType::has_parent);
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
                parent.is_some() && !is_product && !has_parent,
            ),
        ];
        if let Some((field, _)) = misplaced.into_iter().find(|(_, wrong)| *wrong) {
            return Err(InvalidQuestion::new(field, misplacement(field, kind)));
        }
        if has_parent && !matches!(parent, Some(Parent::Code(_))) {
            return Err(InvalidQuestion::new(
                "resource.parent",
                "is missing; name the asset family or reference entity",
            ));
        }
        Ok(())
    }

    /// Returns every question about the same resource and context: one for each
    /// action of the resource's type or, without a resource, for each permission
    /// code.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidQuestion`] as [`Question::new`] does.
    pub fn every_action(
        subject: &SubjectRef,
        resource: Option<&Resource>,
        context: &Context,
    ) -> Result<Vec<Self>, InvalidQuestion> {
        Self::validate_context(resource, context)?;
        let kind = resource.map(|resource| resource.kind);
        Action::all()
            .filter(|action| kind.is_some() || matches!(action, Action::Permission(_)))
            .filter(|action| action.rule_on(kind).is_some())
            .map(|action| Self::new(subject.clone(), action, resource.cloned(), context.clone()))
            .collect()
    }

    /// Returns the subject.
    #[must_use]
    pub fn subject(&self) -> &SubjectRef {
        &self.subject
    }

    /// Returns the action.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// Returns the resource; `None` for the permission alone.
    #[must_use]
    pub fn resource(&self) -> Option<&Resource> {
        self.resource.as_ref()
    }

    /// Returns the context.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Returns the requirements of the action on the resource.
    #[must_use]
    pub fn rule(&self) -> ActionRule {
        self.rule
    }
}

/// True if the id may be empty: it is ignored for assets, records and the system
/// version, and a described product has none (`api.md`).
fn id_may_be_empty(resource: &Resource) -> bool {
    let is_product = resource.kind.product_kind().is_some();
    resource.kind.has_parent()
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
            "`{action}` needs a resource; without one, name a permission code or `system_version.read`"
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

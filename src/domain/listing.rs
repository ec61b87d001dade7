use std::sync::Arc;

use super::{
    Action, ActionRule, Code, Context, Description, InvalidQuestion, Level, Parent, Question,
    Resource, ResourceType, SubjectRef,
};

/// One question about every resource of a type; a listing answers it.
///
/// Invariant: resources of the type are stored, the type has the action, and the
/// context fits the type (rules 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListingQuestion {
    subject: SubjectRef,
    action: Action,
    kind: ResourceType,
    context: Context,
    rule: ActionRule,
}

/// One question for every subject: which subjects may perform this action?
///
/// Invariant: the same as of [`Question`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenQuestion {
    action: Action,
    resource: Option<Resource>,
    context: Context,
    rule: ActionRule,
}

/// Filter for the resources of a listing: a resource must match every field that
/// is set. An unknown code matches nothing (rules 9).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Root of the category tree that must contain the resource.
    pub tree: Option<Code>,
    /// Category that must contain the resource, directly or in a descendant.
    pub category: Option<Code>,
    /// Codes of the resources; empty for all.
    pub ids: Vec<Code>,
}

/// A resource on which a subject may perform an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedResource {
    /// Its code as it was first written.
    pub code: Code,
    /// Level held on the resource; `None` if the action does not depend on
    /// levels.
    pub level: Option<Level>,
}

/// Filter for a caller's own search: the products on which a subject may perform
/// an action, and which of their data may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessFilter {
    /// Products on which the action is allowed.
    pub scope: FilterScope,
    /// Channels that the subject can view, by code, with the levels held.
    pub channels: Vec<(Code, Level)>,
    /// Locales that the subject can view, by code, with the levels held.
    pub locales: Vec<(Code, Level)>,
    /// Attribute groups that the subject can view, by code, with the levels held.
    pub attribute_groups: Vec<(Code, Level)>,
}

/// The products that an access filter includes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterScope {
    /// No product.
    Nothing,
    /// Every product, until a category is added.
    Everything,
    /// The products whose effective categories (rules 4.2) match.
    Categories {
        /// At least one of these must be effective.
        any: Vec<Code>,
        /// None of these may be effective.
        none: Vec<Code>,
        /// True if a product without effective categories is allowed too
        /// (rules 4.3).
        include_uncategorised: bool,
    },
}

impl ListingQuestion {
    /// Builds the question.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidQuestion`] if resources of the type are not stored, or
    /// rules 9 has no such question.
    pub fn new(
        subject: SubjectRef,
        action: Action,
        kind: ResourceType,
        context: Context,
    ) -> Result<Self, InvalidQuestion> {
        if !kind.is_listed() {
            return Err(not_listed(kind));
        }
        let rule = Question::rule_of(action, Some(kind))?;
        let any = Resource {
            kind,
            id: None,
            description: Description::default(),
        };
        Question::validate_context(Some(&any), &context)?;
        Ok(Self {
            subject,
            action,
            kind,
            context,
            rule,
        })
    }

    /// Returns the question about one resource.
    #[must_use]
    pub fn about(&self, code: Code) -> Question {
        self.question(Some(code), Description::default())
    }

    /// Returns the question about a product without categories or parent: it has
    /// all requirements that are the same for every product.
    #[must_use]
    pub fn without_categories(&self) -> Question {
        let description = Description {
            categories: Some(Arc::default()),
            parent: Some(Parent::Absent),
        };
        self.question(None, description)
    }

    fn question(&self, id: Option<Code>, description: Description) -> Question {
        let Self {
            subject,
            action,
            kind,
            context,
            rule,
        } = self.clone();
        let resource = Resource {
            kind,
            id,
            description,
        };
        Question::of_checked(subject, action, Some(resource), context, rule)
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

    /// Returns the type of the resources.
    #[must_use]
    pub fn kind(&self) -> ResourceType {
        self.kind
    }

    /// Returns the context, the same for each resource.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Returns the requirements of the action on each resource.
    #[must_use]
    pub fn rule(&self) -> ActionRule {
        self.rule
    }
}

impl OpenQuestion {
    /// Builds the question.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidQuestion`] if rules 9 has no such question.
    pub fn new(
        action: Action,
        resource: Option<Resource>,
        context: Context,
    ) -> Result<Self, InvalidQuestion> {
        let rule = Question::check(action, resource.as_ref(), &context)?;
        Ok(Self {
            action,
            resource,
            context,
            rule,
        })
    }

    /// Returns the question for one subject.
    #[must_use]
    pub fn for_subject(&self, subject: SubjectRef) -> Question {
        let Self {
            action,
            resource,
            context,
            rule,
        } = self.clone();
        Question::of_checked(subject, action, resource, context, rule)
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
}

impl ListFilter {
    /// Checks that the filter applies to resources of `kind`: a tree and a
    /// category apply to resources in categories, and to categories themselves.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidQuestion`] with the name of the field that does not
    /// apply.
    pub fn check(&self, kind: ResourceType) -> Result<(), InvalidQuestion> {
        if kind.has_categories() {
            return Ok(());
        }
        let misplaced = [
            ("filter.tree", &self.tree),
            ("filter.category", &self.category),
        ];
        let misplaced = misplaced.into_iter().find(|(_, code)| code.is_some());
        misplaced.map_or(Ok(()), |(field, _)| {
            let message = format!(
                "does not belong to a {kind}; it belongs to products, product models, categories and enriched categories"
            );
            Err(InvalidQuestion::new(field, message))
        })
    }
}

fn not_listed(kind: ResourceType) -> InvalidQuestion {
    use strum::IntoEnumIterator as _;
    let listed = ResourceType::iter().filter(|kind| kind.is_listed());
    let listed: Vec<&str> = listed.map(<&str>::from).collect();
    InvalidQuestion::new(
        "resource_type",
        format!(
            "`{kind}` is not stored and cannot be listed; allowed are: {}",
            listed.join(", ")
        ),
    )
}

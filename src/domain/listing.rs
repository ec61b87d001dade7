use std::sync::Arc;

use super::{
    Action, ActionRule, Code, Context, Description, InvalidQuestion, Level, Parent, Question,
    Resource, ResourceType, SubjectRef,
};

/// One question asked about every resource of a type: what a listing answers.
///
/// Invariant: resources of the type are stored, the type has the action, and
/// the context belongs to it (rules 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EveryQuestion {
    subject: SubjectRef,
    action: Action,
    kind: ResourceType,
    context: Context,
    rule: ActionRule,
}

/// One question that every subject asks: who may do this?
///
/// Invariant: as [`Question`]'s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenQuestion {
    action: Action,
    resource: Option<Resource>,
    context: Context,
    rule: ActionRule,
}

/// Which resources of a type to list: those for which all that is set holds;
/// what is unknown matches nothing (rules 9).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// The root of a tree that they must lie in.
    pub tree: Option<Code>,
    /// A category that they must lie in, itself or below.
    pub category: Option<Code>,
    /// The resources themselves; empty: all.
    pub ids: Vec<Code>,
}

/// A resource that a subject may do an action on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedResource {
    /// Its code as it was first written.
    pub code: Code,
    /// The level held on it; `None`: it is not a matter of levels.
    pub level: Option<Level>,
}

/// Which products a subject may do an action on, for a caller's own search, and
/// what of them may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessFilter {
    /// Which products.
    pub scope: FilterScope,
    /// The channels that the subject can view, by code, with the levels held.
    pub channels: Vec<(Code, Level)>,
    /// The locales, likewise.
    pub locales: Vec<(Code, Level)>,
    /// The attribute groups, likewise.
    pub attribute_groups: Vec<(Code, Level)>,
}

/// How far an access filter goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterScope {
    /// No product.
    Nothing,
    /// Every product, as long as no category is added.
    Everything,
    /// Those whose effective categories (rules 4.2) say so.
    Categories {
        /// One of these must be effective.
        any: Vec<Code>,
        /// None of these may be.
        none: Vec<Code>,
        /// Whether a product without any is allowed too (rules 4.3).
        include_uncategorised: bool,
    },
}

impl EveryQuestion {
    /// Puts the question together.
    ///
    /// # Errors
    ///
    /// [`InvalidQuestion`] when resources of the type are not stored, or
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
        Question::check_surroundings(Some(&any), &context)?;
        Ok(Self {
            subject,
            action,
            kind,
            context,
            rule,
        })
    }

    /// The question about one of the resources.
    #[must_use]
    pub fn about(&self, code: Code) -> Question {
        self.question(Some(code), Description::default())
    }

    /// The question about a product that lies in no category: it asks all that
    /// is the same for every product.
    #[must_use]
    pub fn about_no_category(&self) -> Question {
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

    /// The type of the resources.
    #[must_use]
    pub fn kind(&self) -> ResourceType {
        self.kind
    }

    /// What of each resource is meant.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// What the action asks for on each resource.
    #[must_use]
    pub fn rule(&self) -> ActionRule {
        self.rule
    }
}

impl OpenQuestion {
    /// Puts the question together.
    ///
    /// # Errors
    ///
    /// [`InvalidQuestion`] when rules 9 has no such question.
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

    /// The question of one subject.
    #[must_use]
    pub fn asked_by(&self, subject: SubjectRef) -> Question {
        let Self {
            action,
            resource,
            context,
            rule,
        } = self.clone();
        Question::of_checked(subject, action, resource, context, rule)
    }

    /// What they want to do.
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
}

impl ListFilter {
    /// Checks that resources of `kind` can be filtered so: a tree and a
    /// category belong to what lies in categories, and to categories.
    ///
    /// # Errors
    ///
    /// [`InvalidQuestion`] naming the field that does not belong.
    pub fn check(&self, kind: ResourceType) -> Result<(), InvalidQuestion> {
        if kind.lies_in_categories() {
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

//! The members of requests, and what they are in the contract.

use serde::Deserialize;
use tonic::Status;

use super::{missing, object::Object};
use crate::pb;

/// One question.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Evaluation {
    pub(super) subject: Option<Object<Subject>>,
    pub(super) action: Option<Object<Action>>,
    pub(super) resource: Option<Object<Resource>>,
    pub(super) context: Option<Object<Context>>,
}

/// The subject of a question.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Subject {
    r#type: String,
    id: Option<String>,
    #[serde(rename = "properties")]
    _properties: Option<Object<Ignored>>,
}

/// What is to be done.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Action {
    name: String,
    #[serde(rename = "properties")]
    _properties: Option<Object<Ignored>>,
}

/// On what.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Resource {
    r#type: String,
    id: Option<String>,
    properties: Option<Object<Properties>>,
}

/// The properties of a resource that the rules look at: those of a product that is not
/// stored yet, or of an asset or record.
#[derive(Clone, Debug, Deserialize)]
struct Properties {
    categories: Option<Vec<String>>,
    parent: Option<String>,
}

/// The part of the resource in question.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Context {
    channel: Option<String>,
    locale: Option<String>,
    attribute: Option<String>,
    attribute_group: Option<String>,
    /// Whether the answer states its reason.
    pub(super) explain: Option<bool>,
}

/// An object whose members are not looked at.
#[derive(Clone, Debug, Deserialize)]
struct Ignored {}

/// A member that a question needs and does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missing(pub(super) &'static str);

impl Missing {
    pub(super) fn status(self) -> Status {
        missing(self.0)
    }
}

impl Evaluation {
    pub(super) fn explains(&self) -> bool {
        let context = self.context.as_ref();
        context.is_some_and(|Object(context)| context.explain == Some(true))
    }

    /// Returns the question as an item of a batch. It always has a resource: without
    /// one the contract would ask about the permission alone.
    pub(super) fn item(self) -> Result<pb::CheckItem, Missing> {
        let Object(subject) = self.subject.ok_or(Missing("subject"))?;
        let Object(action) = self.action.ok_or(Missing("action"))?;
        let Object(resource) = self.resource.ok_or(Missing("resource"))?;
        Ok(pb::CheckItem {
            correlation_id: String::new(),
            subject: Some(subject.named()?),
            action: action.name,
            resource: Some(resource.named()?),
            context: self.context.map(|Object(context)| context.asked()),
        })
    }
}

impl Subject {
    /// Returns the subject; it must have an id.
    pub(super) fn named(self) -> Result<pb::Subject, Missing> {
        Ok(pb::Subject {
            r#type: self.r#type,
            id: self.id.ok_or(Missing("subject.id"))?,
        })
    }

    /// Returns the type alone.
    pub(super) fn into_type(self) -> String {
        self.r#type
    }
}

impl Action {
    pub(super) fn into_name(self) -> String {
        self.name
    }
}

impl Resource {
    /// Returns the resource; it must have an id.
    pub(super) fn named(self) -> Result<pb::Resource, Missing> {
        let properties = self.properties.map(|Object(properties)| properties);
        let (categories, parent) = match properties {
            Some(Properties { categories, parent }) => (categories, parent),
            None => (None, None),
        };
        Ok(pb::Resource {
            r#type: self.r#type,
            id: self.id.ok_or(Missing("resource.id"))?,
            categories: categories.map(|codes| pb::CategoryList { codes }),
            parent,
        })
    }

    /// Returns the type alone.
    pub(super) fn into_type(self) -> String {
        self.r#type
    }
}

impl Context {
    pub(super) fn asked(self) -> pb::Context {
        pb::Context {
            channel: self.channel.unwrap_or_default(),
            locale: self.locale.unwrap_or_default(),
            attribute: self.attribute.unwrap_or_default(),
            attribute_group: self.attribute_group.unwrap_or_default(),
        }
    }
}

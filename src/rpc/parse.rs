use std::sync::Arc;

use crate::{
    domain::{
        Action, Code, Context, Description, InvalidCode, LevelAction, Parent, Question, Resource,
        ResourceType, SubjectKind, SubjectRef,
    },
    pb,
};

use super::failure::InvalidField;

/// The most categories that a request may give a product.
pub(super) const MAX_CATEGORIES: usize = 10_000;

/// How much of a caller's own words an error gives back, in characters: all
/// details of a status travel in one header of a few kilobytes.
const MAX_QUOTED_CHARS: usize = 80;

/// The tenant's code; empty: the server's default tenant.
pub(super) fn tenant(text: &str, default: &Code) -> Result<Code, InvalidField> {
    if text.is_empty() {
        return Ok(default.clone());
    }
    code("tenant", text)
}

/// A whole question, as Check and Explain take it.
pub(super) fn question(
    subject: Option<pb::Subject>,
    action: &str,
    resource: Option<pb::Resource>,
    context: Option<pb::Context>,
) -> Result<Question, InvalidField> {
    let subject = required_subject(subject)?;
    let action = required_action(action)?;
    let resource = resource.map(self::resource).transpose()?;
    let context = self::context(context)?;
    Ok(Question::new(subject, action, resource, context)?)
}

/// A subject that must be there.
pub(super) fn required_subject(message: Option<pb::Subject>) -> Result<SubjectRef, InvalidField> {
    subject(message.ok_or_else(subject_missing)?)
}

/// What to say of a subject that is not there.
pub(super) fn subject_missing() -> InvalidField {
    InvalidField::new("subject", "is missing; say who asks, by `type` and `id`")
}

/// Who asks.
pub(super) fn subject(message: pb::Subject) -> Result<SubjectRef, InvalidField> {
    let pb::Subject { r#type, id } = message;
    let kind: SubjectKind = word("subject.type", &r#type)?;
    let code = code("subject.id", &id)?;
    Ok(SubjectRef { kind, code })
}

/// An action that must be there.
pub(super) fn required_action(word: &str) -> Result<Action, InvalidField> {
    if word.is_empty() {
        return Err(action_missing());
    }
    action(word)
}

/// What to say of an action that is not there.
pub(super) fn action_missing() -> InvalidField {
    InvalidField::new(
        "action",
        "is missing; name a permission code or a level action such as `view`",
    )
}

/// What the subject wants to do.
pub(super) fn action(word: &str) -> Result<Action, InvalidField> {
    Action::find(word).ok_or_else(|| {
        let message = format!(
            "`{}` is neither a permission code nor a level action; level actions are: {}",
            quoted(word),
            words::<LevelAction>()
        );
        InvalidField::new("action", message)
    })
}

/// What the question is about.
pub(super) fn resource(message: pb::Resource) -> Result<Resource, InvalidField> {
    let pb::Resource {
        r#type,
        id,
        categories,
        parent,
    } = message;
    let kind: ResourceType = word("resource.type", &r#type)?;
    let id = optional_code("resource.id", &id)?;
    let categories = categories.map(self::categories).transpose()?;
    let parent = parent.map(|parent| self::parent(&parent)).transpose()?;
    Ok(Resource {
        kind,
        id,
        description: Description { categories, parent },
    })
}

/// What of the resource is meant.
pub(super) fn context(message: Option<pb::Context>) -> Result<Context, InvalidField> {
    let pb::Context {
        channel,
        locale,
        attribute,
        attribute_group,
    } = message.unwrap_or_default();
    Ok(Context {
        channel: optional_code("context.channel", &channel)?,
        locale: optional_code("context.locale", &locale)?,
        attribute: optional_code("context.attribute", &attribute)?,
        attribute_group: optional_code("context.attribute_group", &attribute_group)?,
    })
}

/// A code that must be there.
pub(super) fn code(path: &str, text: &str) -> Result<Code, InvalidField> {
    text.parse()
        .map_err(|invalid: InvalidCode| InvalidField::new(path, invalid.to_string()))
}

/// A caller's own words, as an error may give them back.
pub(super) fn quoted(text: &str) -> String {
    if text.chars().nth(MAX_QUOTED_CHARS).is_none() {
        return text.to_owned();
    }
    text.chars().take(MAX_QUOTED_CHARS).chain(['…']).collect()
}

/// A code that may be absent.
pub(super) fn optional_code(path: &str, text: &str) -> Result<Option<Code>, InvalidField> {
    if text.is_empty() {
        return Ok(None);
    }
    code(path, text).map(Some)
}

fn categories(message: pb::CategoryList) -> Result<Arc<[Code]>, InvalidField> {
    const PATH: &str = "resource.categories.codes";
    let pb::CategoryList { codes } = message;
    if codes.len() > MAX_CATEGORIES {
        let message = format!(
            "has {} entries; at most {MAX_CATEGORIES} are allowed",
            codes.len()
        );
        return Err(InvalidField::new(PATH, message));
    }
    let codes = codes.iter().enumerate().map(|(index, text)| {
        text.parse().map_err(|invalid: InvalidCode| {
            InvalidField::new(format!("{PATH}[{index}]"), invalid.to_string())
        })
    });
    codes.collect()
}

fn parent(text: &str) -> Result<Parent, InvalidField> {
    if text.is_empty() {
        return Ok(Parent::Absent);
    }
    code("resource.parent", text).map(Parent::Code)
}

/// A word of a closed vocabulary.
pub(super) fn word<W>(path: &str, text: &str) -> Result<W, InvalidField>
where
    W: std::str::FromStr + strum::IntoEnumIterator + std::fmt::Display,
{
    text.parse().map_err(|_| {
        let allowed = words::<W>();
        let message = if text.is_empty() {
            format!("is missing; allowed are: {allowed}")
        } else {
            format!("`{}` is unknown; allowed are: {allowed}", quoted(text))
        };
        InvalidField::new(path, message)
    })
}

fn words<W: strum::IntoEnumIterator + std::fmt::Display>() -> String {
    let words: Vec<String> = W::iter().map(|word| word.to_string()).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests;

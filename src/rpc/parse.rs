use std::sync::Arc;

use crate::{
    domain::{
        Action, Code, Context, Description, InvalidCode, LevelAction, Parent, Question, Resource,
        ResourceType, SubjectKind, SubjectRef,
    },
    pb,
};

use super::failure::InvalidField;

/// Largest number of categories that a request may give a product.
pub(super) const MAX_CATEGORIES: usize = 10_000;

/// Number of characters of a caller's value that an error quotes: all details of
/// a status travel in one header of a few kilobytes.
const MAX_QUOTED_CHARS: usize = 80;

/// Rejects a field of more than `most` bytes.
pub(super) fn check_length(path: &str, found: usize, most: usize) -> Result<(), InvalidField> {
    if found <= most {
        return Ok(());
    }
    let message = format!("is {found} bytes long; at most {most} are allowed");
    Err(InvalidField::new(path, message))
}

/// Parses the number of a value of an enum; `allowed` names the values.
pub(super) fn value<E: TryFrom<i32>>(
    field: &str,
    number: i32,
    allowed: &str,
) -> Result<E, InvalidField> {
    E::try_from(number).map_err(|_| {
        InvalidField::new(
            field,
            format!("{number} is unknown; allowed are: {allowed}"),
        )
    })
}

/// Parses the tenant's code; empty: the server's default tenant.
pub(super) fn tenant(text: &str, default: &Code) -> Result<Code, InvalidField> {
    if text.is_empty() {
        return Ok(default.clone());
    }
    code("tenant", text)
}

/// Parses a whole question, as in Check and Explain.
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

/// Parses a required subject.
pub(super) fn required_subject(message: Option<pb::Subject>) -> Result<SubjectRef, InvalidField> {
    subject(message.ok_or_else(subject_missing)?)
}

/// Returns the error for a missing subject.
pub(super) fn subject_missing() -> InvalidField {
    InvalidField::new("subject", "is missing; give its `type` and `id`")
}

/// Parses the subject of a question.
pub(super) fn subject(message: pb::Subject) -> Result<SubjectRef, InvalidField> {
    let pb::Subject { r#type, id } = message;
    let kind: SubjectKind = word("subject.type", &r#type)?;
    let code = code("subject.id", &id)?;
    Ok(SubjectRef { kind, code })
}

/// Parses a required action.
pub(super) fn required_action(word: &str) -> Result<Action, InvalidField> {
    if word.is_empty() {
        return Err(action_missing());
    }
    action(word)
}

/// Returns the error for a missing action.
pub(super) fn action_missing() -> InvalidField {
    InvalidField::new(
        "action",
        "is missing; name a permission code or a level action such as `view`",
    )
}

/// Parses the action that the subject is to perform.
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

/// Parses the resource of a question.
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

/// Parses the context: the part of the resource that the question is about.
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

/// Parses a required code.
pub(super) fn code(path: &str, text: &str) -> Result<Code, InvalidField> {
    text.parse()
        .map_err(|invalid: InvalidCode| InvalidField::new(path, invalid.to_string()))
}

/// Returns a caller's value as an error may quote it.
pub(super) fn quoted(text: &str) -> String {
    if text.chars().nth(MAX_QUOTED_CHARS).is_none() {
        return text.to_owned();
    }
    text.chars().take(MAX_QUOTED_CHARS).chain(['…']).collect()
}

/// Parses an optional code.
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

/// Parses a value of a closed vocabulary.
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

//! Converts enum values of the contract to words: the value's name without its
//! enum's prefix, in lower case: `LEVEL_EXECUTE_AND_EDIT` is `execute_and_edit`.
//! An unspecified value has none.

use super::{CliError, counted::counted};
use crate::pb;

pub(super) fn level(level: pb::Level) -> Option<String> {
    word(level.as_str_name(), "LEVEL_")
}

pub(super) fn edit_mode(mode: pb::EditMode) -> Option<String> {
    word(mode.as_str_name(), "EDIT_MODE_")
}

pub(super) fn reason_code(code: pb::ReasonCode) -> Option<String> {
    word(code.as_str_name(), "REASON_CODE_")
}

pub(super) fn edition(edition: pb::Edition) -> Option<String> {
    word(edition.as_str_name(), "EDITION_")
}

pub(super) fn audience(audience: pb::Audience) -> Option<String> {
    word(audience.as_str_name(), "AUDIENCE_")
}

pub(super) fn caller_right(right: pb::CallerRight) -> Option<String> {
    word(right.as_str_name(), "CALLER_RIGHT_")
}

/// Returns the word of an enum value by its name and its enum's prefix.
pub(super) fn word(name: &str, prefix: &str) -> Option<String> {
    let word = name.strip_prefix(prefix).unwrap_or(name).to_lowercase();
    (word != "unspecified").then_some(word)
}

/// Renders an item for people: locale `de_DE`.
pub(super) fn item(item: &pb::Item) -> String {
    let pb::Item { r#type, id } = item;
    let entity = r#type.replace('_', " ");
    if id.is_empty() {
        format!("any {entity}")
    } else {
        format!("{entity} `{id}`")
    }
}

/// Parses a word: `find` looks up the value by its name, which begins with `prefix`.
///
/// # Errors
///
/// [`CliError::Word`] if `text` is none of the enum's words, which are `allowed`.
pub(super) fn parse<E>(
    text: &str,
    prefix: &str,
    find: fn(&str) -> Option<E>,
    what: &'static str,
    allowed: &'static str,
) -> Result<E, CliError> {
    let name = format!("{prefix}{}", text.to_uppercase());
    let value = find(&name).filter(|_| word(&name, prefix).is_some());
    value.ok_or_else(|| CliError::Word {
        what,
        word: text.to_owned(),
        allowed,
    })
}

/// Renders an item as it is written on the command line: `locale:de_DE`; `:` if
/// there is none.
pub(super) fn item_name(item: Option<&pb::Item>) -> String {
    let pb::Item { r#type, id } = item.cloned().unwrap_or_default();
    format!("{type}:{id}")
}

/// Renders a subject as it is written on the command line: `user:julia`.
pub(super) fn subject_name(subject: &pb::Subject) -> String {
    let pb::Subject { r#type, id } = subject;
    format!("{type}:{id}")
}

/// Renders a count and the revision at which it was true: `2 actions at revision 4`.
pub(super) fn counted_at(count: usize, entity: &str, revision: u64) -> String {
    format!("{} at revision {revision}", counted(count, entity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enum_value_is_its_own_name_in_lower_case() {
        assert_eq!(
            level(pb::Level::ExecuteAndEdit).as_deref(),
            Some("execute_and_edit")
        );
        assert_eq!(
            edit_mode(pb::EditMode::Proposal).as_deref(),
            Some("proposal")
        );
        assert_eq!(
            reason_code(pb::ReasonCode::AttributeGroup).as_deref(),
            Some("attribute_group")
        );
        assert_eq!(level(pb::Level::Unspecified), None);
    }
}

use crate::{
    domain::{Code, InvalidLabel, ItemKind, ItemRef, Label, Level},
    pb,
    rpc::{
        failure::{Failure, InvalidField, check_count},
        parse::{code, quoted, word},
        render,
    },
};

use super::writes::MOST_ENTRIES;

/// Parses the codes to delete.
pub(super) fn codes(field: &'static str, texts: &[String]) -> Result<Vec<Code>, Failure> {
    check_count(field, texts.len(), MOST_ENTRIES)?;
    Ok(list(field, texts)?)
}

/// Parses a list of codes in an entry.
pub(super) fn list(field: &str, texts: &[String]) -> Result<Vec<Code>, InvalidField> {
    let codes = texts.iter().enumerate();
    codes
        .map(|(index, text)| code(&format!("{field}[{index}]"), text))
        .collect()
}

/// Parses an optional list of codes.
pub(super) fn optional_codes(
    field: &str,
    message: Option<pb::CodeList>,
) -> Result<Option<Vec<Code>>, InvalidField> {
    let field = format!("{field}.codes");
    message
        .map(|message| list(&field, &message.codes))
        .transpose()
}

/// Parses a display name, which may be empty.
pub(super) fn label(field: &str, text: &str) -> Result<Label, InvalidField> {
    text.parse()
        .map_err(|invalid: InvalidLabel| InvalidField::new(field, invalid.to_string()))
}

/// Parses an item on which rights are granted.
pub(super) fn item(message: Option<pb::Item>) -> Result<ItemRef, InvalidField> {
    let missing = || InvalidField::new("item", "is missing; name the item by its type and id");
    let pb::Item { r#type, id } = message.ok_or_else(missing)?;
    Ok(ItemRef {
        kind: word("item.type", &r#type)?,
        code: code("item.id", &id)?,
    })
}

/// Parses a level that is allowed on items of `kind`, or [`Level::Hidden`]; an
/// unspecified one is rejected.
pub(super) fn level(field: &str, number: i32, kind: ItemKind) -> Result<Level, InvalidField> {
    let is_meant = |level: &&Level| i32::from(render::level(Some(**level))) == number;
    let found = kind.levels().iter().chain(&[Level::Hidden]).find(is_meant);
    found
        .copied()
        .ok_or_else(|| not_allowed(field, number, kind))
}

/// Parses a level as [`level`] does, but rejects [`Level::Hidden`].
pub(super) fn some_level(field: &str, number: i32, kind: ItemKind) -> Result<Level, InvalidField> {
    let level = level(field, number, kind)?;
    if level == Level::Hidden {
        return Err(not_allowed(field, number, kind));
    }
    Ok(level)
}

fn not_allowed(field: &str, number: i32, kind: ItemKind) -> InvalidField {
    let name = pb::Level::try_from(number);
    let name = name.map_or_else(
        |_| number.to_string(),
        |level| level.as_str_name().to_owned(),
    );
    let allowed: Vec<String> = kind
        .levels()
        .iter()
        .map(|level| format!("LEVEL_{}", <&str>::from(level).to_uppercase()))
        .collect();
    let name = quoted(&name);
    let message = format!(
        "`{name}` cannot be given on an item of type `{kind}`; allowed are: {}",
        allowed.join(", ")
    );
    InvalidField::new(field, message)
}

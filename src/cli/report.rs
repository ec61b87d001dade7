use clap::ValueEnum;
use comfy_table::{CellAlignment, Table, presets};
use prost::Name;
use serde::Serialize;

use super::{CliError, json, words};
use crate::pb;

/// How answers are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Tables and sentences.
    Table,
    /// One JSON document: the fields of the contract by their names, enums as
    /// the lower-case words of `docs/rules.md`, absent values `null`.
    Json,
}

/// The result of a command, which determines its exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Allowed, or done: status 0.
    Done,
    /// Denied, a failed audit verification, or a server without a lease: status 1.
    Denied,
    /// An error: status 2.
    Failed,
    /// An import was done, except for the rows that it left out: status 3.
    LeftOut,
}

/// The output of a command, and its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Text for standard output.
    pub out: String,
    /// Text for standard error.
    pub err: String,
    /// Determines the exit status.
    pub exit: Exit,
}

impl Exit {
    /// Returns the exit status of the process.
    #[must_use]
    pub fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Denied => 1,
            Self::Failed => 2,
            Self::LeftOut => 3,
        }
    }

    pub(super) fn of(allowed: bool) -> Self {
        if allowed { Self::Done } else { Self::Denied }
    }
}

impl Answer {
    /// Creates an answer with standard output only.
    pub(super) fn new(out: String, exit: Exit) -> Self {
        Self {
            out,
            err: String::new(),
            exit,
        }
    }

    /// Creates the answer for a response: the message itself as JSON, or `text` for
    /// people.
    pub(super) fn of<M: Name>(output: Output, response: &M, text: impl FnOnce() -> String) -> Self {
        let out = match output {
            Output::Table => text(),
            Output::Json => document(&json::Message::of(response)),
        };
        Self::new(out, Exit::Done)
    }

    /// Like [`Answer::of`], for one page of a list.
    pub(super) fn page<M: Name>(
        output: Output,
        response: &M,
        next_page_token: &str,
        text: impl FnOnce() -> String,
    ) -> Self {
        let mut answer = Self::of(output, response, text);
        if output == Output::Table {
            answer.err = more_line(next_page_token);
        }
        answer
    }

    /// Sets the result of the command.
    pub(super) fn with_exit(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    /// Creates the answer for an error: a sentence, or `{"error": …}` as JSON.
    #[must_use]
    pub fn failed(error: &CliError, output: Output) -> Self {
        let (out, err) = match output {
            Output::Table => (String::new(), format!("error: {error}\n")),
            Output::Json => (document(&json::Failed::render(error)), String::new()),
        };
        Self {
            out,
            err,
            exit: Exit::Failed,
        }
    }
}

/// Renders a JSON object on one line, with its line end.
pub(super) fn line(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value);
    // Never fails, see `document`.
    text.map(|text| text + "\n").unwrap_or_default()
}

/// Renders an indented JSON document, with its line end.
pub(super) fn document(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value);
    // Never fails: the values are plain structs of texts and numbers, or messages of
    // the contract under their own names.
    text.map(|text| text + "\n").unwrap_or_default()
}

/// Joins lines of text, each with its line end.
pub(super) fn lines(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().map(|line| line + "\n").collect()
}

/// Describes how to read the next page of a list; empty after the last page.
fn more_line(next_page_token: &str) -> String {
    if next_page_token.is_empty() {
        return String::new();
    }
    format!(
        "there is more: `--page-token {next_page_token}` shows the next page, `--all` everything\n"
    )
}

/// Renders aligned rows of a name and a value; rows without a value are left out.
pub(super) fn facts(rows: Vec<(&str, Option<String>)>) -> String {
    let rows: Vec<(&str, String)> = rows
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    lines(
        rows.iter()
            .map(|(name, value)| format!("  {name:width$} {value}")),
    )
}

/// Renders a table with a header, without borders; number columns align right.
pub(super) fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        let cells = rows.iter().filter_map(|row| row.get(at));
        if cells.into_iter().all(|cell| cell.parse::<u64>().is_ok()) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.add_rows(rows);
    let text = table.to_string();
    lines(text.lines().map(|line| line.trim_end().to_owned()))
}

/// Renders a table and the number of its rows; without rows the number alone.
pub(super) fn counted_table(
    header: &[&str],
    rows: Vec<Vec<String>>,
    entity: &str,
    revision: u64,
) -> String {
    let count = words::counted_at(rows.len(), entity, revision) + "\n";
    if rows.is_empty() {
        return count;
    }
    table(header, rows) + &count
}

/// Renders a decision in one line: `allowed, level own, edit mode direct`, or
/// `denied by locale: Needs …`.
#[must_use]
pub fn answer_sentence(decision: &pb::Decision) -> String {
    let level = words::level(decision.level()).map(|level| format!(", level {level}"));
    if decision.allowed {
        let mode = words::edit_mode(decision.edit_mode()).map(|mode| format!(", {mode}"));
        let (level, mode) = (level.unwrap_or_default(), mode.unwrap_or_default());
        return format!("allowed{level}{mode}");
    }
    let Some(reason) = &decision.reason else {
        return "denied".to_owned();
    };
    let code = words::reason_code(reason.code()).unwrap_or_default();
    format!("denied by {code}: {}", reason.message)
}

/// Renders a decision as `check` and `explain` print it.
pub(super) fn decision(decision: &pb::Decision, revision: u64) -> String {
    let reason = decision.reason.clone().unwrap_or_default();
    let headline = match (decision.allowed, reason.message.is_empty()) {
        (true, _) => "allowed".to_owned(),
        (false, true) => "denied".to_owned(),
        (false, false) => format!("denied: {}", reason.message),
    };
    let permission = (!reason.permission.is_empty()).then(|| reason.permission.clone());
    let rows = vec![
        ("level", words::level(decision.level())),
        ("edit mode", words::edit_mode(decision.edit_mode())),
        ("reason", words::reason_code(reason.code())),
        ("item", reason.item.as_ref().map(words::item)),
        ("needed", words::level(reason.needed())),
        ("held", words::level(reason.held())),
        ("permission", permission),
        ("revision", Some(revision.to_string())),
    ];
    format!("{headline}\n{}", facts(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied() -> pb::Decision {
        pb::Decision {
            allowed: false,
            level: pb::Level::View.into(),
            reason: Some(pb::Reason {
                code: pb::ReasonCode::Locale.into(),
                message: "Needs `edit` on locale `fr_FR`; held is `view`.".to_owned(),
                item: Some(pb::Item {
                    r#type: "locale".to_owned(),
                    id: "fr_FR".to_owned(),
                }),
                needed: pb::Level::Edit.into(),
                held: pb::Level::View.into(),
                permission: String::new(),
            }),
            ..Default::default()
        }
    }

    #[test]
    fn denial_shows_its_reason() {
        assert_eq!(
            decision(&denied(), 7),
            "denied: Needs `edit` on locale `fr_FR`; held is `view`.\n  \
             level    view\n  \
             reason   locale\n  \
             item     locale `fr_FR`\n  \
             needed   edit\n  \
             held     view\n  \
             revision 7\n"
        );
        assert_eq!(
            answer_sentence(&denied()),
            "denied by locale: Needs `edit` on locale `fr_FR`; held is `view`."
        );
    }

    #[test]
    fn allowed_edit_shows_its_mode() {
        let allowed = pb::Decision {
            allowed: true,
            level: pb::Level::Own.into(),
            edit_mode: pb::EditMode::Direct.into(),
            reason: None,
        };
        assert_eq!(
            decision(&allowed, 4),
            "allowed\n  level     own\n  edit mode direct\n  revision  4\n"
        );
        assert_eq!(answer_sentence(&allowed), "allowed, level own, direct");
    }

    #[test]
    fn exit_statuses_are_0_to_3() {
        let exits = [Exit::Done, Exit::Denied, Exit::Failed, Exit::LeftOut];
        assert_eq!(exits.map(Exit::status), [0, 1, 2, 3]);
        assert_eq!(
            (Exit::of(true), Exit::of(false)),
            (Exit::Done, Exit::Denied)
        );
    }

    #[test]
    fn error_is_printed_as_sentence_or_as_json() {
        let error = CliError::NeedsResource("--locale");
        let people = Answer::failed(&error, Output::Table);
        assert_eq!(people.err, "error: --locale needs a RESOURCE\n");
        assert_eq!((people.out.as_str(), people.exit), ("", Exit::Failed));
        let programs = Answer::failed(&error, Output::Json);
        let parsed: serde_json::Value = serde_json::from_str(&programs.out).unwrap();
        assert_eq!(parsed["error"]["message"], "--locale needs a RESOURCE");
        assert_eq!((programs.err.as_str(), programs.exit), ("", Exit::Failed));
    }
}

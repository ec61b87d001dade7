use serde::Serialize;

use super::ImportEnd;
use crate::{
    cli::{
        Answer, Exit, ImportArguments, Output, Refusal, effect, json,
        report::{document, lines, table},
    },
    pb,
};

/// Number of refused rows shown in table output; `--report` lists more.
const ROWS_SHOWN: usize = 20;

/// Number of entities kept unchanged that are shown in table output.
const KEPT_SHOWN: usize = 20;

/// Maximum number of entities kept unchanged that a server lists.
const MOST_KEPT: usize = 1_000;

/// The summary that the server sent, and why nothing was changed.
#[derive(Serialize)]
struct Summary<'a> {
    #[serde(flatten)]
    summary: json::Message<'a, pb::ImportSummary>,
    error: Option<&'a Refusal>,
}

/// Renders the result of an import, as tables or as JSON.
pub(super) fn show(end: &ImportEnd, arguments: &ImportArguments) -> Answer {
    let exit = match (&end.refusal, end.summary.refused_count) {
        (Some(_), _) => Exit::Failed,
        (None, 0) => Exit::Done,
        (None, _) => Exit::LeftOut,
    };
    let left_out = match exit {
        Exit::LeftOut => left_out(&end.summary, arguments),
        Exit::Done | Exit::Denied | Exit::Failed => String::new(),
    };
    match arguments.server.output {
        Output::Json => Answer {
            out: document(&Summary {
                summary: json::Message::of(&end.summary),
                error: end.refusal.as_ref(),
            }),
            err: left_out,
            exit,
        },
        Output::Table => Answer {
            out: left_out + &files(&end.summary) + &refused(&end.summary),
            err: String::new(),
            exit,
        }
        .with_outcome(end, arguments),
    }
}

impl Answer {
    fn with_outcome(mut self, end: &ImportEnd, arguments: &ImportArguments) -> Self {
        match &end.refusal {
            Some(refusal) if refusal.message.contains("nothing changed") => {
                self.err = format!("error: {refusal}\n");
            }
            Some(refusal) => self.err = format!("error: {refusal}\nnothing was changed\n"),
            None => self.out += &outcome(&end.summary, arguments),
        }
        self
    }
}

fn files(summary: &pb::ImportSummary) -> String {
    let header = [
        "file",
        "rows",
        "new",
        "changed",
        "unchanged",
        "removed",
        "refused",
    ];
    let rows = summary.files.iter().map(|file| {
        let counts = [
            file.rows,
            file.created,
            file.changed,
            file.unchanged,
            file.removed,
            file.refused,
        ];
        let name = std::iter::once(file.file.clone());
        name.chain(counts.map(|count| count.to_string())).collect()
    });
    let warnings = summary.files.iter().flat_map(|file| {
        let sentence = |warning| format!("{}: {warning}", file.file);
        file.warnings.iter().map(sentence)
    });
    table(&header, rows.collect()) + &lines(warnings)
}

/// Describes how many rows were left out and which entities stay unchanged.
fn left_out(summary: &pb::ImportSummary, arguments: &ImportArguments) -> String {
    let rows = match summary.refused_count {
        1 => "1 row".to_owned(),
        rows => format!("{rows} rows"),
    };
    let verb = if arguments.dry_run {
        "would be left out"
    } else {
        "left out"
    };
    let count = summary.kept.len();
    if count == 0 {
        return format!("{rows} {verb}; nothing that is stored is known to be named by them\n");
    }
    let most = if count >= MOST_KEPT { "at least " } else { "" };
    let things = match count {
        1 => "the 1 stored thing that they name keeps".to_owned(),
        count => format!("the {most}{count} stored things that they name keep"),
    };
    let shown = summary.kept.iter().take(KEPT_SHOWN);
    let shown = shown.map(|item| format!("  {} `{}`", item.r#type, item.id));
    let more = count.saturating_sub(KEPT_SHOWN);
    let more = (more > 0).then(|| format!("  … and {more} more (--output json lists them)"));
    format!("{rows} {verb}; {things} everything as it was:\n") + &lines(shown.chain(more))
}

fn refused(summary: &pb::ImportSummary) -> String {
    let shown = summary.refused.iter().take(ROWS_SHOWN).map(|row| {
        let column = if row.column.is_empty() {
            String::new()
        } else {
            format!(", column {}", row.column)
        };
        let place = match (row.file.as_str(), row.line) {
            ("", _) => return row.message.clone(),
            (file, 0) => file.to_owned(),
            (file, line) => format!("{file}:{line}"),
        };
        format!("{place}{column}: {}", row.message)
    });
    let more = summary.refused_count.saturating_sub(ROWS_SHOWN as u64);
    let more = (more > 0)
        .then(|| format!("… and {more} more refused rows (--report FILE lists the first 1,000)"));
    lines(shown.chain(more))
}

fn outcome(summary: &pb::ImportSummary, arguments: &ImportArguments) -> String {
    let found = summary.effect.clone().unwrap_or_default();
    if !arguments.dry_run {
        return effect::done("imported", summary.revision, &found);
    }
    let is_affected = found.subjects_affected + found.products_affected > 0;
    let affected = is_affected.then(|| effect::affected(&found));
    effect::dry_run("an import", &found, &affected.unwrap_or_default())
}

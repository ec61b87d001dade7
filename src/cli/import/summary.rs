use serde::Serialize;

use super::ImportEnd;
use crate::{
    cli::{
        Answer, Exit, ImportArguments, Output, Refusal,
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

#[derive(Serialize)]
struct Summary<'a> {
    revision: u64,
    effect: Effect<'a>,
    files: Vec<File<'a>>,
    refused: Vec<RefusedRow<'a>>,
    refused_count: u64,
    kept: Vec<Kept<'a>>,
    error: Option<&'a Refusal>,
}

#[derive(Serialize)]
struct Effect<'a> {
    created: u64,
    changed: u64,
    removed: u64,
    unchanged: u64,
    subjects_affected: u64,
    products_affected: u64,
    sample: &'a [String],
}

#[derive(Serialize)]
struct File<'a> {
    #[serde(rename = "file")]
    name: &'a str,
    rows: u64,
    created: u64,
    changed: u64,
    unchanged: u64,
    removed: u64,
    refused: u64,
    warnings: &'a [String],
}

#[derive(Serialize)]
struct Kept<'a> {
    #[serde(rename = "type")]
    item_type: &'a str,
    id: &'a str,
}

/// A refused row, as written to the summary and to the report.
#[derive(Serialize)]
pub(super) struct RefusedRow<'a> {
    file: &'a str,
    line: u64,
    column: &'a str,
    message: &'a str,
}

/// Returns the refused rows that the server lists.
pub(super) fn refused_rows(summary: &pb::ImportSummary) -> impl Iterator<Item = RefusedRow<'_>> {
    summary.refused.iter().map(|row| RefusedRow {
        file: &row.file,
        line: row.line,
        column: &row.column,
        message: &row.message,
    })
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
            out: document(&Summary::render(end)),
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
    let shown = refused_rows(summary).take(ROWS_SHOWN).map(|row| {
        let column = if row.column.is_empty() {
            String::new()
        } else {
            format!(", column {}", row.column)
        };
        let place = match (row.file, row.line) {
            ("", _) => return row.message.to_owned(),
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
    let effect = summary.effect.clone().unwrap_or_default();
    let pb::Effect {
        created,
        changed,
        removed,
        unchanged,
        subjects_affected,
        products_affected,
        sample,
    } = effect;
    let revision = summary.revision;
    let counts =
        format!("{created} created, {changed} changed, {removed} removed, {unchanged} unchanged");
    if arguments.dry_run {
        let sample = lines(sample.iter().map(|line| format!("  {line}")));
        let affected = match (subjects_affected, products_affected) {
            (0, 0) => String::new(),
            (subjects, products) => {
                format!("subjects affected: {subjects}; products affected: {products}\n")
            }
        };
        return format!(
            "dry run, nothing was changed; an import would give: {counts}\n{affected}{sample}"
        );
    }
    if created + changed + removed == 0 {
        return format!("nothing changed: all is as stored, at revision {revision}\n");
    }
    format!("imported at revision {revision}: {counts}\n")
}

impl<'a> Summary<'a> {
    fn render(end: &'a ImportEnd) -> Self {
        static NOTHING: pb::Effect = pb::Effect {
            created: 0,
            changed: 0,
            removed: 0,
            unchanged: 0,
            subjects_affected: 0,
            products_affected: 0,
            sample: Vec::new(),
        };
        let pb::ImportSummary {
            revision,
            effect,
            files,
            refused: _,
            refused_count,
            kept,
        } = &end.summary;
        Self {
            revision: *revision,
            effect: Effect::render(effect.as_ref().unwrap_or(&NOTHING)),
            files: files.iter().map(File::render).collect(),
            refused: refused_rows(&end.summary).collect(),
            refused_count: *refused_count,
            kept: kept.iter().map(Kept::render).collect(),
            error: end.refusal.as_ref(),
        }
    }
}

impl<'a> Kept<'a> {
    fn render(item: &'a pb::Item) -> Self {
        Self {
            item_type: &item.r#type,
            id: &item.id,
        }
    }
}

impl<'a> Effect<'a> {
    fn render(effect: &'a pb::Effect) -> Self {
        Self {
            created: effect.created,
            changed: effect.changed,
            removed: effect.removed,
            unchanged: effect.unchanged,
            subjects_affected: effect.subjects_affected,
            products_affected: effect.products_affected,
            sample: &effect.sample,
        }
    }
}

impl<'a> File<'a> {
    fn render(file: &'a pb::FileSummary) -> Self {
        Self {
            name: &file.file,
            rows: file.rows,
            created: file.created,
            changed: file.changed,
            unchanged: file.unchanged,
            removed: file.removed,
            refused: file.refused,
            warnings: &file.warnings,
        }
    }
}

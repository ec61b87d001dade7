use std::borrow::Cow;

use hashbrown::HashSet;

use super::{
    layout::Layout,
    quoting::shown,
    records::{Broken, Record, broken},
};

/// Maximum number of warnings about column names.
const MAX_WARNINGS: usize = 10;

/// Maximum number of columns named in a message.
const MAX_NAMED: usize = 30;

/// Column positions of one file.
#[derive(Debug)]
pub(super) struct Header {
    /// Name of the key column.
    pub(super) key: Cow<'static, str>,
    /// Number of cells in the header; no row has more.
    pub(super) width: usize,
    /// Warnings for the user.
    pub(super) warnings: Vec<String>,
    columns: Vec<(Cow<'static, str>, usize)>,
    /// Positions of the columns that are read, from 0, in ascending order.
    reads: Vec<usize>,
}

impl Header {
    /// Locates the columns of `layout` in the header line; unknown columns are
    /// ignored. `chosen` is the key column requested by the caller, if any.
    ///
    /// # Errors
    ///
    /// Fails on a duplicate column name or a missing required column.
    pub(super) fn parse(
        layout: &Layout,
        chosen: Option<&str>,
        record: Record<'_>,
    ) -> Result<Self, Broken> {
        let names: Vec<&str> = record.cells().collect();
        if let Some(duplicate) = find_duplicate(&names) {
            let message = format!(
                "the column {} is there twice; a name may stand once",
                shown(duplicate)
            );
            return Err(broken(record.line, message));
        }
        let place = |name: &str| names.iter().position(|found| *found == name);
        let key = if let Some(chosen) = chosen {
            place(chosen).map(|_| Cow::Owned(chosen.to_owned()))
        } else {
            let found = layout.keys.iter().find(|name| place(name).is_some());
            found.map(|name| Cow::Borrowed(*name))
        };
        let Some(key) = key else {
            let message = match chosen {
                Some(chosen) => no_chosen_key(chosen, &names),
                None => format!("the header has no key column; it needs {}", needed(layout)),
            };
            return Err(broken(record.line, message));
        };
        let missing: Vec<&str> = layout.required().filter(|n| place(n).is_none()).collect();
        if !missing.is_empty() {
            let message = format!("the header lacks {}", listed(&missing, "and"));
            return Err(broken(record.line, message));
        }
        let known: Vec<&'static str> = known(layout);
        let columns = known
            .iter()
            .map(|name| Cow::Borrowed(*name))
            .chain(chosen.map(|_| key.clone()))
            .filter_map(|name| Some((name.clone(), place(&name)?)));
        let columns: Vec<(Cow<'static, str>, usize)> = columns.collect();
        let warnings = warnings(&names, &columns, &known);
        let is_read = |column: &str| column == key || !layout.keys.contains(&column);
        let mut reads: Vec<usize> = columns
            .iter()
            .filter(|(name, _)| is_read(name))
            .map(|(_, place)| *place)
            .collect();
        reads.sort_unstable();
        Ok(Self {
            key,
            width: record.len(),
            warnings,
            columns,
            reads,
        })
    }

    /// True if the column at `place`, from 0, is the key or contributes to the row's
    /// entry. False for an unused candidate of the key.
    pub(super) fn reads(&self, place: usize) -> bool {
        self.reads.binary_search(&place).is_ok()
    }

    /// Returns the position of a column, from 0; `None` if the file lacks it.
    pub(super) fn place(&self, column: &str) -> Option<usize> {
        let (_, place) = self.columns.iter().find(|(name, _)| *name == column)?;
        Some(*place)
    }
}

/// Names the required columns, for a message.
pub(super) fn needed(layout: &Layout) -> String {
    let keys = listed(layout.keys, "or");
    let others: Vec<&str> = layout
        .required()
        .filter(|name| !layout.keys.contains(name))
        .collect();
    if others.is_empty() {
        return keys;
    }
    format!("{keys}; and {}", listed(&others, "and"))
}

fn known(layout: &Layout) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = layout.keys.to_vec();
    let others: Vec<&'static str> = layout.required().chain(layout.optional()).collect();
    names.extend(others);
    names.sort_unstable();
    names.dedup();
    names
}

/// Returns the first duplicate name. Unnamed columns may repeat, because
/// spreadsheets leave them behind.
fn find_duplicate<'a>(names: &[&'a str]) -> Option<&'a str> {
    let mut seen = HashSet::new();
    names
        .iter()
        .filter(|name| !name.is_empty())
        .find(|name| !seen.insert(**name))
        .copied()
}

/// Builds the message for a requested key column that the header lacks.
fn no_chosen_key(chosen: &str, names: &[&str]) -> String {
    let mut found: Vec<String> = names
        .iter()
        .take(MAX_NAMED)
        .map(|name| shown(name))
        .collect();
    if names.len() > MAX_NAMED {
        found.push("…".to_owned());
    }
    format!(
        "the header lacks the key column {} that was requested; its columns are {}",
        shown(chosen),
        found.join(", ")
    )
}

fn warnings(
    names: &[&str],
    read: &[(Cow<'static, str>, usize)],
    known: &[&'static str],
) -> Vec<String> {
    let is_read = |name: &str| read.iter().any(|(column, _)| column == name);
    let unread = names.iter().filter(|name| !is_read(name));
    unread
        .filter_map(|name| {
            let meant = known
                .iter()
                .find(|known| known.eq_ignore_ascii_case(name))?;
            Some(format!(
                "the column {} is ignored; the column that is read is `{meant}`",
                shown(name)
            ))
        })
        .take(MAX_WARNINGS)
        .collect()
}

fn listed(names: &[&str], joined: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [first @ .., last] if !first.is_empty() => {
            format!("{} {joined} {last}", first.join(", "))
        }
        _ => quoted.concat(),
    }
}

use std::{borrow::Cow, collections::HashSet};

use super::{
    cells::shown,
    layout::Layout,
    records::{Broken, Record, broken},
};

/// How many column names a warning each is given for.
const MAX_WARNINGS: usize = 10;

/// How many columns of a header a message names.
const MAX_NAMED: usize = 30;

/// Where the columns of one file stand.
#[derive(Debug)]
pub(super) struct Header {
    /// The name of the key column.
    pub(super) key: Cow<'static, str>,
    /// How many cells the line has; no row has more.
    pub(super) width: usize,
    /// What a person should know.
    pub(super) warnings: Vec<String>,
    columns: Vec<(Cow<'static, str>, usize)>,
    /// The places of the cells that are read, in order.
    reads: Vec<usize>,
}

impl Header {
    /// Finds the columns of `layout` in the header line; unknown ones are
    /// ignored. `chosen` is the key column that the caller named, if any.
    ///
    /// # Errors
    ///
    /// A name that is there twice, or a column that must be there and is not.
    pub(super) fn parse(
        layout: &Layout,
        chosen: Option<&str>,
        record: Record<'_>,
    ) -> Result<Self, Broken> {
        let names: Vec<&str> = record.cells().collect();
        if let Some(twice) = find_twice(&names) {
            let message = format!(
                "the column {} is there twice; a name may stand once",
                shown(twice)
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

    /// Whether the cells at `place`, from 0, are the key or part of what a row
    /// says. A column that would only be the key of other files is neither.
    pub(super) fn reads(&self, place: usize) -> bool {
        self.reads.binary_search(&place).is_ok()
    }

    /// Where the column stands, from 0; `None`: it is not there.
    pub(super) fn place(&self, column: &str) -> Option<usize> {
        let (_, place) = self.columns.iter().find(|(name, _)| *name == column)?;
        Some(*place)
    }
}

/// The columns that a header must have.
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

/// Columns without a name may be there often: spreadsheets leave them behind.
fn find_twice<'a>(names: &[&'a str]) -> Option<&'a str> {
    let mut seen = HashSet::new();
    let mut spelled = names.iter().filter(|name| !name.is_empty());
    spelled.find(|name| !seen.insert(**name)).copied()
}

/// Why the key column that the caller named is not one.
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
        "the header lacks the key column {} that was asked for; its columns are {}",
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
    let near = names.iter().filter(|name| !is_read(name));
    near.filter_map(|name| {
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

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use crate::{
    domain::{Chosen, Label},
    domain::{Code, InvalidCode},
};

use super::{header::Header, quoting::shown, records::Record};

/// Cells of one row, by column name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cells<'a> {
    header: &'a Header,
    record: Record<'a>,
}

/// Column of an invalid cell, and a message that states what is allowed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadCell {
    pub(super) column: Cow<'static, str>,
    pub(super) message: String,
}

impl<'a> Cells<'a> {
    pub(super) fn new(header: &'a Header, record: Record<'a>) -> Self {
        Self { header, record }
    }

    /// Returns the trimmed cell; `None` if the file lacks the column. A missing cell
    /// at the end of a row is empty.
    pub(super) fn find(&self, column: &str) -> Option<&'a str> {
        let place = self.header.place(column)?;
        Some(self.record.cell(place).unwrap_or_default())
    }

    /// Returns the trimmed cell; empty if the file lacks the column.
    pub(super) fn text(&self, column: &str) -> &'a str {
        self.find(column).unwrap_or_default()
    }

    /// Parses the row's key.
    pub(super) fn key(&self) -> Result<Code, BadCell> {
        let column = &self.header.key;
        code(column.clone(), self.text(column))
    }

    /// Parses the row's key, or the cell of the column `fallback` if the key cell is
    /// empty and that one is not.
    pub(super) fn key_or(&self, fallback: &'static str) -> Result<Code, BadCell> {
        let fallback_key = self.text(fallback);
        if self.text(&self.header.key).is_empty() && !fallback_key.is_empty() {
            return code(fallback, fallback_key);
        }
        self.key()
    }

    /// Returns a hash of the cells in columns that are not read; 0 if all are empty.
    /// Comparable only within one import.
    pub(super) fn rest(&self) -> i64 {
        let mut hasher = DefaultHasher::new();
        let mut any = false;
        for (place, cell) in self.record.cells().enumerate() {
            if !cell.is_empty() && !self.header.reads(place) {
                any = true;
                (place, cell).hash(&mut hasher);
            }
        }
        if any {
            hasher.finish().cast_signed()
        } else {
            0
        }
    }

    /// Parses a code; an empty cell is invalid.
    pub(super) fn code(&self, column: &'static str) -> Result<Code, BadCell> {
        code(column, self.text(column))
    }

    /// Parses a code; `None` if the cell is empty.
    pub(super) fn code_or_empty(&self, column: &'static str) -> Result<Option<Code>, BadCell> {
        let word = self.text(column);
        (!word.is_empty()).then(|| code(column, word)).transpose()
    }

    /// Parses a code, or an empty cell as `Some(None)`; `None` if the file lacks the
    /// column.
    #[expect(
        clippy::option_option,
        reason = "an absent column keeps what is stored, an empty cell empties it"
    )]
    pub(super) fn find_code(&self, column: &'static str) -> Result<Option<Option<Code>>, BadCell> {
        self.find(column)
            .map(|_| self.code_or_empty(column))
            .transpose()
    }

    /// Splits a comma-separated list into trimmed words, without empty ones.
    pub(super) fn words(&self, column: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let items = self.text(column).split(',').map(Code::trim);
        items.filter(|item| !item.is_empty())
    }

    /// Parses a list of codes, in the order of the file.
    pub(super) fn codes(&self, column: &'static str) -> Result<Vec<Code>, BadCell> {
        codes(column, self.words(column))
    }

    /// Parses a list of codes; `None` if the file lacks the column.
    pub(super) fn find_codes(&self, column: &'static str) -> Result<Option<Vec<Code>>, BadCell> {
        self.find(column).map(|_| self.codes(column)).transpose()
    }

    /// Parses a list of codes, or `*` for all, which overrides the codes beside it;
    /// `None` if the file lacks the column.
    pub(super) fn chosen(&self, column: &'static str) -> Result<Option<Chosen>, BadCell> {
        if self.find(column).is_none() {
            return Ok(None);
        }
        let codes = codes(column, self.words(column).filter(|word| *word != "*"))?;
        Ok(Some(if self.words(column).any(|word| word == "*") {
            Chosen::All
        } else {
            Chosen::Codes(codes)
        }))
    }

    /// Parses a boolean, with `default` for an empty cell; `None` if the file lacks
    /// the column.
    pub(super) fn find_flag(
        &self,
        column: &'static str,
        default: bool,
    ) -> Result<Option<bool>, BadCell> {
        let Some(word) = self.find(column) else {
            return Ok(None);
        };
        match word.to_ascii_lowercase().as_str() {
            "" => Ok(Some(default)),
            "1" | "true" => Ok(Some(true)),
            "0" | "false" => Ok(Some(false)),
            _ => Err(bad(
                column,
                format!(
                    "{} is neither yes nor no; allowed are `1`, `true`, `0`, `false` \
                     and an empty cell",
                    shown(word)
                ),
            )),
        }
    }

    /// Reads a label: empty, or valid as a code (1 to 255 bytes without control
    /// characters).
    pub(super) fn label(&self, column: &'static str) -> Result<Label, BadCell> {
        self.code_or_empty(column)?;
        // Valid as a code is valid as a label.
        Ok(Label::stored(self.text(column)))
    }
}

/// Parses a word as a code.
pub(super) fn code(column: impl Into<Cow<'static, str>>, word: &str) -> Result<Code, BadCell> {
    word.parse().map_err(|invalid: InvalidCode| {
        let what = if word.is_empty() {
            "the cell".to_owned()
        } else {
            shown(word)
        };
        bad(column, format!("{what} {invalid}"))
    })
}

fn codes<'a>(
    column: &'static str,
    words: impl Iterator<Item = &'a str>,
) -> Result<Vec<Code>, BadCell> {
    words.map(|word| code(column, word)).collect()
}

pub(super) fn bad(column: impl Into<Cow<'static, str>>, message: impl Into<String>) -> BadCell {
    BadCell {
        column: column.into(),
        message: message.into(),
    }
}

use std::{
    borrow::Cow,
    fmt::Write as _,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use crate::{
    admin::entry::Chosen,
    domain::{Code, InvalidCode},
};

use super::{header::Header, records::Record};

/// How much of a bad word a message repeats, in characters.
const MAX_SHOWN: usize = 80;

/// One row's cells by their columns' names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cells<'a> {
    header: &'a Header,
    record: Record<'a>,
}

/// A cell that holds no good value, and what is allowed there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadCell {
    pub(super) column: Cow<'static, str>,
    pub(super) message: String,
}

impl<'a> Cells<'a> {
    pub(super) fn new(header: &'a Header, record: Record<'a>) -> Self {
        Self { header, record }
    }

    /// The cell, without white space around it; `None` where the column is
    /// absent. A cell that is missing at the end of a row is empty.
    pub(super) fn find(&self, column: &str) -> Option<&'a str> {
        let place = self.header.place(column)?;
        Some(self.record.cell(place).unwrap_or_default())
    }

    /// The cell; empty where the column is absent.
    pub(super) fn text(&self, column: &str) -> &'a str {
        self.find(column).unwrap_or_default()
    }

    /// The row's key.
    pub(super) fn key(&self) -> Result<Code, BadCell> {
        let column = &self.header.key;
        code(column.clone(), self.text(column))
    }

    /// The row's key, or what stands in the column `spare` where the key cell is
    /// empty and the file has that column.
    pub(super) fn key_or(&self, spare: &'static str) -> Result<Code, BadCell> {
        let spared = self.text(spare);
        if self.text(&self.header.key).is_empty() && !spared.is_empty() {
            return code(spare, spared);
        }
        self.key()
    }

    /// A hash of the cells in columns that are not read; 0 if all are empty.
    /// Only hashes of one import are compared.
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

    /// A code that must be there.
    pub(super) fn code(&self, column: &'static str) -> Result<Code, BadCell> {
        code(column, self.text(column))
    }

    /// A code or nothing.
    pub(super) fn code_or_empty(&self, column: &'static str) -> Result<Option<Code>, BadCell> {
        let word = self.text(column);
        (!word.is_empty()).then(|| code(column, word)).transpose()
    }

    /// A code or nothing; `None` where the column is absent.
    #[expect(
        clippy::option_option,
        reason = "an absent column keeps what is stored, an empty cell empties it"
    )]
    pub(super) fn find_code(&self, column: &'static str) -> Result<Option<Option<Code>>, BadCell> {
        self.find(column)
            .map(|_| self.code_or_empty(column))
            .transpose()
    }

    /// The words of a list, without empty ones.
    pub(super) fn words(&self, column: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let items = self.text(column).split(',').map(Code::trim);
        items.filter(|item| !item.is_empty())
    }

    /// A list of codes, in the order in which they are written.
    pub(super) fn codes(&self, column: &'static str) -> Result<Vec<Code>, BadCell> {
        codes(column, self.words(column))
    }

    /// A list of codes; `None` where the column is absent.
    pub(super) fn find_codes(&self, column: &'static str) -> Result<Option<Vec<Code>>, BadCell> {
        self.find(column).map(|_| self.codes(column)).transpose()
    }

    /// A list of codes, or `*`, which wins over a list; `None` where the column
    /// is absent.
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

    /// Yes or no, an empty cell being `default`; `None` where the column is
    /// absent.
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

    /// What people call something: as long as a code may be, or empty.
    pub(super) fn label(&self, column: &'static str) -> Result<&'a str, BadCell> {
        self.code_or_empty(column)?;
        Ok(self.text(column))
    }
}

/// The code that a word is.
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

/// A word in backticks as a message repeats it: short, and on one line.
pub(super) fn shown(word: &str) -> String {
    let mut text = String::from("`");
    text.push_str(&brief(word));
    text.push('`');
    text
}

/// The beginning of a word, control characters escaped.
pub(super) fn brief(word: &str) -> String {
    let mut text = String::new();
    for (place, letter) in word.chars().enumerate() {
        if place == MAX_SHOWN {
            text.push('…');
            break;
        }
        if letter.is_control() {
            let _ = write!(text, "{}", letter.escape_default());
        } else {
            text.push(letter);
        }
    }
    text
}

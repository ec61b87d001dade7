//! What the PIM's export files say: CSV rows become entries
//! (`docs/import.md`).
//!
//! The bytes of the files arrive in pieces, as the stream brings them, and the
//! pieces of several files may interleave. A row is given away as soon as its
//! last byte is there; nothing but the unfinished record of each file is kept,
//! and that is at most [`MAX_RECORD_BYTES`] long: a million products stream in
//! bounded memory.
//!
//! Three things can be wrong. A bad *row* (a cell that is no code, a cell too
//! many) is refused and the next row is read. A bad *file* (no key column,
//! quotes that do not match, bytes that are not UTF-8) is refused and not read
//! any further; it refuses the import always. Whether what a row names *exists*
//! is not asked here: that is for the module `admin`, which stages the entries.
//!
//! `records` finds the records and holds the file to RFC 4180, `csv-core`
//! takes the quotes off, `layout` is the table of the files and their columns,
//! `header` finds the columns, `cells` reads words and `entries` puts an entry
//! together. Not taken: the reader of the crate `csv`, which pulls from a
//! blocking source and never finds fault with a file.

mod cells;
mod entries;
mod file;
mod header;
mod layout;
mod records;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::admin::entry::{ImportFile, Refusal, Row};

pub use self::records::MAX_RECORD_BYTES;
use self::{cells::brief, file::FileReader};

/// The warning for a file of 0 bytes.
pub const EMPTY_FILE: &str = "holds nothing (0 bytes); it is as if the file were not there";

/// How many names of other files are kept for the summary.
const MAX_IGNORED: usize = 100;

/// Reads all files of one import, piece by piece.
///
/// # Examples
///
/// ```
/// use pim_authz::import::Reader;
///
/// let mut reader = Reader::new();
/// assert!(reader.push("locales.csv", b"code\nen_").rows.is_empty());
/// assert_eq!(reader.push("locales.csv", b"US\nfr_FR").rows.len(), 1);
/// assert_eq!(reader.finish().batch.rows.len(), 1);
/// ```
#[derive(Debug, Default)]
pub struct Reader {
    files: BTreeMap<ImportFile, FileReader>,
    product_key: Option<String>,
    ignored: BTreeSet<String>,
}

/// What is known by now and was not given before.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The rows that parse, in the order of the file.
    pub rows: Vec<Row>,
    /// The rows that do not, and what is wrong with whole files.
    pub refused: Vec<Refusal>,
}

/// What is known only when all bytes are there.
#[derive(Debug, PartialEq, Eq)]
pub struct Finished {
    /// The last rows: those that no line feed ends.
    pub batch: Batch,
    /// The files that were there, in the order of [`ImportFile`].
    pub files: Vec<FileRead>,
    /// The files of 0 bytes: as if they were not there.
    pub empty: Vec<ImportFile>,
    /// The names of other files, which were not read; the first 100 of them.
    pub ignored: Vec<String>,
    /// Whether a whole file was refused, now or in an earlier batch: that
    /// refuses the import even where bad rows are skipped.
    pub fatal: bool,
}

/// One file that was there.
#[derive(Debug, PartialEq, Eq)]
pub struct FileRead {
    /// Which file it is.
    pub file: ImportFile,
    /// The rows in it, refused ones included, the header not counted; of a
    /// file that was refused as a whole, those before the fault.
    pub rows: u64,
    /// The name of its key column: `sku`, `code` …; empty if it has no header.
    pub key_column: String,
    /// What a person should know about it: columns that were meant, perhaps,
    /// and not read.
    pub warnings: Vec<String>,
}

impl Reader {
    /// A reader that no file has reached yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the column of this name as the key of `products.csv`, which must
    /// have it; it is not looked for in other files.
    #[must_use]
    pub fn with_product_key(self, column: String) -> Self {
        Self {
            product_key: Some(column),
            ..self
        }
    }

    /// Takes the next bytes of the file of that name and gives the rows that
    /// they complete. A name that is not exactly one of [`ImportFile`] is
    /// remembered and its bytes are dropped.
    pub fn push(&mut self, file: &str, content: &[u8]) -> Batch {
        let mut batch = Batch::default();
        if let Ok(known) = file.parse::<ImportFile>() {
            let product_key = &self.product_key;
            let chosen = || {
                product_key
                    .clone()
                    .filter(|_| known == ImportFile::Products)
            };
            self.files
                .entry(known)
                .or_insert_with(|| FileReader::new(known, chosen()))
                .push(content, &mut batch);
        } else if self.ignored.len() < MAX_IGNORED {
            self.ignored.insert(brief(file));
        }
        batch
    }

    /// Ends every file.
    #[must_use]
    pub fn finish(self) -> Finished {
        let mut batch = Batch::default();
        let mut files = Vec::new();
        let mut empty = Vec::new();
        let mut fatal = false;
        for (file, reader) in self.files {
            if reader.is_empty() {
                empty.push(file);
                continue;
            }
            let (read, refused) = reader.finish(&mut batch);
            files.push(read);
            fatal |= refused;
        }
        if files.is_empty() {
            batch.refused.push(nothing_known());
            fatal = true;
        }
        Finished {
            batch,
            files,
            empty,
            ignored: self.ignored.into_iter().collect(),
            fatal,
        }
    }
}

/// Refuses an import of which no file is known: it would create a tenant that
/// holds nothing.
fn nothing_known() -> Refusal {
    Refusal {
        file: String::new(),
        line: 0,
        column: String::new(),
        message: "none of the files that an import reads is there with content, such as \
                  `categories.csv`, `products.csv`, `users.csv`; docs/import.md names them all"
            .to_owned(),
        key: None,
    }
}

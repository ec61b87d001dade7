//! Streaming parser of the PIM's CSV export files: rows become entries
//! (`docs/import.md`).
//!
//! The files arrive in chunks, and chunks of several files may interleave. A row
//! is returned as soon as its last byte arrives. Only the unfinished record of
//! each file is buffered, at most [`MAX_RECORD_BYTES`] long, so a million products
//! stream in bounded memory.
//!
//! Errors have three scopes. A bad *row* (an invalid code, a cell too many) is
//! rejected, and parsing continues with the next row. A bad *file* (no key column,
//! unbalanced quotes, bytes that are not UTF-8) is rejected and not read further;
//! it always fails the import. Whether the entities that a row names *exist* is
//! not checked here, but by the module `admin`, which stages the entries.
//!
//! `records` splits a file into records and validates it against RFC 4180,
//! `csv-core` unquotes cells, `layout` is the table of files and their columns,
//! `header` locates the columns, `cells` parses cells and `entries` builds entries.
//! Not used: the reader of the crate `csv`, which pulls from a blocking source and
//! accepts malformed files.

mod cells;
mod entries;
mod file;
mod header;
mod layout;
mod quoting;
mod records;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::admin::entry::{ImportFile, Refusal, Row};

pub use self::records::MAX_RECORD_BYTES;
use self::{file::FileReader, quoting::brief};

/// Warning for a file of 0 bytes.
pub const EMPTY_FILE: &str = "holds nothing (0 bytes); it is as if the file were not there";

/// Maximum number of names of unknown files kept for the summary.
const MAX_IGNORED: usize = 100;

/// Parses all files of one import, chunk by chunk.
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

/// Rows and rejections completed by one chunk.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Valid rows, in the order of the file.
    pub rows: Vec<Row>,
    /// Rejected rows, and errors of whole files.
    pub refused: Vec<Refusal>,
}

/// Result of an import's files after their last byte.
#[derive(Debug, PartialEq, Eq)]
pub struct Finished {
    /// Last rows of files that do not end with a line feed, and remaining errors.
    pub batch: Batch,
    /// Files with content, in the order of [`ImportFile`].
    pub files: Vec<FileRead>,
    /// Files of 0 bytes, which are treated as absent.
    pub empty: Vec<ImportFile>,
    /// Names of unknown files, which were not read; the first 100 of them, sorted.
    pub ignored: Vec<String>,
    /// True if a whole file was rejected, now or in an earlier batch. This fails the
    /// import even if bad rows are skipped.
    pub fatal: bool,
}

/// Summary of one file with content.
#[derive(Debug, PartialEq, Eq)]
pub struct FileRead {
    /// Kind of the file.
    pub file: ImportFile,
    /// Number of rows, including rejected ones, without the header; of a file that
    /// was rejected as a whole, those before the error.
    pub rows: u64,
    /// Name of its key column: `sku`, `code` …; empty if it has no header.
    pub key_column: String,
    /// Warnings for the user about columns that are ignored, although their name
    /// differs from a known one only in case.
    pub warnings: Vec<String>,
}

impl Reader {
    /// Creates a reader without any files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the key column of `products.csv`, which must have a column of this name.
    /// Other files are unaffected.
    #[must_use]
    pub fn with_product_key(self, column: String) -> Self {
        Self {
            product_key: Some(column),
            ..self
        }
    }

    /// Parses the next chunk of the named file and returns the rows that it
    /// completes. For a name that is not exactly one of [`ImportFile`], records the
    /// name and ignores the content.
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

    /// Ends all files and returns the remaining rows and the summary.
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
            batch.refused.push(no_known_file());
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

/// Returns the error for an import without any known file, which would create an
/// empty tenant.
fn no_known_file() -> Refusal {
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

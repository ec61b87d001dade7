//! An import file, some of whose columns may be absent.

use crate::harness::File;

/// Name, columns, and the cells of each row.
#[derive(Clone, Debug)]
pub(super) struct FileRows {
    pub(super) name: &'static str,
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

/// One row of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileRow<'f> {
    columns: &'f [&'static str],
    cells: &'f [String],
}

impl FileRows {
    pub(super) fn rows(&self) -> impl Iterator<Item = FileRow<'_>> {
        self.rows.iter().map(|cells| FileRow {
            columns: &self.columns,
            cells,
        })
    }

    /// The file in the form in which it is imported.
    pub(super) fn file(&self) -> File {
        let mut content = self.columns.join(";");
        for row in &self.rows {
            content.push('\n');
            content.push_str(&row.join(";"));
        }
        content.push('\n');
        (self.name.to_owned(), content)
    }
}

impl<'f> FileRow<'f> {
    /// The cell of a column; `None` if the column is absent.
    pub(super) fn find(self, column: &str) -> Option<&'f str> {
        let at = self.columns.iter().position(|name| *name == column)?;
        Some(&self.cells[at])
    }

    /// The cell of a column that is always present.
    pub(super) fn cell(self, column: &str) -> &'f str {
        self.find(column).unwrap()
    }

    /// The words of a list; `None` if the column is absent.
    pub(super) fn list(self, column: &str) -> Option<Vec<String>> {
        let words = self.find(column)?.split(',');
        let words = words.filter(|word| !word.is_empty());
        Some(words.map(str::to_owned).collect())
    }

    /// A Boolean cell, empty meaning `default`; `None` if the column is absent.
    pub(super) fn flag(self, column: &str, default: bool) -> Option<bool> {
        match self.find(column)? {
            "" => Some(default),
            word => Some(word == "1"),
        }
    }
}

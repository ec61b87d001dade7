use std::collections::{BTreeMap, BTreeSet};

use crate::domain::Code;

use super::{
    entry::{ImportFile, Refusal},
    outcome::{FileReport, ImportReport, KeptItem},
};

/// The report of a running import, in bounded memory: counts per file, and the
/// first rejections in the order of file and line.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    files: BTreeMap<String, FileReport>,
    first: BTreeSet<Refusal>,
    refused_rows: u64,
    last_refused: (String, u64),
    /// True if something that cannot be skipped was rejected.
    refused_whole: bool,
    /// The files and keys of rejected rows, products and models excluded.
    left_out: BTreeSet<(ImportFile, Code)>,
    /// Files with rows rejected by an earlier pass: their kinds are not pruned.
    spared: BTreeSet<ImportFile>,
}

impl Report {
    /// Returns the entry of a file; adds it to the summary if needed.
    pub(super) fn file(&mut self, name: &str) -> &mut FileReport {
        self.files
            .entry(name.to_owned())
            .or_insert_with(|| FileReport {
                file: name.to_owned(),
                ..FileReport::default()
            })
    }

    /// Returns the entry of an import file.
    pub(super) fn known(&mut self, file: ImportFile) -> &mut FileReport {
        self.file(file.into())
    }

    /// Returns true if entities that these files do not list may be removed.
    ///
    /// A rejected row may name any entity, so its file prevents the pruning, with
    /// a warning.
    pub(super) fn may_prune(&mut self, files: &[ImportFile]) -> bool {
        for file in files {
            let is_spared = self.spared.contains(file);
            if let Some(report) = self.files.get_mut(<&str>::from(*file))
                && (is_spared || report.refused > 0)
            {
                let warning = "nothing is pruned: a row that was refused may name it".to_owned();
                if !report.warnings.contains(&warning) {
                    report.warn(warning);
                }
                return false;
            }
        }
        true
    }

    /// Returns the import files that have rejected rows.
    pub(super) fn refused_files(&self) -> BTreeSet<ImportFile> {
        let refused = self.files.values().filter(|file| file.refused > 0);
        refused.filter_map(|file| file.file.parse().ok()).collect()
    }

    /// Prevents the pruning of the kinds in these files, whether or not rows of
    /// them are rejected.
    pub(super) fn spare(&mut self, files: BTreeSet<ImportFile>) {
        self.spared = files;
    }

    /// True if something that cannot be skipped was rejected.
    pub(super) fn is_refused_whole(&self) -> bool {
        self.refused_whole
    }

    /// Returns the files and keys of rejected rows, products and models excluded,
    /// without those for which another row of the file was applied.
    pub(super) fn left_out(&self) -> &BTreeSet<(ImportFile, Code)> {
        &self.left_out
    }

    /// Records that a row with this key was applied.
    pub(super) fn carried_out(&mut self, file: ImportFile, key: &Code) {
        if !self.left_out.is_empty() {
            self.left_out.remove(&(file, key.clone()));
        }
    }

    /// Rejects the import for the effect of a file as a whole; skipping bad rows
    /// does not help.
    pub(super) fn refuse_whole(&mut self, file: ImportFile, message: String) {
        self.refused_whole = true;
        self.refuse(Refusal {
            file: file.to_string(),
            line: 0,
            column: String::new(),
            message,
            key: None,
        });
    }

    /// Adds a rejection. Rejections of one row, which come one after the other,
    /// are each listed, and the row is counted once.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        let place = (refusal.file.clone(), refusal.line);
        if refusal.line == 0 || place != self.last_refused {
            self.refused_rows += 1;
            // A rejection of the import as a whole belongs to no file.
            if !refusal.file.is_empty() {
                self.file(&refusal.file).refused += 1;
            }
        }
        self.last_refused = place;
        if let (Some(key), Ok(file)) = (&refusal.key, refusal.file.parse()) {
            self.left_out.insert((file, key.clone()));
        }
        self.first.insert(refusal);
        if self.first.len() > ImportReport::REFUSALS {
            self.first.pop_last();
        }
    }

    /// Counts rejected rows beyond the limit of listed ones.
    pub(super) fn refuse_unlisted(&mut self, file: ImportFile, rows: u64) {
        if rows > 0 {
            self.refused_rows += rows;
            self.known(file).refused += rows;
        }
    }

    /// Returns how many entity rows match what is stored; rights are counted one
    /// by one elsewhere.
    pub(super) fn unchanged_entities(&self) -> u64 {
        let entities = self
            .files
            .values()
            .filter(|file| !file.file.ends_with("_accesses.csv"));
        entities.map(|file| file.unchanged).sum()
    }

    /// True if the import may be applied.
    pub(super) fn is_acceptable(&self, skip_bad_rows: bool) -> bool {
        (skip_bad_rows && !self.refused_whole) || self.refused_rows == 0
    }

    pub(super) fn refused_rows(&self) -> u64 {
        self.refused_rows
    }

    /// Returns the report for the caller: the files by name, and the first
    /// rejections.
    pub(super) fn finish(self, kept: Vec<KeptItem>, applied: bool) -> ImportReport {
        ImportReport {
            files: self.files.into_values().collect(),
            refused: self.first.into_iter().collect(),
            refused_count: self.refused_rows,
            kept,
            applied,
        }
    }
}

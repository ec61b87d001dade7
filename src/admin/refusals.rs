use std::collections::{BTreeMap, BTreeSet};

use super::{
    entry::{ImportFile, Refusal},
    outcome::{FileReport, ImportOutcome},
};

/// What is said of each file while an import runs, in bounded memory: the first
/// refusals in the order of file and line, and counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    files: BTreeMap<String, FileReport>,
    first: BTreeSet<Refusal>,
    refused_rows: u64,
    last_refused: (String, u64),
    /// Whether something was refused that cannot be left out.
    refused_whole: bool,
}

impl Report {
    /// The entry of a file, which is in the summary from now on.
    pub(super) fn file(&mut self, name: &str) -> &mut FileReport {
        self.files
            .entry(name.to_owned())
            .or_insert_with(|| FileReport {
                file: name.to_owned(),
                ..FileReport::default()
            })
    }

    /// The entry of a file that is known.
    pub(super) fn known(&mut self, file: ImportFile) -> &mut FileReport {
        self.file(file.into())
    }

    /// Whether what the files do not name may go: a row that was refused may
    /// name anything, and then all of the kind stays.
    pub(super) fn may_prune(&mut self, files: &[ImportFile]) -> bool {
        for file in files {
            if let Some(report) = self.files.get_mut(<&str>::from(*file))
                && report.refused > 0
            {
                let warning = "nothing is pruned: a row that was refused may name it".to_owned();
                report.warn(warning);
                return false;
            }
        }
        true
    }

    /// Refuses the import for what a file as a whole would do; leaving bad rows
    /// out does not help.
    pub(super) fn refuse_whole(&mut self, file: ImportFile, message: String) {
        self.refused_whole = true;
        self.refuse(Refusal {
            file: file.to_string(),
            line: 0,
            column: String::new(),
            message,
        });
    }

    /// Notes a refusal; of one row's refusals, which come together, each is
    /// listed and the row is counted once.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        let place = (refusal.file.clone(), refusal.line);
        if refusal.line == 0 || place != self.last_refused {
            self.refused_rows += 1;
            // What is refused of the import as a whole is of no file.
            if !refusal.file.is_empty() {
                self.file(&refusal.file).refused += 1;
            }
        }
        self.last_refused = place;
        self.first.insert(refusal);
        if self.first.len() > ImportOutcome::REFUSALS {
            self.first.pop_last();
        }
    }

    /// Counts refused rows that are too many to be listed.
    pub(super) fn refuse_unlisted(&mut self, file: ImportFile, rows: u64) {
        if rows > 0 {
            self.refused_rows += rows;
            self.known(file).refused += rows;
        }
    }

    /// How many rows of entities say what is stored; rights are counted one by
    /// one elsewhere.
    pub(super) fn unchanged_entities(&self) -> u64 {
        let entities = self
            .files
            .values()
            .filter(|file| !file.file.ends_with("_accesses.csv"));
        entities.map(|file| file.unchanged).sum()
    }

    /// Whether the import may be applied.
    pub(super) fn is_acceptable(&self, skip_bad_rows: bool) -> bool {
        (skip_bad_rows && !self.refused_whole) || self.refused_rows == 0
    }

    pub(super) fn refused_rows(&self) -> u64 {
        self.refused_rows
    }

    /// The files by name, and the first refusals.
    pub(super) fn finish(self) -> (Vec<FileReport>, Vec<Refusal>) {
        (
            self.files.into_values().collect(),
            self.first.into_iter().collect(),
        )
    }
}

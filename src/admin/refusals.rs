use std::collections::{BTreeMap, BTreeSet};

use crate::domain::Code;

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
    /// The files and keys of refused rows, products and models aside.
    left_out: BTreeSet<(ImportFile, Code)>,
    /// Files of which an earlier run over the rows refused some.
    spared: BTreeSet<ImportFile>,
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

    /// The known files that have refused rows.
    pub(super) fn refused_files(&self) -> BTreeSet<ImportFile> {
        let refused = self.files.values().filter(|file| file.refused > 0);
        refused.filter_map(|file| file.file.parse().ok()).collect()
    }

    /// Prunes nothing of what these files hold, whatever is refused of them.
    pub(super) fn spare(&mut self, files: BTreeSet<ImportFile>) {
        self.spared = files;
    }

    /// Whether something was refused that cannot be left out.
    pub(super) fn is_refused_whole(&self) -> bool {
        self.refused_whole
    }

    /// The files and keys of refused rows, products and models aside, but for
    /// those that another row of the file was carried out for.
    pub(super) fn left_out(&self) -> &BTreeSet<(ImportFile, Code)> {
        &self.left_out
    }

    /// Notes that a row of this key was carried out.
    pub(super) fn carried_out(&mut self, file: ImportFile, key: &Code) {
        if !self.left_out.is_empty() {
            self.left_out.remove(&(file, key.clone()));
        }
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
            key: None,
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
        if let (Some(key), Ok(file)) = (&refusal.key, refusal.file.parse()) {
            self.left_out.insert((file, key.clone()));
        }
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

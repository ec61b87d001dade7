use crate::domain::{Code, Edition, Revision};

use super::entry::Refusal;

/// What a write changed, or would change. Counts stored things: one per entity,
/// one per (group, item) right; the group `All` of a new tenant and the private
/// group of a new app are entities as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Things that are new.
    pub created: u64,
    /// Things that are different.
    pub changed: u64,
    /// Things that are gone.
    pub removed: u64,
    /// Things that were named and stay as they were.
    pub unchanged: u64,
    /// Dry runs only: enabled subjects whose permissions or levels change.
    pub subjects_affected: u64,
    /// Dry runs only: products and models whose level changes for anyone.
    pub products_affected: u64,
    /// Dry runs only: at most [`Effect::SAMPLE`] sentences that say what would
    /// change.
    pub sample: Vec<String>,
}

impl Effect {
    /// The most sentences in a sample.
    pub const SAMPLE: usize = 20;

    /// Whether nothing is new, different or gone.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.created == 0 && self.changed == 0 && self.removed == 0
    }
}

/// What a write came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The tenant's revision after it; the current one where nothing changed.
    pub revision: Revision,
    /// What changed, or would change.
    pub effect: Effect,
}

/// The answer of a write: its own, or that of an earlier one with the same
/// idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered<A> {
    /// Its own.
    Now(A),
    /// The answer that was stored, as it was encoded.
    Before(Vec<u8>),
}

/// What an import removes: of each kind of thing whose file is there, what the
/// file does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prune {
    /// Nothing.
    Nothing,
    /// That, if it is a fifth of the kind or less; else the import is refused.
    UpToAFifth,
    /// That, however much it is.
    Everything,
}

/// What an import that was taken in does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportPhase {
    /// It is compared with what is stored.
    Comparing,
    /// The difference is written.
    Applying,
}

/// How an import is to be taken.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// The tenant's edition: required when it is new.
    pub edition: Option<Edition>,
    /// Leave refused rows out instead of refusing the import; not to be said
    /// when a whole file could not be read.
    pub skip_bad_rows: bool,
    /// What to remove of the kinds of things whose files are there.
    pub prune: Prune,
    /// Encodes the answer for a retry with the same idempotency key; it is
    /// stored in the transaction of the import.
    pub encode_answer: fn(&ImportOutcome) -> Vec<u8>,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            edition: None,
            skip_bad_rows: false,
            prune: Prune::Nothing,
            encode_answer: |_| Vec::new(),
        }
    }
}

/// What came of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportOutcome {
    /// The tenant's revision after it; the current one where nothing changed.
    pub revision: Revision,
    /// What changed, or would change.
    pub effect: Effect,
    /// One entry a file, in the order of the files' names.
    pub files: Vec<FileReport>,
    /// The first [`ImportOutcome::REFUSALS`] refusals in the order of file and
    /// line.
    pub refused: Vec<Refusal>,
    /// How many rows were refused.
    pub refused_count: u64,
    /// The first [`ImportOutcome::KEPT`] stored things, by type and code, that
    /// rows which were left out name: they keep everything they had.
    pub kept: Vec<KeptItem>,
    /// Whether it was applied, or would be in a dry run; otherwise nothing
    /// changed.
    pub applied: bool,
}

/// A stored thing that a row which was left out names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptItem {
    /// What it is, as in the audit log: `user`, `category`, `product` …
    pub item_type: &'static str,
    /// Its code.
    pub code: Code,
}

impl ImportOutcome {
    /// The most refusals that are listed.
    pub const REFUSALS: usize = 1_000;

    /// The most things that are listed as kept.
    pub const KEPT: usize = 1_000;
}

/// What came of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileReport {
    /// The file's name.
    pub file: String,
    /// Rows in it, the header not counted.
    pub rows: u64,
    /// Rows that define something new.
    pub created: u64,
    /// Rows that change something stored.
    pub changed: u64,
    /// Rows that say what is stored already.
    pub unchanged: u64,
    /// Stored things that the import removed: rights that a row does not name.
    pub removed: u64,
    /// Rows that were refused.
    pub refused: u64,
    /// What a person should know.
    pub warnings: Vec<String>,
}

impl FileReport {
    /// The most warnings of one file.
    pub const WARNINGS: usize = 100;

    /// Adds what a person should know, or that there is more of it.
    pub fn warn(&mut self, warning: String) {
        if self.warnings.len() < Self::WARNINGS {
            self.warnings.push(warning);
        } else if self.warnings.len() == Self::WARNINGS {
            self.warnings
                .push("there are more warnings than are listed".to_owned());
        }
    }
}

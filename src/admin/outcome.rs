use crate::domain::{Code, Edition, Revision};

use super::entry::Refusal;

/// What a write changed, or would change.
///
/// Counts stored entities and rights: one per entity, one per (group, item)
/// right. The group `All` of a new tenant and the private group of a new app are
/// entities as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Number of entities and rights created.
    pub created: u64,
    /// Number of entities and rights changed.
    pub changed: u64,
    /// Number of entities and rights removed.
    pub removed: u64,
    /// Number of entities and rights that the request names and that stay
    /// unchanged.
    pub unchanged: u64,
    /// Dry runs only: number of enabled subjects of which an answer changes: a
    /// permission, a level, or what they may do.
    pub subjects_affected: u64,
    /// Dry runs only: number of products and models on which the level of any
    /// subject, or what it may do, changes.
    pub products_affected: u64,
    /// Dry runs only: at most [`Effect::SAMPLE`] sentences that describe the
    /// change.
    pub sample: Vec<String>,
}

impl Effect {
    /// Maximum number of sentences in a sample.
    pub const SAMPLE: usize = 20;

    /// True if nothing is created, changed or removed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.created == 0 && self.changed == 0 && self.removed == 0
    }

    pub(super) fn add(&mut self, [created, changed, removed]: [u64; 3]) {
        self.created += created;
        self.changed += changed;
        self.removed += removed;
    }
}

/// The result of a write; `details` are those of its kind of change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written<D = ()> {
    /// The tenant's revision after it; the current one if nothing changed.
    pub revision: Revision,
    /// What changed, or would change.
    pub effect: Effect,
    /// What the result has besides.
    pub details: D,
}

/// Encodes the result of a write, to be stored for retries.
pub type Encode<D> = fn(&Written<D>) -> Vec<u8>;

/// The answer of a write: its own, or that of an earlier one with the same
/// idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered<D> {
    /// Its own answer.
    Fresh(Written<D>),
    /// The stored answer, as it was encoded.
    Replayed(Vec<u8>),
}

/// What an import removes of each kind of entity whose file it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prune {
    /// Nothing.
    Nothing,
    /// What the file does not list, if it is at most a fifth of the kind;
    /// otherwise the import is rejected.
    UpToAFifth,
    /// What the file does not list, however much it is.
    Everything,
}

/// The phase of an import whose rows have all been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportPhase {
    /// The rows are compared with what is stored.
    Comparing,
    /// The differences are written.
    Applying,
}

/// How an import is to be processed.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// The tenant's edition: required when it is new.
    pub edition: Option<Edition>,
    /// Skip rejected rows instead of rejecting the import; must not be set when a
    /// whole file could not be read.
    pub skip_bad_rows: bool,
    /// What to remove of the kinds of entities whose files the import has.
    pub prune: Prune,
    /// Encodes the answer for a retry with the same idempotency key; it is stored
    /// in the transaction of the import.
    pub encode_answer: Encode<ImportReport>,
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

/// What the result of an import has besides revision and effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// One entry per file, in the order of the files' names.
    pub files: Vec<FileReport>,
    /// The first [`ImportReport::REFUSALS`] rejections in the order of file and
    /// line.
    pub refused: Vec<Refusal>,
    /// Number of rejected rows.
    pub refused_count: u64,
    /// The first [`ImportReport::KEPT`] stored entities, by type and code, that
    /// skipped rows name: they stay unchanged.
    pub kept: Vec<KeptItem>,
    /// True if it was applied, or would be in a dry run; otherwise nothing
    /// changed.
    pub applied: bool,
}

/// A stored entity that a skipped row names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptItem {
    /// Its type, as in the audit log: `user`, `category`, `product` …
    pub item_type: &'static str,
    /// Its code.
    pub code: Code,
}

impl ImportReport {
    /// Maximum number of rejections listed.
    pub const REFUSALS: usize = 1_000;

    /// Maximum number of kept entities listed.
    pub const KEPT: usize = 1_000;
}

/// The result of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileReport {
    /// The file's name.
    pub file: String,
    /// Number of rows, without the header.
    pub rows: u64,
    /// Number of rows that create an entity.
    pub created: u64,
    /// Number of rows that change a stored entity.
    pub changed: u64,
    /// Number of rows that match what is stored.
    pub unchanged: u64,
    /// Number of stored entities that the import removed; in access files, of
    /// rights that no row lists.
    pub removed: u64,
    /// Number of rejected rows.
    pub refused: u64,
    /// Warnings for the user.
    pub warnings: Vec<String>,
}

impl FileReport {
    /// Maximum number of warnings per file, without the one that states there are
    /// more.
    pub const WARNINGS: usize = 100;

    /// Adds a warning, or, once, the note that there are more.
    pub fn warn(&mut self, warning: String) {
        if self.warnings.len() < Self::WARNINGS {
            self.warnings.push(warning);
        } else if self.warnings.len() == Self::WARNINGS {
            self.warnings
                .push("there are more warnings than are listed".to_owned());
        }
    }
}

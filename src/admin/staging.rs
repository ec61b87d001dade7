use crate::{
    domain::Code,
    store::{StagedProduct, StoreError},
};

use super::{
    entry::{Entry, ImportFile, KeyColumns, Refusal, Row},
    error::AdminError,
    import::rows::AccessRow,
    interned_names::Names,
    product_change::staged_product,
    refusals::Report,
    write_coordinator::{WriteCoordinator, slot::WriteSlot},
};

/// An import whose rows are being read.
///
/// Products and models are staged in temporary tables of a dedicated connection,
/// so that any number of them takes no memory here. Everything else is kept in
/// memory, and the caller that adds rows bounds its size. Dropping this discards
/// everything.
#[derive(Debug)]
pub struct Staging {
    pub(super) slot: WriteSlot,
    pub(super) tenant: Code,
    pub(super) rows: Vec<Row>,
    pub(super) access: Vec<AccessRow>,
    pub(super) groups: Names,
    pub(super) categories: Names,
    pub(super) products: u64,
    /// Rows of products and models that do not parse and whose key is known,
    /// until they are staged.
    pub(super) unread: Vec<StagedProduct>,
    pub(super) key_columns: KeyColumns,
    pub(super) report: Report,
    pub(super) files: Vec<ImportFile>,
}

impl Staging {
    /// Starts an import of a tenant, which need not exist yet; waits for a turn
    /// first.
    ///
    /// # Errors
    ///
    /// [`AdminError::Store`] when the database does not answer.
    pub async fn begin(coordinator: &WriteCoordinator, tenant: Code) -> Result<Self, AdminError> {
        let mut slot = coordinator.import_slot(&tenant).await?;
        slot.connection.prepare_staging().await?;
        Ok(Self {
            slot,
            tenant,
            rows: Vec::new(),
            access: Vec::new(),
            groups: Names::default(),
            categories: Names::default(),
            products: 0,
            unread: Vec::new(),
            key_columns: KeyColumns::default(),
            report: Report::default(),
            files: Vec::new(),
        })
    }

    /// Records that the import has a file: it appears in the summary, even
    /// without rows.
    pub fn record_file(&mut self, file: ImportFile) {
        self.report.known(file);
        if !self.files.contains(&file) {
            self.files.push(file);
        }
    }

    /// Records the name of the key column of a file in the import.
    pub fn record_key_column(&mut self, file: ImportFile, column: String) {
        self.key_columns.insert(file, column);
    }

    /// Records a file that is not one of the import files; the summary has a
    /// warning.
    pub fn ignored_file(&mut self, name: &str) {
        let warning = "ignored: not a file that is imported".to_owned();
        self.report.file(name).warn(warning);
    }

    /// Returns the approximate memory use, in bytes, of the names of products'
    /// categories; products themselves are not kept in memory.
    #[must_use]
    pub fn category_names_bytes(&self) -> usize {
        self.categories.bytes()
    }

    /// Adds a warning about a file to its summary.
    pub fn warn(&mut self, file: &str, warning: String) {
        self.report.file(file).warn(warning);
    }

    /// Adds and counts rows; stages products, including those rejected before.
    /// Batches of a few thousand are a good size.
    ///
    /// # Errors
    ///
    /// [`AdminError::Store`] when the database does not answer.
    pub async fn add(&mut self, rows: Vec<Row>) -> Result<(), AdminError> {
        let mut products = std::mem::take(&mut self.unread);
        for Row { place, entry } in rows {
            self.record_file(place.file);
            self.report.known(place.file).rows += 1;
            match entry {
                Entry::Product { product, rest } => {
                    products.push(staged_product(
                        place.line,
                        product,
                        rest,
                        &mut self.categories,
                    ));
                }
                Entry::Access(entry) => {
                    let row = AccessRow::new(place, entry, &mut self.groups);
                    self.access.push(row);
                }
                entry @ (Entry::UserGroup(_)
                | Entry::Role { .. }
                | Entry::Subject(..)
                | Entry::Item(_)
                | Entry::Category(_)
                | Entry::Channel(_)
                | Entry::Attribute(_)
                | Entry::GridView(_)
                | Entry::App(_)) => self.rows.push(Row { place, entry }),
            }
        }
        Ok(self.stage(products).await?)
    }

    /// Counts a row that does not parse and records why. Several rejections of
    /// one row must come one after the other; the row is counted once.
    pub fn refuse(&mut self, mut refusal: Refusal) {
        self.keep_unread(&mut refusal);
        let counted = self.report.refused_rows();
        let file = refusal.file.clone();
        let is_row = refusal.line != 0;
        self.report.refuse(refusal);
        if is_row && self.report.refused_rows() > counted {
            self.report.file(&file).rows += 1;
        }
    }

    /// Moves the key of a rejected row of products into `unread`: there may be
    /// too many to keep in memory.
    fn keep_unread(&mut self, refusal: &mut Refusal) {
        let model = match refusal.file.parse() {
            Ok(ImportFile::ProductModels) => true,
            Ok(ImportFile::Products) => false,
            Ok(_) | Err(_) => return,
        };
        if let Some(code) = refusal.key.take() {
            let (line, model) = (refusal.line, model);
            self.unread.push(StagedProduct::unread(line, model, code));
        }
    }

    async fn stage(&mut self, products: Vec<StagedProduct>) -> Result<(), StoreError> {
        if products.is_empty() {
            return Ok(());
        }
        self.products += u64::try_from(products.len()).unwrap_or(u64::MAX);
        self.slot.connection.stage_products(&products).await
    }
}

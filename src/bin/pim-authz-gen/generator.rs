//! Generates data sets for measurements: an import directory
//! (`docs/import.md`) of any size, the same bytes on every machine for the same
//! seed and sizes.
//!
//! Generated entities have names that a benchmark client can predict: products
//! `sku_1`, `sku_2` …, models `model_1` …, categories `cat_1` …, users `user_1` …,
//! and so on for everything that has a number. Three users are for measurements,
//! each the only member of a group of its own:
//!
//! | user | share accessible of the products that have categories |
//! |---|---|
//! | `reader_0_1` | about 0.1 % |
//! | `reader_10` | about 10 % |
//! | `reader_100` | all |
//!
//! `product_category_accesses.csv` has a row for each category, so that the group
//! `All` has no right on any. Each file draws from a random stream of its own:
//! more users do not change the products. Products are written as they are drawn;
//! memory use grows with the categories and the rights only.

mod catalog;
mod directory;
mod draws;
mod error;
mod folder;
mod names;
mod popularity;
mod reader;
mod readers;
mod rights;
mod size;
mod structure;

use std::path::Path;

pub(crate) use self::{error::GeneratorError, folder::Written, size::CatalogSize};

use self::{catalog::Catalog, folder::Folder, readers::Readers};

/// Writes a generated data set into `directory`, which must be new or empty.
///
/// # Errors
///
/// [`GeneratorError`] if the sizes are inconsistent, or the files cannot be
/// written; files written so far are kept.
pub(crate) fn generate(directory: &Path, size: &CatalogSize) -> Result<Written, GeneratorError> {
    size.check()?;
    let mut folder = Folder::create(directory)?;
    structure::write(&mut folder, size)?;
    directory::write(&mut folder, size)?;
    let catalog = Catalog::new(size);
    catalog.write(&mut folder)?;
    rights::write(&mut folder, size, &Readers::choose(&catalog, size.seed))?;
    Ok(folder.written(size.seed))
}

//! Makes worlds to measure with: an import directory (`docs/import.md`) of any
//! size, the same bytes on every machine for the same seed and sizes.
//!
//! What is made has names that a measuring client can guess: products `sku_1`,
//! `sku_2` …, models `model_1` …, categories `cat_1` …, users `user_1` …, and so
//! on for everything that has a number. Three users measure, each in a group of
//! its own that nobody else is in:
//!
//! | user | reaches of the products that have categories |
//! |---|---|
//! | `reader_0_1` | about 0.1 % |
//! | `reader_10` | about 10 % |
//! | `reader_100` | all |
//!
//! Whoever reads `product_category_accesses.csv` finds a row for each category,
//! so that the group `All` has no right on any. Each file draws from a random
//! stream of its own: to ask for more users does not change the products.
//! Products are written as they are drawn; what is kept in memory grows with
//! the categories and the rights alone.

mod catalog;
mod directory;
mod draws;
mod error;
mod folder;
mod names;
mod popularity;
mod readers;
mod rights;
mod size;
mod structure;

use std::path::Path;

pub use self::{error::GeneratorError, folder::Written, size::WorldSize};

use self::{catalog::Catalog, folder::Folder, readers::Readers};

/// Writes a made world into `directory`, which is new or empty.
///
/// # Errors
///
/// [`GeneratorError`] when the sizes do not go together, or the directory
/// cannot take the files; what was written so far stays.
pub fn generate(directory: &Path, size: &WorldSize) -> Result<Written, GeneratorError> {
    size.check()?;
    let mut folder = Folder::create(directory)?;
    structure::write(&mut folder, size)?;
    directory::write(&mut folder, size)?;
    let catalog = Catalog::new(size);
    catalog.write(&mut folder)?;
    rights::write(&mut folder, size, &Readers::choose(&catalog, size.seed))?;
    Ok(folder.written(size.seed))
}

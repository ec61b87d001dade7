//! A catalog of any size, made from a seed: the files of an import.
//!
//! The same seed and plan give the same bytes on every machine. Rows are written
//! as they are made, so memory does not grow with the number of products.
//!
//! Some categories hold many more products than others, as in real catalogs:
//! their popularity follows Zipf's law. Three users are there to measure with:
//! `reader_0_1`, `reader_10` and `reader_100` may view about 0.1 %, 10 % and
//! 100 % of the products, each by a user group of its own.

mod access;
mod catalog;
mod directory;
mod files;
mod popularity;

use std::{
    io,
    path::{Path, PathBuf},
};

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};

use self::{files::Files, popularity::Popularity};

/// What to make.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// How many products; a quarter are variants, if there are models.
    pub products: u32,
    /// How many product models; a fifth of them lie below another one.
    pub models: u32,
    /// How many categories.
    pub categories: u32,
    /// How many trees they are in; at least 1, at most `categories`.
    pub trees: u32,
    /// How many users besides those to measure with.
    pub users: u32,
    /// How many user groups besides those of the users to measure with.
    pub groups: u32,
    /// In how many groups each user is.
    pub groups_per_user: u32,
    /// How many categories each group may view.
    pub categories_per_group: u32,
    /// Of a thousand products, how many lie in no category.
    pub uncategorised_per_mille: u32,
    /// The exponent of Zipf's law, for how popular categories are; 0: all
    /// alike.
    pub zipf: f64,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many files.
    pub files: usize,
    /// How many rows in all of them, headers aside.
    pub rows: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// Why nothing, or not everything, was made.
#[derive(Debug, thiserror::Error)]
pub enum GeneratorError {
    /// The folder holds something already.
    #[error("`{0}` is not empty; name a new folder")]
    NotEmpty(PathBuf),

    /// A number of the plan does not fit another one.
    #[error("{field} is {found}; allowed are {allowed}")]
    Invalid {
        /// The number, as an option of the command line.
        field: &'static str,
        /// What it is.
        found: String,
        /// What it may be.
        allowed: String,
    },

    /// A file cannot be written.
    #[error("cannot write `{path}`")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Plan {
    /// Makes the files in `folder`, which is new or empty.
    ///
    /// # Errors
    ///
    /// [`GeneratorError`] when the plan or the folder is no good, or the disk is
    /// full.
    pub fn make(&self, folder: &Path) -> Result<Report, GeneratorError> {
        self.check()?;
        let mut files = Files::in_new_folder(folder)?;
        let popularity = Popularity::new(self, &mut self.chance(Topic::Popularity));
        catalog::write(self, &popularity, &mut files)?;
        directory::write(self, &mut files)?;
        access::write(self, &popularity, &mut files)?;
        Ok(files.report())
    }

    fn check(&self) -> Result<(), GeneratorError> {
        let within = |field, found: u32, most: u32, least: u32| {
            if (least..=most).contains(&found) {
                return Ok(());
            }
            Err(GeneratorError::Invalid {
                field,
                found: found.to_string(),
                allowed: format!("{least} to {most}"),
            })
        };
        within("--products", self.products, 100_000_000, 0)?;
        within("--models", self.models, 100_000_000, 0)?;
        within("--categories", self.categories, 1_000_000, 1)?;
        within("--trees", self.trees, self.categories, 1)?;
        within("--users", self.users, 10_000_000, 0)?;
        within("--groups", self.groups, 100_000, 1)?;
        within("--groups-per-user", self.groups_per_user, self.groups, 0)?;
        within(
            "--categories-per-group",
            self.categories_per_group,
            self.categories,
            0,
        )?;
        within(
            "--uncategorised-per-mille",
            self.uncategorised_per_mille,
            1_000,
            0,
        )?;
        if !(0.0..=10.0).contains(&self.zipf) {
            return Err(GeneratorError::Invalid {
                field: "--zipf",
                found: self.zipf.to_string(),
                allowed: "0 to 10".to_owned(),
            });
        }
        Ok(())
    }

    /// The chance that decides one topic, whatever was made before.
    fn chance(&self, topic: Topic) -> ChaCha8Rng {
        let mut chance = ChaCha8Rng::seed_from_u64(self.seed);
        chance.set_stream(topic as u64);
        chance
    }
}

/// What chance decides, each apart from the others.
#[derive(Clone, Copy, Debug)]
enum Topic {
    Popularity = 1,
    Models,
    Products,
    Users,
    Groups,
}

#[cfg(test)]
mod tests;

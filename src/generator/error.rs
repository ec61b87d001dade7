use std::{io, path::PathBuf};

/// Why a world was not made.
#[derive(Debug, thiserror::Error)]
pub enum GeneratorError {
    /// An option that does not fit the others, or what an import takes.
    #[error("`--{option}` is {given}; allowed is {least} to {most}")]
    OutOfRange {
        /// The option, without its dashes.
        option: &'static str,
        /// What was asked for.
        given: String,
        /// The least that is allowed, given the other options.
        least: String,
        /// The most that is allowed, given the other options.
        most: String,
    },

    /// The directory holds something already, which an import would read.
    #[error("`{0}` is not empty; name a new or empty directory")]
    NotEmpty(PathBuf),

    /// A file or the directory could not be written.
    #[error("cannot write `{path}`")]
    Unwritable {
        /// What could not be written.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

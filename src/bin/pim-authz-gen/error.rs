use std::{io, path::PathBuf};

/// The reason why a data set was not generated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GeneratorError {
    /// An option does not fit the others, or an import would reject its value.
    #[error("`--{option}` is {given}; allowed is {least} to {most}")]
    OutOfRange {
        /// Name of the option, without its dashes.
        option: &'static str,
        /// The given value.
        given: String,
        /// The minimum, given the other options.
        least: String,
        /// The maximum, given the other options.
        most: String,
    },

    /// The directory is not empty: an import would read its other files as well.
    #[error("`{0}` is not empty; name a new or empty directory")]
    NotEmpty(PathBuf),

    /// A file or the directory could not be written.
    #[error("cannot write `{path}`")]
    Unwritable {
        /// Path that could not be written.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
}

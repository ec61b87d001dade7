//! The command `pim-authz-gen`.

// As the tests include it: its modules are beside it.
#[path = "generator.rs"]
mod generator;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use self::generator::CatalogSize;
use clap::Parser;

/// Generates a data set for measurements: a directory for `pim-authz import`.
///
/// The same seed and sizes make the same bytes on every machine. Everything
/// that has a number is named by it: `sku_1`, `model_1`, `cat_1`, `user_1`,
/// `group_1`. The user `admin` is the administrator; the users `reader_0_1`,
/// `reader_10` and `reader_100` reach about 0.1 %, 10 % and 100 % of the
/// products. Import it into an enterprise tenant. Exit status: 0 done, 2 error.
#[derive(Debug, Parser)]
#[command(name = "pim-authz-gen", version)]
struct Arguments {
    /// The directory to write; new or empty.
    directory: PathBuf,

    /// How much to write.
    #[command(flatten)]
    size: CatalogSize,
}

fn main() -> ExitCode {
    let Arguments { directory, size } = Arguments::parse();
    match generator::generate(&directory, &size) {
        Ok(written) => {
            // Best effort: the files are written even if standard output is closed.
            writeln!(io::stdout(), "{written}").ok();
            ExitCode::SUCCESS
        }
        Err(error) => {
            // Best effort: standard error may be closed as well.
            writeln!(io::stderr(), "error: {:#}", anyhow::Error::from(error)).ok();
            ExitCode::from(2)
        }
    }
}

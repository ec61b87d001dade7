//! The command `pim-authz-gen`: makes a catalog of any size for an import.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use pim_authz::generator::{Plan, Report};

/// Makes the files of an import: a catalog of any size with its users and
/// rights, from a seed.
///
/// The users `reader_0_1`, `reader_10` and `reader_100` may view about 0.1 %,
/// 10 % and 100 % of the products. Import it with
/// `pim-authz import DIR --edition enterprise`.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The folder to make the files in; new or empty.
    dir: PathBuf,
    /// Decides everything that is left to chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many products, up to 100 million; a quarter are variants.
    #[arg(long, default_value_t = 100_000)]
    products: u32,
    /// How many product models; a fifth of them lie below another one.
    /// [default: a twentieth of the products]
    #[arg(long)]
    models: Option<u32>,
    /// How many categories.
    #[arg(long, default_value_t = 500)]
    categories: u32,
    /// How many trees they are in.
    #[arg(long, default_value_t = 5)]
    trees: u32,
    /// How many users, besides those to measure with.
    #[arg(long, default_value_t = 200)]
    users: u32,
    /// How many user groups, besides those of the users to measure with.
    #[arg(long, default_value_t = 20)]
    groups: u32,
    /// In how many groups each user is.
    #[arg(long, default_value_t = 3)]
    groups_per_user: u32,
    /// How many categories each group may view; of those it edits a half and
    /// owns a fifth. [default: a fifth of the categories]
    #[arg(long)]
    categories_per_group: Option<u32>,
    /// Of a thousand products, how many lie in no category.
    #[arg(long, default_value_t = 1)]
    uncategorised_per_mille: u32,
    /// The exponent of Zipf's law, by which some categories hold many more
    /// products than others; 0: all alike.
    #[arg(long, default_value_t = 0.7)]
    zipf: f64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed;
    match arguments.plan().make(&arguments.dir) {
        Ok(Report { files, rows, bytes }) => {
            let dir = arguments.dir.display();
            println!(
                "made {files} files with {rows} rows, {bytes} bytes, in `{dir}` from seed {seed}"
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {:#}", anyhow::Error::from(error));
            ExitCode::from(2)
        }
    }
}

impl Arguments {
    fn plan(&self) -> Plan {
        Plan {
            seed: self.seed,
            products: self.products,
            models: self.models.unwrap_or(self.products / 20),
            categories: self.categories,
            trees: self.trees.min(self.categories),
            users: self.users,
            groups: self.groups,
            groups_per_user: self.groups_per_user.min(self.groups),
            categories_per_group: self.categories_per_group.unwrap_or(self.categories / 5),
            uncategorised_per_mille: self.uncategorised_per_mille,
            zipf: self.zipf,
        }
    }
}

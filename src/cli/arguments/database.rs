use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;

/// Which database to work on: its URL, or a file that holds it.
#[derive(Clone, Debug, Args)]
#[group(id = "database", multiple = false)]
pub struct DatabaseArguments {
    /// The URL of the database. It may hold a password, which others on this machine
    /// can see in the list of processes: rather set the variable, or name a file.
    #[arg(
        long,
        env = "PIM_AUTHZ_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub database_url: Option<SecretString>,
    /// A file with the URL of the database, such as a secret of the platform; read at
    /// the start.
    #[arg(long, env = "PIM_AUTHZ_DATABASE_URL_FILE", value_name = "FILE")]
    pub database_url_file: Option<PathBuf>,
}
